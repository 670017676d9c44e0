/*
 * emit_vec_crypto.c - AES, SHA-1, SHA-256, SHA-512, carry-less multiplication.
 *
 * The rounds of AES and SHA-256 are the host's in the IR, too. AESMC alone is AESDECLAST, which undoes AESENC's first half, then AESENC
 * (Intel SDM vol. 2; FIPS 197).
 *
 * The SHA extensions keep the first word of SHA-1's state in the highest lane, A64 in the lowest: lanes are turned before and after.
 * SHA1RNDS4 adds the round constants, which A64 expects in the words.
 */
#include "x64/vec.h"

enum {
    AESIMC = V38(0xdb), AESENC = V38(0xdc), AESENCLAST = V38(0xdd), AESDEC = V38(0xde), AESDECLAST = V38(0xdf), PCLMULQDQ = V3A(0x44),
    /* without prefix, and legacy only */
    SHA256RNDS2 = X64_V(PP_NONE, MAP_0F38, 0, 0xcb), SHA256MSG1 = X64_V(PP_NONE, MAP_0F38, 0, 0xcc),
    SHA256MSG2 = X64_V(PP_NONE, MAP_0F38, 0, 0xcd), SHA1RNDS4 = X64_V(PP_NONE, MAP_0F3A, 0, 0xcc),
    TURNED = 0x1b, /* PSHUFD: 3 2 1 0 */
};

static bool aes_round(struct x64_compiler *c, uint32_t op)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), key = x64_use_v(c, i->b), d = vec_result(c, i->a);
    vrr(c, op, d, a, key);
    return true;
}

static bool aes_columns(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (i->op == IR_VAESIMC) {
        vrr(c, AESIMC, d, 0, a);
        return true;
    }
    vzero(c, XMM1);
    vrr(c, AESDECLAST, XMM0, a, XMM1);
    vrr(c, AESENC, d, XMM0, XMM1);
    return true;
}

static bool multiply_64(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    vrri(c, PCLMULQDQ, d, a, b, 0);
    return true;
}

/* ---- SHA-256 ---- */

static bool sha256_rounds(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned b = x64_use_v(c, i->b), w = x64_use_v(c, i->c);
    vmove(c, XMM0, w);
    unsigned d = x64_def_over_v(c, i->a);
    sse_rr(&c->a, SHA256RNDS2, d, b);
    return true;
}

static bool sha256_schedule(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d;
    if (i->op == IR_VSHA256SU0) {
        d = vec_result(c, i->a);
        vmove(c, XMM0, a);
        sse_rr(&c->a, SHA256MSG1, XMM0, b);
    } else {
        unsigned z = x64_use_v(c, i->c);
        d = vec_result(c, i->a);
        vrri(c, PALIGNR, XMM0, z, b, 4);
        vrr(c, PADDD, XMM0, XMM0, a);
        sse_rr(&c->a, SHA256MSG2, XMM0, z);
    }
    vmove(c, d, XMM0);
    return true;
}

/* ---- SHA-1 ---- */

static bool sha1_rounds(struct x64_compiler *c)
{
    static const uint32_t k[3][4] __attribute__((aligned(16))) = { /* FIPS 180-4, 4.2.1 */
        {0x5a827999, 0x5a827999, 0x5a827999, 0x5a827999},
        {0x6ed9eba1, 0x6ed9eba1, 0x6ed9eba1, 0x6ed9eba1},
        {0x8f1bbcdc, 0x8f1bbcdc, 0x8f1bbcdc, 0x8f1bbcdc}};
    const struct ir_insn *i = x64_insn(c);
    unsigned function = i->op == IR_VSHA1C ? 0 : i->op == IR_VSHA1P ? 1 : 2;
    unsigned a = x64_use_v(c, i->a), e = x64_use_v(c, i->b), w = x64_use_v(c, i->c), d = vec_result(c, i->a);
    vrri(c, PSHUFD, XMM0, 0, w, TURNED);
    vrt(c, PSUBD, XMM0, XMM0, k[function]);
    vshift(c, SHIFT_BYTES_LEFT, 3, XMM1, e, 12);
    vrr(c, PADDD, XMM0, XMM0, XMM1);
    vrri(c, PSHUFD, XMM1, 0, a, TURNED);
    sse_rr(&c->a, SHA1RNDS4, XMM1, XMM0);
    put8(&c->a, function);
    vrri(c, PSHUFD, d, 0, XMM1, TURNED);
    return true;
}

static bool sha1_h(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    vrotate(c, 2, XMM0, a, 30);
    vkeep(c, 2, d, XMM0);
    return true;
}

static bool sha1_schedule(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b);
    if (i->op == IR_VSHA1SU0) {
        unsigned z = x64_use_v(c, i->c), d = vec_result(c, i->a);
        vrri(c, PALIGNR, XMM0, b, a, 8);
        vrr(c, PXOR, XMM0, XMM0, a);
        vrr(c, PXOR, d, XMM0, z);
        return true;
    }
    unsigned d = vec_result(c, i->a);
    vshift(c, SHIFT_BYTES_RIGHT, 3, XMM0, b, 4);
    vrr(c, PXOR, XMM0, XMM0, a);
    vrotate(c, 2, XMM1, XMM0, 1);
    vshift(c, SHIFT_BYTES_LEFT, 3, XMM0, XMM0, 12);
    vshift(c, SHIFT_RIGHT, 2, XMM2, XMM0, 30);
    vrr(c, PXOR, XMM1, XMM1, XMM2);
    vshift(c, SHIFT_LEFT, 2, XMM2, XMM0, 2);
    vrr(c, PXOR, d, XMM1, XMM2);
    return true;
}

