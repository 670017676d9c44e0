/*
 * estimate.c - reciprocal and reciprocal square root: estimates and Newton steps (Arm ARM DDI 0487 J.a,
 * shared/functions/float: fprecipestimate, fprsqrtestimate, recipestimate, recipsqrtestimate, fprecpx,
 * fprecipstepfused, fprsqrtstepfused).
 */
#include "fp/number.h"

/* RecipEstimate: 256 <= a < 512 stands for 0.5 <= a / 512 < 1; 256 <= result < 512 for 1.0 to 511/256. */
static unsigned recip_estimate(unsigned a)
{
    a = a * 2 + 1; /* the middle of the interval */
    unsigned b = (1u << 19) / a;
    return (b + 1) / 2;
}

/* RecipSqrtEstimate: 128 <= a < 512 stands for 0.25 <= a / 512 < 1; result as above. */
static unsigned rsqrt_estimate(unsigned a)
{
    a = a < 256 ? a * 2 + 1 : ((a & ~1u) + 1) * 2;
    unsigned b = 512;
    while ((uint64_t)a * (b + 1) * (b + 1) < 1u << 28)
        b++;
    return (b + 1) / 2;
}

uint32_t fp_unsigned_recip_estimate(uint32_t a)
{
    return a >> 31 ? recip_estimate(a >> 23) << 23 : ~UINT32_C(0);
}

uint32_t fp_unsigned_rsqrt_estimate(uint32_t a)
{
    return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : ~UINT32_C(0);
}

static int bias(enum fp_format f)
{
    return 1 - fp_layout[f].min_exp;
}

/* The number 1.<estimate's low 8 bits> with this exponent field, which may be 0 or -1: a denormal. */
static uint64_t from_estimate(enum fp_format f, bool sign, int field, unsigned estimate)
{
    uint64_t one = BIT(fp_layout[f].fraction);
    uint64_t fraction = (uint64_t)(estimate & 0xff) << (fp_layout[f].fraction - 8);
    if (field <= 0) {
        fraction = (fraction | one) >> (1 - field);
        field = 0;
    }
    return fp_zero(f, sign) | (uint64_t)field << fp_layout[f].fraction | fraction;
}

static uint64_t recip_overflow(enum fp_format f, bool sign, struct fp_ctx *c)
{
    enum fp_rounding r = fp_fpcr_rounding(c);
    bool inf = r == FP_TIEEVEN || (r == FP_POSINF && !sign) || (r == FP_NEGINF && sign);
    c->fpsr |= FPSR_OFC | FPSR_IXC;
    return inf ? fp_infinity(f, sign) : fp_max_normal(f, sign);
}

uint64_t fp_recip_estimate(enum fp_format f, uint64_t a, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c);
    switch (x.kind) {
    case FP_IS_INF: return fp_zero(f, x.sign);
    case FP_IS_ZERO: c->fpsr |= FPSR_DZC; return fp_infinity(f, x.sign);
    case FP_IS_FINITE: break;
    default: return fp_process_nan(f, x.kind, a, c);
    }
    if (x.exp < fp_layout[f].min_exp - 2)
        return recip_overflow(f, x.sign, c);
    if (fp_flushes(f, c) && x.exp >= -fp_layout[f].min_exp) {
        c->fpsr |= FPSR_UFC;
        return fp_zero(f, x.sign);
    }
    int field = x.exp + bias(f);
    return from_estimate(f, x.sign, 2 * bias(f) - 1 - field, recip_estimate((unsigned)(x.man >> 55)));
}

uint64_t fp_rsqrt_estimate(enum fp_format f, uint64_t a, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c);
    if (fp_is_nan(&x))
        return fp_process_nan(f, x.kind, a, c);
    if (x.kind == FP_IS_ZERO) {
        c->fpsr |= FPSR_DZC;
        return fp_infinity(f, x.sign);
    }
    if (x.sign)
        return fp_invalid(f, c);
    if (x.kind == FP_IS_INF)
        return fp_zero(f, false);
    int field = x.exp + bias(f);
    unsigned scaled = (unsigned)(x.man >> (field & 1 ? 56 : 55));
    return from_estimate(f, false, (3 * bias(f) - 1 - field) / 2, rsqrt_estimate(scaled));
}

uint64_t fp_recpx(enum fp_format f, uint64_t a, struct fp_ctx *c)
{
    const struct fp_layout *l = &fp_layout[f];
    struct fp_number x = fp_unpack(f, a, c);
    if (fp_is_nan(&x))
        return fp_process_nan(f, x.kind, a, c);
    uint64_t field = a >> l->fraction & ones(l->exponent);
    field = field ? ~field & ones(l->exponent) : ones(l->exponent) - 1;
    return fp_zero(f, x.sign) | field << l->fraction;
}

/* (first - a x b) / 2^halve, where 0 x infinity counts as 0 */
static uint64_t step(enum fp_format f, uint64_t a, uint64_t b, struct fp_number first, int scale, struct fp_ctx *c)
{
    a = fp_neg(f, a);
    struct fp_number n[3] = {first, fp_unpack(f, a, c), fp_unpack(f, b, c)};
    uint64_t nan;
    if (fp_process_nans(f, &n[1], &n[2], a, b, &nan, c))
        return nan;
    if (fp_inf_times_zero(&n[1], &n[2]))
        return fp_round(f, false, first.exp + scale, first.man, FP_ZERO, c);
    return fp_muladd_numbers(f, n, scale, c);
}

uint64_t fp_recip_step(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    static const struct fp_number two = {FP_IS_FINITE, false, 1, BIT(63)};
    return step(f, a, b, two, 0, c);
}

uint64_t fp_rsqrt_step(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    static const struct fp_number three = {FP_IS_FINITE, false, 1, BIT(63) | BIT(62)};
    return step(f, a, b, three, -1, c);
}
