/*
 * arith.c - sums, products, quotients, roots, maxima and comparisons (Arm ARM DDI 0487 J.a, shared/functions/float:
 * fpadd, fpmul, fpdiv, fpsqrt, fpmuladd, fpmuladdh, fpmax, fpmaxnum, fpcompare...).
 */
#include "fp/number.h"

/* An exact zero sum of operands that are not zeros of one sign. */
static uint64_t zero_sum(enum fp_format f, struct fp_ctx *c)
{
    return fp_zero(f, fp_fpcr_rounding(c) == FP_NEGINF);
}

static uint64_t add_finite(enum fp_format f, const struct fp_number *x, const struct fp_number *y, struct fp_ctx *c)
{
    bool sign;
    int exp;
    u128 sum;
    if (!fp_sum(x->sign, x->exp, (u128)x->man << 64, y->sign, y->exp, (u128)y->man << 64, &sign, &exp, &sum))
        return zero_sum(f, c);
    return fp_round128(f, sign, exp, sum, fp_fpcr_rounding(c), c);
}

static uint64_t round_again(enum fp_format f, const struct fp_number *n, struct fp_ctx *c)
{
    return fp_round(f, n->sign, n->exp, n->man, fp_fpcr_rounding(c), c);
}

/* a is the first operand as given, b the second; y carries the sign that counts (FPSub negates the value, not the NaN) */
static uint64_t add(enum fp_format f, uint64_t a, uint64_t b, bool negate, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c), y = fp_unpack(f, b, c);
    uint64_t nan;
    if (fp_process_nans(f, &x, &y, a, b, &nan, c))
        return nan;
    y.sign ^= negate;
    if (x.kind == FP_IS_INF && y.kind == FP_IS_INF && x.sign != y.sign)
        return fp_invalid(f, c);
    if (x.kind == FP_IS_INF || y.kind == FP_IS_INF)
        return fp_infinity(f, x.kind == FP_IS_INF ? x.sign : y.sign);
    if (x.kind == FP_IS_ZERO && y.kind == FP_IS_ZERO)
        return x.sign == y.sign ? fp_zero(f, x.sign) : zero_sum(f, c);
    if (x.kind == FP_IS_ZERO)
        return round_again(f, &y, c);
    if (y.kind == FP_IS_ZERO)
        return round_again(f, &x, c);
    return add_finite(f, &x, &y, c);
}

uint64_t fp_add(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return add(f, a, b, false, c);
}

uint64_t fp_sub(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return add(f, a, b, true, c);
}

bool fp_inf_times_zero(const struct fp_number *x, const struct fp_number *y)
{
    return (x->kind == FP_IS_INF && y->kind == FP_IS_ZERO) || (x->kind == FP_IS_ZERO && y->kind == FP_IS_INF);
}

static uint64_t mul(enum fp_format f, uint64_t a, uint64_t b, bool extended, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c), y = fp_unpack(f, b, c);
    bool sign = x.sign != y.sign;
    uint64_t nan;
    if (fp_process_nans(f, &x, &y, a, b, &nan, c))
        return nan;
    if (fp_inf_times_zero(&x, &y))
        return extended ? fp_zero(f, sign) | BIT(fp_bits(f) - 2) : fp_invalid(f, c);
    if (x.kind == FP_IS_INF || y.kind == FP_IS_INF)
        return fp_infinity(f, sign);
    if (x.kind == FP_IS_ZERO || y.kind == FP_IS_ZERO)
        return fp_zero(f, sign);
    return fp_round128(f, sign, x.exp + y.exp + 1, (u128)x.man * y.man, fp_fpcr_rounding(c), c);
}

uint64_t fp_mul(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return mul(f, a, b, false, c);
}

uint64_t fp_mulx(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return mul(f, a, b, true, c);
}

uint64_t fp_div(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c), y = fp_unpack(f, b, c);
    bool sign = x.sign != y.sign;
    uint64_t nan;
    if (fp_process_nans(f, &x, &y, a, b, &nan, c))
        return nan;
    if ((x.kind == FP_IS_INF && y.kind == FP_IS_INF) || (x.kind == FP_IS_ZERO && y.kind == FP_IS_ZERO))
        return fp_invalid(f, c);
    if (x.kind == FP_IS_INF || y.kind == FP_IS_ZERO) {
        if (x.kind != FP_IS_INF)
            c->fpsr |= FPSR_DZC;
        return fp_infinity(f, sign);
    }
    if (x.kind == FP_IS_ZERO || y.kind == FP_IS_INF)
        return fp_zero(f, sign);
    /* 62 bits of quotient or more; a remainder makes it odd */
    u128 dividend = (u128)x.man << 62;
    u128 quotient = dividend / y.man;
    quotient = quotient << 1 | (quotient * y.man != dividend);
    return fp_round128(f, sign, x.exp - y.exp + 64, quotient, fp_fpcr_rounding(c), c);
}

