/*
 * emit_vec_sat.c - saturating vector operations of 8- and 16-bit elements, with FPSR.QC: the saturated result is compared
 * with the exact one where that is cheap. The host's flags are lost.
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
        return false;
    while (table[k].op != i->op)
        k++;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    vrr(c, table[k].plain[size], XMM0, a, b);
    vrr(c, table[k].saturating[size], d, a, b);
    vrr(c, PXOR, XMM0, XMM0, d);
    note_saturation(c, XMM0);
    return true;
}

/* Only the least number squared saturates, and only it gives the least number, which then becomes the greatest. */
static bool multiply_high(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
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
    vones(c, XMM1);
    vshift(c, SHIFT_LEFT, 1, XMM1, XMM1, 15);
    vrr(c, PCMPEQW, XMM1, XMM1, XMM0);
    vrr(c, PXOR, d, XMM0, XMM1);
    note_saturation(c, XMM1);
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
    case IR_VQXTNS: case IR_VQXTNU: case IR_VQXTUN: return narrow(c);
    default: return false;
    }
}
