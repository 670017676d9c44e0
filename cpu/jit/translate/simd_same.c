/* simd_same.c - Advanced SIMD three registers of the same type, and their scalar forms. */
#include "cpu/jit/translate/simd.h"

static void plain(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, v2(t, op, vreg(t, i->rn), vreg(t, i->rm), i->size));
}

static void plain_d(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, zero_above_64(t, v2(t, op, vreg(t, i->rn), vreg(t, i->rm), SIZE_D)));
}

static void saturating(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, lanes(t, i, i->rn), lanes(t, i, i->rm), i->size));
}

static void saturating_scalar(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, v2(t, op, scalar(t, i->rn, i->size), scalar(t, i->rm, i->size), i->size));
}

/* Vd + or - op(Vn, Vm) */
static void accumulate(struct tr *t, const struct a64_insn *i, enum ir_op op, enum ir_op join)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = v2(t, op, vreg(t, i->rn), vreg(t, i->rm), i->size);
    write_lanes(t, i, v2(t, join, vreg(t, i->rd), v, i->size));
}

static void multiply_accumulate_high(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, ir_emit(t->b, op, lanes(t, i, i->rd), lanes(t, i, i->rn), lanes(t, i, i->rm), i->size));
}

static void multiply_accumulate_high_scalar(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, ir_emit(t->b, op, scalar(t, i->rd, i->size), scalar(t, i->rn, i->size),
                                 scalar(t, i->rm, i->size), i->size));
}

static void dot(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, ir_emit(t->b, op, vreg(t, i->rd), vreg(t, i->rn), vreg(t, i->rm), SIZE_S));
}

static void matrix(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, ir_emit(t->b, op, vreg(t, i->rd), vreg(t, i->rn), vreg(t, i->rm), SIZE_S));
}

TRANSLATE(SHADD_v) { plain(t, i, IR_VHADDS); }
TRANSLATE(UHADD_v) { plain(t, i, IR_VHADDU); }
TRANSLATE(SRHADD_v) { plain(t, i, IR_VRHADDS); }
TRANSLATE(URHADD_v) { plain(t, i, IR_VRHADDU); }
TRANSLATE(SHSUB_v) { plain(t, i, IR_VHSUBS); }
TRANSLATE(UHSUB_v) { plain(t, i, IR_VHSUBU); }
TRANSLATE(CMGT_v) { plain(t, i, IR_VCMGT); }
TRANSLATE(CMHI_v) { plain(t, i, IR_VCMHI); }
TRANSLATE(CMGE_v) { plain(t, i, IR_VCMGE); }
TRANSLATE(CMHS_v) { plain(t, i, IR_VCMHS); }
TRANSLATE(CMEQ_v) { plain(t, i, IR_VCMEQ); }
TRANSLATE(CMTST_v) { plain(t, i, IR_VTST); }
TRANSLATE(SSHL_v) { plain(t, i, IR_VSSHL); }
TRANSLATE(USHL_v) { plain(t, i, IR_VUSHL); }
TRANSLATE(SRSHL_v) { plain(t, i, IR_VSRSHL); }
TRANSLATE(URSHL_v) { plain(t, i, IR_VURSHL); }
TRANSLATE(SMAX_v) { plain(t, i, IR_VMAXS); }
TRANSLATE(UMAX_v) { plain(t, i, IR_VMAXU); }
TRANSLATE(SMIN_v) { plain(t, i, IR_VMINS); }
TRANSLATE(UMIN_v) { plain(t, i, IR_VMINU); }
TRANSLATE(SABD_v) { plain(t, i, IR_VABDS); }
TRANSLATE(UABD_v) { plain(t, i, IR_VABDU); }
TRANSLATE(ADD_v) { plain(t, i, IR_VADD); }
TRANSLATE(SUB_v) { plain(t, i, IR_VSUB); }
TRANSLATE(MUL_v) { plain(t, i, IR_VMUL); }
TRANSLATE(PMUL_v) { plain(t, i, IR_VPMUL); }

TRANSLATE(SABA_v) { accumulate(t, i, IR_VABDS, IR_VADD); }
TRANSLATE(UABA_v) { accumulate(t, i, IR_VABDU, IR_VADD); }
TRANSLATE(MLA_v) { accumulate(t, i, IR_VMUL, IR_VADD); }
TRANSLATE(MLS_v) { accumulate(t, i, IR_VMUL, IR_VSUB); }

TRANSLATE(SQADD_v) { saturating(t, i, IR_VQADDS); }
TRANSLATE(UQADD_v) { saturating(t, i, IR_VQADDU); }
TRANSLATE(SQSUB_v) { saturating(t, i, IR_VQSUBS); }
TRANSLATE(UQSUB_v) { saturating(t, i, IR_VQSUBU); }
TRANSLATE(SQSHL_v) { saturating(t, i, IR_VSQSHL); }
TRANSLATE(UQSHL_v) { saturating(t, i, IR_VUQSHL); }
TRANSLATE(SQRSHL_v) { saturating(t, i, IR_VSQRSHL); }
TRANSLATE(UQRSHL_v) { saturating(t, i, IR_VUQRSHL); }
TRANSLATE(SQDMULH_v) { saturating(t, i, IR_VSQDMULH); }
TRANSLATE(SQRDMULH_v) { saturating(t, i, IR_VSQRDMULH); }
TRANSLATE(SQRDMLAH_v) { multiply_accumulate_high(t, i, IR_VSQRDMLAH); }
TRANSLATE(SQRDMLSH_v) { multiply_accumulate_high(t, i, IR_VSQRDMLSH); }

