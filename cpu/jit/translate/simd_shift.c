/*
 * simd_shift.c - Advanced SIMD shift by immediate, vectors and scalars.
 *
 * immh:immb holds element width and amount in one number: the highest bit of immh gives the size; right shifts are
 * 2 * width - number, left shifts number - width. Narrowing forms name the narrow size.
 */
#include "cpu/jit/translate/simd.h"

static unsigned size_of(const struct a64_insn *i)
{
    return 31 - (unsigned)__builtin_clz((unsigned)i->immh);
}

static unsigned right(const struct a64_insn *i)
{
    return (16u << size_of(i)) - (unsigned)(i->immh << 3 | i->immb);
}

static unsigned left(const struct a64_insn *i)
{
    return (unsigned)(i->immh << 3 | i->immb) - (8u << size_of(i));
}

static void write_d(struct tr *t, const struct a64_insn *i, ir_ref v)
{
    write_vreg(t, i->rd, zero_above_64(t, v));
}

static ir_ref shifted_right(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    return v1(t, op, vreg(t, i->rn), sized(size_of(i), right(i)));
}

static void shift_right(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, shifted_right(t, i, op));
}

static void shift_right_add(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, E2(VADD, vreg(t, i->rd), shifted_right(t, i, op), size_of(i)));
}

static void shift_right_d(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_d(t, i, shifted_right(t, i, op));
}

static void shift_right_add_d(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_d(t, i, E2(VADD, vreg(t, i->rd), shifted_right(t, i, op), SIZE_D));
}

TRANSLATE(SSHR_v) { shift_right(t, i, IR_VSAR); }
TRANSLATE(USHR_v) { shift_right(t, i, IR_VSHR); }
TRANSLATE(SRSHR_v) { shift_right(t, i, IR_VRSAR); }
TRANSLATE(URSHR_v) { shift_right(t, i, IR_VRSHR); }
TRANSLATE(SSRA_v) { shift_right_add(t, i, IR_VSAR); }
TRANSLATE(USRA_v) { shift_right_add(t, i, IR_VSHR); }
TRANSLATE(SRSRA_v) { shift_right_add(t, i, IR_VRSAR); }
TRANSLATE(URSRA_v) { shift_right_add(t, i, IR_VRSHR); }
TRANSLATE(SSHR_s) { shift_right_d(t, i, IR_VSAR); }
TRANSLATE(USHR_s) { shift_right_d(t, i, IR_VSHR); }
TRANSLATE(SRSHR_s) { shift_right_d(t, i, IR_VRSAR); }
TRANSLATE(URSHR_s) { shift_right_d(t, i, IR_VRSHR); }
TRANSLATE(SSRA_s) { shift_right_add_d(t, i, IR_VSAR); }
TRANSLATE(USRA_s) { shift_right_add_d(t, i, IR_VSHR); }
TRANSLATE(SRSRA_s) { shift_right_add_d(t, i, IR_VRSAR); }
TRANSLATE(URSRA_s) { shift_right_add_d(t, i, IR_VRSHR); }

/* ---- left, and with insertion ---- */

static ir_ref shl(struct tr *t, const struct a64_insn *i)
{
    return E1(VSHL, vreg(t, i->rn), sized(size_of(i), left(i)));
}

static ir_ref insert(struct tr *t, const struct a64_insn *i, enum ir_op op, unsigned by)
{
    return v2(t, op, vreg(t, i->rd), vreg(t, i->rn), sized(size_of(i), by));
}

TRANSLATE(SHL_v)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, shl(t, i));
}

TRANSLATE(SHL_s)
{
    if (fp_trapped(t, i))
        return;
    write_d(t, i, shl(t, i));
}

TRANSLATE(SLI_v)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, insert(t, i, IR_VSLI, left(i)));
}

TRANSLATE(SLI_s)
{
    if (fp_trapped(t, i))
        return;
    write_d(t, i, insert(t, i, IR_VSLI, left(i)));
}

TRANSLATE(SRI_v)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, insert(t, i, IR_VSRI, right(i)));
}

