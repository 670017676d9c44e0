/*
 * eval_crypto.c - the cryptographic vector operations: AES (FIPS 197), SHA-1, SHA-256, SHA-512 (FIPS 180-4), as the
 * instructions cut them into steps (Arm ARM DDI 0487 J.a, C7.2 and shared/functions/crypto).
 */
#include "ir/eval_vec.h"

/* ---- AES; the state's byte i is row i % 4, column i / 4 ---- */

/* FIPS 197, figures 7 and 14 */
static const uint8_t sbox[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};
static const uint8_t inv_sbox[256] = {
    0x52, 0x09, 0x6a, 0xd5, 0x30, 0x36, 0xa5, 0x38, 0xbf, 0x40, 0xa3, 0x9e, 0x81, 0xf3, 0xd7, 0xfb,
    0x7c, 0xe3, 0x39, 0x82, 0x9b, 0x2f, 0xff, 0x87, 0x34, 0x8e, 0x43, 0x44, 0xc4, 0xde, 0xe9, 0xcb,
    0x54, 0x7b, 0x94, 0x32, 0xa6, 0xc2, 0x23, 0x3d, 0xee, 0x4c, 0x95, 0x0b, 0x42, 0xfa, 0xc3, 0x4e,
    0x08, 0x2e, 0xa1, 0x66, 0x28, 0xd9, 0x24, 0xb2, 0x76, 0x5b, 0xa2, 0x49, 0x6d, 0x8b, 0xd1, 0x25,
    0x72, 0xf8, 0xf6, 0x64, 0x86, 0x68, 0x98, 0x16, 0xd4, 0xa4, 0x5c, 0xcc, 0x5d, 0x65, 0xb6, 0x92,
    0x6c, 0x70, 0x48, 0x50, 0xfd, 0xed, 0xb9, 0xda, 0x5e, 0x15, 0x46, 0x57, 0xa7, 0x8d, 0x9d, 0x84,
    0x90, 0xd8, 0xab, 0x00, 0x8c, 0xbc, 0xd3, 0x0a, 0xf7, 0xe4, 0x58, 0x05, 0xb8, 0xb3, 0x45, 0x06,
    0xd0, 0x2c, 0x1e, 0x8f, 0xca, 0x3f, 0x0f, 0x02, 0xc1, 0xaf, 0xbd, 0x03, 0x01, 0x13, 0x8a, 0x6b,
    0x3a, 0x91, 0x11, 0x41, 0x4f, 0x67, 0xdc, 0xea, 0x97, 0xf2, 0xcf, 0xce, 0xf0, 0xb4, 0xe6, 0x73,
    0x96, 0xac, 0x74, 0x22, 0xe7, 0xad, 0x35, 0x85, 0xe2, 0xf9, 0x37, 0xe8, 0x1c, 0x75, 0xdf, 0x6e,
    0x47, 0xf1, 0x1a, 0x71, 0x1d, 0x29, 0xc5, 0x89, 0x6f, 0xb7, 0x62, 0x0e, 0xaa, 0x18, 0xbe, 0x1b,
    0xfc, 0x56, 0x3e, 0x4b, 0xc6, 0xd2, 0x79, 0x20, 0x9a, 0xdb, 0xc0, 0xfe, 0x78, 0xcd, 0x5a, 0xf4,
    0x1f, 0xdd, 0xa8, 0x33, 0x88, 0x07, 0xc7, 0x31, 0xb1, 0x12, 0x10, 0x59, 0x27, 0x80, 0xec, 0x5f,
    0x60, 0x51, 0x7f, 0xa9, 0x19, 0xb5, 0x4a, 0x0d, 0x2d, 0xe5, 0x7a, 0x9f, 0x93, 0xc9, 0x9c, 0xef,
    0xa0, 0xe0, 0x3b, 0x4d, 0xae, 0x2a, 0xf5, 0xb0, 0xc8, 0xeb, 0xbb, 0x3c, 0x83, 0x53, 0x99, 0x61,
    0x17, 0x2b, 0x04, 0x7e, 0xba, 0x77, 0xd6, 0x26, 0xe1, 0x69, 0x14, 0x63, 0x55, 0x21, 0x0c, 0x7d,
};

static void aes_substitute(const union ir_value *a, bool encrypt, union ir_value *out)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned row = i % 4, column = i / 4;
        unsigned from = row + 4 * ((encrypt ? column + row : column + 4 - row) % 4);
        out->b[i] = encrypt ? sbox[a->b[from]] : inv_sbox[a->b[from]];
    }
}

