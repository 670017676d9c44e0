/*
 * emit_vec_bits.c - vector operations on the bits of elements (counts, reversal) and dot products of bytes.
 */
#include "x64/vec.h"

/* ---- bits of bytes, by tables of nibbles ---- */

static const uint8_t low_nibbles[16] __attribute__((aligned(16))) = {15, 15, 15, 15, 15, 15, 15, 15,
                                                                     15, 15, 15, 15, 15, 15, 15, 15};

/* d = low[low nibble] op high[high nibble] */
static void nibbles(struct x64_compiler *c, uint32_t join, unsigned d, unsigned a, const uint8_t *low, const uint8_t *high)
{
    vrt(c, PAND, XMM0, a, low_nibbles);
    vshift(c, SHIFT_RIGHT, 1, XMM1, a, 4);
    vex_rrm(&c->a, PAND, XMM1, XMM1, mem_at(RAX, 0));
    mov_table(&c->a, RAX, low);
    movups_rm(&c->a, XMM2, mem_at(RAX, 0));
    vrr(c, PSHUFB, XMM0, XMM2, XMM0);
    mov_table(&c->a, RAX, high);
    movups_rm(&c->a, XMM2, mem_at(RAX, 0));
    vrr(c, PSHUFB, XMM1, XMM2, XMM1);
    vrr(c, join, d, XMM0, XMM1);
}