TRANSLATE(SRI_s)
{
    if (fp_trapped(t, i))
        return;
    write_d(t, i, insert(t, i, IR_VSRI, right(i)));
}

/* ---- saturating left shifts: the forms by register with a constant amount ---- */

static void saturating(struct tr *t, const struct a64_insn *i, enum ir_op op, ir_ref n)
{
    write_vreg(t, i->rd, v2(t, op, n, E1(VDUP, konst(t, left(i)), size_of(i)), size_of(i)));
}

#define SATURATING_LEFT(name, op)                               \
    TRANSLATE(name##_v)                                         \
    {                                                           \
        if (!fp_trapped(t, i))                                  \
            saturating(t, i, op, lanes(t, i, i->rn));           \
    }                                                           \
    TRANSLATE(name##_s)                                         \
    {                                                           \
        if (!fp_trapped(t, i))                                  \
            saturating(t, i, op, scalar(t, i->rn, size_of(i))); \
    }
SATURATING_LEFT(SQSHL_i, IR_VSQSHL)
SATURATING_LEFT(UQSHL_i, IR_VUQSHL)
SATURATING_LEFT(SQSHLU, IR_VSQSHLU)

/* ---- narrowing: a shift of the wide elements, then an extraction ---- */

static ir_ref narrowed(struct tr *t, const struct a64_insn *i, ir_ref n, enum ir_op shift, enum ir_op extract)
{
    return v1(t, extract, v1(t, shift, n, sized(size_of(i) + 1, right(i))), size_of(i));
}

static void narrow(struct tr *t, const struct a64_insn *i, enum ir_op shift, enum ir_op extract)
{
    if (fp_trapped(t, i))
        return;
    write_narrow(t, i, narrowed(t, i, vreg(t, i->rn), shift, extract));
}

static void narrow_scalar(struct tr *t, const struct a64_insn *i, enum ir_op shift, enum ir_op extract)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, narrowed(t, i, scalar(t, i->rn, size_of(i) + 1), shift, extract));
}

TRANSLATE(SHRN_v) { narrow(t, i, IR_VSHR, IR_VXTN); }
TRANSLATE(RSHRN_v) { narrow(t, i, IR_VRSHR, IR_VXTN); }
TRANSLATE(SQSHRN_v) { narrow(t, i, IR_VSAR, IR_VQXTNS); }
TRANSLATE(SQRSHRN_v) { narrow(t, i, IR_VRSAR, IR_VQXTNS); }
TRANSLATE(UQSHRN_v) { narrow(t, i, IR_VSHR, IR_VQXTNU); }
TRANSLATE(UQRSHRN_v) { narrow(t, i, IR_VRSHR, IR_VQXTNU); }
TRANSLATE(SQSHRUN_v) { narrow(t, i, IR_VSAR, IR_VQXTUN); }
TRANSLATE(SQRSHRUN_v) { narrow(t, i, IR_VRSAR, IR_VQXTUN); }
TRANSLATE(SQSHRN_s) { narrow_scalar(t, i, IR_VSAR, IR_VQXTNS); }
TRANSLATE(SQRSHRN_s) { narrow_scalar(t, i, IR_VRSAR, IR_VQXTNS); }
TRANSLATE(UQSHRN_s) { narrow_scalar(t, i, IR_VSHR, IR_VQXTNU); }
TRANSLATE(UQRSHRN_s) { narrow_scalar(t, i, IR_VRSHR, IR_VQXTNU); }
TRANSLATE(SQSHRUN_s) { narrow_scalar(t, i, IR_VSAR, IR_VQXTUN); }
TRANSLATE(SQRSHRUN_s) { narrow_scalar(t, i, IR_VRSAR, IR_VQXTUN); }

/* ---- widening ---- */

static void widen(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = v1(t, op, half(t, i, i->rn), size_of(i));
    write_vreg(t, i->rd, left(i) ? E1(VSHL, v, sized(size_of(i) + 1, left(i))) : v);
}

TRANSLATE(SSHLL_v) { widen(t, i, IR_VSXL); }
TRANSLATE(USHLL_v) { widen(t, i, IR_VZXL); }