static uint8_t times(uint8_t x, unsigned factor) /* in GF(2^8), factor < 16 */
{
    unsigned r = 0, y = x;
    for (; factor; factor >>= 1) {
        r ^= factor & 1 ? y : 0;
        y = y << 1 ^ (y & 0x80 ? 0x11b : 0);
    }
    return (uint8_t)r;
}

static void aes_mix_columns(const union ir_value *a, const uint8_t factor[4], union ir_value *out)
{
    for (unsigned i = 0; i < 16; i++) {
        uint8_t r = 0;
        for (unsigned j = 0; j < 4; j++)
            r ^= times(a->b[i / 4 * 4 + (i + j) % 4], factor[j]);
        out->b[i] = r;
    }
}

/* factor: NULL in the last round */
static void aes_round(const union ir_value v[2], bool encrypt, const uint8_t *factor, union ir_value *out)
{
    union ir_value x, y;
    aes_substitute(&v[0], encrypt, &x);
    if (factor)
        aes_mix_columns(&x, factor, &y);
    else
        y = x;
    for (unsigned k = 0; k < 2; k++)
        out->d[k] = y.d[k] ^ v[1].d[k];
}

/* ---- SHA-1 and SHA-256 ---- */

static uint32_t ror32(uint32_t x, unsigned n)
{
    return n ? x >> n | x << (32 - n) : x;
}

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return ((y ^ z) & x) ^ z;
}

static uint32_t parity(uint32_t x, uint32_t y, uint32_t z)
{
    return x ^ y ^ z;
}

static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | ((x | y) & z);
}

/* Four rounds: x is a, b, c, d, e is element 0 of v1, the words with their constants are v2. */
static void sha1_rounds(const union ir_value v[3], uint32_t (*f)(uint32_t, uint32_t, uint32_t), union ir_value *out)
{
    uint32_t x[4], e = v[1].s[0];
    memcpy(x, v[0].s, sizeof x);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t next = e + ror32(x[0], 27) + f(x[1], x[2], x[3]) + v[2].s[i];
        e = x[3];
        x[3] = x[2];
        x[2] = ror32(x[1], 2);
        x[1] = x[0];
        x[0] = next;
    }
    memcpy(out->s, x, sizeof x);
}

static void sha1_su0(const union ir_value v[3], union ir_value *out)
{
    out->d[0] = v[0].d[1] ^ v[0].d[0] ^ v[2].d[0];
    out->d[1] = v[1].d[0] ^ v[0].d[1] ^ v[2].d[1];
}

static void sha1_su1(const union ir_value v[3], union ir_value *out)
{
    uint32_t t[4];
    for (unsigned i = 0; i < 4; i++)
        t[i] = v[0].s[i] ^ (i < 3 ? v[1].s[i + 1] : 0);
    for (unsigned i = 0; i < 4; i++)
        out->s[i] = ror32(t[i], 31);
    out->s[3] ^= ror32(t[0], 30);
}

/* Two rounds; v[0] is (h, g, d, c), v[1] (f, e, b, a). What was f, e, b, a is h, g, d, c then. */
static void sha256_rounds(const union ir_value v[3], union ir_value *out)
{
    uint32_t x[4] = {v[1].s[3], v[1].s[2], v[0].s[3], v[0].s[2]}, y[4] = {v[1].s[1], v[1].s[0], v[0].s[1], v[0].s[0]};
    for (unsigned i = 0; i < 2; i++) {
        uint32_t t = y[3] + (ror32(y[0], 6) ^ ror32(y[0], 11) ^ ror32(y[0], 25)) + choose(y[0], y[1], y[2]) + v[2].s[i];
        uint32_t e = x[3] + t;
        uint32_t a = t + (ror32(x[0], 2) ^ ror32(x[0], 13) ^ ror32(x[0], 22)) + majority(x[0], x[1], x[2]);
        memmove(&x[1], &x[0], 12);
        memmove(&y[1], &y[0], 12);
        x[0] = a;
        y[0] = e;
    }
    out->s[0] = y[1], out->s[1] = y[0], out->s[2] = x[1], out->s[3] = x[0];
}

static void sha256_su0(const union ir_value v[3], union ir_value *out)
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t x = i < 3 ? v[0].s[i + 1] : v[1].s[0];
        out->s[i] = v[0].s[i] + (ror32(x, 7) ^ ror32(x, 18) ^ x >> 3);
    }
}

