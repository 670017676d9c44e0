/*
 * emit_vec_crypto.c - AES, SHA-1, SHA-256, carry-less multiplication.
 *
 * AESENCLAST is ShiftRows, SubBytes and the key added last; AESE adds its key first. AESMC is AESDECLAST, which undoes
 * AESENC's first half, then AESENC (Intel SDM vol. 2; FIPS 197).
 *
 * The SHA extensions keep the first word of the state in the highest lane, A64 in the lowest, and order SHA-256's state
 * in another way: lanes are turned before and after. SHA1RNDS4 adds the round constants, which A64 expects in the words.
 */
#include "x64/vec.h"

enum {
    AESIMC = V38(0xdb), AESENC = V38(0xdc), AESENCLAST = V38(0xdd), AESDECLAST = V38(0xdf), PCLMULQDQ = V3A(0x44),
    /* without prefix, and legacy only */
    SHA256RNDS2 = X64_V(PP_NONE, MAP_0F38, 0, 0xcb), SHA256MSG1 = X64_V(PP_NONE, MAP_0F38, 0, 0xcc),
    SHA256MSG2 = X64_V(PP_NONE, MAP_0F38, 0, 0xcd), SHA1RNDS4 = X64_V(PP_NONE, MAP_0F3A, 0, 0xcc),
    TURNED = 0x1b, SWAPPED = 0xb1, /* PSHUFD: 3 2 1 0, 1 0 3 2 */
};

static bool aes_round(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    vzero(c, XMM1);
    vrr(c, PXOR, XMM0, a, b);
    vrr(c, i->op == IR_VAESE ? AESENCLAST : AESDECLAST, d, XMM0, XMM1);
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

/* ---- SHA-256: x = (a b c d), y = (e f g h), lowest first ---- */

static bool sha256_rounds(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    bool second = i->op == IR_VSHA256H2;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), w = x64_use_v(c, i->c), d = vec_result(c, i->a);
    unsigned x = second ? b : a, y = second ? a : b;
    vmove(c, XMM0, w);
    vrr(c, PUNPCKHQDQ, XMM1, y, x);
    vrri(c, PSHUFD, XMM1, 0, XMM1, SWAPPED); /* h g d c: "CDGH" */
    vrr(c, PUNPCKLQDQ, XMM2, y, x);
    vrri(c, PSHUFD, XMM2, 0, XMM2, SWAPPED); /* f e b a: "ABEF" */
    sse_rr(&c->a, SHA256RNDS2, XMM1, XMM2);  /* two rounds: XMM1 is ABEF, XMM2 is CDGH */
    vrri(c, PSHUFD, XMM0, 0, XMM0, 0x0e);
    sse_rr(&c->a, SHA256RNDS2, XMM2, XMM1);
    vrr(c, second ? PUNPCKLQDQ : PUNPCKHQDQ, XMM0, XMM2, XMM1);
    vrri(c, PSHUFD, d, 0, XMM0, SWAPPED);
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

/* d = 32-bit elements of s rotated left; d and s differ, XMM2 is lost */
static void rotate(struct x64_compiler *c, unsigned d, unsigned s, unsigned n)
{
    vshift(c, SHIFT_LEFT, 2, d, s, n);
    vshift(c, SHIFT_RIGHT, 2, XMM2, s, 32 - n);
    vrr(c, POR, d, d, XMM2);
}

static bool sha1_h(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    rotate(c, XMM0, a, 30);
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
    rotate(c, XMM1, XMM0, 1);
    vshift(c, SHIFT_BYTES_LEFT, 3, XMM0, XMM0, 12);
    vshift(c, SHIFT_RIGHT, 2, XMM2, XMM0, 30);
    vrr(c, PXOR, XMM1, XMM1, XMM2);
    vshift(c, SHIFT_LEFT, 2, XMM2, XMM0, 2);
    vrr(c, PXOR, d, XMM1, XMM2);
    return true;
}

bool x64_emit_vec_crypto(struct x64_compiler *c)
{
    const struct x64_host *host = c->host;
    switch (x64_insn(c)->op) {
    case IR_VAESE: case IR_VAESD: return host->aes && aes_round(c);
    case IR_VAESMC: case IR_VAESIMC: return host->aes && aes_columns(c);
    case IR_VPMULL64: return host->pclmul && multiply_64(c);
    case IR_VSHA256H: case IR_VSHA256H2: return host->sha && sha256_rounds(c);
    case IR_VSHA256SU0: case IR_VSHA256SU1: return host->sha && sha256_schedule(c);
    case IR_VSHA1C: case IR_VSHA1P: case IR_VSHA1M: return host->sha && sha1_rounds(c);
    case IR_VSHA1H: return sha1_h(c);
    case IR_VSHA1SU0: case IR_VSHA1SU1: return sha1_schedule(c);
    default: return false;
    }
}
