/* fp_imm.h - the immediates of floating-point operations (ops_fp.inc). */
#ifndef IR_FP_IMM_H
#define IR_FP_IMM_H

#include "fp/fp.h"

/* Bits of the operation's own part. */
enum {
    /* MULADD, MULADDH */
    FP_NEG_PRODUCT = 1 << 0,
    FP_NEG_ADDEND = 1 << 1,
    FP_UPPER = 1 << 2,
    /* conversions */
    FP_UNSIGNED = 1 << 0,
    FP_ROUNDING_SHIFT = 1, /* enum fp_rounding, 3 bits */
    FP_EXACT = 1 << 4,     /* IXC if not integral before */
    FP_WIDE = 1 << 5,      /* 64-bit integers */
    FP_FBITS_SHIFT = 6,    /* 7 bits */
};

enum fp_mask { FP_MASK_EQ, FP_MASK_GE, FP_MASK_GT, FP_MASK_ACGE, FP_MASK_ACGT };

static inline uint64_t fp_imm(enum fp_format f, unsigned log2_lanes, unsigned own)
{
    return (uint64_t)own << 4 | log2_lanes << 2 | f;
}

static inline unsigned fp_own_cvt(enum fp_format to, enum fp_rounding r)
{
    return (unsigned)r << FP_ROUNDING_SHIFT | (unsigned)to << FP_FBITS_SHIFT;
}

static inline unsigned fp_own_int(bool is_unsigned, bool wide, enum fp_rounding r, unsigned fbits)
{
    return (is_unsigned ? FP_UNSIGNED : 0) | (wide ? FP_WIDE : 0) | (unsigned)r << FP_ROUNDING_SHIFT | fbits << FP_FBITS_SHIFT;
}

static inline enum fp_format fp_imm_format(uint64_t imm)
{
    return imm & 3;
}

static inline unsigned fp_imm_lanes(uint64_t imm)
{
    return 1u << (imm >> 2 & 3);
}

static inline unsigned fp_imm_own(uint64_t imm)
{
    return (unsigned)(imm >> 4);
}

static inline enum fp_rounding fp_imm_rounding(uint64_t imm)
{
    return fp_imm_own(imm) >> FP_ROUNDING_SHIFT & 7;
}

static inline unsigned fp_imm_fbits(uint64_t imm)
{
    return fp_imm_own(imm) >> FP_FBITS_SHIFT & 127;
}

/* CVT only */
static inline enum fp_format fp_imm_to(uint64_t imm)
{
    return fp_imm_fbits(imm) & 3;
}

#endif
