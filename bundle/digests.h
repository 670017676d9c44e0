/* digests.h - the digest of a file with holes, and the list of digests that ends an archive (export.c says what both are). Inside bundle/ only. */
#ifndef BUNDLE_DIGESTS_H
#define BUNDLE_DIGESTS_H

#include "bundle/tree.h"
#include "formats/sha384.h"

enum { ARCHIVE_DIGESTS_MAX = 4 << 20 };
#define ARCHIVE_DIGESTS ".digests"

struct digest {
    struct sha384 *sha;
    uint8_t block[TREE_PIECE]; /* what has come of the block at `at` */
    uint64_t at;
    size_t n;
};

bool digest_begin(struct digest *d, struct pome_error *err);
/* Bytes at an offset that never goes back. */
void digest_add(struct digest *d, uint64_t offset, const uint8_t *bytes, size_t n, uint64_t file_bytes);
void digest_end(struct digest *d, uint8_t out[SHA384_BYTES]);

/* The lines of .digests, as they are made. free(text). */
struct digest_lines {
    char *text;
    size_t n;
};

bool digest_lines_add(struct digest_lines *l, const uint8_t digest[SHA384_BYTES], uint64_t bytes, const char *path, struct pome_error *err);

#endif
