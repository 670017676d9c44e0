/* lzss.c - reading and writing "complzss". */
#include "formats/lzss.h"
#include "base/bits.h"
#include "base/error.h"

#include <zlib.h>

#include <stdlib.h>

enum { RING = 4096, LONGEST = 18, SHORTEST = 3, OUT = 1 << 16 };

struct lzss_stream {
    struct lzss_head head;
    uint8_t head_bytes[LZSS_HEAD];
    uint64_t taken, left;    /* compressed bytes seen, header included; bytes that may still come */
    unsigned flags, first;   /* flags: what is left of the group below a 1; first: of a pair, | 0x100 */
    unsigned ring_at;
    uLong adler;
    uint64_t produced;
    size_t out_n;
    bytes_sink *sink;
    void *user;
    uint8_t ring[RING], out[OUT];
};

static bool damaged(struct pome_error *err, const char *what)
{
    return pome_fail(err, POME_ERROR_INVALID_DATA, "LZSS: %s", what);
}

bool lzss_read_head(const void *bytes, struct lzss_head *h, struct pome_error *err)
{
    const uint8_t *p = bytes;
    if (memcmp(p, "complzss", 8))
        return damaged(err, "does not begin with \"complzss\"");
    *h = (struct lzss_head){be32_get(p + 8), be32_get(p + 12), be32_get(p + 16)};
    return true;
}

struct lzss_stream *lzss_begin(uint64_t max_out, bytes_sink *sink, void *user)
{
    struct lzss_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    memset(s->ring, ' ', sizeof s->ring);
    s->ring_at = RING - LONGEST;
    s->flags = 1;
    s->adler = 1;
    s->left = max_out;
    s->sink = sink;
    s->user = user;
    return s;
}

static bool flush(struct lzss_stream *s, struct pome_error *err)
{
    size_t n = s->out_n;
    s->out_n = 0;
    s->adler = adler32(s->adler, s->out, (uInt)n);
    return !n || s->sink(s->user, s->out, n, err);
}

static bool put(struct lzss_stream *s, uint8_t byte, struct pome_error *err)
{
    if (s->produced == s->head.bytes || !s->left)
        return damaged(err, "more comes out than was announced");
    s->left--;
    s->produced++;
    s->ring[s->ring_at++ % RING] = byte;
    s->out[s->out_n++] = byte;
    return s->out_n < OUT || flush(s, err);
}

static bool add_byte(struct lzss_stream *s, uint8_t byte, struct pome_error *err)
{
    if (s->first) { /* the second byte of a pair */
        unsigned from = (s->first & 0xff) | (byte & 0xf0u) << 4, n = (byte & 15u) + SHORTEST;
        s->first = 0;
        for (unsigned i = 0; i < n; i++)
            if (!put(s, s->ring[(from + i) % RING], err))
                return false;
        return true;
    }
    if (s->flags == 1) {
        s->flags = 0x100u | byte;
        return true;
    }
    bool literal = s->flags & 1;
    s->flags >>= 1;
    if (literal)
        return put(s, byte, err);
    s->first = 0x100u | byte;
    return true;
}

bool lzss_add(struct lzss_stream *s, const void *bytes, size_t n, struct pome_error *err)
{
    const uint8_t *p = bytes;
    for (; n && s->taken < LZSS_HEAD; n--) {
        s->head_bytes[s->taken++] = *p++;
        if (s->taken == LZSS_HEAD && !lzss_read_head(s->head_bytes, &s->head, err))
            return false;
    }
    for (; n && s->taken < LZSS_HEAD + (uint64_t)s->head.compressed_bytes; n--, s->taken++)
        if (!add_byte(s, *p++, err))
            return false;
    return true;
}

bool lzss_end(struct lzss_stream *s, struct pome_error *err)
{
    if (s->taken < LZSS_HEAD || s->taken != LZSS_HEAD + (uint64_t)s->head.compressed_bytes || s->produced != s->head.bytes)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "LZSS: ends after %llu bytes, %u are announced", (unsigned long long)s->produced, s->head.bytes);
    if (!flush(s, err))
        return false;
    return s->adler == s->head.adler ||
           pome_fail(err, POME_ERROR_INVALID_DATA, "LZSS: the Adler-32 is %08lx, the header says %08x", s->adler, s->head.adler);
}

void lzss_free(struct lzss_stream *s)
{
    free(s);
}

/* --- writing --- */

/* The longest match for in[at..n) among the ring's last bytes; a plain search, for small things. */
static unsigned search(const uint8_t *in, size_t n, size_t at, size_t *from)
{
    unsigned best = 0, most = (unsigned)MIN(n - at, (size_t)LONGEST);
    for (size_t back = 1; back <= at && back < RING - LONGEST && best < most; back++) {
        unsigned k = 0;
        while (k < most && in[at - back + k] == in[at + k])
            k++;
        if (k > best) {
            best = k;
            *from = at - back;
        }
    }
    return best;
}

size_t lzss_encode(const void *bytes, size_t n, void *out)
{
    const uint8_t *in = bytes;
    uint8_t *head = out, *to = head + LZSS_HEAD;
    for (size_t at = 0; at < n;) {
        uint8_t *flags = to++;
        *flags = 0;
        for (unsigned i = 0; i < 8 && at < n; i++) {
            size_t from = 0;
            unsigned k = search(in, n, at, &from);
            if (k < SHORTEST) {
                *flags |= (uint8_t)(1u << i);
                *to++ = in[at++];
                continue;
            }
            unsigned place = (unsigned)(from + RING - LONGEST) % RING;
            *to++ = (uint8_t)place;
            *to++ = (uint8_t)((place >> 4 & 0xf0) | (k - SHORTEST));
            at += k;
        }
    }
    memset(head, 0, LZSS_HEAD);
    memcpy(head, "complzss", 8);
    be32_put(head + 8, (uint32_t)adler32_z(1, bytes, n));
    be32_put(head + 12, (uint32_t)n);
    be32_put(head + 16, (uint32_t)(to - head - LZSS_HEAD));
    be32_put(head + 20, 1);
    return (size_t)(to - head);
}