/* The integer root of v, one bit at a time. */
static uint64_t root(u128 v, bool *exact)
{
    u128 rest = 0;
    uint64_t r = 0;
    for (int i = 63; i >= 0; i--) {
        rest = rest << 2 | (v >> (2 * i) & 3);
        u128 trial = (u128)r << 2 | 1;
        r <<= 1;
        if (rest >= trial) {
            rest -= trial;
            r |= 1;
        }
    }
    *exact = rest == 0;
    return r;
}

uint64_t fp_sqrt(enum fp_format f, uint64_t a, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c);
    if (fp_is_nan(&x))
        return fp_process_nan(f, x.kind, a, c);
    if (x.kind == FP_IS_ZERO)
        return fp_zero(f, x.sign);
    if (x.sign)
        return fp_invalid(f, c);
    if (x.kind == FP_IS_INF)
        return fp_infinity(f, false);
    bool odd = x.exp & 1, exact;
    uint64_t r = root((u128)x.man << (odd ? 64 : 63), &exact); /* its bit 63 is set */
    return fp_round(f, false, (x.exp - odd) / 2, r | !exact, fp_fpcr_rounding(c), c);
}

/* FPProcessNaNs3's choice: signalling before quiet, then in order. */
static unsigned first_nan(const struct fp_number n[3])
{
    for (enum fp_kind k = FP_IS_SNAN; k >= FP_IS_QNAN; k--)
        for (unsigned i = 0; i < 3; i++)
            if (n[i].kind == k)
                return i;
    return 3;
}

uint64_t fp_muladd_numbers(enum fp_format f, const struct fp_number n[3], int scale, struct fp_ctx *c)
{
    enum fp_rounding r = fp_fpcr_rounding(c);
    bool sign = n[1].sign != n[2].sign;
    bool inf = n[1].kind == FP_IS_INF || n[2].kind == FP_IS_INF;
    bool zero = n[1].kind == FP_IS_ZERO || n[2].kind == FP_IS_ZERO;

    if (fp_inf_times_zero(&n[1], &n[2]) || (n[0].kind == FP_IS_INF && inf && n[0].sign != sign))
        return fp_invalid(f, c);
    if (n[0].kind == FP_IS_INF || inf)
        return fp_infinity(f, inf ? sign : n[0].sign);
    if (n[0].kind == FP_IS_ZERO && zero)
        return n[0].sign == sign ? fp_zero(f, sign) : zero_sum(f, c);
    if (zero)
        return fp_round(f, n[0].sign, n[0].exp + scale, n[0].man, r, c);

    u128 product = (u128)n[1].man * n[2].man;
    int exp = n[1].exp + n[2].exp + 1;
    if (!(product >> 127)) {
        product <<= 1;
        exp--;
    }
    if (n[0].kind == FP_IS_ZERO)
        return fp_round128(f, sign, exp + scale, product, r, c);
    u128 sum;
    if (!fp_sum(n[0].sign, n[0].exp, (u128)n[0].man << 64, sign, exp, product, &sign, &exp, &sum))
        return zero_sum(f, c);
    return fp_round128(f, sign, exp + scale, sum, r, c);
}

uint64_t fp_muladd(enum fp_format f, uint64_t addend, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    const uint64_t given[3] = {addend, a, b};
    struct fp_number n[3];
    for (unsigned i = 0; i < 3; i++)
        n[i] = fp_unpack(f, given[i], c);
    unsigned nan = first_nan(n);
    if (n[0].kind == FP_IS_QNAN && fp_inf_times_zero(&n[1], &n[2]))
        return fp_invalid(f, c);
    if (nan < 3)
        return fp_process_nan(f, n[nan].kind, given[nan], c);
    return fp_muladd_numbers(f, n, 0, c);
}

