/*
 * emit_vec_sat.c - the more frequent saturating vector operations, with FPSR.QC: the saturated result is compared with the
 * exact one, or the lanes that saturate are known from their signs. The host's flags are lost.
 */
#include "x64/vec.h"

enum { PTEST = V38(0x17), PMULHW = V0F(0xe5), PMULHRSW = V38(0x0b), FPSR_QC = 1 << 27 };

/* QC if any bit of v is set */
static void note_saturation(struct x64_compiler *c, unsigned v)
{
    vrr(c, PTEST, v, 0, v);
    uint8_t *none = jcc_short(&c->a, CC_E);
    alu_mi(&c->a, ALU_OR, false, x64_state(c, c->config->env.fpsr_offset), FPSR_QC);
    jump_here(&c->a, none);
}

/* d = the sign of each element, in all its bits */
static void signs(struct x64_compiler *c, unsigned size, unsigned d, unsigned a)
{
    if (size == 2) {
        vshift(c, SHIFT_SIGNED, 2, d, a, 31);
    } else {
        vzero(c, d == a ? XMM2 : d);
        vrr(c, PCMPGTQ, d, d == a ? XMM2 : d, a);
    }
}

/* 32 and 64 bits: overflow shows in the signs; the result then is the limit on a's side. */
static bool signed_add_or_subtract(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    bool add = i->op == IR_VQADDS;
    if (!add && i->op != IR_VQSUBS)
        return false;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = x64_def_v(c);
    if (add)
        vrr(c, size == 2 ? PADDD : PADDQ, XMM0, a, b);
    else
        vrr(c, size == 2 ? PSUBD : PSUBQ, XMM0, a, b);
    vrr(c, PXOR, XMM1, a, XMM0);
    vrr(c, PXOR, XMM2, b, add ? XMM0 : a);
    vrr(c, PAND, XMM1, XMM1, XMM2);
    signs(c, size, XMM1, XMM1);
    signs(c, size, XMM2, a);
    vones(c, d);
    vshift(c, SHIFT_RIGHT, size, d, d, 1);
    vrr(c, PXOR, d, d, XMM2);
    vrri(c, V3A(0x4c), d, XMM0, d, XMM1 << 4); /* VPBLENDVB */
    note_saturation(c, XMM1);
    return true;
}

static bool add_or_subtract(struct x64_compiler *c)
{
    static const struct {
        uint16_t op;
        uint32_t saturating[2], plain[2];
    } table[] = {
        {IR_VQADDS, {V0F(0xec), V0F(0xed)}, {PADDB, PADDW}},
        {IR_VQADDU, {V0F(0xdc), V0F(0xdd)}, {PADDB, PADDW}},
        {IR_VQSUBS, {V0F(0xe8), V0F(0xe9)}, {PSUBB, PSUBW}},
        {IR_VQSUBU, {V0F(0xd8), V0F(0xd9)}, {PSUBB, PSUBW}},
    };
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), k = 0;
    if (size > 1)
        return signed_add_or_subtract(c);
    while (table[k].op != i->op)
        k++;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    vrr(c, table[k].plain[size], XMM0, a, b);
    vrr(c, table[k].saturating[size], d, a, b);
    vrr(c, PXOR, XMM0, XMM0, d);
    note_saturation(c, XMM0);
    return true;
}

/* Only the least number saturates (squared, negated), and only it gives the least number, which then becomes the greatest. */
static void fix_least(struct x64_compiler *c, unsigned size, unsigned d, unsigned v)
{
    static const uint32_t equal[4] = {PCMPEQB, PCMPEQW, PCMPEQD, PCMPEQQ};
    vones(c, XMM1);
    if (size == 0) { /* bytes of 1, moved inside of words */
        vrr(c, V38(0x1c), XMM1, 0, XMM1);
        vshift(c, SHIFT_LEFT, 1, XMM1, XMM1, 7);
    } else {
        vshift(c, SHIFT_LEFT, size, XMM1, XMM1, (8u << size) - 1);
    }
    vrr(c, equal[size], XMM1, XMM1, v);
    vrr(c, PXOR, d, v, XMM1);
    note_saturation(c, XMM1);
}

