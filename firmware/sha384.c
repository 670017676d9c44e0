/*
 * sha384.c - SHA-384 (FIPS 180-4, 6.5) of one piece of memory.
 *
 * How it works: boot sets are tens of megabytes and the CPU may be an emulated one, so the block function counts. There
 * are two: plain C with the message schedule in sixteen registers' worth of words, and one with the SHA-512
 * instructions, taken only when ID_AA64ISAR0_EL1 announces them. Data may have any alignment although unaligned loads
 * fault while the MMU is off: the C version joins aligned words with shifts, the other loads bytes (LD1 of .16b).
 */
#include "firmware/sha384.h"
#include "firmware/fw.h"

static const uint64_t k[80] __attribute__((aligned(16))) = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

static const uint64_t initial[8] = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
};

static inline uint64_t ror(uint64_t v, unsigned n)
{
    return v >> n | v << (64 - n);
}

static inline uint64_t big_sigma0(uint64_t v)
{
    return ror(v, 28) ^ ror(v, 34) ^ ror(v, 39);
}

static inline uint64_t big_sigma1(uint64_t v)
{
    return ror(v, 14) ^ ror(v, 18) ^ ror(v, 41);
}

static inline uint64_t small_sigma0(uint64_t v)
{
    return ror(v, 1) ^ ror(v, 8) ^ v >> 7;
}

static inline uint64_t small_sigma1(uint64_t v)
{
    return ror(v, 19) ^ ror(v, 61) ^ v >> 6;
}

/* The sixteen big-endian words of a block that starts anywhere. */
static inline void load_block(uint64_t w[16], const uint8_t *block)
{
#ifdef FW_HOST /* words that hold one byte of the block may lie outside the test's memory */
    memcpy(w, block, 128);
    for (int i = 0; i < 16; i++)
        w[i] = __builtin_bswap64(w[i]);
#else
    unsigned shift = (unsigned)((uintptr_t)block % 8 * 8);
    const uint64_t *p = (const uint64_t *)((uintptr_t)block & ~(uintptr_t)7);
    if (!shift) {
        for (int i = 0; i < 16; i++)
            w[i] = __builtin_bswap64(p[i]);
        return;
    }
    uint64_t low = p[0];
    for (int i = 0; i < 16; i++) {
        uint64_t high = p[i + 1];
        w[i] = __builtin_bswap64(low >> shift | high << (64 - shift));
        low = high;
    }
#endif
}

#define ROUND(a, b, c, d, e, f, g, h, i)                                                                     \
    do {                                                                                                     \
        h += big_sigma1(e) + (g ^ (e & (f ^ g))) + k[t + i] + w[i];                                          \
        d += h;                                                                                              \
        h += big_sigma0(a) + ((a & b) | (c & (a | b)));                                                      \
    } while (0)

#define EXTEND(i) w[i] += small_sigma1(w[(i + 14) % 16]) + w[(i + 9) % 16] + small_sigma0(w[(i + 1) % 16])

#define ROUNDS8(X, n)                                                                                        \
    X(a, b, c, d, e, f, g, h, n + 0);                                                                        \
    X(h, a, b, c, d, e, f, g, n + 1);                                                                        \
    X(g, h, a, b, c, d, e, f, n + 2);                                                                        \
    X(f, g, h, a, b, c, d, e, n + 3);                                                                        \
    X(e, f, g, h, a, b, c, d, n + 4);                                                                        \
    X(d, e, f, g, h, a, b, c, n + 5);                                                                        \
    X(c, d, e, f, g, h, a, b, n + 6);                                                                        \
    X(b, c, d, e, f, g, h, a, n + 7)

#define EXTEND_ROUND(a, b, c, d, e, f, g, h, i)                                                              \
    do {                                                                                                     \
        EXTEND(i);                                                                                           \
        ROUND(a, b, c, d, e, f, g, h, i);                                                                    \
    } while (0)

static void blocks_c(uint64_t s[8], const uint8_t *data, size_t n_blocks)
{
    for (; n_blocks; n_blocks--, data += 128) {
        uint64_t w[16];
        load_block(w, data);
        uint64_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
        unsigned t = 0;
        ROUNDS8(ROUND, 0);
        ROUNDS8(ROUND, 8);
        for (t = 16; t < 80; t += 16) {
            ROUNDS8(EXTEND_ROUND, 0);
            ROUNDS8(EXTEND_ROUND, 8);
        }
        s[0] += a, s[1] += b, s[2] += c, s[3] += d, s[4] += e, s[5] += f, s[6] += g, s[7] += h;
    }
}

#if defined __aarch64__ && !defined FW_HOST
void fw_sha512_blocks_ce(uint64_t state[8], const uint8_t *data, size_t n_blocks, const uint64_t constants[80]);

static bool has_sha512(void)
{
    uint64_t isar0;
    __asm__("mrs %0, id_aa64isar0_el1" : "=r"(isar0));
    return (isar0 >> 12 & 15) >= 2;
}

static void blocks(uint64_t s[8], const uint8_t *data, size_t n_blocks)
{
    if (has_sha512())
        fw_sha512_blocks_ce(s, data, n_blocks, k);
    else
        blocks_c(s, data, n_blocks);
}
#else
static void blocks(uint64_t s[8], const uint8_t *data, size_t n_blocks)
{
    blocks_c(s, data, n_blocks);
}
#endif

void sha384(const void *data, size_t n, uint8_t digest[SHA384_BYTES])
{
    uint64_t s[8], last[32];
    memcpy(s, initial, sizeof s);
    size_t whole = n / 128, rest = n % 128;
    if (whole)
        blocks(s, data, whole);
    size_t n_last = rest < 112 ? 1 : 2;
    memset(last, 0, sizeof last);
    memcpy(last, (const uint8_t *)data + whole * 128, rest);
    ((uint8_t *)last)[rest] = 0x80;
    last[n_last * 16 - 1] = __builtin_bswap64((uint64_t)n << 3);
    last[n_last * 16 - 2] = __builtin_bswap64((uint64_t)n >> 61);
    blocks(s, (const uint8_t *)last, n_last);
    for (int i = 0; i < 6; i++)
        s[i] = __builtin_bswap64(s[i]);
    memcpy(digest, s, SHA384_BYTES);
}
