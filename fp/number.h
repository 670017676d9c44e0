/*
 * number.h - inside fp/: numbers taken apart (FPUnpack) and put together (FPRound).
 *
 * A finite non-zero value is man x 2^(exp - 63) with bit 63 of man set. When a value does not fit, bit 0 of man is
 * "sticky": set if anything non-zero lies below. All formats leave at least ten bits between their last place and it.
 */
#ifndef FP_NUMBER_H
#define FP_NUMBER_H

#include "fp/fp.h"

__extension__ typedef unsigned __int128 u128;

enum fp_kind { FP_IS_ZERO, FP_IS_FINITE, FP_IS_INF, FP_IS_QNAN, FP_IS_SNAN };

struct fp_number {
    enum fp_kind kind;
    bool sign;
    int exp;
    uint64_t man;
};

struct fp_layout {
    unsigned fraction; /* bits of fraction */
    unsigned exponent; /* bits of exponent */
    int min_exp;       /* exponent of the least normal number */
};
extern const struct fp_layout fp_layout[4];

static inline bool fp_is_nan(const struct fp_number *n)
{
    return n->kind >= FP_IS_QNAN;
}

static inline enum fp_rounding fp_fpcr_rounding(const struct fp_ctx *c)
{
    return c->fpcr >> FPCR_RMODE_SHIFT & 3;
}

static inline bool fp_flushes(enum fp_format f, const struct fp_ctx *c)
{
    return c->fpcr & (f == FP_HALF ? FPCR_FZ16 : FPCR_FZ);
}

static inline uint64_t fp_neg(enum fp_format f, uint64_t a)
{
    return a ^ fp_sign_bit(f);
}

static inline uint64_t fp_infinity(enum fp_format f, bool sign)
{
    return ones(fp_layout[f].exponent) << fp_layout[f].fraction | (sign ? fp_sign_bit(f) : 0);
}

static inline uint64_t fp_zero(enum fp_format f, bool sign)
{
    return sign ? fp_sign_bit(f) : 0;
}

static inline uint64_t fp_default_nan(enum fp_format f)
{
    return ones(fp_layout[f].exponent + 1) << (fp_layout[f].fraction - 1);
}

static inline uint64_t fp_max_normal(enum fp_format f, bool sign)
{
    return fp_infinity(f, sign) - 1;
}

static inline uint64_t fp_invalid(enum fp_format f, struct fp_ctx *c)
{
    c->fpsr |= FPSR_IOC;
    return fp_default_nan(f);
}

/* Shifts right; what falls out is or-ed into bit 0. */
static inline uint64_t fp_shift_jam(uint64_t v, unsigned n)
{
    if (n >= 64)
        return v != 0;
    return n ? v >> n | ((v << (64 - n)) != 0) : v;
}

static inline u128 fp_shift_jam128(u128 v, unsigned n)
{
    if (n >= 128)
        return v != 0;
    return n ? v >> n | ((v << (128 - n)) != 0) : v;
}

/* FPUnpack: may set IDC. */
struct fp_number fp_unpack(enum fp_format f, uint64_t a, struct fp_ctx *c);
/* FPUnpackCV: halves with FPCR.AHP and without flushing. */
struct fp_number fp_unpack_cv(enum fp_format f, uint64_t a, struct fp_ctx *c);

/* Does the part below the last place (`rest`, where `half` is half a place) round the magnitude up? */
bool fp_rounds_up(enum fp_rounding r, bool sign, bool odd, uint64_t rest, uint64_t half);
/* FPRound of man x 2^(exp - 63); man's bit 63 is set. r is not FP_BY_FPCR. */
uint64_t fp_round(enum fp_format f, bool sign, int exp, uint64_t man, enum fp_rounding r, struct fp_ctx *c);
/* The same for any man, not zero, in 128 bits: man x 2^(exp - 127). */
uint64_t fp_round128(enum fp_format f, bool sign, int exp, u128 man, enum fp_rounding r, struct fp_ctx *c);
/* FPRoundCV. */
uint64_t fp_round_cv(enum fp_format f, bool sign, int exp, uint64_t man, enum fp_rounding r, struct fp_ctx *c);

/* FPProcessNaN(s): the result when an operand is a NaN. */
uint64_t fp_process_nan(enum fp_format f, enum fp_kind kind, uint64_t a, struct fp_ctx *c);
bool fp_process_nans(enum fp_format f, const struct fp_number *x, const struct fp_number *y, uint64_t a, uint64_t b,
                     uint64_t *result, struct fp_ctx *c);
/* FPConvertNaN: the payload's upper bits kept, quiet. */
uint64_t fp_convert_nan(enum fp_format from, enum fp_format to, uint64_t a);

/* Exact x + y, both finite and not zero: false if the sum is zero, else *sum (128-bit mantissa, any position, of
 * exponent *exp as fp_round128 takes it). The mantissas are 128 bits wide with bit 127 set. */
bool fp_sum(bool sx, int ex, u128 mx, bool sy, int ey, u128 my, bool *sign, int *exp, u128 *sum);

bool fp_inf_times_zero(const struct fp_number *x, const struct fp_number *y);
/* (n[0] + n[1] x n[2]) x 2^scale, rounded once; none of them is a NaN. */
uint64_t fp_muladd_numbers(enum fp_format f, const struct fp_number n[3], int scale, struct fp_ctx *c);

#endif
