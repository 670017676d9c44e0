/* compress_test.c - LZFSE, LZVN, LZSS and the pieces of disk images: golden streams, what is written is read back, damage is refused. */
#include "formats/decompress.h"
#include "formats/lzfse.h"
#include "formats/lzss.h"
#include "formats/test_files.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text of both: "0 pome, 1 pome, 4 pome, ...", squares modulo 97; encoded by another implementation. */
static const uint8_t lzvn_stream[] = {
    98, 118, 120, 110, 120, 0, 0, 0, 62, 0, 0, 0, 233, 48, 32, 112, 111, 109, 101, 44, 32, 49, 32, 8, 102, 52, 104, 24, 57, 96,
    9, 54, 158, 50, 53, 241, 104, 18, 51, 104, 36, 52, 104, 53, 54, 104, 70, 56, 102, 51, 104, 26, 50, 158, 52, 55, 241, 232,
    55, 50, 32, 112, 111, 109, 101, 44, 6, 0, 0, 0, 0, 0, 0, 0, 98, 118, 120, 36,
};
static const uint8_t lzfse_stream_bytes[] = {
    98, 118, 120, 50, 23, 31, 0, 0, 60, 0, 224, 1, 0, 100, 0, 48, 162, 88, 241, 61, 239, 161, 0, 80, 168, 0, 0, 0, 63, 12, 112,
    1, 223, 192, 125, 0, 68, 0, 0, 16, 0, 230, 3, 240, 2, 8, 96, 33, 39, 5, 184, 135, 43, 142, 123, 208, 171, 227, 147, 171,
    158, 222, 173, 147, 147, 117, 176, 238, 238, 14, 0, 0, 0, 0, 0, 0, 0, 0, 120, 5, 0, 0, 0, 0, 0, 0, 0, 128, 103, 1, 0, 0,
    120, 5, 128, 87, 224, 123, 248, 30, 190, 135, 223, 224, 89, 248, 30, 190, 135, 151, 226, 89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 94, 1, 0, 224, 21, 224, 21, 120, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 119, 79, 46, 51, 124, 88, 146, 42, 66, 74, 237, 182, 149, 225, 194, 5, 222, 87, 91, 70, 56,
    173, 229, 21, 107, 129, 167, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 172, 247, 1, 251, 191, 231, 53, 255, 255, 135, 243, 147, 235,
    52, 115, 37, 105, 192, 239, 118, 78, 11, 93, 254, 119, 78, 173, 38, 195, 36, 77, 67, 218, 3, 114, 14, 177, 61, 146, 128,
    155, 186, 132, 76, 84, 1, 228, 213, 52, 207, 75, 118, 152, 205, 249, 155, 10, 102, 152, 59, 134, 154, 135, 185, 87, 173,
    130, 153, 112, 8, 85, 97, 224, 88, 254, 189, 113, 123, 77, 22, 145, 213, 75, 61, 118, 198, 188, 74, 47, 236, 231, 210, 72,
    51, 64, 16, 144, 157, 170, 204, 171, 57, 106, 121, 192, 146, 211, 26, 188, 117, 118, 59, 136, 224, 73, 56, 225, 226, 6, 211,
    151, 228, 127, 185, 221, 20, 54, 149, 108, 201, 13, 207, 240, 129, 61, 223, 132, 235, 65, 82, 47, 31, 240, 168, 88, 162,
    112, 124, 143, 164, 40, 98, 118, 120, 36,
};

