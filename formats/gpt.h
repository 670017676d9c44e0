/*
 * gpt.h - GUID partition tables (UEFI 2.10, chapter 5), 512-byte sectors, 128 entries of 128 bytes.
 *
 * The first GPT_PRIMARY_BYTES of a disk are protective MBR, header and entries; its last GPT_BACKUP_BYTES are entries
 * and header.
 */
#ifndef FORMATS_GPT_H
#define FORMATS_GPT_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum {
    GPT_SECTOR = 512,
    GPT_ENTRIES = 128,
    GPT_PRIMARY_BYTES = 34 * GPT_SECTOR,
    GPT_BACKUP_BYTES = 33 * GPT_SECTOR,
    GPT_FIRST_USABLE = 34,
};

struct gpt_partition {
    uint8_t type[16], unique[16];
    uint64_t first, last;  /* sectors, inclusive */
    uint64_t attributes;
    char name[37];         /* ASCII; other characters read as '?' */
};

struct gpt {
    uint64_t sectors;      /* of the disk */
    uint8_t disk[16];
    size_t n;
    struct gpt_partition partitions[GPT_ENTRIES];
};

/* Makes both copies. */
void gpt_write(const struct gpt *g, uint8_t primary[GPT_PRIMARY_BYTES], uint8_t backup[GPT_BACKUP_BYTES]);

/* Reads the copy at the beginning or the end of a disk of `sectors`. Checks signature, both CRCs, that each partition lies between the usable
 * sectors and that none overlap. Errors: INVALID_DISK_IMAGE. */
bool gpt_read(const uint8_t primary[GPT_PRIMARY_BYTES], uint64_t sectors, struct gpt *g, struct pome_error *err);
bool gpt_read_backup(const uint8_t backup[GPT_BACKUP_BYTES], uint64_t sectors, struct gpt *g, struct pome_error *err);

/* By type; NULL when there is none. */
const struct gpt_partition *gpt_find(const struct gpt *g, const uint8_t type[16]);

#endif
