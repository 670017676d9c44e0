/*
 * simd_copy.c - Advanced SIMD copy, table lookup, permute, extract, modified immediate, and moves between general and
 * SIMD&FP registers.
 */
#include "cpu/jit/translate/simd.h"

/* imm5 is index : 1 : zeros; the number of zeros is the size */
static unsigned imm5_size(const struct a64_insn *i)
{
    return (unsigned)__builtin_ctz((unsigned)i->imm5);
}

static unsigned imm5_index(const struct a64_insn *i)
{
    return (unsigned)i->imm5 >> (imm5_size(i) + 1);
}

TRANSLATE(DUP_element)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, E1(VDUPLANE, vreg(t, i->rn), sized(imm5_size(i), imm5_index(i))));
}

TRANSLATE(DUP_general)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, E1(VDUP, reg(t, i->rn), imm5_size(i)));
}

static ir_ref element(struct tr *t, const struct a64_insn *i)
{
    return E1(VLANE, vreg(t, i->rn), sized(imm5_size(i), imm5_index(i)));
}

TRANSLATE(SMOV)
{
    if (fp_trapped(t, i))
        return;
    unsigned bits = 8u << imm5_size(i);
    ir_ref v = element(t, i);
    write_reg(t, i->rd, i->q ? E1(SBFX64, v, bits << 8) : E1(SBFX32, v, bits << 8));
}

TRANSLATE(UMOV)
{
    if (fp_trapped(t, i))
        return;
    write_reg(t, i->rd, element(t, i));
}

TRANSLATE(INS_general)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E2(VINS, vreg(t, i->rd), reg(t, i->rn), sized(imm5_size(i), imm5_index(i))));
}

TRANSLATE(INS_element)
{
    if (fp_trapped(t, i))
        return;
    unsigned size = imm5_size(i), from = (unsigned)i->imm4 >> size;
    write_vreg(t, i->rd, E2(VINSV, vreg(t, i->rd), vreg(t, i->rn), sized(size, imm5_index(i) | from << 4)));
}

TRANSLATE(DUP_s)
{
    if (fp_trapped(t, i))
        return;
    unsigned size = imm5_size(i), from = imm5_index(i);
    if (size == SIZE_D && from)
        write_vreg(t, i->rd, E1(VHIGH, vreg(t, i->rn), 0));
    else if (size == SIZE_S && from)
        write_vreg(t, i->rd, E2(VINSV, E0(VCONST, 0), vreg(t, i->rn), sized(size, from << 4)));
    else
        write_vreg(t, i->rd, E1(VFROM64, element(t, i), 0));
}

/* ---- table lookup, permutations ---- */

/* The tables are looked up one after the other: indices outside of one leave what was there. */
static ir_ref lookup(struct tr *t, const struct a64_insn *i, ir_ref v)
{
    for (unsigned k = 0; k <= (unsigned)i->len; k++)
        v = E3(VTBX, v, vreg(t, (unsigned)(i->rn + k) % 32), vreg(t, i->rm), sized(SIZE_B, 16 * k));
    return v;
}

TRANSLATE(TBL)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, lookup(t, i, E0(VCONST, 0)));
}

TRANSLATE(TBX)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, lookup(t, i, vreg(t, i->rd)));
}

/* op 1 and 2 of a pair differ in the part they take; with Q = 0 the parts are those of the low halves. */
static void zip(struct tr *t, const struct a64_insn *i, bool second)
{
    if (fp_trapped(t, i))
        return;
    ir_ref n = vreg(t, i->rn), m = vreg(t, i->rm);
    if (i->q)
        write_vreg(t, i->rd, v2(t, second ? IR_VZIP2 : IR_VZIP1, n, m, i->size));
    else
        write_vreg(t, i->rd, v1(t, second ? IR_VHIGH : IR_VZERO64, E2(VZIP1, n, m, i->size), 0));
}

static void transpose(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, v2(t, op, vreg(t, i->rn), vreg(t, i->rm), i->size));
}

TRANSLATE(ZIP1) { zip(t, i, false); }
TRANSLATE(ZIP2) { zip(t, i, true); }
TRANSLATE(UZP1) { pairwise(t, i, IR_VUZP1); }
TRANSLATE(UZP2) { pairwise(t, i, IR_VUZP2); }
TRANSLATE(TRN1) { transpose(t, i, IR_VTRN1); }
TRANSLATE(TRN2) { transpose(t, i, IR_VTRN2); }

TRANSLATE(EXT)
{
    if (fp_trapped(t, i))
        return;
    ir_ref n = vreg(t, i->rn), m = vreg(t, i->rm);
    if (!i->q)
        n = m = E2(VZIP1, n, m, SIZE_D);
    write_lanes(t, i, E2(VEXT, n, m, sized(SIZE_B, i->imm4)));
}

/* ---- modified immediate: AdvSIMDExpandImm ---- */

static uint64_t imm8(const struct a64_insn *i)
{
    return (uint64_t)i->abc << 5 | (uint64_t)i->defgh;
}

static uint64_t repeat(uint64_t v, unsigned bits)
{
    for (; bits < 64; bits *= 2)
        v |= v << bits;
    return v;
}