static bool count_or_reverse(struct x64_compiler *c)
{
    static const uint8_t ones_in[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
    static const uint8_t reversed[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
    static const uint8_t reversed_high[16] = {0x00, 0x80, 0x40, 0xc0, 0x20, 0xa0, 0x60, 0xe0,
                                              0x10, 0x90, 0x50, 0xd0, 0x30, 0xb0, 0x70, 0xf0};
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (i->op == IR_VRBIT && c->host->gfni)
        vec_bytes_by_matrix(c, d, a, CODE_REVERSED);
    else if (i->op == IR_VRBIT)
        nibbles(c, POR, d, a, reversed_high, reversed);
    else if (c->host->avx512_bitalg)
        evex_rrr(&c->a, V38(0x54), 0, d, 0, a, 0, false, false); /* VPOPCNTB */
    else
        nibbles(c, PADDB, d, a, ones_in, ones_in);
    return true;
}

/* ---- leading zeros ---- */

/* v = leading zeros of v's elements: of bytes by nibbles, the lower one only counting where the upper is zero; of wider ones from
 * their halves. v is not a scratch register */
static void leading_zeros(struct x64_compiler *c, unsigned size, unsigned v)
{
    static const uint8_t low[16] = {8, 7, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4};
    static const uint8_t high[16] = {8, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    nibbles(c, V0F(0xda), v, v, low, high); /* PMINUB */
    for (unsigned k = 1; k <= size; k++) {
        unsigned half = 4u << k; /* bits of an element half as wide */
        vshift(c, SHIFT_RIGHT, k, XMM0, v, half);
        vshift(c, SHIFT_LEFT, k, XMM1, v, half);
        vshift(c, SHIFT_RIGHT, k, XMM1, XMM1, half);
        vones(c, XMM2); /* the number that means "all zeros" above */
        vshift(c, SHIFT_RIGHT, k, XMM2, XMM2, 2 * half - 1);
        vshift(c, SHIFT_LEFT, k, XMM2, XMM2, k + 2);
        vrr(c, k == 1 ? PCMPEQW : PCMPEQD, XMM2, XMM2, XMM0);
        vrr(c, PAND, XMM1, XMM1, XMM2);
        vrr(c, k == 1 ? PADDW : PADDD, v, XMM0, XMM1);
    }
}

/* Signs: the bits that differ from the sign, of which the leading zeros count, but for the sign itself. */
static bool count_leading(struct x64_compiler *c)
{
    static const uint32_t greater[3] = {PCMPGTB, PCMPGTW, PCMPGTD}, add[3] = {PADDB, PADDW, PADDD};
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    if (size > 2)
        return false;
    unsigned a = x64_use_v(c, i->a), d = x64_def_v(c);
    if (i->op == IR_VCLS) {
        vzero(c, XMM0);
        vrr(c, greater[size], XMM0, XMM0, a);
        vrr(c, PXOR, d, a, XMM0);
    } else {
        vmove(c, d, a);
    }
    leading_zeros(c, size, d);
    if (i->op == IR_VCLS) {
        vones(c, XMM0);
        vrr(c, add[size], d, d, XMM0);
    }
    return true;
}

/* ---- dot products ---- */

/*
 * VPDPBUSD adds products of unsigned bytes and signed ones. What is of the other kind is taken 128 more or less, by its highest bit turned
 * over, and 128 times the sums of the other factor are set off. XMM0..XMM2 are lost.
 */
static void dot_product_by_vnni(struct x64_compiler *c, bool b_signed, bool z_signed)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned b = x64_use_v(c, i->b), z = x64_use_v(c, i->c), d = x64_def_over_v(c, i->a);
    uint32_t dot = V38(0x50);
    if (b_signed == !z_signed) {
        evex_rrr(&c->a, dot, 0, d, b, z, 0, false, false);
        return;
    }
    mov_ri(&c->a, RAX, 0x80808080);
    movd_vr(&c->a, false, XMM2, RAX);
    vrri(c, PSHUFD, XMM2, 0, XMM2, 0);
    vzero(c, XMM0);
    if (b_signed) {
        evex_rrr(&c->a, dot, 0, XMM0, XMM2, z, 0, false, false); /* 128 z */
        vrr(c, PXOR, XMM1, b, XMM2);
        evex_rrr(&c->a, dot, 0, d, XMM1, z, 0, false, false);
        vrr(c, PSUBD, d, d, XMM0);
    } else {
        evex_rrr(&c->a, dot, 0, XMM0, b, XMM2, 0, false, false); /* -128 b */
        vrr(c, PXOR, XMM1, z, XMM2);
        evex_rrr(&c->a, dot, 0, d, b, XMM1, 0, false, false);
        vrr(c, PSUBD, d, d, XMM0);
    }
}

/* Bytes as words, products added in pairs, twice. */
static bool dot_product(struct x64_compiler *c, bool b_signed, bool z_signed)
{
    enum { PMADDWD = V0F(0xf5), PHADDD = V38(0x02), PMOVSXBW = V38(0x20), PMOVZXBW = V38(0x30) };
    const struct ir_insn *i = x64_insn(c);
    if (c->host->avx512_vnni) {
        dot_product_by_vnni(c, b_signed, z_signed);
        return true;
    }
    uint32_t widen_b = b_signed ? PMOVSXBW : PMOVZXBW, widen_z = z_signed ? PMOVSXBW : PMOVZXBW;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), z = x64_use_v(c, i->c), d = vec_result(c, i->a);
    vrr(c, widen_b, XMM0, 0, b);
    vrr(c, widen_z, XMM1, 0, z);
    vrr(c, PMADDWD, XMM0, XMM0, XMM1);
    vshift(c, SHIFT_BYTES_RIGHT, 3, XMM1, b, 8);
    vrr(c, widen_b, XMM1, 0, XMM1);
    vshift(c, SHIFT_BYTES_RIGHT, 3, XMM2, z, 8);
    vrr(c, widen_z, XMM2, 0, XMM2);
    vrr(c, PMADDWD, XMM1, XMM1, XMM2);
    vrr(c, PHADDD, XMM0, XMM0, XMM1);
    vrr(c, PADDD, d, XMM0, a);
    return true;
}

bool x64_emit_vec_bits(struct x64_compiler *c)
{
    switch (x64_insn(c)->op) {
    case IR_VCNT: case IR_VRBIT: return count_or_reverse(c);
    case IR_VCLZ: case IR_VCLS: return count_leading(c);
    case IR_VSDOT: return dot_product(c, true, true);
    case IR_VUDOT: return dot_product(c, false, false);
    case IR_VUSDOT: return dot_product(c, false, true);
    default: return false;
    }
}
