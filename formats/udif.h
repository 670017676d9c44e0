/*
 * udif.h - UDIF disk images (.dmg): a trailer ("koly"), a property list with a table of runs for each partition ("mish"), and the runs.
 *
 * Read at any place, with the memory of one run (at most UDIF_RUN_MAX bytes) beside the table.
 */
#ifndef FORMATS_UDIF_H
#define FORMATS_UDIF_H

#include "formats/source.h"

enum { UDIF_SECTOR = 512, UDIF_TRAILER = 512, UDIF_RUN_MAX = 32 << 20 };

enum udif_kind { UDIF_ZERO, UDIF_RAW, UDIF_IGNORE, UDIF_ADC, UDIF_ZLIB, UDIF_BZIP2, UDIF_LZFSE, UDIF_LZMA, UDIF_KINDS };
const char *udif_kind_name(enum udif_kind kind);

struct udif_table {
    char name[128];        /* "disk image (Apple_APFS : 4)" */
    uint64_t first, count; /* sectors */
    bool has_crc;
    uint32_t crc;          /* of its content */
};

struct udif_info {
    uint64_t sectors, data_bytes; /* data_bytes: of the compressed runs, the data fork */
    uint32_t flags, variant;
    bool has_data_crc, has_master_crc;
    uint32_t data_crc, master_crc;
    size_t tables, runs, runs_of[UDIF_KINDS];
    const struct udif_table *table;
};

/* Whether the trailer is there. Errors: the source's. */
bool udif_is(struct source *in, bool *is, struct pome_error *err);

/* The disk in an image. On success it owns `in`. Errors: INVALID_DISK_IMAGE (damaged), NOT_SUPPORTED (segmented, a run of another kind),
 * OUT_OF_MEMORY, the source's. */
struct source *udif_open(struct source *in, struct pome_error *err);
const struct udif_info *udif_info(const struct source *udif);

/* Compares every CRC-32 that the image has. done (NULL allowed) is called with the bytes read so far, of at most data_bytes + 512 * sectors; false
 * cancels. Errors: INVALID_DISK_IMAGE, OPERATION_CANCELLED, the source's. */
bool udif_verify(struct source *udif, bool (*done)(void *user, uint64_t bytes), void *user, struct pome_error *err);

#endif
