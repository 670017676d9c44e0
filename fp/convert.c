/*
 * convert.c - between formats, to and from integers, to integral values (Arm ARM DDI 0487 J.a,
 * shared/functions/float: fpconvert, fptofixed, fptofixedjs, fixedtofp, fproundint, fproundintn).
 */
#include "fp/number.h"

static enum fp_rounding resolve(enum fp_rounding r, const struct fp_ctx *c)
{
    return r == FP_BY_FPCR ? fp_fpcr_rounding(c) : r;
}

uint64_t fp_convert(enum fp_format from, enum fp_format to, uint64_t a, enum fp_rounding r, struct fp_ctx *c)
{
    bool alternative = to == FP_HALF && (c->fpcr & FPCR_AHP); /* has neither NaNs nor infinities */
    struct fp_number x = fp_unpack_cv(from, a, c);
    switch (x.kind) {
    case FP_IS_ZERO: return fp_zero(to, x.sign);
    case FP_IS_FINITE: return fp_round_cv(to, x.sign, x.exp, x.man, resolve(r, c), c);
    case FP_IS_INF:
        if (!alternative)
            return fp_infinity(to, x.sign);
        c->fpsr |= FPSR_IOC;
        return fp_zero(to, x.sign) | ones(15);
    default:
        if (x.kind == FP_IS_SNAN || alternative)
            c->fpsr |= FPSR_IOC;
        if (alternative)
            return fp_zero(to, x.sign);
        return c->fpcr & FPCR_DN ? fp_default_nan(to) : fp_convert_nan(from, to, a);
    }
}

/* Magnitude of man x 2^(exp - 63), exp < 64, rounded to an integer. */
static uint64_t to_integer(bool sign, int exp, uint64_t man, enum fp_rounding r, bool *inexact)
{
    uint64_t integer = exp >= 0 ? man >> (63 - exp) : 0;
    uint64_t rest = 0; /* what is below the point, as a fraction of 2^64 */
    if (exp < 0)
        rest = fp_shift_jam(man, (unsigned)(-1 - exp));
    else if (exp < 63)
        rest = man << (exp + 1);
    *inexact = rest != 0;
    return integer + fp_rounds_up(r, sign, integer & 1, rest, BIT(63));
}

/* SatQ of an integer given by sign and magnitude. */
static uint64_t saturate(bool sign, uint64_t magnitude, unsigned bits, bool is_unsigned, bool *saturated)
{
    uint64_t limit = is_unsigned ? (sign ? 0 : ones(bits)) : (sign ? BIT(bits - 1) : ones(bits - 1));
    *saturated = magnitude > limit;
    if (*saturated)
        magnitude = limit;
    return (sign ? -magnitude : magnitude) & ones(bits);
}

uint64_t fp_to_fixed(enum fp_format f, uint64_t a, unsigned bits, unsigned fbits, bool is_unsigned, enum fp_rounding r,
                     struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c);
    bool inexact = false, saturated = false;
    uint64_t v = 0;
    if (fp_is_nan(&x)) {
        saturated = true;
    } else if (x.kind == FP_IS_INF || (x.kind == FP_IS_FINITE && x.exp + (int)fbits >= 64)) {
        v = saturate(x.sign, ~UINT64_C(0), bits, is_unsigned, &saturated);
        saturated = true;
    } else if (x.kind == FP_IS_FINITE) {
        v = to_integer(x.sign, x.exp + (int)fbits, x.man, resolve(r, c), &inexact);
        v = saturate(x.sign, v, bits, is_unsigned, &saturated);
    }
    if (saturated)
        c->fpsr |= FPSR_IOC;
    else if (inexact)
        c->fpsr |= FPSR_IXC;
    return v;
}

uint64_t fp_from_fixed(enum fp_format f, uint64_t v, unsigned bits, unsigned fbits, bool is_unsigned, struct fp_ctx *c)
{
    v = is_unsigned ? v & ones(bits) : (uint64_t)sext(v, bits);
    bool sign = !is_unsigned && v >> 63;
    if (sign)
        v = -v;
    if (v == 0)
        return 0;
    unsigned z = (unsigned)__builtin_clzll(v);
    return fp_round(f, sign, 63 - (int)z - (int)fbits, v << z, fp_fpcr_rounding(c), c);
}

