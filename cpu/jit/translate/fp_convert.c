/* fp_convert.c - conversions between formats, integers and fixed-point numbers, and to integral values. */
#include "cpu/jit/translate/fp.h"

/* ---- to and from general registers ---- */
static void to_general(struct tr *t, const struct a64_insn *i, enum fp_rounding r, bool is_unsigned, unsigned fbits)
{
    if (fp_trapped(t, i))
        return;
    unsigned own = fp_own_int(is_unsigned, i->sf, r, fbits);
    write_reg(t, i->rd, E1(FP_TOGPR, vreg(t, i->rn), fp_shape_imm(shape_f(i), own)));
}

static void from_general(struct tr *t, const struct a64_insn *i, bool is_unsigned, unsigned fbits)
{
    if (fp_trapped(t, i))
        return;
    unsigned own = fp_own_int(is_unsigned, i->sf, FP_BY_FPCR, fbits);
    write_vreg(t, i->rd, E1(FP_FROMGPR, reg(t, i->rn), fp_shape_imm(shape_f(i), own)));
}

#define GENERAL(name, call)                                                                                    \
    void translate_##name(struct tr *t, const struct a64_insn *i)                                              \
    {                                                                                                          \
        call;                                                                                                  \
    }
GENERAL(FCVTNS_g, to_general(t, i, FP_TIEEVEN, false, 0))
GENERAL(FCVTNU_g, to_general(t, i, FP_TIEEVEN, true, 0))
GENERAL(FCVTAS_g, to_general(t, i, FP_TIEAWAY, false, 0))
GENERAL(FCVTAU_g, to_general(t, i, FP_TIEAWAY, true, 0))
GENERAL(FCVTPS_g, to_general(t, i, FP_POSINF, false, 0))
GENERAL(FCVTPU_g, to_general(t, i, FP_POSINF, true, 0))
GENERAL(FCVTMS_g, to_general(t, i, FP_NEGINF, false, 0))
GENERAL(FCVTMU_g, to_general(t, i, FP_NEGINF, true, 0))
GENERAL(FCVTZS_g, to_general(t, i, FP_ZERO, false, 0))
GENERAL(FCVTZU_g, to_general(t, i, FP_ZERO, true, 0))
GENERAL(FCVTZS_gfix, to_general(t, i, FP_ZERO, false, 64 - (unsigned)i->scale))
GENERAL(FCVTZU_gfix, to_general(t, i, FP_ZERO, true, 64 - (unsigned)i->scale))
GENERAL(SCVTF_g, from_general(t, i, false, 0))
GENERAL(UCVTF_g, from_general(t, i, true, 0))
GENERAL(SCVTF_gfix, from_general(t, i, false, 64 - (unsigned)i->scale))
GENERAL(UCVTF_gfix, from_general(t, i, true, 64 - (unsigned)i->scale))

void translate_FJCVTZS(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    ir_ref r = E1(FP_JCVT, vreg(t, i->rn), fp_imm(FP_DOUBLE, 0, 0));
    write_reg(t, i->rd, E1(ZEXT32, r, 0));
    write_flags(t, E1(F_FROM_NZCV, E2(SHR64, r, konst(t, 32), 0), 0));
}

/* ---- between formats ---- */
static void convert(struct tr *t, const struct a64_insn *i, enum fp_format to)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E1(FP_CVT, vreg(t, i->rn), fp_shape_imm(shape_f(i), fp_own_cvt(to, FP_BY_FPCR))));
}

void translate_FCVT_h(struct tr *t, const struct a64_insn *i)
{
    convert(t, i, FP_HALF);
}

void translate_FCVT_s(struct tr *t, const struct a64_insn *i)
{
    convert(t, i, FP_SINGLE);
}

void translate_FCVT_d(struct tr *t, const struct a64_insn *i)
{
    convert(t, i, FP_DOUBLE);
}

void translate_FCVTL_v(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    enum fp_format from = i->sz ? FP_SINGLE : FP_HALF;
    ir_ref v = vreg(t, i->rn);
    if (i->q)
        v = E1(VHIGH, v, 0);
    write_vreg(t, i->rd, E1(FP_CVT, v, fp_shape_imm(shape_of(from, false), fp_own_cvt(from + 1, FP_BY_FPCR))));
}

/* Narrows all of Vn into the lower or (Q) the upper half of Vd. */
static void narrow(struct tr *t, const struct a64_insn *i, enum fp_format from, enum fp_rounding r)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = E1(FP_CVT, vreg(t, i->rn), fp_shape_imm(shape_of(from, true), fp_own_cvt(from - 1, r)));
    write_vreg(t, i->rd, i->q ? E2(VZIP1, vreg(t, i->rd), v, 3) : v);
}

void translate_FCVTN_v(struct tr *t, const struct a64_insn *i)
{
    narrow(t, i, i->sz ? FP_DOUBLE : FP_SINGLE, FP_BY_FPCR);
}

void translate_FCVTXN_v(struct tr *t, const struct a64_insn *i)
{
    narrow(t, i, FP_DOUBLE, FP_ODD);
}

void translate_FCVTXN_s(struct tr *t, const struct a64_insn *i)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E1(FP_CVT, vreg(t, i->rn), fp_imm(FP_DOUBLE, 0, fp_own_cvt(FP_SINGLE, FP_ODD))));
}

/* ---- lane by lane: _f scalar, _s and _sh Advanced SIMD scalar, _v and _vh vector ---- */
static void unary(struct tr *t, const struct a64_insn *i, enum ir_op op, struct fp_shape s, unsigned own)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, ir_emit(t->b, op, vreg(t, i->rn), 0, 0, fp_shape_imm(s, own)));
}

