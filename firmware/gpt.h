/* gpt.h - finds a partition by its name in a GUID partition table (UEFI 2.10, 5.3). */
#ifndef FIRMWARE_GPT_H
#define FIRMWARE_GPT_H

#include "firmware/disk.h"

struct partition {
    struct disk *disk;
    uint64_t first, sectors;
};

/* Reads the primary table, or the one at the end of the disk when that is damaged. name: ASCII. */
fw_why gpt_find(struct disk *disk, const char *name, struct partition *out);

fw_why partition_read(const struct partition *p, uint64_t sector, uint32_t sectors, void *memory);

#endif
