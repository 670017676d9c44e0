/*
 * fp_vector.c - floating-point arithmetic of Advanced SIMD, vector and scalar.
 *
 * Each shape of instruction is one function; the lists below instantiate it for the rows of singles and doubles (sz)
 * and of halves. Row suffixes are explained at the top of a64/fp.inc.
 */
#include "cpu/jit/translate/fp.h"

#define ROW(name, suffix, call)                                                                                \
    void translate_##name##suffix(struct tr *t, const struct a64_insn *i)                                      \
    {                                                                                                          \
        if (fp_trapped(t, i))                                                                                  \
            return;                                                                                            \
        struct fp_shape s = shape##suffix(i);                                                                  \
        write_vreg(t, i->rd, call);                                                                            \
    }
#define VECTOR(name, call) ROW(name, _v, call) ROW(name, _vh, call)
#define SCALAR(name, call) ROW(name, _s, call) ROW(name, _sh, call)

/* ---- lane by lane ---- */
static ir_ref two(struct tr *t, const struct a64_insn *i, enum ir_op op, struct fp_shape s, unsigned own)
{
    return ir_emit(t->b, op, vreg(t, i->rn), vreg(t, i->rm), 0, fp_shape_imm(s, own));
}

VECTOR(FADD, two(t, i, IR_FP_ADD, s, 0))
VECTOR(FSUB, two(t, i, IR_FP_SUB, s, 0))
VECTOR(FMUL, two(t, i, IR_FP_MUL, s, 0))
VECTOR(FDIV, two(t, i, IR_FP_DIV, s, 0))
VECTOR(FMAX, two(t, i, IR_FP_MAX, s, 0))
VECTOR(FMIN, two(t, i, IR_FP_MIN, s, 0))
VECTOR(FMAXNM, two(t, i, IR_FP_MAXNM, s, 0))
VECTOR(FMINNM, two(t, i, IR_FP_MINNM, s, 0))
VECTOR(FMULX, two(t, i, IR_FP_MULX, s, 0))
SCALAR(FMULX, two(t, i, IR_FP_MULX, s, 0))
VECTOR(FRECPS, two(t, i, IR_FP_RECPS, s, 0))
SCALAR(FRECPS, two(t, i, IR_FP_RECPS, s, 0))
VECTOR(FRSQRTS, two(t, i, IR_FP_RSQRTS, s, 0))
SCALAR(FRSQRTS, two(t, i, IR_FP_RSQRTS, s, 0))
VECTOR(FCMEQ, two(t, i, IR_FP_CMPM, s, FP_MASK_EQ))
SCALAR(FCMEQ, two(t, i, IR_FP_CMPM, s, FP_MASK_EQ))
VECTOR(FCMGE, two(t, i, IR_FP_CMPM, s, FP_MASK_GE))
SCALAR(FCMGE, two(t, i, IR_FP_CMPM, s, FP_MASK_GE))
VECTOR(FCMGT, two(t, i, IR_FP_CMPM, s, FP_MASK_GT))
SCALAR(FCMGT, two(t, i, IR_FP_CMPM, s, FP_MASK_GT))
VECTOR(FACGE, two(t, i, IR_FP_CMPM, s, FP_MASK_ACGE))
SCALAR(FACGE, two(t, i, IR_FP_CMPM, s, FP_MASK_ACGE))
VECTOR(FACGT, two(t, i, IR_FP_CMPM, s, FP_MASK_ACGT))
SCALAR(FACGT, two(t, i, IR_FP_CMPM, s, FP_MASK_ACGT))
VECTOR(FABD, fp_abs(t, s, two(t, i, IR_FP_SUB, s, 0)))
SCALAR(FABD, fp_abs(t, s, two(t, i, IR_FP_SUB, s, 0)))

static ir_ref one(struct tr *t, const struct a64_insn *i, enum ir_op op, struct fp_shape s)
{
    return ir_emit(t->b, op, vreg(t, i->rn), 0, 0, fp_shape_imm(s, 0));
}

VECTOR(FSQRT, one(t, i, IR_FP_SQRT, s))
VECTOR(FRECPE, one(t, i, IR_FP_RECPE, s))
SCALAR(FRECPE, one(t, i, IR_FP_RECPE, s))
VECTOR(FRSQRTE, one(t, i, IR_FP_RSQRTE, s))
SCALAR(FRSQRTE, one(t, i, IR_FP_RSQRTE, s))
SCALAR(FRECPX, one(t, i, IR_FP_RECPX, s))
VECTOR(FABS, fp_keep(t, s, fp_abs(t, s, vreg(t, i->rn))))
VECTOR(FNEG, fp_keep(t, s, fp_neg(t, s, vreg(t, i->rn))))