static void sha256_su1(const union ir_value v[3], union ir_value *out)
{
    uint32_t r[4];
    for (unsigned i = 0; i < 4; i++) {
        uint32_t x = i < 2 ? v[2].s[i + 2] : r[i - 2];
        r[i] = (ror32(x, 17) ^ ror32(x, 19) ^ x >> 10) + v[0].s[i] + (i < 3 ? v[1].s[i + 1] : v[2].s[0]);
    }
    memcpy(out->s, r, sizeof r);
}

/* ---- SHA-512 ---- */

static uint64_t ror64(uint64_t x, unsigned n)
{
    return x >> n | x << (64 - n);
}

static uint64_t sum1(uint64_t x)
{
    return ror64(x, 14) ^ ror64(x, 18) ^ ror64(x, 41);
}

static uint64_t sum0(uint64_t x)
{
    return ror64(x, 28) ^ ror64(x, 34) ^ ror64(x, 39);
}

static void sha512_h(const union ir_value v[3], union ir_value *out)
{
    const uint64_t *w = v[0].d, *x = v[1].d, *y = v[2].d;
    uint64_t hi = ((y[1] & x[0]) ^ (~y[1] & x[1])) + sum1(y[1]) + w[1];
    uint64_t t = hi + y[0];
    out->d[0] = ((t & y[1]) ^ (~t & x[0])) + sum1(t) + w[0];
    out->d[1] = hi;
}

static void sha512_h2(const union ir_value v[3], union ir_value *out)
{
    const uint64_t *w = v[0].d, *x = v[1].d, *y = v[2].d;
    uint64_t hi = ((x[0] & y[1]) ^ (x[0] & y[0]) ^ (y[1] & y[0])) + sum0(y[0]) + w[1];
    out->d[0] = ((hi & y[0]) ^ (hi & y[1]) ^ (y[1] & y[0])) + sum0(hi) + w[0];
    out->d[1] = hi;
}

static void sha512_su0(const union ir_value v[3], union ir_value *out)
{
    const uint64_t *w = v[0].d, x[2] = { w[1], v[1].d[0] };
    for (unsigned i = 0; i < 2; i++)
        out->d[i] = w[i] + (ror64(x[i], 1) ^ ror64(x[i], 8) ^ x[i] >> 7);
}

static void sha512_su1(const union ir_value v[3], union ir_value *out)
{
    const uint64_t *w = v[0].d, *x = v[1].d, *y = v[2].d;
    for (unsigned i = 0; i < 2; i++)
        out->d[i] = w[i] + (ror64(x[i], 19) ^ ror64(x[i], 61) ^ x[i] >> 6) + y[i];
}

bool ir_eval_crypto(enum ir_op op, const union ir_value v[3], union ir_value *out)
{
    static const uint8_t mix[4] = { 2, 3, 1, 1 }, inv_mix[4] = { 14, 11, 13, 9 };
    switch (op) {
    case IR_VAESMC: aes_mix_columns(&v[0], mix, out); return true;
    case IR_VAESIMC: aes_mix_columns(&v[0], inv_mix, out); return true;
    case IR_VAESENC: aes_round(v, true, mix, out); return true;
    case IR_VAESENCL: aes_round(v, true, NULL, out); return true;
    case IR_VAESDEC: aes_round(v, false, inv_mix, out); return true;
    case IR_VAESDECL: aes_round(v, false, NULL, out); return true;
    case IR_VSHA1C: sha1_rounds(v, choose, out); return true;
    case IR_VSHA1P: sha1_rounds(v, parity, out); return true;
    case IR_VSHA1M: sha1_rounds(v, majority, out); return true;
    case IR_VSHA1H: *out = (union ir_value){ .s = { ror32(v[0].s[0], 2) } }; return true;
    case IR_VSHA1SU0: sha1_su0(v, out); return true;
    case IR_VSHA1SU1: sha1_su1(v, out); return true;
    case IR_VSHA256RNDS2: sha256_rounds(v, out); return true;
    case IR_VSHA256SU0: sha256_su0(v, out); return true;
    case IR_VSHA256SU1: sha256_su1(v, out); return true;
    case IR_VSHA512H: sha512_h(v, out); return true;
    case IR_VSHA512H2: sha512_h2(v, out); return true;
    case IR_VSHA512SU0: sha512_su0(v, out); return true;
    case IR_VSHA512SU1: sha512_su1(v, out); return true;
    default: return false;
    }
}
