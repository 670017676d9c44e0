/*
 * lzss.h - "complzss": the compression of older kernel caches.
 *
 * A header of 384 bytes (magic, Adler-32 of the content, its size, compressed size; big-endian), then groups of a byte of flags and eight
 * items: a literal byte, or 12 bits of place in a ring of 4096 bytes and 4 bits of length - 3.
 */
#ifndef FORMATS_LZSS_H
#define FORMATS_LZSS_H

#include "formats/source.h"

enum { LZSS_HEAD = 384 };

struct lzss_head {
    uint32_t adler, bytes, compressed_bytes;
};

/* Errors: INVALID_DATA. bytes[LZSS_HEAD]. */
bool lzss_read_head(const void *bytes, struct lzss_head *h, struct pome_error *err);

/* Decodes what is added, header first, into sink; end compares size and checksum and does not free. NULL: no memory. At most max_out bytes
 * come out. */
struct lzss_stream;
struct lzss_stream *lzss_begin(uint64_t max_out, bytes_sink *sink, void *user);
bool lzss_add(struct lzss_stream *s, const void *bytes, size_t n, struct pome_error *err);
bool lzss_end(struct lzss_stream *s, struct pome_error *err);
void lzss_free(struct lzss_stream *s);

/* Encodes n bytes (under 4 GiB) with header into out[LZSS_HEAD + n + n / 8 + 1]. Returns the length. */
size_t lzss_encode(const void *bytes, size_t n, void *out);

#endif