#define UNARY(name, suffix, op, own)                                                                           \
    void translate_##name##suffix(struct tr *t, const struct a64_insn *i)                                      \
    {                                                                                                          \
        unary(t, i, IR_##op, shape##suffix(i), own);                                                           \
    }

#define TO_INTEGER(name, rounding, is_unsigned)                                                                \
    UNARY(name, _s, FP_TOINT, fp_own_int(is_unsigned, false, rounding, 0))                                     \
    UNARY(name, _sh, FP_TOINT, fp_own_int(is_unsigned, false, rounding, 0))                                    \
    UNARY(name, _v, FP_TOINT, fp_own_int(is_unsigned, false, rounding, 0))                                     \
    UNARY(name, _vh, FP_TOINT, fp_own_int(is_unsigned, false, rounding, 0))
TO_INTEGER(FCVTNS, FP_TIEEVEN, false)
TO_INTEGER(FCVTNU, FP_TIEEVEN, true)
TO_INTEGER(FCVTAS, FP_TIEAWAY, false)
TO_INTEGER(FCVTAU, FP_TIEAWAY, true)
TO_INTEGER(FCVTPS, FP_POSINF, false)
TO_INTEGER(FCVTPU, FP_POSINF, true)
TO_INTEGER(FCVTMS, FP_NEGINF, false)
TO_INTEGER(FCVTMU, FP_NEGINF, true)
TO_INTEGER(FCVTZS, FP_ZERO, false)
TO_INTEGER(FCVTZU, FP_ZERO, true)

#define FROM_INTEGER(name, is_unsigned)                                                                        \
    UNARY(name, _s, FP_FROMINT, fp_own_int(is_unsigned, false, FP_BY_FPCR, 0))                                 \
    UNARY(name, _sh, FP_FROMINT, fp_own_int(is_unsigned, false, FP_BY_FPCR, 0))                                \
    UNARY(name, _v, FP_FROMINT, fp_own_int(is_unsigned, false, FP_BY_FPCR, 0))                                 \
    UNARY(name, _vh, FP_FROMINT, fp_own_int(is_unsigned, false, FP_BY_FPCR, 0))
FROM_INTEGER(SCVTF, false)
FROM_INTEGER(UCVTF, true)

#define TO_INTEGRAL(name, rounding, exact)                                                                     \
    UNARY(name, _f, FP_RINT, (rounding) << FP_ROUNDING_SHIFT | (exact))                                        \
    UNARY(name, _v, FP_RINT, (rounding) << FP_ROUNDING_SHIFT | (exact))                                        \
    UNARY(name, _vh, FP_RINT, (rounding) << FP_ROUNDING_SHIFT | (exact))
TO_INTEGRAL(FRINTN, FP_TIEEVEN, 0)
TO_INTEGRAL(FRINTP, FP_POSINF, 0)
TO_INTEGRAL(FRINTM, FP_NEGINF, 0)
TO_INTEGRAL(FRINTZ, FP_ZERO, 0)
TO_INTEGRAL(FRINTA, FP_TIEAWAY, 0)
TO_INTEGRAL(FRINTI, FP_BY_FPCR, 0)
TO_INTEGRAL(FRINTX, FP_BY_FPCR, FP_EXACT)

#define TO_SIZED(name, rounding, wide)                                                                         \
    UNARY(name, _f, FP_RINTN, (rounding) << FP_ROUNDING_SHIFT | (wide))                                        \
    UNARY(name, _v, FP_RINTN, (rounding) << FP_ROUNDING_SHIFT | (wide))
TO_SIZED(FRINT32Z, FP_ZERO, 0)
TO_SIZED(FRINT32X, FP_BY_FPCR, 0)
TO_SIZED(FRINT64Z, FP_ZERO, FP_WIDE)
TO_SIZED(FRINT64X, FP_BY_FPCR, FP_WIDE)

/* ---- fixed-point: the size of lanes and fbits from immh:immb ---- */
static void fixed(struct tr *t, const struct a64_insn *i, enum ir_op op, bool scalar, bool is_unsigned)
{
    enum fp_format f = i->immh >= 8 ? FP_DOUBLE : i->immh >= 4 ? FP_SINGLE : FP_HALF;
    struct fp_shape s = scalar ? (struct fp_shape){f, 0} : shape_of(f, i->q);
    unsigned fbits = 2 * fp_bits(f) - (unsigned)(i->immh << 3 | i->immb);
    enum fp_rounding r = op == IR_FP_TOINT ? FP_ZERO : FP_BY_FPCR;
    unary(t, i, op, s, fp_own_int(is_unsigned, false, r, fbits));
}

GENERAL(SCVTF_vfix, fixed(t, i, IR_FP_FROMINT, false, false))
GENERAL(UCVTF_vfix, fixed(t, i, IR_FP_FROMINT, false, true))
GENERAL(FCVTZS_vfix, fixed(t, i, IR_FP_TOINT, false, false))
GENERAL(FCVTZU_vfix, fixed(t, i, IR_FP_TOINT, false, true))
GENERAL(SCVTF_sfix, fixed(t, i, IR_FP_FROMINT, true, false))
GENERAL(UCVTF_sfix, fixed(t, i, IR_FP_FROMINT, true, true))
GENERAL(FCVTZS_sfix, fixed(t, i, IR_FP_TOINT, true, false))
GENERAL(FCVTZU_sfix, fixed(t, i, IR_FP_TOINT, true, true))
