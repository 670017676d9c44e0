/*
 * fuzz_lzss.c - "complzss" (formats/lzss.h), in three ways: the input as it is; the input as what follows a header, whose sizes and
 * checksum are then made right; and what our encoder makes of the input, repeated until the ring is full.
 */
#include "base/bits.h"
#include "formats/checksum.h"
#include "formats/lzss.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 18, STREAM_MAX = 8192, RING = 4096, REPEATED = RING + 512, ENCODED_MAX = 512 };

static uint8_t out[MOST];

struct gathered {
    const uint8_t *want; /* NULL: anything */
    size_t n;
};

static bool take(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct gathered *g = user;
    if (n > MOST - g->n || (g->want && memcmp(g->want + g->n, bytes, n)))
        abort();
    if (!g->want)
        memcpy(out + g->n, bytes, n);
    g->n += n;
    return true;
}

/* In two parts. */
static bool decode(const uint8_t *data, size_t size, size_t split, struct gathered *g)
{
    struct pome_error err;
    struct lzss_stream *s = lzss_begin(MOST, take, g);
    bool ok = s && lzss_add(s, data, split, &err) && lzss_add(s, data + split, size - split, &err) && lzss_end(s, &err);
    lzss_free(s);
    return ok;
}

/* How many bytes the stream gives: a literal one, a pair 3 to 18. */
static size_t length_of(const uint8_t *p, size_t n)
{
    size_t length = 0;
    for (size_t at = 0, k = 8, flags = 0; at < n; k++) {
        if (k == 8) {
            k = (size_t)-1;
            flags = p[at++];
            continue;
        }
        if (flags >> k & 1) {
            at++;
            length++;
        } else {
            length += at + 1 < n ? (p[at + 1] & 15u) + 3 : 0;
            at += 2;
        }
    }
    return length;
}

/* There is no wrong stream, only a wrong header: with a right one it is decoded, however it is cut. */
static void decode_headed(const uint8_t *data, size_t size)
{
    static uint8_t whole[LZSS_HEAD + STREAM_MAX];
    struct gathered first = {0}, again = {out, 0};
    size_t n = length_of(data, size), total = LZSS_HEAD + size;
    memset(whole, 0, LZSS_HEAD);
    memcpy(whole, "complzss", 8);
    be32_put(whole + 12, (uint32_t)n);
    be32_put(whole + 16, (uint32_t)size);
    if (size)
        memcpy(whole + LZSS_HEAD, data, size);
    decode(whole, total, total, &first); /* the checksum is wrong */
    be32_put(whole + 8, adler32_of(out, n));
    if (first.n != n || !decode(whole, total, total / 2, &again) || again.n != n)
        abort();
}

static void encode_repeated(const uint8_t *data, size_t size)
{
    static uint8_t plain[REPEATED], packed[LZSS_HEAD + REPEATED * 9 / 8 + 1];
    struct gathered same = {plain, 0};
    size_t n = size <= 32 ? REPEATED : size;
    for (size_t at = 0; at < n; at++)
        plain[at] = data[at % size];
    size_t made = lzss_encode(plain, n, packed);
    if (!decode(packed, made, made / 2, &same) || same.n != n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gathered g = {0};
    decode(data, size, size / 2, &g);
    if (size <= STREAM_MAX)
        decode_headed(data, size);
    if (size && size <= ENCODED_MAX)
        encode_repeated(data, size);
    return 0;
}
