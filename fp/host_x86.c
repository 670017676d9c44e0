/*
 * host_x86.c - SSE and FMA (Intel SDM volume 1, chapters 10.2.3 "MXCSR" and 11.5 "SIMD floating-point exceptions").
 *
 * All lanes are computed at once; lanes beyond n hold 1.0, which raises nothing. The compiler does not know that MXCSR
 * matters to arithmetic: empty asm statements keep the operation between the two accesses to it.
 */
#include "fp/host.h"

#include <immintrin.h>

enum {
    MXCSR_IE = 1, MXCSR_DE = 2, MXCSR_ZE = 4, MXCSR_OE = 8, MXCSR_UE = 16, MXCSR_PE = 32,
    MXCSR_MASKED = 0x1f80, /* all exceptions masked, no DAZ or FTZ */
    MXCSR_RC_SHIFT = 13,
};

/* RMode RN, RP, RM, RZ as MXCSR.RC */
static const uint8_t rounding[4] = {0, 2, 1, 3};

typedef union {
    __m128i i;
    __m128 s;
    __m128d d;
} reg;

#define PIN(x) __asm__ volatile("" : "+x"((x).i))

static __attribute__((target("fma"))) reg muladd(bool dbl, reg a, reg b, reg c)
{
    if (dbl)
        return (reg){.d = _mm_fmadd_pd(b.d, c.d, a.d)};
    return (reg){.s = _mm_fmadd_ps(b.s, c.s, a.s)};
}

static reg compute(enum fp_host_op op, bool dbl, reg a, reg b, reg c)
{
    switch (op) {
    case FP_HOST_ADD: return dbl ? (reg){.d = _mm_add_pd(a.d, b.d)} : (reg){.s = _mm_add_ps(a.s, b.s)};
    case FP_HOST_SUB: return dbl ? (reg){.d = _mm_sub_pd(a.d, b.d)} : (reg){.s = _mm_sub_ps(a.s, b.s)};
    case FP_HOST_MUL: return dbl ? (reg){.d = _mm_mul_pd(a.d, b.d)} : (reg){.s = _mm_mul_ps(a.s, b.s)};
    case FP_HOST_DIV: return dbl ? (reg){.d = _mm_div_pd(a.d, b.d)} : (reg){.s = _mm_div_ps(a.s, b.s)};
    case FP_HOST_SQRT: return dbl ? (reg){.d = _mm_sqrt_pd(a.d)} : (reg){.s = _mm_sqrt_ps(a.s)};
    default: return muladd(dbl, a, b, c);
    }
}

static reg load(enum fp_format f, unsigned n, const void *p)
{
    reg r = f == FP_DOUBLE ? (reg){.d = _mm_set1_pd(1.0)} : (reg){.s = _mm_set1_ps(1.0f)};
    if (p)
        memcpy(&r, p, (size_t)n << f);
    return r;
}

/* Lanes that are zero or above the least normal number in magnitude, neither infinite nor NaN, as a mask of bytes */
static bool plain(enum fp_format f, unsigned n, const reg *r)
{
    for (unsigned k = 0; k < n; k++) {
        uint64_t v = 0;
        memcpy(&v, (const char *)r + (k << f), (size_t)1 << f);
        uint64_t least = f == FP_DOUBLE ? BIT(52) : BIT(23);
        uint64_t inf = f == FP_DOUBLE ? UINT64_C(0x7ff) << 52 : UINT64_C(0xff) << 23;
        v &= ~fp_sign_bit(f);
        if (v && v - least - 1 >= inf - least - 1)
            return false;
    }
    return true;
}

bool fp_host(enum fp_host_op op, enum fp_format f, unsigned n, const void *a, const void *b, const void *c, void *out,
             struct fp_ctx *ctx)
{
    if (f == FP_HALF || (op == FP_HOST_MULADD && !__builtin_cpu_supports("fma")))
        return false;
    reg x = load(f, n, a), y = load(f, n, b), z = load(f, n, c);
    unsigned saved = _mm_getcsr();
    _mm_setcsr(MXCSR_MASKED | (unsigned)rounding[ctx->fpcr >> FPCR_RMODE_SHIFT & 3] << MXCSR_RC_SHIFT);
    PIN(x);
    PIN(y);
    PIN(z);
    reg r = compute(op, f == FP_DOUBLE, x, y, z);
    PIN(r);
    unsigned raised = _mm_getcsr();
    _mm_setcsr(saved);

    if (raised & (MXCSR_IE | MXCSR_DE | MXCSR_ZE | MXCSR_OE | MXCSR_UE) || !plain(f, n, &r))
        return false;
    if (raised & MXCSR_PE)
        ctx->fpsr |= FPSR_IXC;
    memset(out, 0, 16);
    memcpy(out, &r, (size_t)n << f);
    return true;
}
