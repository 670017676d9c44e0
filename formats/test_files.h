/* test_files.h - writers of the containers that Pome only reads: UDIF, AEA, trust caches. For tests and fuzz corpora; not part of the library. */
#ifndef FORMATS_TEST_FILES_H
#define FORMATS_TEST_FILES_H

#include "formats/aea.h"
#include "formats/udif.h"

#include <stdio.h>

/* Writes the disk `from` (whole sectors) as a UDIF image of `tables` partitions (1: the whole disk). Pieces of 256 KiB that are zero become
 * zero or ignore runs, the others take the kinds given in turn. */
bool test_udif(struct source *from, const enum udif_kind *kinds, size_t n_kinds, size_t tables, FILE *out);

/* Writes `from` as an archive of profile 1. compression: '-', 'e', 'x' or 'z'. auth: auth data as it stands in the file. */
struct test_aea {
    uint8_t key[AEA_KEY_BYTES];
    uint8_t compression, checksum; /* checksum: 0, 1 or 2 */
    uint32_t segment_bytes, cluster_segments;
    const void *auth;
    size_t auth_bytes;
};
bool test_aea(struct source *from, const struct test_aea *options, FILE *out);

/* One entry of auth data at `to`; returns its length. */
size_t test_aea_auth(const char *key, const char *value, uint8_t *to);

/* A trust cache of n entries of this version into out[24 + 24 * n]; returns its length. */
size_t test_trust_cache(uint32_t version, uint32_t n, uint8_t *out);

/* Bytes that compress to about half, the same for a seed each time. */
void test_fill(unsigned seed, uint64_t at, void *bytes, size_t n);

#endif
