/* disk.h - what the readers (GPT, FAT, NVRAM, loader) see of a disk: 512-byte sectors, whole reads. */
#ifndef FIRMWARE_DISK_H
#define FIRMWARE_DISK_H

#include "firmware/fw.h"

#define SECTOR 512

struct disk {
    uint64_t sectors;
    /* Both check the range against `sectors`. memory: any alignment. */
    fw_why (*read)(struct disk *d, uint64_t lba, uint32_t sectors, void *memory);
    fw_why (*write)(struct disk *d, uint64_t lba, uint32_t sectors, const void *memory);
};

static inline bool disk_holds(const struct disk *d, uint64_t lba, uint64_t sectors)
{
    return lba <= d->sectors && sectors <= d->sectors - lba;
}

#endif
