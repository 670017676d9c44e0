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

struct fat {
    const uint8_t *bytes;
    uint64_t n;
    uint64_t fat_at, data_at;   /* bytes */
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

#endif
