/*
 * number.c - numbers taken apart and put together: FPUnpack, FPRound, NaN rules
 * (Arm ARM DDI 0487 J.a, shared/functions/float/fpunpack, fpround, fpprocessnan, fpconvertnan).
 */
#include "fp/number.h"

const struct fp_layout fp_layout[4] = {
    [FP_HALF] = {10, 5, -14},
    [FP_SINGLE] = {23, 8, -126},
    [FP_DOUBLE] = {52, 11, -1022},
};

static struct fp_number normalized(bool sign, int exp, uint64_t man)
{
    unsigned z = (unsigned)__builtin_clzll(man);
    return (struct fp_number){FP_IS_FINITE, sign, exp - (int)z, man << z};
}

static struct fp_number unpack(enum fp_format f, uint64_t a, bool flush, bool alternative, struct fp_ctx *c)
{
    const struct fp_layout *l = &fp_layout[f];
    bool sign = a >> (fp_bits(f) - 1) & 1;
    uint64_t fraction = a & ones(l->fraction);
    int e = (int)(a >> l->fraction & ones(l->exponent));
    unsigned up = 63 - l->fraction;

    if (e == 0) {
        if (fraction && !flush)
            return normalized(sign, l->min_exp, fraction << up);
        if (fraction && f != FP_HALF) /* flushed halves are not reported: fpunpack */
            c->fpsr |= FPSR_IDC;
        return (struct fp_number){FP_IS_ZERO, sign, 0, 0};
    }
    if (e == (int)ones(l->exponent) && !alternative) {
        if (fraction == 0)
            return (struct fp_number){FP_IS_INF, sign, 0, 0};
        bool quiet = fraction >> (l->fraction - 1);
        return (struct fp_number){quiet ? FP_IS_QNAN : FP_IS_SNAN, sign, 0, 0};
    }
    return (struct fp_number){FP_IS_FINITE, sign, e - 1 + l->min_exp, (fraction | BIT(l->fraction)) << up};
}

struct fp_number fp_unpack(enum fp_format f, uint64_t a, struct fp_ctx *c)
{
    return unpack(f, a, fp_flushes(f, c), false, c);
}

struct fp_number fp_unpack_cv(enum fp_format f, uint64_t a, struct fp_ctx *c)
{
    return unpack(f, a, f != FP_HALF && fp_flushes(f, c), f == FP_HALF && (c->fpcr & FPCR_AHP), c);
}

bool fp_rounds_up(enum fp_rounding r, bool sign, bool odd, uint64_t rest, uint64_t half)
{
    switch (r) {
    case FP_TIEEVEN: return rest > half || (rest == half && odd);
    case FP_TIEAWAY: return rest >= half;
    case FP_POSINF: return rest && !sign;
    case FP_NEGINF: return rest && sign;
    default: return false;
    }
}

static bool overflows_to_infinity(enum fp_rounding r, bool sign)
{
    switch (r) {
    case FP_TIEEVEN:
    case FP_TIEAWAY: return true;
    case FP_POSINF: return !sign;
    case FP_NEGINF: return sign;
    default: return false;
    }
}

static uint64_t overflow(enum fp_format f, bool sign, enum fp_rounding r, struct fp_ctx *c)
{
    c->fpsr |= FPSR_OFC | FPSR_IXC;
    return overflows_to_infinity(r, sign) ? fp_infinity(f, sign) : fp_max_normal(f, sign);
}