/* With zero; "less" is "greater" the other way round. */
static ir_ref with_zero(struct tr *t, const struct a64_insn *i, struct fp_shape s, enum fp_mask mask, bool swap)
{
    ir_ref zero = E0(VCONST, 0), v = vreg(t, i->rn);
    return swap ? E2(FP_CMPM, zero, v, fp_shape_imm(s, mask)) : E2(FP_CMPM, v, zero, fp_shape_imm(s, mask));
}

VECTOR(FCMEQ_zero, with_zero(t, i, s, FP_MASK_EQ, false))
SCALAR(FCMEQ_zero, with_zero(t, i, s, FP_MASK_EQ, false))
VECTOR(FCMGE_zero, with_zero(t, i, s, FP_MASK_GE, false))
SCALAR(FCMGE_zero, with_zero(t, i, s, FP_MASK_GE, false))
VECTOR(FCMGT_zero, with_zero(t, i, s, FP_MASK_GT, false))
SCALAR(FCMGT_zero, with_zero(t, i, s, FP_MASK_GT, false))
VECTOR(FCMLE_zero, with_zero(t, i, s, FP_MASK_GE, true))
SCALAR(FCMLE_zero, with_zero(t, i, s, FP_MASK_GE, true))
VECTOR(FCMLT_zero, with_zero(t, i, s, FP_MASK_GT, true))
SCALAR(FCMLT_zero, with_zero(t, i, s, FP_MASK_GT, true))

/* ---- multiply-add into Vd ---- */
static ir_ref muladd(struct tr *t, const struct a64_insn *i, struct fp_shape s, ir_ref b, unsigned negate)
{
    return E3(FP_MULADD, vreg(t, i->rd), vreg(t, i->rn), b, fp_shape_imm(s, negate));
}

VECTOR(FMLA, muladd(t, i, s, vreg(t, i->rm), 0))
VECTOR(FMLS, muladd(t, i, s, vreg(t, i->rm), FP_NEG_PRODUCT))

/* ---- pairs: neighbours in Vn, then neighbours in Vm ---- */
static ir_ref pairwise(struct tr *t, const struct a64_insn *i, enum ir_op op, struct fp_shape s)
{
    ir_ref a = vreg(t, i->rn), b = vreg(t, i->rm);
    if (!i->q) /* both in one */
        a = b = E2(VZIP1, a, b, 3);
    return ir_emit(t->b, op, E2(VUZP1, a, b, s.f), E2(VUZP2, a, b, s.f), 0, fp_shape_imm(s, 0));
}

VECTOR(FADDP, pairwise(t, i, IR_FP_ADD, s))
VECTOR(FMAXP, pairwise(t, i, IR_FP_MAX, s))
VECTOR(FMINP, pairwise(t, i, IR_FP_MIN, s))
VECTOR(FMAXNMP, pairwise(t, i, IR_FP_MAXNM, s))
VECTOR(FMINNMP, pairwise(t, i, IR_FP_MINNM, s))

static ir_ref pair(struct tr *t, const struct a64_insn *i, enum ir_op op, struct fp_shape s)
{
    ir_ref v = vreg(t, i->rn);
    return ir_emit(t->b, op, v, fp_dup(t, s.f, v, 1), 0, fp_shape_imm(s, 0));
}

SCALAR(FADDP, pair(t, i, IR_FP_ADD, s))
SCALAR(FMAXP, pair(t, i, IR_FP_MAX, s))
SCALAR(FMINP, pair(t, i, IR_FP_MIN, s))
SCALAR(FMAXNMP, pair(t, i, IR_FP_MAXNM, s))
SCALAR(FMINNMP, pair(t, i, IR_FP_MINNM, s))

/* ---- across: Reduce() of the manual halves the vector, so neighbours meet first ---- */
static ir_ref across(struct tr *t, const struct a64_insn *i, enum ir_op op, struct fp_shape s)
{
    ir_ref v = vreg(t, i->rn);
    while (s.log2--)
        v = ir_emit(t->b, op, E2(VUZP1, v, v, s.f), E2(VUZP2, v, v, s.f), 0, fp_shape_imm(s, 0));
    return v;
}

static struct fp_shape shape_4s(void)
{
    return shape_of(FP_SINGLE, true);
}

#define ACROSS(name, op)                                                                                       \
    ROW(name, _vh, across(t, i, op, s))                                                                        \
    void translate_##name##_v(struct tr *t, const struct a64_insn *i)                                          \
    {                                                                                                          \
        if (fp_trapped(t, i))                                                                                  \
            return;                                                                                            \
        write_vreg(t, i->rd, across(t, i, op, shape_4s()));                                                    \
    }
