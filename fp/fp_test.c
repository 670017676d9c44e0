/* fp_test.c - exact results and exceptions: against recorded answers, and against the host's unit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>

#include "fp/host.h"
#include "fp/number.h"

static void recorded_answers(void **state)
{
    unsigned wrong = 0;
#define VECTOR(call, fpcr_, a_, b_, c_, result, fpsr_)                                                           \
    {                                                                                                            \
        struct fp_ctx x = {fpcr_, 0};                                                                            \
        uint64_t a = UINT64_C(a_), b = UINT64_C(b_), c = UINT64_C(c_), r = (uint64_t)(call);                     \
        (void)a, (void)b, (void)c;                                                                               \
        if (r != UINT64_C(result) || x.fpsr != fpsr_) {                                                          \
            print_error("%s fpcr %x a %s b %s c %s: %" PRIx64 " fpsr %x, needed %s %s\n", #call, fpcr_, #a_, #b_, #c_, r, x.fpsr,    \
                        #result, #fpsr_);                                                                        \
            wrong++;                                                                                             \
        }                                                                                                        \
    }
#include "fp/vectors.inc"
#undef VECTOR
    assert_int_equal(wrong, 0);
}

static uint64_t seed = 1;

static uint64_t random64(void)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Corner values far more often than chance: exponents at the ends and near the bias, fractions of few bits. */
static uint64_t random_number(enum fp_format f)
{
    const struct fp_layout *l = &fp_layout[f];
    uint64_t all = ones(l->exponent), bias = all / 2, e, fraction = random64() & ones(l->fraction);
    switch (random64() % 8) {
    case 0: e = 0; break;
    case 1: e = all; break;
    case 2: e = 1 + random64() % 3; break;
    case 3: e = all - 1 - random64() % 3; break;
    case 4: e = random64() & all; break;
    default: e = bias - 4 + random64() % 9; break;
    }
    switch (random64() % 6) {
    case 0: fraction = 0; break;
    case 1: fraction = ones(l->fraction); break;
    case 2: fraction = BIT(random64() % l->fraction); break;
    case 3: fraction = ones(l->fraction) & ~(fraction >> random64() % l->fraction); break;
    }
    return (random64() & 1 ? fp_sign_bit(f) : 0) | e << l->fraction | fraction;
}

static uint64_t soft(enum fp_host_op op, enum fp_format f, uint64_t a, uint64_t b, uint64_t c, struct fp_ctx *x)
{
    switch (op) {
    case FP_HOST_ADD: return fp_add(f, a, b, x);
    case FP_HOST_SUB: return fp_sub(f, a, b, x);
    case FP_HOST_MUL: return fp_mul(f, a, b, x);
    case FP_HOST_DIV: return fp_div(f, a, b, x);
    case FP_HOST_SQRT: return fp_sqrt(f, a, x);
    default: return fp_muladd(f, a, b, c, x);
    }
}

/* Where the host's unit answers, integer arithmetic must agree: two independent ways to the same bits. */
static void agrees_with_host(void **state)
{
    const char *text = getenv("POME_TEST_ITERATIONS");
    long n = text ? atol(text) : 300000, answered = 0;
    for (long k = 0; k < n; k++) {
        enum fp_format f = random64() & 1 ? FP_SINGLE : FP_DOUBLE;
        enum fp_host_op op = random64() % 6;
        uint64_t a = random_number(f), b = random_number(f), c = random_number(f), out[2];
        uint32_t fpcr = (uint32_t)random64() & (3u << FPCR_RMODE_SHIFT | FPCR_FZ | FPCR_DN);
        struct fp_ctx x = {fpcr, 0}, y = {fpcr, 0};
        if (!fp_host(op, f, 1, &a, &b, &c, out, &x))
            continue;
        answered++;
        uint64_t want = soft(op, f, a, b, c, &y);
        if (out[0] != want || x.fpsr != y.fpsr)
            fail_msg("operation %d format %d fpcr %x: %" PRIx64 " %" PRIx64 " %" PRIx64 ": host %" PRIx64 " fpsr %x, fp %" PRIx64
                     " fpsr %x", op, f, fpcr, a, b, c, out[0], x.fpsr, want, y.fpsr);
        assert_int_equal(out[1], 0);
    }
    print_message("%ld of %ld answered by the host\n", answered, n);
#if defined __x86_64__
    assert_true(answered > n / 4);
#endif
}

/* Every half, through wider formats and back; through integers. */
static void all_halves(void **state)
{
    for (unsigned h = 0; h < 0x10000; h++) {
        struct fp_ctx x = {0, 0};
        bool nan = (h & 0x7fff) > 0x7c00;
        uint64_t s = fp_convert(FP_HALF, FP_SINGLE, h, FP_BY_FPCR, &x);
        uint64_t d = fp_convert(FP_SINGLE, FP_DOUBLE, s, FP_BY_FPCR, &x);
        assert_int_equal(fp_convert(FP_DOUBLE, FP_HALF, d, FP_BY_FPCR, &x), nan ? h | 0x200 : h);
        assert_int_equal(x.fpsr, nan && !(h & 0x200) ? FPSR_IOC : 0);
        if (nan || (h & 0x7fff) == 0x7c00)
            continue;
        /* scaled by 2^24 every finite half is an integer */
        uint64_t v = fp_to_fixed(FP_HALF, h, 64, 24, false, FP_ZERO, &x);
        assert_int_equal(fp_from_fixed(FP_HALF, v, 64, 24, false, &x), h == 0x8000 ? 0 : h);
        assert_int_equal(x.fpsr, 0);
    }
}

static void immediates(void **state)
{
    assert_true(fp_expand_imm(FP_DOUBLE, 0x70) == UINT64_C(0x3ff0000000000000));
    assert_true(fp_expand_imm(FP_SINGLE, 0x00) == 0x40000000);
    for (unsigned k = 0; k < 256; k++) { /* the same number in all formats */
        struct fp_ctx x = {0, 0};
        uint64_t d = fp_expand_imm(FP_DOUBLE, k);
        assert_true(fp_convert(FP_DOUBLE, FP_SINGLE, d, FP_BY_FPCR, &x) == fp_expand_imm(FP_SINGLE, k));
        assert_true(fp_convert(FP_DOUBLE, FP_HALF, d, FP_BY_FPCR, &x) == fp_expand_imm(FP_HALF, k));
        assert_int_equal(x.fpsr, 0);
    }
}

/* A flushed denormal is not an exact zero for FJCVTZS (fptofixedjs: "sign == '0' && value == 0.0 && !IsZero(op<51:0>)"). */
static void javascript_flushes(void **state)
{
    struct fp_ctx x = {FPCR_FZ, 0};
    bool exact;
    assert_int_equal(fp_to_fixed_js(1, &exact, &x), 0);
    assert_false(exact);
    assert_int_equal(x.fpsr, FPSR_IDC);
    assert_int_equal(fp_to_fixed_js(0, &exact, &x), 0);
    assert_true(exact);
    assert_int_equal(fp_to_fixed_js(UINT64_C(0x41e0000000000000), &exact, &x), 0x80000000); /* 2^31 */
    assert_false(exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_answers), cmocka_unit_test(agrees_with_host),   cmocka_unit_test(all_halves),
        cmocka_unit_test(immediates),       cmocka_unit_test(javascript_flushes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