static uint64_t imm_32(const struct a64_insn *i)
{
    return repeat(imm8(i) << 8 * i->hw, 32);
}

static uint64_t imm_16(const struct a64_insn *i)
{
    return repeat(imm8(i) << 8 * i->sh, 16);
}

static uint64_t imm_msl(const struct a64_insn *i) /* ones shifted in */
{
    unsigned by = 8u * (unsigned)(i->sh + 1);
    return repeat(imm8(i) << by | ones(by), 32);
}

static uint64_t imm_masks(const struct a64_insn *i) /* each bit stands for a byte */
{
    uint64_t v = 0;
    for (unsigned k = 0; k < 8; k++)
        v |= imm8(i) >> k & 1 ? UINT64_C(0xff) << 8 * k : 0;
    return v;
}

static void constant(struct tr *t, const struct a64_insn *i, uint64_t v)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, E0(VCONST, v));
}

static void logic(struct tr *t, const struct a64_insn *i, enum ir_op op, uint64_t v)
{
    if (fp_trapped(t, i))
        return;
    write_lanes(t, i, v2(t, op, vreg(t, i->rd), E0(VCONST, v), 0));
}

/* VFPExpandImm: sign, 3 bits of exponent, 4 of fraction, as a number of `bits` with `exponent` bits of exponent */
static uint64_t expand_fp(const struct a64_insn *i, unsigned bits, unsigned exponent)
{
    uint64_t v = imm8(i), sign = v >> 7, b = v >> 6 & 1, rest = v & 0x3f;
    uint64_t e = (b ^ 1) << (exponent - 1) | (b ? ones(exponent - 3) << 2 : 0) | rest >> 4;
    unsigned fraction = bits - 1 - exponent;
    return sign << (bits - 1) | e << fraction | (rest & 15) << (fraction - 4);
}

TRANSLATE(MOVI_32) { constant(t, i, imm_32(i)); }
TRANSLATE(MVNI_32) { constant(t, i, ~imm_32(i)); }
TRANSLATE(ORR_32) { logic(t, i, IR_VORR, imm_32(i)); }
TRANSLATE(BIC_32) { logic(t, i, IR_VANDN, imm_32(i)); }
TRANSLATE(MOVI_16) { constant(t, i, imm_16(i)); }
TRANSLATE(MVNI_16) { constant(t, i, ~imm_16(i)); }
TRANSLATE(ORR_16) { logic(t, i, IR_VORR, imm_16(i)); }
TRANSLATE(BIC_16) { logic(t, i, IR_VANDN, imm_16(i)); }
TRANSLATE(MOVI_msl) { constant(t, i, imm_msl(i)); }
TRANSLATE(MVNI_msl) { constant(t, i, ~imm_msl(i)); }
TRANSLATE(MOVI_8) { constant(t, i, repeat(imm8(i), 8)); }
TRANSLATE(FMOV_v_s) { constant(t, i, repeat(expand_fp(i, 32, 8), 32)); }
TRANSLATE(FMOV_v_h) { constant(t, i, repeat(expand_fp(i, 16, 5), 16)); }

TRANSLATE(MOVI_d)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, zero_above_64(t, E0(VCONST, imm_masks(i))));
}

TRANSLATE(MOVI_2d)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E0(VCONST, imm_masks(i)));
}

TRANSLATE(FMOV_v_d)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E0(VCONST, expand_fp(i, 64, 11)));
}

/* ---- FMOV between general and SIMD&FP registers ---- */

static void to_general(struct tr *t, const struct a64_insn *i, unsigned size, unsigned lane)
{
    if (fp_trapped(t, i))
        return;
    write_reg(t, i->rd, E1(VLANE, vreg(t, i->rn), sized(size, lane)));
}

static void to_vector(struct tr *t, const struct a64_insn *i, unsigned size)
{
    if (fp_trapped(t, i))
        return;
    ir_ref v = reg(t, i->rn);
    if (size < SIZE_D)
        v = size == SIZE_H ? E1(ZEXT16, v, 0) : E1(ZEXT32, v, 0);
    write_vreg(t, i->rd, E1(VFROM64, v, 0));
}

TRANSLATE(FMOV_ws) { to_general(t, i, SIZE_S, 0); }
TRANSLATE(FMOV_xd) { to_general(t, i, SIZE_D, 0); }
TRANSLATE(FMOV_wh) { to_general(t, i, SIZE_H, 0); }
TRANSLATE(FMOV_xh) { to_general(t, i, SIZE_H, 0); }
TRANSLATE(FMOV_xv1) { to_general(t, i, SIZE_D, 1); }
TRANSLATE(FMOV_sw) { to_vector(t, i, SIZE_S); }
TRANSLATE(FMOV_dx) { to_vector(t, i, SIZE_D); }
TRANSLATE(FMOV_hw) { to_vector(t, i, SIZE_H); }
TRANSLATE(FMOV_hx) { to_vector(t, i, SIZE_H); }

TRANSLATE(FMOV_v1x)
{
    if (fp_trapped(t, i))
        return;
    write_vreg(t, i->rd, E2(VINS, vreg(t, i->rd), reg(t, i->rn), sized(SIZE_D, 1)));
}