ACROSS(FMAXV, IR_FP_MAX)
ACROSS(FMINV, IR_FP_MIN)
ACROSS(FMAXNMV, IR_FP_MAXNM)
ACROSS(FMINNMV, IR_FP_MINNM)

/* ---- by element ---- */
#define shape_ve  shape_v
#define shape_veh shape_vh
#define shape_se  shape_s
#define shape_seh shape_sh

/* The indexed element of Vm in every lane. */
static ir_ref element(struct tr *t, const struct a64_insn *i, struct fp_shape s)
{
    switch (s.f) {
    case FP_HALF: return fp_dup(t, s.f, vreg(t, i->rm4), (unsigned)(i->h << 2 | i->l << 1 | i->m));
    case FP_SINGLE: return fp_dup(t, s.f, vreg(t, i->rm), (unsigned)(i->h << 1 | i->l));
    default: return fp_dup(t, s.f, vreg(t, i->rm), (unsigned)i->h);
    }
}

static ir_ref two_element(struct tr *t, const struct a64_insn *i, enum ir_op op, struct fp_shape s)
{
    return ir_emit(t->b, op, vreg(t, i->rn), element(t, i, s), 0, fp_shape_imm(s, 0));
}

#define BY_ELEMENT(name, call) ROW(name, _ve, call) ROW(name, _veh, call) ROW(name, _se, call) ROW(name, _seh, call)
BY_ELEMENT(FMUL, two_element(t, i, IR_FP_MUL, s))
BY_ELEMENT(FMULX, two_element(t, i, IR_FP_MULX, s))
BY_ELEMENT(FMLA, muladd(t, i, s, element(t, i, s), 0))
BY_ELEMENT(FMLS, muladd(t, i, s, element(t, i, s), FP_NEG_PRODUCT))

/* ---- halves multiplied and added to singles: the lower or (2) upper part of Vn ---- */
static void muladd_long(struct tr *t, const struct a64_insn *i, bool by_element, unsigned own)
{
    if (fp_trapped(t, i))
        return;
    ir_ref b = by_element ? element(t, i, shape_sh(i)) : vreg(t, i->rm);
    uint64_t imm = fp_shape_imm(shape_of(FP_SINGLE, i->q), own);
    write_vreg(t, i->rd, E3(FP_MULADDH, vreg(t, i->rd), vreg(t, i->rn), b, imm));
}

#define LONG(name, own)                                                                                        \
    void translate_##name##_v(struct tr *t, const struct a64_insn *i)                                          \
    {                                                                                                          \
        muladd_long(t, i, false, own);                                                                         \
    }                                                                                                          \
    void translate_##name##_ve(struct tr *t, const struct a64_insn *i)                                         \
    {                                                                                                          \
        muladd_long(t, i, true, own);                                                                          \
    }
LONG(FMLAL, 0)
LONG(FMLSL, FP_NEG_PRODUCT)
LONG(FMLAL2, FP_UPPER)
LONG(FMLSL2, FP_UPPER | FP_NEG_PRODUCT)

/* ---- complex numbers: (real, imaginary) pairs of lanes ---- */
void translate_FCMLA_v(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    struct fp_shape s = shape_of((enum fp_format)i->size, i->q);
    write_vreg(t, i->rd, E3(FP_CMLA, vreg(t, i->rd), vreg(t, i->rn), vreg(t, i->rm), fp_shape_imm(s, (unsigned)i->rot)));
}

void translate_FCADD_v(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    struct fp_shape s = shape_of((enum fp_format)i->size, i->q);
    write_vreg(t, i->rd, E2(FP_CADD, vreg(t, i->rn), vreg(t, i->rm), fp_shape_imm(s, (unsigned)i->rot1)));
}

/* The indexed pair of Vm in every pair of lanes. */
static void complex_element(struct tr *t, const struct a64_insn *i, enum fp_format f, unsigned index)
{
    if (fp_trapped(t, i))
        return;
    ir_ref b = E1(VDUPLANE, vreg(t, i->rm), index << 2 | (f + 1));
    uint64_t imm = fp_shape_imm(shape_of(f, f == FP_SINGLE || i->q), (unsigned)i->rot);
    write_vreg(t, i->rd, E3(FP_CMLA, vreg(t, i->rd), vreg(t, i->rn), b, imm));
}

void translate_FCMLA_veh(struct tr *t, const struct a64_insn *i)
{
    complex_element(t, i, FP_HALF, (unsigned)(i->h << 1 | i->l));
}

void translate_FCMLA_ve(struct tr *t, const struct a64_insn *i)
{
    complex_element(t, i, FP_SINGLE, (unsigned)i->h);
}