/* ---- SHA-512: no extension, but rotates and any function of three bits (AVX-512) ---- */

enum { CHOOSE = 0xca, MAJORITY = 0xe8 };

/* d = s rotated by each of three amounts, or shifted by the last, exclusive or; d and s differ, t is lost */
static void sum(struct x64_compiler *c, unsigned d, unsigned s, unsigned t, const uint8_t by[3], bool shift_last)
{
    vrotate(c, 3, d, s, 64u - by[0]);
    vrotate(c, 3, t, s, 64u - by[1]);
    vrr(c, PXOR, d, d, t);
    if (shift_last)
        vshift(c, SHIFT_RIGHT, 3, t, s, by[2]);
    else
        vrotate(c, 3, t, s, 64u - by[2]);
    vrr(c, PXOR, d, d, t);
}

/* The pseudocode of SHA512H and SHA512H2 on element 0; names as there: w = Vd, x = Vn, y = Vm. */
static bool sha512_rounds(struct x64_compiler *c)
{
    static const uint8_t sum1[3] = {14, 18, 41}, sum0[3] = {28, 34, 39};
    const struct ir_insn *i = x64_insn(c);
    bool first = i->op == IR_VSHA512H;
    const uint8_t *by = first ? sum1 : sum0;
    unsigned w = x64_use_v(c, i->a), x = x64_use_v(c, i->b), y = x64_use_v(c, i->c), d = x64_def_v(c);

    if (first)
        vshift(c, SHIFT_BYTES_RIGHT, 3, XMM0, y, 8); /* the high element's function is of y1; of y0 in the second */
    else
        vmove(c, XMM0, y);
    sum(c, d, XMM0, XMM1, by, false);
    vshift(c, SHIFT_BYTES_RIGHT, 3, XMM1, first ? x : y, 8);
    if (first)
        vternary(c, CHOOSE, XMM0, x, XMM1); /* y1 ? x0 : x1 */
    else
        vternary(c, MAJORITY, XMM0, x, XMM1); /* y0, x0, y1 */
    vrr(c, PADDQ, d, d, XMM0);
    vshift(c, SHIFT_BYTES_RIGHT, 3, XMM0, w, 8);
    vrr(c, PADDQ, d, d, XMM0); /* the result's high element */
    if (first)
        vrr(c, PADDQ, XMM0, d, y);
    else
        vmove(c, XMM0, d);
    sum(c, XMM1, XMM0, XMM2, by, false);
    vshift(c, SHIFT_BYTES_RIGHT, 3, XMM2, y, 8);
    if (first)
        vternary(c, CHOOSE, XMM0, XMM2, x); /* t ? y1 : x0 */
    else
        vternary(c, MAJORITY, XMM0, XMM2, y);
    vrr(c, PADDQ, XMM1, XMM1, XMM0);
    vrr(c, PADDQ, XMM1, XMM1, w);
    vrr(c, PUNPCKLQDQ, d, XMM1, d);
    return true;
}

static bool sha512_schedule(struct x64_compiler *c)
{
    static const uint8_t sigma0[3] = {1, 8, 7}, sigma1[3] = {19, 61, 6};
    const struct ir_insn *i = x64_insn(c);
    bool first = i->op == IR_VSHA512SU0;
    unsigned w = x64_use_v(c, i->a), x = x64_use_v(c, i->b), y = first ? 0 : x64_use_v(c, i->c), d = vec_result(c, i->a);
    if (first) {
        vrri(c, PALIGNR, XMM0, x, w, 8);
        x = XMM0;
    }
    sum(c, XMM1, x, XMM2, first ? sigma0 : sigma1, true);
    vrr(c, PADDQ, first ? d : XMM1, XMM1, w);
    if (!first)
        vrr(c, PADDQ, d, XMM1, y);
    return true;
}

bool x64_emit_vec_crypto(struct x64_compiler *c)
{
    const struct x64_host *host = c->host;
    switch (x64_insn(c)->op) {
    case IR_VAESMC: case IR_VAESIMC: return host->aes && aes_columns(c);
    case IR_VAESENC: return host->aes && aes_round(c, AESENC);
    case IR_VAESENCL: return host->aes && aes_round(c, AESENCLAST);
    case IR_VAESDEC: return host->aes && aes_round(c, AESDEC);
    case IR_VAESDECL: return host->aes && aes_round(c, AESDECLAST);
    case IR_VPMULL64: return host->pclmul && multiply_64(c);
    case IR_VSHA256RNDS2: return host->sha && sha256_rounds(c);
    case IR_VSHA256SU0: case IR_VSHA256SU1: return host->sha && sha256_schedule(c);
    case IR_VSHA1C: case IR_VSHA1P: case IR_VSHA1M: return host->sha && sha1_rounds(c);
    case IR_VSHA512H: case IR_VSHA512H2: return host->avx512vl && sha512_rounds(c);
    case IR_VSHA512SU0: case IR_VSHA512SU1: return host->avx512vl && sha512_schedule(c);
    case IR_VSHA1H: return sha1_h(c);
    case IR_VSHA1SU0: case IR_VSHA1SU1: return sha1_schedule(c);
    default: return false;
    }
}
