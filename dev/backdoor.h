/* backdoor.h - the boot ROM's way to the disks on the Apple-style platform, without PCI or interrupts. */
#ifndef DEV_BACKDOOR_H
#define DEV_BACKDOOR_H

#include "backend/disk.h"
#include "bus/bus.h"

#define BACKDOOR_BYTES 0x200000u

/* The disks are borrowed, and live longer; NULL: there is none of this role. NULL: no memory. */
struct device *backdoor_create(struct bus *bus, struct disk *root, struct disk *aux);

#endif
