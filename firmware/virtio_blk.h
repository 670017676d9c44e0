/* virtio_blk.h - polling driver for the two disks of the machine. */
#ifndef FIRMWARE_VIRTIO_BLK_H
#define FIRMWARE_VIRTIO_BLK_H

#include "firmware/disk.h"

/* Looks on PCI bus 0 for the block device whose GET_ID text is `serial`. One disk in use per call; the static state
 * behind it holds two, "root" and "aux". */
fw_why virtio_blk_find(const char *serial, struct disk **disk);

/* Resets every device that was found and takes it off the bus again: the kernel finds them as after power-on. */
void virtio_blk_release(void);

#endif
