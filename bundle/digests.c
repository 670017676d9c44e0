/* digests.c - digests of files with holes. */
#include "bundle/digests.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void digest_flush(struct digest *d)
{
    uint8_t offset[8];
    bool zero = !d->n || (!d->block[0] && !memcmp(d->block, d->block + 1, d->n - 1));
    le64_put(offset, d->at);
    if (!zero) {
        sha384_add(d->sha, offset, sizeof offset);
        sha384_add(d->sha, d->block, d->n);
    }
    d->n = 0;
}

void digest_add(struct digest *d, uint64_t offset, const uint8_t *bytes, size_t n, uint64_t file_bytes)
{
    while (n) {
        uint64_t block = align_down(offset, TREE_PIECE);
        if (!d->n || block != d->at) {
            digest_flush(d);
            d->at = block;
            d->n = (size_t)MIN((uint64_t)TREE_PIECE, file_bytes - block);
            memset(d->block, 0, d->n);
        }
        size_t in = (size_t)(offset - block), piece = MIN(n, d->n - in);
        memcpy(d->block + in, bytes, piece);
        offset += piece;
        bytes += piece;
        n -= piece;
    }
}

bool digest_begin(struct digest *d, struct pome_error *err)
{
    d->n = 0;
    d->at = 0;
    d->sha = sha384_begin();
    return d->sha || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a digest");
}

void digest_end(struct digest *d, uint8_t out[SHA384_BYTES])
{
    digest_flush(d);
    sha384_end(d->sha, out);
    d->sha = NULL;
}

bool digest_lines_add(struct digest_lines *l, const uint8_t digest[SHA384_BYTES], uint64_t bytes, const char *path, struct pome_error *err)
{
    char hex[2 * SHA384_BYTES + 1];
    hex_upper(digest, SHA384_BYTES, hex);
    char *more = realloc(l->text, l->n + sizeof hex + 24 + strlen(path) + 4);
    if (!more)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the list of digests");
    l->text = more;
    l->n += (size_t)sprintf(l->text + l->n, "%s  %llu  %s\n", hex, (unsigned long long)bytes, path);
    return true;
}
