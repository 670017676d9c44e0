/* virtio_fs.h - file system device (VIRTIO 1.2, 5.11) on a backend/ share. */
#ifndef DEV_VIRTIO_FS_H
#define DEV_VIRTIO_FS_H

#include "backend/share.h"
#include "dev/virtio.h"

/* share: owned from here on. tag: 1 to SHARE_TAG_MAX bytes, what the guest mounts it by. NULL: no memory. */
struct virtio *virtio_fs_create(struct bus *bus, struct share *share, const char *tag);

/* Waits until no request is under way; the device must be held. Machine lock not held. */
bool virtio_fs_drain(struct virtio *v, unsigned timeout_ms);

/* What the guest knows of files, for a saved machine: share_save and share_load. Nothing is under way. A note says when something is not there any more. */
void virtio_fs_save(struct virtio *v, struct records *out);
bool virtio_fs_load(struct virtio *v, const uint8_t *bytes, size_t n, struct pome_error *err);

#endif