TRANSLATE(SMAXP_v) { pairwise(t, i, IR_VMAXPS); }
TRANSLATE(UMAXP_v) { pairwise(t, i, IR_VMAXPU); }
TRANSLATE(SMINP_v) { pairwise(t, i, IR_VMINPS); }
TRANSLATE(UMINP_v) { pairwise(t, i, IR_VMINPU); }
TRANSLATE(ADDP_v) { pairwise(t, i, IR_VADDP); }

TRANSLATE(AND_v) { plain(t, i, IR_VAND); }
TRANSLATE(BIC_v) { plain(t, i, IR_VANDN); }
TRANSLATE(EOR_v) { plain(t, i, IR_VXOR); }

TRANSLATE(ORR_v)
{
    if (fp_trapped(t, i))
        return;
    ir_ref n = vreg(t, i->rn);
    write_lanes(t, i, i->rn == i->rm ? n : E2(VORR, n, vreg(t, i->rm), 0)); /* MOV */
}

TRANSLATE(ORN_v)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, E2(VORR, vreg(t, i->rn), E1(VNOT, vreg(t, i->rm), 0), 0));
}

static void select(struct tr *t, const struct a64_insn *i, unsigned mask, unsigned ones_from, unsigned zeros_from)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, E3(VBSL, vreg(t, mask), vreg(t, ones_from), vreg(t, zeros_from), 0));
}

TRANSLATE(BSL_v) { select(t, i, i->rd, i->rn, i->rm); }
TRANSLATE(BIT_v) { select(t, i, i->rm, i->rn, i->rd); }
TRANSLATE(BIF_v) { select(t, i, i->rm, i->rd, i->rn); }

TRANSLATE(SDOT_v) { dot(t, i, IR_VSDOT); }
TRANSLATE(UDOT_v) { dot(t, i, IR_VUDOT); }
TRANSLATE(USDOT_v) { dot(t, i, IR_VUSDOT); }
TRANSLATE(SMMLA) { matrix(t, i, IR_VSMMLA); }
TRANSLATE(UMMLA) { matrix(t, i, IR_VUMMLA); }
TRANSLATE(USMMLA) { matrix(t, i, IR_VUSMMLA); }

TRANSLATE(CMGT_s) { plain_d(t, i, IR_VCMGT); }
TRANSLATE(CMHI_s) { plain_d(t, i, IR_VCMHI); }
TRANSLATE(CMGE_s) { plain_d(t, i, IR_VCMGE); }
TRANSLATE(CMHS_s) { plain_d(t, i, IR_VCMHS); }
TRANSLATE(CMEQ_s) { plain_d(t, i, IR_VCMEQ); }
TRANSLATE(CMTST_s) { plain_d(t, i, IR_VTST); }
TRANSLATE(SSHL_s) { plain_d(t, i, IR_VSSHL); }
TRANSLATE(USHL_s) { plain_d(t, i, IR_VUSHL); }
TRANSLATE(SRSHL_s) { plain_d(t, i, IR_VSRSHL); }
TRANSLATE(URSHL_s) { plain_d(t, i, IR_VURSHL); }
TRANSLATE(ADD_s) { plain_d(t, i, IR_VADD); }
TRANSLATE(SUB_s) { plain_d(t, i, IR_VSUB); }

TRANSLATE(SQADD_s) { saturating_scalar(t, i, IR_VQADDS); }
TRANSLATE(UQADD_s) { saturating_scalar(t, i, IR_VQADDU); }
TRANSLATE(SQSUB_s) { saturating_scalar(t, i, IR_VQSUBS); }
TRANSLATE(UQSUB_s) { saturating_scalar(t, i, IR_VQSUBU); }
TRANSLATE(SQSHL_s) { saturating_scalar(t, i, IR_VSQSHL); }
TRANSLATE(UQSHL_s) { saturating_scalar(t, i, IR_VUQSHL); }
TRANSLATE(SQRSHL_s) { saturating_scalar(t, i, IR_VSQRSHL); }
TRANSLATE(UQRSHL_s) { saturating_scalar(t, i, IR_VUQRSHL); }
TRANSLATE(SQDMULH_s) { saturating_scalar(t, i, IR_VSQDMULH); }
TRANSLATE(SQRDMULH_s) { saturating_scalar(t, i, IR_VSQRDMULH); }
TRANSLATE(SQRDMLAH_s) { multiply_accumulate_high_scalar(t, i, IR_VSQRDMLAH); }
TRANSLATE(SQRDMLSH_s) { multiply_accumulate_high_scalar(t, i, IR_VSQRDMLSH); }
