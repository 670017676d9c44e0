/* fp_scalar.c - C4.1.96: floating-point data processing, compare, select, immediate. */
#include "cpu/jit/translate/fp.h"

static ir_ref zero(struct tr *t)
{
    return E0(VCONST, 0);
}

/* ---- one source ---- */
void translate_FMOV_f(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, fp_keep(t, shape_f(i), vreg(t, i->rn)));
}

void translate_FABS_f(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, fp_keep(t, shape_f(i), fp_abs(t, shape_f(i), vreg(t, i->rn))));
}

void translate_FNEG_f(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, fp_keep(t, shape_f(i), fp_neg(t, shape_f(i), vreg(t, i->rn))));
}

void translate_FSQRT_f(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E1(FP_SQRT, vreg(t, i->rn), fp_shape_imm(shape_f(i), 0)));
}

/* ---- two sources ---- */
static void two(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, ir_emit(t->b, op, vreg(t, i->rn), vreg(t, i->rm), 0, fp_shape_imm(shape_f(i), 0)));
}

#define TWO(name, op)                                                                                          \
    void translate_##name##_f(struct tr *t, const struct a64_insn *i)                                          \
    {                                                                                                          \
        two(t, i, IR_##op);                                                                                    \
    }
TWO(FADD, FP_ADD)
TWO(FSUB, FP_SUB)
TWO(FMUL, FP_MUL)
TWO(FDIV, FP_DIV)
TWO(FMAX, FP_MAX)
TWO(FMIN, FP_MIN)
TWO(FMAXNM, FP_MAXNM)
TWO(FMINNM, FP_MINNM)

/* The negation comes after rounding and turns NaNs too. */
void translate_FNMUL_f(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    struct fp_shape s = shape_f(i);
    ir_ref product = E2(FP_MUL, vreg(t, i->rn), vreg(t, i->rm), fp_shape_imm(s, 0));
    write_vreg(t, i->rd, fp_keep(t, s, fp_neg(t, s, product)));
}

/* ---- three sources ---- */
static void muladd(struct tr *t, const struct a64_insn *i, unsigned negate)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E3(FP_MULADD, vreg(t, i->ra), vreg(t, i->rn), vreg(t, i->rm), fp_shape_imm(shape_f(i), negate)));
}

void translate_FMADD(struct tr *t, const struct a64_insn *i)
{
    muladd(t, i, 0);
}

void translate_FMSUB(struct tr *t, const struct a64_insn *i)
{
    muladd(t, i, FP_NEG_PRODUCT);
}

void translate_FNMADD(struct tr *t, const struct a64_insn *i)
{
    muladd(t, i, FP_NEG_PRODUCT | FP_NEG_ADDEND);
}

void translate_FNMSUB(struct tr *t, const struct a64_insn *i)
{
    muladd(t, i, FP_NEG_ADDEND);
}

/* ---- comparisons ---- */
static void compare(struct tr *t, const struct a64_insn *i, bool with_zero, bool signal)
{
    if (fp_trapped(t, i))
        return;
    ir_ref b = with_zero ? zero(t) : vreg(t, i->rm);
    write_flags(t, E2(FP_CMP, vreg(t, i->rn), b, fp_shape_imm(shape_f(i), signal)));
}

void translate_FCMP_f(struct tr *t, const struct a64_insn *i)
{
    compare(t, i, false, false);
}

void translate_FCMP_zero(struct tr *t, const struct a64_insn *i)
{
    compare(t, i, true, false);
}

void translate_FCMPE_f(struct tr *t, const struct a64_insn *i)
{
    compare(t, i, false, true);
}

void translate_FCMPE_zero(struct tr *t, const struct a64_insn *i)
{
    compare(t, i, true, true);
}

/* Where the condition fails nothing may be raised: then zeros are compared. */
static void conditional_compare(struct tr *t, const struct a64_insn *i, bool signal)
{
    if (fp_trapped(t, i))
        return;
    ir_ref a = vreg(t, i->rn), b = vreg(t, i->rm), before = flags(t);
    unsigned cond = (unsigned)i->cond;
    if (cond < 14) {
        a = E3(V_SELECT, before, a, zero(t), cond);
        b = E3(V_SELECT, before, b, zero(t), cond);
    }
    ir_ref compared = E2(FP_CMP, a, b, fp_shape_imm(shape_f(i), signal));
    write_flags(t, cond < 14 ? E3(FSELECT, before, compared, E0(FCONST, (unsigned)i->nzcv), cond) : compared);
}

void translate_FCCMP(struct tr *t, const struct a64_insn *i)
{
    conditional_compare(t, i, false);
}

void translate_FCCMPE(struct tr *t, const struct a64_insn *i)
{
    conditional_compare(t, i, true);
}

/* ---- select, immediate ---- */
void translate_FCSEL(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    ir_ref chosen = E3(V_SELECT, flags(t), vreg(t, i->rn), vreg(t, i->rm), (unsigned)i->cond);
    write_vreg(t, i->rd, fp_keep(t, shape_f(i), chosen));
}

void translate_FMOV_imm(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E1(VFROM64, konst(t, fp_expand_imm(shape_f(i).f, (unsigned)i->imm8)), 0));
}
