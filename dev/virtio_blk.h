/* virtio_blk.h - block device (VIRTIO 1.2, 5.2) on a backend/ disk. */
#ifndef DEV_VIRTIO_BLK_H
#define DEV_VIRTIO_BLK_H

#include "backend/disk.h"
#include "dev/virtio.h"

/* disk: owned from here on. serial: at most 20 bytes, NULL: none. role: Apple's number in the configuration field that
 * VIRTIO calls max_secure_erase_sectors, 0: none. apple: with Apple's PCI identifiers. NULL: no memory. */
struct virtio *virtio_blk_create(struct bus *bus, struct disk *disk, const char *serial, uint32_t role, bool apple);

/* What a request asks for, once its 16 header bytes are known; the parser is pure so that it can be tested alone. */
struct blk_request {
    enum disk_op op;
    uint64_t offset, bytes;
    enum { BLK_IO, BLK_ID, BLK_NOTHING } kind;
    uint8_t status; /* answer if kind is BLK_NOTHING */
};
/* out_bytes, in_bytes: data behind the header, data before the status byte. segment: the first 16 bytes of the data. */
struct blk_request blk_parse(const uint8_t header[16], uint64_t out_bytes, uint64_t in_bytes, const uint8_t segment[16],
                             uint64_t disk_bytes, bool read_only);

#endif