uint64_t fp_muladdh(uint64_t addend, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    const uint64_t given[3] = {addend, a, b};
    struct fp_number n[3];
    for (unsigned i = 0; i < 3; i++)
        n[i] = fp_unpack(i ? FP_HALF : FP_SINGLE, given[i], c);
    unsigned nan = first_nan(n);
    if (n[0].kind == FP_IS_QNAN && fp_inf_times_zero(&n[1], &n[2]))
        return fp_invalid(FP_SINGLE, c);
    if (nan == 0)
        return fp_process_nan(FP_SINGLE, n[0].kind, addend, c);
    if (nan < 3)
        return fp_convert_nan(FP_HALF, FP_SINGLE, fp_process_nan(FP_HALF, n[nan].kind, given[nan], c));
    return fp_muladd_numbers(FP_SINGLE, n, 0, c);
}

/* -1, 0, 1: x below, equal to, above y; neither is a NaN. */
static int order(const struct fp_number *x, const struct fp_number *y)
{
    if (x->kind == FP_IS_ZERO && y->kind == FP_IS_ZERO)
        return 0;
    if (x->kind == FP_IS_ZERO)
        return y->sign ? 1 : -1;
    if (y->kind == FP_IS_ZERO)
        return x->sign ? -1 : 1;
    if (x->sign != y->sign)
        return x->sign ? -1 : 1;
    int magnitude;
    if (x->kind != y->kind)
        magnitude = x->kind == FP_IS_INF ? 1 : -1;
    else if (x->exp != y->exp)
        magnitude = x->exp > y->exp ? 1 : -1;
    else
        magnitude = (x->man > y->man) - (x->man < y->man);
    return x->sign ? -magnitude : magnitude;
}

static uint64_t maximum(enum fp_format f, uint64_t a, uint64_t b, bool least, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c), y = fp_unpack(f, b, c);
    uint64_t nan;
    if (fp_process_nans(f, &x, &y, a, b, &nan, c))
        return nan;
    int o = order(&x, &y);
    const struct fp_number *n = (least ? o < 0 : o > 0) ? &x : &y;
    switch (n->kind) {
    case FP_IS_INF: return fp_infinity(f, n->sign);
    case FP_IS_ZERO: return fp_zero(f, least ? x.sign || y.sign : x.sign && y.sign);
    default: return round_again(f, n, c);
    }
}

uint64_t fp_max(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return maximum(f, a, b, false, c);
}

uint64_t fp_min(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return maximum(f, a, b, true, c);
}

/* FPMaxNum, FPMinNum: a quiet NaN gives way to a number. */
static uint64_t number_over_nan(enum fp_format f, uint64_t a, uint64_t b, bool least, struct fp_ctx *c)
{
    struct fp_ctx silent = *c;
    bool nan_a = fp_unpack(f, a, &silent).kind == FP_IS_QNAN;
    bool nan_b = fp_unpack(f, b, &silent).kind == FP_IS_QNAN;
    if (nan_a && !nan_b)
        a = fp_infinity(f, !least);
    else if (nan_b && !nan_a)
        b = fp_infinity(f, !least);
    return maximum(f, a, b, least, c);
}

uint64_t fp_maxnum(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return number_over_nan(f, a, b, false, c);
}

uint64_t fp_minnum(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return number_over_nan(f, a, b, true, c);
}

/* -1, 0, 1, or 2 for unordered. `signal`: quiet NaNs are invalid too. */
static int compare(enum fp_format f, uint64_t a, uint64_t b, bool signal, struct fp_ctx *c)
{
    struct fp_number x = fp_unpack(f, a, c), y = fp_unpack(f, b, c);
    if (!fp_is_nan(&x) && !fp_is_nan(&y))
        return order(&x, &y);
    if (signal || x.kind == FP_IS_SNAN || y.kind == FP_IS_SNAN)
        c->fpsr |= FPSR_IOC;
    return 2;
}

unsigned fp_compare(enum fp_format f, uint64_t a, uint64_t b, bool signal_nans, struct fp_ctx *c)
{
    static const uint8_t nzcv[] = {[0] = 8, [1] = 6, [2] = 2, [3] = 3};
    return nzcv[compare(f, a, b, signal_nans, c) + 1];
}

bool fp_compare_eq(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return compare(f, a, b, false, c) == 0;
}

bool fp_compare_ge(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    int o = compare(f, a, b, true, c);
    return o == 0 || o == 1;
}

bool fp_compare_gt(enum fp_format f, uint64_t a, uint64_t b, struct fp_ctx *c)
{
    return compare(f, a, b, true, c) == 1;
}