static size_t squares(char *text, size_t size)
{
    size_t n = 0;
    for (unsigned i = 0; i < 900 && n + 16 < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%u pome, ", i * i % 97);
    return n;
}

static void golden(void **state)
{
    static char want[8192], got[8192];
    size_t n = squares(want, sizeof want), produced;
    assert_int_equal(n, 7959);
    assert_true(lzfse_decode(lzfse_stream_bytes, sizeof lzfse_stream_bytes, got, n, &produced, NULL));
    assert_int_equal(produced, n);
    assert_memory_equal(got, want, n);
    assert_true(lzfse_decode(lzvn_stream, sizeof lzvn_stream, got, 120, &produced, NULL));
    assert_memory_equal(got, want, 120);
    assert_false(lzfse_decode(lzfse_stream_bytes, sizeof lzfse_stream_bytes, got, n - 1, &produced, NULL)); /* a bomb's cap */
}

/* --- streams --- */

struct gathered {
    uint8_t *bytes;
    size_t n, size;
};

static bool gather(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    struct gathered *g = user;
    if (n > g->size - g->n)
        return false;
    memcpy(g->bytes + g->n, bytes, n);
    g->n += n;
    return true;
}

/* Patterns that lead to each kind of block and match. */
static void make(unsigned kind, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        switch (kind) {
        case 0: bytes[i] = 0; break;
        case 1: bytes[i] = (uint8_t)(i * i >> 7); break;
        case 2: test_fill(7, i, bytes + i, 1); break;
        case 3: bytes[i] = (uint8_t)((uint32_t)(i * 2654435761u) >> 13 ^ i * 2246822519u >> 21); break; /* noise */
        default: bytes[i] = i < 200000 ? (uint8_t)(i * i >> 3) : bytes[i - 200000]; break; /* far matches */
        }
}

static void lzfse_round(unsigned kind, size_t n)
{
    uint8_t *in = malloc(n + 1), *packed = malloc(lzfse_bound(n)), *out = malloc(n + 1);
    size_t produced, size;
    make(kind, in, n);
    size = lzfse_encode(in, n, packed);
    assert_in_range(size, 4, lzfse_bound(n));
    assert_true(lzfse_decode(packed, size, out, n, &produced, NULL));
    assert_int_equal(produced, n);
    assert_memory_equal(in, out, n);
    static const size_t steps[] = {1, 13, 4096, SIZE_MAX};
    for (unsigned s = n > 300000; s < 4; s++) {
        struct gathered g = {out, 0, n};
        struct lzfse_stream *stream = lzfse_begin(n, gather, &g);
        memset(out, 0xee, n);
        for (size_t at = 0; at < size; at += steps[s]) {
            assert_true(lzfse_add(stream, packed + at, size - at < steps[s] ? size - at : steps[s], NULL));
            if (steps[s] == SIZE_MAX)
                break;
        }
        assert_true(lzfse_end(stream, NULL));
        assert_int_equal(lzfse_produced(stream), n);
        lzfse_free(stream);
        assert_int_equal(g.n, n);
        assert_memory_equal(in, out, n);
    }
    free(in);
    free(packed);
    free(out);
}

static void lzfse_rounds(void **state)
{
    static const size_t sizes[] = {0, 1, 3, 7, 100, 5000, 70000, 3000000};
    for (unsigned kind = 0; kind < 5; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            lzfse_round(kind, sizes[i]);
}

/* Every byte changed, every length: an answer, never a wild write (the sanitizers look). */
static void lzfse_damage(void **state)
{
    static uint8_t bad[sizeof lzfse_stream_bytes], out[8192];
    size_t produced;
    for (size_t i = 0; i < sizeof bad; i++) {
        assert_false(lzfse_decode(lzfse_stream_bytes, i, out, sizeof out, &produced, NULL));
        for (unsigned x = 1; x < 256; x <<= 1) {
            memcpy(bad, lzfse_stream_bytes, sizeof bad);
            bad[i] ^= (uint8_t)x;
            lzfse_decode(bad, sizeof bad, out, sizeof out, &produced, NULL);
        }
    }
}

static void lzss(void **state)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        static uint8_t in[20000], packed[LZSS_HEAD + 23000], out[20000];
        size_t n = kind == 3 ? 5 : sizeof in;
        make(kind, in, n);
        size_t size = lzss_encode(in, n, packed);
        for (size_t step = 1; step < 100000; step *= 40) {
            struct gathered g = {out, 0, sizeof out};
            struct lzss_stream *s = lzss_begin(n, gather, &g);
            for (size_t at = 0; at < size; at += step)
                assert_true(lzss_add(s, packed + at, size - at < step ? size - at : step, NULL));
            assert_true(lzss_end(s, NULL));
            lzss_free(s);
            assert_int_equal(g.n, n);
            assert_memory_equal(in, out, n);
        }
        struct gathered g = {out, 0, sizeof out};
        struct lzss_stream *s = lzss_begin(n - 1, gather, &g); /* more than allowed */
        assert_false(lzss_add(s, packed, size, NULL));
        lzss_free(s);
        packed[LZSS_HEAD + 1] ^= 1;
        g.n = 0;
        s = lzss_begin(n, gather, &g);
        assert_false(lzss_add(s, packed, size, NULL) && lzss_end(s, NULL));
        lzss_free(s);
    }
}

/* ADC by hand: "abc", then 4 bytes from 3 back (short form), then 5 from 1 back (long form). */
static void adc(void **state)
{
    static const uint8_t in[] = {0x82, 'a', 'b', 'c', 0x04, 2, 0x41, 0, 0};
    char out[12];
    assert_true(decompress(CODEC_ADC, in, sizeof in, out, sizeof out, NULL));
    assert_memory_equal(out, "abcabcaaaaaa", 12);
    assert_false(decompress(CODEC_ADC, in, sizeof in, out, 11, NULL));
    assert_false(decompress(CODEC_ADC, in, sizeof in - 1, out, 12, NULL));
    static const uint8_t before[] = {0x80, 'a', 0x04, 1};
    assert_false(decompress(CODEC_ADC, before, sizeof before, out, 5, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden), cmocka_unit_test(lzfse_rounds), cmocka_unit_test(lzfse_damage), cmocka_unit_test(lzss), cmocka_unit_test(adc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
