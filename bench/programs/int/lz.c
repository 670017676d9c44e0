/* lz.c - a byte-wise LZ77: text made up, packed with a hash chain, unpacked, compared. */
#include "../bench.h"

enum { SIZE = 400000, WINDOW = 65535, HASH = 1 << 14 };

static uint8_t text[SIZE], packed[2 * SIZE], back[SIZE + 64];

static void make_text(void)
{
    static const char *const words[] = {"the ", "quick ", "engine ", "of ", "a ", "machine ", "runs ", "code\n", "and ", "every ",
                                        "page ", "holds ", "blocks ", "that ", "were ", "translated. "};
    uint64_t seed = 4101842887655102017;
    for (size_t at = 0; at < SIZE;) {
        const char *w = words[bench_random(&seed) >> 20 & 15];
        for (; *w && at < SIZE; at++)
            text[at] = (uint8_t)*w++;
        if (at < SIZE && !(bench_random(&seed) & 7))
            text[at++] = (uint8_t)(seed >> 40);
    }
}

static uint32_t word_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static size_t pack(void)
{
    static int32_t head[HASH];
    uint8_t *out = packed;
    size_t literals = 0;
    memset(head, 0xff, sizeof head);
    for (size_t at = 0; at < SIZE;) {
        size_t length = 0;
        int32_t before = -1;
        if (at + 8 < SIZE) {
            int32_t *slot = &head[word_at(text + at) * 2654435761u >> 18];
            before = *slot;
            *slot = (int32_t)at;
        }
        if (before >= 0 && at - (size_t)before <= WINDOW)
            while (length < 255 && at + length < SIZE && text[(size_t)before + length] == text[at + length])
                length++;
        if (length < 5) {
            literals++;
            at++;
            continue;
        }
        for (; literals > 255; literals -= 255)
            *out++ = 255, *out++ = 0, out = (uint8_t *)memcpy(out, text + at - literals, 255) + 255;
        size_t distance = at - (size_t)before;
        *out++ = (uint8_t)literals, *out++ = (uint8_t)length;
        memcpy(out, text + at - literals, literals);
        out += literals;
        *out++ = (uint8_t)distance, *out++ = (uint8_t)(distance >> 8);
        at += length;
        literals = 0;
    }
    return (size_t)(out - packed);
}

static size_t unpack(size_t bytes)
{
    uint8_t *to = back;
    for (const uint8_t *in = packed, *end = packed + bytes; in < end;) {
        unsigned literals = in[0], length = in[1];
        memcpy(to, in += 2, literals);
        to += literals, in += literals;
        if (!length)
            continue;
        const uint8_t *from = to - (in[0] | in[1] << 8);
        in += 2;
        while (length--)
            *to++ = *from++;
    }
    return (size_t)(to - back);
}

uint64_t bench_run(unsigned n)
{
    uint64_t h = 0;
    make_text();
    for (unsigned i = 0; i < 12 * n; i++) {
        size_t bytes = pack(), got = unpack(bytes);
        h = bench_mix(bench_mix(h, bytes), memcmp(text, back, got) == 0);
        text[i * 997 % SIZE] ^= 1;
    }
    return h;
}
