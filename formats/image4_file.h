/* image4_file.h - an Image4 file of any size, taken apart over a source; its payload as a stream, uncompressed. */
#ifndef FORMATS_IMAGE4_FILE_H
#define FORMATS_IMAGE4_FILE_H

#include "formats/image4.h"
#include "formats/source.h"

enum image4_kind { IMAGE4_NONE, IMAGE4_IM4P, IMAGE4_IM4M, IMAGE4_IM4R, IMAGE4_IMG4 };

enum payload_codec { PAYLOAD_PLAIN, PAYLOAD_LZFSE, PAYLOAD_LZSS };

struct image4_file {
    enum image4_kind kind;
    struct im4p im4p;         /* IM4P, IMG4 */
    uint64_t im4p_at;
    struct im4p_tail tail;
    enum payload_codec codec; /* by the payload's first bytes */
    const uint8_t *im4m, *im4r; /* NULL: none */
    size_t im4m_bytes, im4r_bytes;
    uint8_t *tail_memory, *rest_memory;
};

/* NONE when the first bytes are of no Image4 file. n >= 16 or all there are. */
enum image4_kind image4_kind(const void *bytes, size_t n);

/* Errors: INVALID_DATA, OUT_OF_MEMORY, the source's. */
bool image4_file_open(struct source *s, struct image4_file *f, struct pome_error *err);
void image4_file_close(struct image4_file *f);

/* "LZFSE" */
const char *payload_codec_name(enum payload_codec c);

/* Uncompresses what is added into sink; at most max_out bytes. The codec is found by the first bytes. end says whether the stream was whole. */
struct payload_stream;
struct payload_stream *payload_begin(uint64_t max_out, bytes_sink *sink, void *user);
bool payload_add(struct payload_stream *p, const void *bytes, size_t n, struct pome_error *err);
bool payload_end(struct payload_stream *p, struct pome_error *err);
void payload_free(struct payload_stream *p);

/* All that is in a file: the payload of an IM4P or IMG4, or the file as it is; uncompressed in either case. At most max_out bytes. Errors: INVALID_DATA (damaged, larger), NOT_SUPPORTED (encrypted), OUT_OF_MEMORY, the source's and the sink's. */
bool image4_content(struct source *s, uint64_t max_out, bytes_sink *sink, void *user, struct pome_error *err);

/* The same into memory of its own, for the caller to free. bytes and n are 0 on failure. */
bool image4_read_content(struct source *s, uint64_t max_out, uint8_t **bytes, size_t *n, struct pome_error *err);

/* A bomb's cap: no payload grows beyond this. */
#define PAYLOAD_MAX (UINT64_C(16) << 30)

#endif