/* 32 bits: even and odd elements as 64-bit products; their bits 62..31 */
static bool multiply_high_32(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = x64_def_v(c);
    vrr(c, PMULDQ, XMM0, a, b);
    vshift(c, SHIFT_RIGHT, 3, XMM1, a, 32);
    vshift(c, SHIFT_RIGHT, 3, XMM2, b, 32);
    vrr(c, PMULDQ, XMM1, XMM1, XMM2);
    if (i->op == IR_VSQRDMULH) {
        vones(c, d);
        vshift(c, SHIFT_RIGHT, 3, d, d, 63);
        vshift(c, SHIFT_LEFT, 3, d, d, 30);
        vrr(c, PADDQ, XMM0, XMM0, d);
        vrr(c, PADDQ, XMM1, XMM1, d);
    }
    vshift(c, SHIFT_RIGHT, 3, XMM0, XMM0, 31);
    vshift(c, SHIFT_LEFT, 3, XMM1, XMM1, 1);
    vrri(c, PBLENDW, XMM0, XMM0, XMM1, 0xcc);
    fix_least(c, 2, d, XMM0);
    return true;
}

static bool multiply_long(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    if (size != 1 && size != 2)
        return false;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    uint32_t extend = size == 1 ? V38(0x23) : V38(0x25);
    vrr(c, extend, XMM0, 0, a);
    vrr(c, extend, XMM1, 0, b);
    vrr(c, size == 1 ? PMULLD : PMULDQ, XMM0, XMM0, XMM1);
    vrr(c, size == 1 ? PADDD : PADDQ, XMM0, XMM0, XMM0);
    fix_least(c, size + 1, d, XMM0);
    return true;
}

static bool multiply_high(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    if (vec_size(i) == 2)
        return multiply_high_32(c);
    if (vec_size(i) != 1)
        return false;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    if (i->op == IR_VSQRDMULH) {
        vrr(c, PMULHRSW, XMM0, a, b);
    } else {
        vrr(c, PMULLW, XMM1, a, b);
        vshift(c, SHIFT_RIGHT, 1, XMM1, XMM1, 15);
        vrr(c, PMULHW, XMM0, a, b);
        vrr(c, PADDW, XMM0, XMM0, XMM0);
        vrr(c, POR, XMM0, XMM0, XMM1);
    }
    fix_least(c, 1, d, XMM0);
    return true;
}

static bool absolute_or_negative(struct x64_compiler *c)
{
    static const uint32_t subtract[4] = {PSUBB, PSUBW, PSUBD, PSUBQ};
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    if (size == 3 && !c->host->avx512vl)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (i->op == IR_VQNEG) {
        vzero(c, XMM0);
        vrr(c, subtract[size], XMM0, XMM0, a);
    } else if (size == 3) { /* VPABSQ */
        evex_rrr(&c->a, V38W(0x1f), 0, XMM0, 0, a, 0, false, false);
    } else {
        vrr(c, V38(0x1c + size), XMM0, 0, a);
    }
    fix_least(c, size, d, XMM0);
    return true;
}

/* The narrow elements widened again tell what was lost. */
static bool narrow(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    if (size > 1)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a), from = a;
    vmove(c, XMM2, a);
    if (i->op == IR_VQXTNU) { /* packing takes its operand as signed: cut it first */
        vones(c, XMM1);
        vshift(c, SHIFT_RIGHT, size + 1, XMM1, XMM1, 8u << size);
        vrr(c, size ? V38(0x3b) : V38(0x3a), XMM0, a, XMM1); /* VPMINUD, VPMINUW */
        from = XMM0;
    }
    vzero(c, XMM1);
    bool is_signed = i->op == IR_VQXTNS;
    vrr(c, is_signed ? size ? PACKSSDW : PACKSSWB : size ? PACKUSDW : PACKUSWB, d, from, XMM1);
    vrr(c, is_signed ? size ? V38(0x23) : V38(0x20) : size ? V38(0x33) : V38(0x30), XMM0, 0, d);
    vrr(c, PXOR, XMM0, XMM0, XMM2);
    note_saturation(c, XMM0);
    return true;
}

bool x64_emit_vec_sat(struct x64_compiler *c)
{
    switch (x64_insn(c)->op) {
    case IR_VQADDS: case IR_VQADDU: case IR_VQSUBS: case IR_VQSUBU: return add_or_subtract(c);
    case IR_VSQDMULH: case IR_VSQRDMULH: return multiply_high(c);
    case IR_VSQDMULL: return multiply_long(c);
    case IR_VQABS: case IR_VQNEG: return absolute_or_negative(c);
    case IR_VQXTNS: case IR_VQXTNU: case IR_VQXTUN: return narrow(c);
    default: return false;
    }
}
