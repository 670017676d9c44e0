/*
 * qarma.c - QARMA5-64-sigma2 (R. Avanzi, "The QARMA Block Cipher Family", 2016/444), as DDI 0487 uses it: ComputePAC, J1.
 *
 * A state of 16 cells of four bits is a vector of 16 bytes, cell n of the number's bits 4n+3:4n in byte n (the paper counts from the other end). Then a
 * permutation of cells is one byte shuffle, the S-box and the rotations within cells are look-ups in a table of 16 bytes, and a row of the
 * matrix is 32 bits. About 100 cycles.
 */
#include "cpu/qarma.h"

#include "base/bits.h"

typedef uint8_t cells __attribute__((vector_size(16)));
typedef uint32_t rows __attribute__((vector_size(16)));

/* ---- what each host has an instruction for: bytes of a table by their numbers; cells to a number ---- */

#if defined(__x86_64__)
#include <immintrin.h>
#define LOOK_UP __attribute__((target("ssse3"))) /* which translated code needs, too */
LOOK_UP static inline cells look_up(cells table, cells index)
{
    return (cells)_mm_shuffle_epi8((__m128i)table, (__m128i)index);
}
LOOK_UP static inline uint64_t number(cells c)
{
    __m128i bytes = _mm_maddubs_epi16((__m128i)c, _mm_set1_epi16(0x1001)); /* even cell + 16 * odd cell */
    return (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(bytes, bytes));
}
#else
#define LOOK_UP
static inline cells look_up(cells table, cells index)
{
    cells r;
    for (unsigned i = 0; i < 16; i++)
        r[i] = table[index[i]];
    return r;
}
static inline uint64_t number(cells c)
{
    uint64_t r = 0;
    for (unsigned i = 0; i < 16; i++)
        r |= (uint64_t)c[i] << 4 * i;
    return r;
}
#endif

LOOK_UP static inline cells spread(uint64_t v)
{
    const uint64_t low = UINT64_C(0x0f0f0f0f0f0f0f0f);
    typedef uint64_t halves __attribute__((vector_size(16)));
    cells even = (cells)(halves){v & low, 0}, odd = (cells)(halves){v >> 4 & low, 0};
    return __builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/* ---- the cipher's parts; numbers of cells are the paper's, turned round ---- */

#define TURNED(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
    {15 - (p), 15 - (o), 15 - (n), 15 - (m), 15 - (l), 15 - (k), 15 - (j), 15 - (i), 15 - (h), 15 - (g), 15 - (f), 15 - (e), 15 - (d), 15 - (c), 15 - (b), 15 - (a)}
#define CELLS(v)                                                                                                                              \
    {(v) & 15,       (v) >> 4 & 15,  (v) >> 8 & 15,  (v) >> 12 & 15, (v) >> 16 & 15, (v) >> 20 & 15, (v) >> 24 & 15, (v) >> 28 & 15,          \
     (v) >> 32 & 15, (v) >> 36 & 15, (v) >> 40 & 15, (v) >> 44 & 15, (v) >> 48 & 15, (v) >> 52 & 15, (v) >> 56 & 15, (v) >> 60 & 15}

static const cells tau = TURNED(0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2);
static const cells tau_inverse = TURNED(0, 5, 15, 10, 13, 8, 2, 7, 11, 14, 4, 1, 6, 3, 9, 12);
static const cells h = TURNED(6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11);
static const cells sigma2 = {11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10};
static const cells sigma2_inverse = {5, 14, 13, 8, 10, 11, 1, 9, 2, 6, 15, 0, 4, 12, 7, 3};
static const cells rotated_1 = {0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15};
static const cells rotated_2 = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
/* omega, of cells 0, 1, 3, 4, 8, 11, 13 of a tweak: (b3, b2, b1, b0) to (b0 + b1, b3, b2, b1) */
static const cells omega = {0, 8, 9, 1, 2, 10, 11, 3, 4, 12, 13, 5, 6, 14, 15, 7};
static const cells omega_where = {0, 0, 255, 0, 255, 0, 0, 255, 0, 0, 0, 255, 255, 0, 255, 255};

enum { ROUNDS = 5 };
static const cells alpha = CELLS(UINT64_C(0xc0ac29b7c97c50dd));
static const cells constant[ROUNDS] = {
    CELLS(UINT64_C(0)), CELLS(UINT64_C(0x13198a2e03707344)), CELLS(UINT64_C(0xa4093822299f31d0)),
    CELLS(UINT64_C(0x082efa98ec4e6c89)), CELLS(UINT64_C(0x452821e638d01377)),
};

/* The involutory matrix circ(0, rho, rho^2, rho). */
LOOK_UP static inline cells mix_columns(cells s)
{
    rows once = (rows)look_up(rotated_1, s), twice = (rows)look_up(rotated_2, s);
    return (cells)(__builtin_shufflevector(once, once, 1, 2, 3, 0) ^ __builtin_shufflevector(twice, twice, 2, 3, 0, 1) ^
                   __builtin_shufflevector(once, once, 3, 0, 1, 2));
}

LOOK_UP static inline cells next_tweak(cells t)
{
    t = look_up(t, h);
    return (t & ~omega_where) | (look_up(omega, t) & omega_where);
}

LOOK_UP uint64_t qarma5(uint64_t data, uint64_t tweak, uint64_t w0, uint64_t k0)
{
    cells t[ROUNDS + 1], whitening = spread(w0), k = spread(k0), w1 = spread((w0 >> 1 | w0 << 63) ^ w0 >> 63);
    cells s = spread(data) ^ whitening;
    t[0] = spread(tweak);
    for (unsigned i = 0; i < ROUNDS; i++) {
        s ^= k ^ t[i] ^ constant[i];
        if (i)
            s = mix_columns(look_up(s, tau));
        s = look_up(sigma2, s);
        t[i + 1] = next_tweak(t[i]);
    }
    s = look_up(sigma2, mix_columns(look_up(s ^ w1 ^ t[ROUNDS], tau)));
    s = look_up(mix_columns(look_up(s, tau)) ^ k, tau_inverse); /* the reflector */
    s = look_up(mix_columns(look_up(sigma2_inverse, s)), tau_inverse) ^ whitening ^ t[ROUNDS];
    for (unsigned i = ROUNDS; i-- > 0;) {
        s = look_up(sigma2_inverse, s);
        if (i)
            s = look_up(mix_columns(s), tau_inverse);
        s ^= k ^ t[i] ^ constant[i] ^ alpha;
    }
    return number(s ^ w1);
}