static uint64_t round_number(enum fp_format f, bool sign, int exp, uint64_t man, enum fp_rounding r, bool flush,
                             bool alternative, struct fp_ctx *c)
{
    const struct fp_layout *l = &fp_layout[f];
    unsigned down = 63 - l->fraction;
    bool tiny = exp < l->min_exp; /* before rounding */

    if (tiny && flush) {
        c->fpsr |= FPSR_UFC;
        return fp_zero(f, sign);
    }
    if (tiny)
        man = fp_shift_jam(man, (unsigned)(l->min_exp - exp));

    uint64_t rest = man & ones(down), result = man >> down;
    bool inexact = rest != 0;
    if (fp_rounds_up(r, sign, result & 1, rest, BIT(down - 1)))
        result++;
    else if (inexact && r == FP_ODD)
        result |= 1;
    /* The leading one adds itself to the exponent field, as does a carry out of the fraction. */
    uint64_t biased = tiny ? 0 : (uint64_t)(exp - l->min_exp);
    uint64_t field = biased + (result >> l->fraction);
    result += biased << l->fraction;

    if (tiny && inexact)
        c->fpsr |= FPSR_UFC;
    if (!alternative && field >= ones(l->exponent))
        return overflow(f, sign, r, c);
    if (alternative && field > ones(l->exponent)) {
        c->fpsr |= FPSR_IOC;
        return fp_zero(f, sign) | ones(fp_bits(f) - 1);
    }
    if (inexact)
        c->fpsr |= FPSR_IXC;
    return fp_zero(f, sign) | result;
}

uint64_t fp_round(enum fp_format f, bool sign, int exp, uint64_t man, enum fp_rounding r, struct fp_ctx *c)
{
    return round_number(f, sign, exp, man, r, fp_flushes(f, c), false, c);
}

uint64_t fp_round_cv(enum fp_format f, bool sign, int exp, uint64_t man, enum fp_rounding r, struct fp_ctx *c)
{
    return round_number(f, sign, exp, man, r, f != FP_HALF && fp_flushes(f, c), f == FP_HALF && (c->fpcr & FPCR_AHP), c);
}

uint64_t fp_round128(enum fp_format f, bool sign, int exp, u128 man, enum fp_rounding r, struct fp_ctx *c)
{
    uint64_t high = (uint64_t)(man >> 64);
    unsigned z = high ? (unsigned)__builtin_clzll(high) : 64u + (unsigned)__builtin_clzll((uint64_t)man);
    man <<= z;
    return fp_round(f, sign, exp - (int)z, (uint64_t)(man >> 64) | ((uint64_t)man != 0), r, c);
}

bool fp_sum(bool sx, int ex, u128 mx, bool sy, int ey, u128 my, bool *sign, int *exp, u128 *sum)
{
    if (ex < ey) { /* x the one with the larger exponent */
        bool s = sx;
        int e = ex;
        u128 m = mx;
        sx = sy, ex = ey, mx = my;
        sy = s, ey = e, my = m;
    }
    mx >>= 1; /* room for a carry; both have at least 20 zero bits at the bottom */
    my = fp_shift_jam128(my >> 1, (unsigned)(ex - ey));
    *exp = ex + 1;
    *sign = sx;
    if (sx == sy) {
        *sum = mx + my;
    } else if (mx >= my) {
        *sum = mx - my;
    } else {
        *sum = my - mx;
        *sign = sy;
    }
    return *sum != 0;
}

uint64_t fp_process_nan(enum fp_format f, enum fp_kind kind, uint64_t a, struct fp_ctx *c)
{
    if (kind == FP_IS_SNAN)
        c->fpsr |= FPSR_IOC;
    if (c->fpcr & FPCR_DN)
        return fp_default_nan(f);
    return (a & ones(fp_bits(f))) | BIT(fp_layout[f].fraction - 1);
}

bool fp_process_nans(enum fp_format f, const struct fp_number *x, const struct fp_number *y, uint64_t a, uint64_t b,
                     uint64_t *result, struct fp_ctx *c)
{
    if (!fp_is_nan(x) && !fp_is_nan(y))
        return false;
    bool first = x->kind == FP_IS_SNAN || (fp_is_nan(x) && y->kind != FP_IS_SNAN);
    *result = first ? fp_process_nan(f, x->kind, a, c) : fp_process_nan(f, y->kind, b, c);
    return true;
}

uint64_t fp_convert_nan(enum fp_format from, enum fp_format to, uint64_t a)
{
    /* the payload left-justified below the quiet bit, in 64 bits */
    uint64_t payload = a << (65 - fp_layout[from].fraction);
    bool sign = a >> (fp_bits(from) - 1) & 1;
    uint64_t quiet = fp_default_nan(to);
    return quiet | fp_zero(to, sign) | payload >> (65 - fp_layout[to].fraction);
}
