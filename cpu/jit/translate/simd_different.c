/*
 * simd_different.c - Advanced SIMD three registers of different types: long, wide and narrow forms, and the saturating
 * scalars.
 */
#include "cpu/jit/translate/simd.h"

static ir_ref widened(struct tr *t, const struct a64_insn *i, unsigned n, bool is_signed)
{
    return v1(t, is_signed ? IR_VSXL : IR_VZXL, half(t, i, n), i->size);
}

static void long_op(struct tr *t, const struct a64_insn *i, enum ir_op op, bool is_signed)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, widened(t, i, i->rn, is_signed), widened(t, i, i->rm, is_signed), i->size + 1));
}

static void wide_op(struct tr *t, const struct a64_insn *i, enum ir_op op, bool is_signed)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, vreg(t, i->rn), widened(t, i, i->rm, is_signed), i->size + 1));
}

/* The high halves of sums or differences, rounded or not */
static void high_half(struct tr *t, const struct a64_insn *i, enum ir_op op, bool round)
{
    if (fp_trapped(t, i))
        return;
    unsigned bits = 8u << i->size;
    ir_ref v = v2(t, op, vreg(t, i->rn), vreg(t, i->rm), i->size + 1);
    if (round)
        v = E2(VADD, v, E1(VDUP, konst(t, BIT(bits - 1)), i->size + 1), i->size + 1);
    write_narrow(t, i, E1(VXTN, E1(VSHR, v, sized(i->size + 1, bits)), i->size));
}

/* |n - m| of the half's elements, twice as wide: without its sign it fits an element. The "2" form shares it with the other. */
static ir_ref difference(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    ir_ref v = v2(t, op, vreg(t, i->rn), vreg(t, i->rm), i->size);
    return E1(VZXL, i->q ? E1(VHIGH, v, 0) : v, i->size);
}

static void difference_long(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (!fp_trapped(t, i))
        write_vreg(t, i->rd, difference(t, i, op));
}

static void difference_accumulate(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (!fp_trapped(t, i))
        write_vreg(t, i->rd, E2(VADD, vreg(t, i->rd), difference(t, i, op), i->size + 1));
}

static void multiply(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, half(t, i, i->rn), half(t, i, i->rm), i->size));
}

static void multiply_join(struct tr *t, const struct a64_insn *i, enum ir_op op, enum ir_op join)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = v2(t, op, half(t, i, i->rn), half(t, i, i->rm), i->size);
    write_vreg(t, i->rd, v2(t, join, vreg(t, i->rd), v, i->size + 1));
}

static void multiply_join_scalar(struct tr *t, const struct a64_insn *i, enum ir_op join)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = E2(VSQDMULL, scalar(t, i->rn, i->size), scalar(t, i->rm, i->size), i->size);
    write_vreg(t, i->rd, v2(t, join, scalar(t, i->rd, i->size + 1), v, i->size + 1));
}

TRANSLATE(SADDL_v) { long_op(t, i, IR_VADD, true); }
TRANSLATE(UADDL_v) { long_op(t, i, IR_VADD, false); }
TRANSLATE(SSUBL_v) { long_op(t, i, IR_VSUB, true); }
TRANSLATE(USUBL_v) { long_op(t, i, IR_VSUB, false); }
TRANSLATE(SABDL_v) { difference_long(t, i, IR_VABDS); }
TRANSLATE(UABDL_v) { difference_long(t, i, IR_VABDU); }
TRANSLATE(SADDW_v) { wide_op(t, i, IR_VADD, true); }
TRANSLATE(UADDW_v) { wide_op(t, i, IR_VADD, false); }
TRANSLATE(SSUBW_v) { wide_op(t, i, IR_VSUB, true); }
TRANSLATE(USUBW_v) { wide_op(t, i, IR_VSUB, false); }
TRANSLATE(ADDHN_v) { high_half(t, i, IR_VADD, false); }
TRANSLATE(RADDHN_v) { high_half(t, i, IR_VADD, true); }
TRANSLATE(SUBHN_v) { high_half(t, i, IR_VSUB, false); }
TRANSLATE(RSUBHN_v) { high_half(t, i, IR_VSUB, true); }
TRANSLATE(SABAL_v) { difference_accumulate(t, i, IR_VABDS); }
TRANSLATE(UABAL_v) { difference_accumulate(t, i, IR_VABDU); }

TRANSLATE(SMULL_v) { multiply(t, i, IR_VSMULL); }
TRANSLATE(UMULL_v) { multiply(t, i, IR_VUMULL); }
TRANSLATE(SQDMULL_v) { multiply(t, i, IR_VSQDMULL); }
TRANSLATE(PMULL_8) { multiply(t, i, IR_VPMULL); }
TRANSLATE(PMULL_64) { multiply(t, i, IR_VPMULL64); }
TRANSLATE(SMLAL_v) { multiply_join(t, i, IR_VSMULL, IR_VADD); }
TRANSLATE(UMLAL_v) { multiply_join(t, i, IR_VUMULL, IR_VADD); }
TRANSLATE(SMLSL_v) { multiply_join(t, i, IR_VSMULL, IR_VSUB); }
TRANSLATE(UMLSL_v) { multiply_join(t, i, IR_VUMULL, IR_VSUB); }
TRANSLATE(SQDMLAL_v) { multiply_join(t, i, IR_VSQDMULL, IR_VQADDS); }
TRANSLATE(SQDMLSL_v) { multiply_join(t, i, IR_VSQDMULL, IR_VQSUBS); }

TRANSLATE(SQDMLAL_s) { multiply_join_scalar(t, i, IR_VQADDS); }
TRANSLATE(SQDMLSL_s) { multiply_join_scalar(t, i, IR_VQSUBS); }

TRANSLATE(SQDMULL_s)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E2(VSQDMULL, scalar(t, i->rn, i->size), scalar(t, i->rm, i->size), i->size));
}
