/*
 * fat.h - FAT32 volumes: planned and written as a stream, read from memory (FAT specification 1.03, Microsoft 2000).
 *
 * Writing: the files and their sizes are known in advance, so each file is one run of clusters whose place is known before
 * a byte is written. The caller writes the files' contents at `offset`, and the blocks that fat_block gives; all else of the
 * volume must read as zero.
 */
#ifndef FORMATS_FAT_H
#define FORMATS_FAT_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { FAT_CLUSTER = 4096, FAT_FILES_MAX = 64, FAT_DIRS_MAX = 16 };

struct fat_file {
    const char *path; /* "BOOT/KERNEL.IM4": 8.3 names, upper-case letters, digits, '_' and '-' */
    uint64_t size;    /* below 4 GiB */
    uint64_t offset;  /* out: of its first byte in the volume */
    uint32_t cluster; /* out: its first cluster; 0 when it is empty */
};

struct fat_dir {
    char path[80];
    uint32_t parent; /* index; the root is 0 */
    uint32_t cluster;
};

struct fat_plan {
    uint64_t bytes;
    uint32_t hidden, serial, fat_sectors, clusters, used; /* used: clusters 2 .. used-1 are taken */
    char label[11];
    uint16_t date, time;
    struct fat_file *files; /* the caller's */
    size_t n_files, n_dirs;
    struct fat_dir dirs[FAT_DIRS_MAX];
};

/* Plans a volume of `bytes` (256 MiB .. 2 TiB) that begins at sector `hidden` of its disk. files[] is the caller's and must live as long as the
 * plan. Errors: INVALID_DATA (a name), OUT_OF_DISK_SPACE (they do not fit). */
bool fat_plan(struct fat_plan *p, uint64_t bytes, uint32_t hidden, const char *label, uint32_t serial, time_t when,
              struct fat_file *files, size_t n, struct pome_error *err);

/* Block number i (0, 1, ...) of boot sectors, FATs and directories: 4096 bytes and where they go. False when there are no more. */
bool fat_block(const struct fat_plan *p, size_t i, uint64_t *offset, uint8_t block[FAT_CLUSTER]);

/* --- reading --- */

/* What the boot sector said when it was opened: the volume may be another's too, who changes it. */
struct fat {
    const uint8_t *bytes;
    uint64_t n;
    uint64_t fat_at, table_bytes, data_at; /* bytes; copies of the table stand from fat_at to data_at */
    uint32_t cluster_bytes, clusters, root;
};

struct fat_entry {
    char name[13];  /* "KERNEL.IM4" */
    bool directory;
    uint32_t cluster;
    uint32_t size;
};

/* Errors: INVALID_DISK_IMAGE. */
bool fat_open(const void *bytes, uint64_t n, struct fat *f, struct pome_error *err);

/* The k-th entry of a directory (volume labels, long names and deleted ones left out). False at its end. */
bool fat_list(const struct fat *f, uint32_t dir_cluster, size_t k, struct fat_entry *e);

/* By path, case-insensitive. Errors: NOT_FOUND. */
bool fat_find(const struct fat *f, const char *path, struct fat_entry *e, struct pome_error *err);

/* Copies n bytes of a file from `offset`; returns how many there were, less when the chain is short or damaged. */
size_t fat_read(const struct fat *f, const struct fat_entry *e, uint64_t offset, void *out, size_t n);

/* Bytes of a cluster; NULL outside the volume. The cluster after this one; 0 at the end of the chain or when it leaves the volume. */
const uint8_t *fat_cluster(const struct fat *f, uint32_t cluster);
uint32_t fat_next(const struct fat *f, uint32_t cluster);

/* "KERNEL.IM4" -> "KERNEL  IM4". False when it is not an 8.3 name of upper-case letters, digits, '_' and '-'. */
bool fat_short_name(const char *name, size_t n, char out[11]);

/* --- changing a volume that others write, too --- */

/* Where changes go. fat is over bytes in which each write shows at once (a shared mapping of the file that is written). */
struct fat_edit {
    struct fat fat;
    bool (*write)(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err);
    bool (*sync)(void *user, struct pome_error *err);
    void *user;
};

/* Makes or replaces a file in a folder that is there. At each moment the volume has the old one or the new one whole: new clusters are filled and
 * synced before the one sector with its directory entry changes; then the old clusters are given back. A moment later at worst
 * some clusters belong to no file. Errors: NOT_FOUND (the folder), OUT_OF_DISK_SPACE, INVALID_DISK_IMAGE, and those of write. */
bool fat_replace(const struct fat_edit *e, const char *path, const void *bytes, size_t n, struct pome_error *err);

/* Removes a file; true when there is none. */
bool fat_remove(const struct fat_edit *e, const char *path, struct pome_error *err);

#endif
