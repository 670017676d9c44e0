/* simd_misc.c - Advanced SIMD two registers, across lanes, scalar pairwise. */
#include "cpu/jit/translate/simd.h"

static void plain(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, v1(t, op, vreg(t, i->rn), i->size));
}

static void reverse(struct tr *t, const struct a64_insn *i, unsigned container)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, E1(VREV, vreg(t, i->rn), sized(i->size, container)));
}

static void bytes(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, v1(t, op, vreg(t, i->rn), SIZE_B));
}

static void saturating(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v1(t, op, lanes(t, i, i->rn), i->size));
}

static void saturating_scalar(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v1(t, op, scalar(t, i->rn, i->size), i->size));
}

/* Vd with Vn added, each of its own signedness */
static void saturating_add(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, lanes(t, i, i->rd), lanes(t, i, i->rn), i->size));
}

static void saturating_add_scalar(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, scalar(t, i->rd, i->size), scalar(t, i->rn, i->size), i->size));
}

static void pairs_long(struct tr *t, const struct a64_insn *i, enum ir_op op, bool accumulate)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = v1(t, op, vreg(t, i->rn), i->size);
    write_lanes(t, i, accumulate ? E2(VADD, vreg(t, i->rd), v, i->size + 1) : v);
}

/* swapped: 0 op Vn instead of Vn op 0 */
static ir_ref against_zero(struct tr *t, const struct a64_insn *i, enum ir_op op, bool swapped, unsigned size)
{
    ir_ref zero = E0(VCONST, 0), n = vreg(t, i->rn);
    return swapped ? v2(t, op, zero, n, size) : v2(t, op, n, zero, size);
}

static void compare_zero(struct tr *t, const struct a64_insn *i, enum ir_op op, bool swapped)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, against_zero(t, i, op, swapped, i->size));
}

static void compare_zero_scalar(struct tr *t, const struct a64_insn *i, enum ir_op op, bool swapped)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, zero_above_64(t, against_zero(t, i, op, swapped, SIZE_D)));
}

static void plain_scalar(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, zero_above_64(t, v1(t, op, vreg(t, i->rn), SIZE_D)));
}

static void narrow(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_narrow(t, i, v1(t, op, vreg(t, i->rn), i->size));
}

static void narrow_scalar(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v1(t, op, scalar(t, i->rn, i->size + 1), i->size));
}

static void sum_across(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v1(t, op, lanes(t, i, i->rn), i->size));
}

static void choose_across(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v1(t, op, repeated(t, i, i->rn), i->size));
}

TRANSLATE(REV64_v) { reverse(t, i, SIZE_D); }
TRANSLATE(REV32_v) { reverse(t, i, SIZE_S); }
TRANSLATE(REV16_v) { reverse(t, i, SIZE_H); }
TRANSLATE(CLS_v) { plain(t, i, IR_VCLS); }
TRANSLATE(CLZ_v) { plain(t, i, IR_VCLZ); }
TRANSLATE(CNT_v) { bytes(t, i, IR_VCNT); }
TRANSLATE(RBIT_v) { bytes(t, i, IR_VRBIT); }
TRANSLATE(NOT_v) { bytes(t, i, IR_VNOT); }
TRANSLATE(ABS_v) { plain(t, i, IR_VABS); }
TRANSLATE(NEG_v) { plain(t, i, IR_VNEG); }
TRANSLATE(URECPE_v) { plain(t, i, IR_VURECPE); }
TRANSLATE(URSQRTE_v) { plain(t, i, IR_VURSQRTE); }
TRANSLATE(SADDLP_v) { pairs_long(t, i, IR_VADDLPS, false); }
TRANSLATE(UADDLP_v) { pairs_long(t, i, IR_VADDLPU, false); }
TRANSLATE(SADALP_v) { pairs_long(t, i, IR_VADDLPS, true); }
TRANSLATE(UADALP_v) { pairs_long(t, i, IR_VADDLPU, true); }
TRANSLATE(SUQADD_v) { saturating_add(t, i, IR_VSUQADD); }
TRANSLATE(USQADD_v) { saturating_add(t, i, IR_VUSQADD); }
TRANSLATE(SQABS_v) { saturating(t, i, IR_VQABS); }
TRANSLATE(SQNEG_v) { saturating(t, i, IR_VQNEG); }
TRANSLATE(CMGT_z_v) { compare_zero(t, i, IR_VCMGT, false); }
TRANSLATE(CMGE_z_v) { compare_zero(t, i, IR_VCMGE, false); }
TRANSLATE(CMEQ_z_v) { compare_zero(t, i, IR_VCMEQ, false); }
TRANSLATE(CMLT_z_v) { compare_zero(t, i, IR_VCMGT, true); }
TRANSLATE(CMLE_z_v) { compare_zero(t, i, IR_VCMGE, true); }
TRANSLATE(XTN_v) { narrow(t, i, IR_VXTN); }
TRANSLATE(SQXTN_v) { narrow(t, i, IR_VQXTNS); }
TRANSLATE(UQXTN_v) { narrow(t, i, IR_VQXTNU); }
TRANSLATE(SQXTUN_v) { narrow(t, i, IR_VQXTUN); }

TRANSLATE(SHLL_v) /* by the element's width */
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = E1(VZXL, half(t, i, i->rn), i->size);
    write_vreg(t, i->rd, E1(VSHL, v, sized(i->size + 1, 8u << i->size)));
}

TRANSLATE(SUQADD_s) { saturating_add_scalar(t, i, IR_VSUQADD); }
TRANSLATE(USQADD_s) { saturating_add_scalar(t, i, IR_VUSQADD); }
TRANSLATE(SQABS_s) { saturating_scalar(t, i, IR_VQABS); }
TRANSLATE(SQNEG_s) { saturating_scalar(t, i, IR_VQNEG); }
TRANSLATE(CMGT_z_s) { compare_zero_scalar(t, i, IR_VCMGT, false); }
TRANSLATE(CMGE_z_s) { compare_zero_scalar(t, i, IR_VCMGE, false); }
TRANSLATE(CMEQ_z_s) { compare_zero_scalar(t, i, IR_VCMEQ, false); }
TRANSLATE(CMLT_z_s) { compare_zero_scalar(t, i, IR_VCMGT, true); }
TRANSLATE(CMLE_z_s) { compare_zero_scalar(t, i, IR_VCMGE, true); }
TRANSLATE(ABS_s) { plain_scalar(t, i, IR_VABS); }
TRANSLATE(NEG_s) { plain_scalar(t, i, IR_VNEG); }
TRANSLATE(SQXTN_s) { narrow_scalar(t, i, IR_VQXTNS); }
TRANSLATE(UQXTN_s) { narrow_scalar(t, i, IR_VQXTNU); }
TRANSLATE(SQXTUN_s) { narrow_scalar(t, i, IR_VQXTUN); }

TRANSLATE(ADDV) { sum_across(t, i, IR_VADDV); }
TRANSLATE(SADDLV) { sum_across(t, i, IR_VADDLVS); }
TRANSLATE(UADDLV) { sum_across(t, i, IR_VADDLVU); }
TRANSLATE(SMAXV) { choose_across(t, i, IR_VMAXVS); }
TRANSLATE(SMINV) { choose_across(t, i, IR_VMINVS); }
TRANSLATE(UMAXV) { choose_across(t, i, IR_VMAXVU); }
TRANSLATE(UMINV) { choose_across(t, i, IR_VMINVU); }

TRANSLATE(ADDP_s)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E1(VADDV, vreg(t, i->rn), SIZE_D));
}
