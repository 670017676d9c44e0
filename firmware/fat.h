/* fat.h - reads files by 8.3 path from a FAT32 volume (Microsoft FAT specification 1.03). */
#ifndef FIRMWARE_FAT_H
#define FIRMWARE_FAT_H

#include "firmware/gpt.h"

struct fat {
    struct partition part;
    uint32_t cluster_sectors, fat_first, fat_sectors, data_first, root;
    uint32_t clusters_end; /* cluster numbers are 2 .. clusters_end-1 */
};

struct fat_file {
    uint32_t cluster, bytes;
};

fw_why fat_open(struct partition part, struct fat *out);

/* path: "/DIR/NAME.EXT", upper case. */
fw_why fat_find(const struct fat *fs, const char *path, struct fat_file *out);

/* Reads the file's first `bytes` bytes, rounded up to sectors: memory must hold that. */
fw_why fat_read(const struct fat *fs, const struct fat_file *file, void *memory, uint32_t bytes);

#endif
