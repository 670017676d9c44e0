/*
 * lzfse.h - LZFSE and LZVN, the compression of kernel caches, disk images and archives.
 *
 * A stream is a row of blocks: plain, LZVN, LZFSE (entropy-coded, two header forms), and an end mark. Matches reach
 * back at most 256 KiB, also into earlier blocks.
 */
#ifndef FORMATS_LZFSE_H
#define FORMATS_LZFSE_H

#include "formats/source.h"

/* Decodes a whole stream of n bytes into out[size]; *produced is what it gave. Bytes after the end mark are not looked at.
 * Errors: INVALID_DATA (damaged, no end mark, more than size). */
bool lzfse_decode(const void *bytes, size_t n, void *out, size_t size, size_t *produced, struct pome_error *err);

/* Decodes what is added, piece by piece, into sink. At most max_out bytes come out. Memory: under 3 MiB, except for LZVN blocks, which are
 * held whole (at most 16 MiB compressed). begin: NULL when there is no memory. end says whether the stream was complete; it does not free. */
struct lzfse_stream;
struct lzfse_stream *lzfse_begin(uint64_t max_out, bytes_sink *sink, void *user);
bool lzfse_add(struct lzfse_stream *s, const void *bytes, size_t n, struct pome_error *err);
bool lzfse_end(struct lzfse_stream *s, struct pome_error *err);
uint64_t lzfse_produced(const struct lzfse_stream *s);
void lzfse_free(struct lzfse_stream *s);

/* The most that lzfse_encode may write for n bytes. */
size_t lzfse_bound(size_t n);

/* Encodes n bytes into out[lzfse_bound(n)]. Returns the length; 0 when there is no memory. The same bytes give the same stream. */
size_t lzfse_encode(const void *bytes, size_t n, void *out);

#endif