static uint64_t from_magnitude(enum fp_format f, bool sign, uint64_t v, struct fp_ctx *c)
{
    if (v == 0)
        return fp_zero(f, sign);
    unsigned z = (unsigned)__builtin_clzll(v);
    return fp_round(f, sign, 63 - (int)z, v << z, FP_ZERO, c);
}

uint64_t fp_round_int(enum fp_format f, uint64_t a, enum fp_rounding r, bool exact, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c);
    bool inexact;
    switch (x.kind) {
    case FP_IS_ZERO: return fp_zero(f, x.sign);
    case FP_IS_INF: return fp_infinity(f, x.sign);
    case FP_IS_FINITE: break;
    default: return fp_process_nan(f, x.kind, a, c);
    }
    if (x.exp >= (int)fp_layout[f].fraction) /* integral already */
        return fp_round(f, x.sign, x.exp, x.man, FP_ZERO, c);
    uint64_t v = to_integer(x.sign, x.exp, x.man, resolve(r, c), &inexact);
    uint64_t result = from_magnitude(f, x.sign, v, c);
    if (inexact && exact)
        c->fpsr |= FPSR_IXC;
    return result;
}

uint64_t fp_round_int_n(enum fp_format f, uint64_t a, enum fp_rounding r, unsigned int_bits, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c);
    uint64_t v = 0;
    bool inexact = false, saturated = true;
    if (x.kind == FP_IS_ZERO)
        return fp_zero(f, x.sign);
    if (x.kind == FP_IS_FINITE && x.exp < 64) {
        v = to_integer(x.sign, x.exp, x.man, resolve(r, c), &inexact);
        saturate(x.sign, v, int_bits, false, &saturated);
    }
    if (saturated) {
        c->fpsr |= FPSR_IOC;
        return from_magnitude(f, true, BIT(int_bits - 1), c);
    }
    if (inexact)
        c->fpsr |= FPSR_IXC;
    return from_magnitude(f, x.sign, v, c);
}

uint32_t fp_to_fixed_js(uint64_t a, bool *exact, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(FP_DOUBLE, a, c);
    bool inexact = false, saturated = false;
    *exact = false;
    if (fp_is_nan(&x) || x.kind == FP_IS_INF) {
        c->fpsr |= FPSR_IOC;
        return 0;
    }
    if (x.kind == FP_IS_ZERO) { /* minus zero and a flushed denormal are not exact */
        *exact = (a & ones(63)) == 0 && !x.sign;
        return 0;
    }
    if (x.exp >= 64) { /* a multiple of 2^12: its low bits may lie anywhere in man */
        c->fpsr |= FPSR_IOC;
        uint64_t low = x.exp - 63 < 32 ? x.man << (x.exp - 63) : 0;
        return (uint32_t)(x.sign ? -low : low);
    }
    uint64_t v = to_integer(x.sign, x.exp, x.man, FP_ZERO, &inexact);
    saturate(x.sign, v, 32, false, &saturated);
    if (saturated)
        c->fpsr |= FPSR_IOC;
    else if (inexact)
        c->fpsr |= FPSR_IXC;
    *exact = !saturated && !inexact;
    return (uint32_t)(x.sign ? -v : v);
}

uint64_t fp_expand_imm(enum fp_format f, unsigned imm8)
{
    const struct fp_layout *l = &fp_layout[f];
    bool b6 = imm8 >> 6 & 1;
    uint64_t field = (uint64_t)!b6 << (l->exponent - 1) | (b6 ? ones(l->exponent - 3) << 2 : 0) | (imm8 >> 4 & 3);
    return fp_zero(f, imm8 >> 7 & 1) | field << l->fraction | (uint64_t)(imm8 & 15) << (l->fraction - 4);
}
