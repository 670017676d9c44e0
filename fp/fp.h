/*
 * fp.h - floating-point arithmetic as the Arm architecture defines it (Arm ARM DDI 0487 J.a, shared pseudocode,
 * shared/functions/float), exact to the bit: results, NaNs and cumulative exception bits, in every mode of FPCR.
 *
 * Numbers are their encodings in the low bits of a uint64_t; the bits above are ignored in operands and zero in
 * results. Operand order matters: it decides which NaN is delivered. Functions are named like the manual's (FPAdd:
 * fp_add). They have no state but the context, and use integer arithmetic only; host.h does the same with the host's
 * unit where that is provably equal.
 *
 * Not here: FEAT_AFP (FPCR.AH, FIZ, NEP) and trapped exceptions (FPCR.xxE), which Pome's processor does not have.
 */
#ifndef FP_FP_H
#define FP_FP_H

#include "base/bits.h"

enum fp_format { FP_HALF = 1, FP_SINGLE = 2, FP_DOUBLE = 3 }; /* log2 of the size in bytes */

/* FPCR's RMode first, then modes that only instructions name. */
enum fp_rounding {
    FP_TIEEVEN = 0,
    FP_POSINF = 1,
    FP_NEGINF = 2,
    FP_ZERO = 3,
    FP_TIEAWAY = 4,
    FP_ODD = 5,         /* FCVTXN */
    FP_BY_FPCR = 7,     /* whatever FPCR.RMode says */
};

enum fp_fpcr {
    FPCR_LEN = 7 << 16, /* of AArch32: kept, without meaning here */
    FPCR_FZ16 = 1 << 19,
    FPCR_STRIDE = 3 << 20, /* the same */
    FPCR_RMODE_SHIFT = 22,
    FPCR_FZ = 1 << 24,
    FPCR_DN = 1 << 25,
    FPCR_AHP = 1 << 26,
    /* what changes arithmetic, and what the processor keeps of a write to FPCR */
    FPCR_MODES = FPCR_FZ16 | 3 << FPCR_RMODE_SHIFT | FPCR_FZ | FPCR_DN | FPCR_AHP,
    FPCR_MASK = FPCR_MODES | FPCR_LEN | FPCR_STRIDE,
};

enum fp_fpsr {
    FPSR_IOC = 1 << 0, /* invalid operation */
    FPSR_DZC = 1 << 1, /* division by zero */
    FPSR_OFC = 1 << 2, /* overflow */
    FPSR_UFC = 1 << 3, /* underflow */
    FPSR_IXC = 1 << 4, /* inexact */
    FPSR_IDC = 1 << 7, /* input denormal flushed to zero */
    FPSR_QC = 1 << 27, /* integer saturation; not touched here */
};

struct fp_ctx {
    uint32_t fpcr;
    uint32_t fpsr; /* bits are only ever set */
};

static inline unsigned fp_bits(enum fp_format f)
{
    return 8u << f;
}

static inline uint64_t fp_sign_bit(enum fp_format f)
{
    return BIT(fp_bits(f) - 1);
}

/* ---- arithmetic (arith.c) ---- */
uint64_t fp_add(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
uint64_t fp_sub(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
uint64_t fp_mul(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
uint64_t fp_mulx(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c); /* 0 x infinity = 2 */
uint64_t fp_div(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
uint64_t fp_sqrt(enum fp_format f, uint64_t a, struct fp_ctx *c);
/* addend + a x b, one rounding */
uint64_t fp_muladd(enum fp_format f, uint64_t addend, uint64_t a, uint64_t b, struct fp_ctx *c);
/* the same with halves a, b and a single-precision addend and result (FMLAL) */
uint64_t fp_muladdh(uint64_t addend, uint64_t a, uint64_t b, struct fp_ctx *c);
uint64_t fp_max(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
uint64_t fp_min(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
uint64_t fp_maxnum(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
uint64_t fp_minnum(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
/* NZCV in bits 3..0 */
unsigned fp_compare(enum fp_format f, uint64_t a, uint64_t b, bool signal_nans, struct fp_ctx *c);
bool fp_compare_eq(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
bool fp_compare_ge(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
bool fp_compare_gt(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);

/* ---- estimates and steps (estimate.c) ---- */
uint64_t fp_recip_estimate(enum fp_format f, uint64_t a, struct fp_ctx *c);
uint64_t fp_rsqrt_estimate(enum fp_format f, uint64_t a, struct fp_ctx *c);
uint64_t fp_recpx(enum fp_format f, uint64_t a, struct fp_ctx *c);
uint64_t fp_recip_step(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
uint64_t fp_rsqrt_step(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c);
uint32_t fp_unsigned_recip_estimate(uint32_t a);
uint32_t fp_unsigned_rsqrt_estimate(uint32_t a);

/* ---- conversions (convert.c) ---- */
/* Between formats; rounding FP_BY_FPCR or FP_ODD. Halves as FPCR.AHP says. from may not equal to. */
uint64_t fp_convert(enum fp_format from, enum fp_format to, uint64_t a, enum fp_rounding r, struct fp_ctx *c);
/* To an integer of `bits` (16, 32, 64) bits after multiplying by 2^fbits; saturates. Zero-extended. */
uint64_t fp_to_fixed(enum fp_format f, uint64_t a, unsigned bits, unsigned fbits, bool is_unsigned, enum fp_rounding r,
                     struct fp_ctx *c);
/* From an integer of `bits` bits divided by 2^fbits; rounds as FPCR says. */
uint64_t fp_from_fixed(enum fp_format f, uint64_t v, unsigned bits, unsigned fbits, bool is_unsigned, struct fp_ctx *c);
/* To an integral value in the same format; `exact`: sets IXC when that changed the value. */
uint64_t fp_round_int(enum fp_format f, uint64_t a, enum fp_rounding r, bool exact, struct fp_ctx *c);
/* FRINT32/64: to an integral value that fits `int_bits` (32 or 64) bits, else the most negative one; not for halves. */
uint64_t fp_round_int_n(enum fp_format f, uint64_t a, enum fp_rounding r, unsigned int_bits, struct fp_ctx *c);
/* FJCVTZS: modulo 2^32; *exact is the Z flag. */
uint32_t fp_to_fixed_js(uint64_t a, bool *exact, struct fp_ctx *c);

/* VFPExpandImm: the 8-bit immediate of FMOV. */
uint64_t fp_expand_imm(enum fp_format f, unsigned imm8);

#endif
