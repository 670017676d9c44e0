/*
 * emit_fp_test.c - compiled floating-point operations against the evaluator: every operation and shape, on operands where
 * zeros, denormals, infinities, NaNs and numbers near the ends of the range are frequent, in every mode of FPCR.
 *
 * POME_TEST_SCALE=n does n times as much; POME_TEST_SEED starts elsewhere.
 */
#include "ir/fp_imm.h"
#include "ir/random_block.h"
#include "x64/host.h"
#include "x64/x64.h"
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct x64_code *code;
static struct x64_config config;
static struct ir_block block;

static int set_up(void **state)
{
    struct pome_error err;
    config = (struct x64_config){
        .env = test_env,
        .state_bias = 128,
        .frame_offset = offsetof(struct test_state, frame),
        .v_offset = offsetof(struct test_state, v),
        .v_pin = {0, 2, 3, 6, 7},
        .n_v_pins = 5,
        .pending_offset = offsetof(struct test_state, pending),
        .tlb_offset = {offsetof(struct test_state, tlb[0]), offsetof(struct test_state, tlb[1])},
        .tlb_bits = 4,
    };
    code = x64_code_create(4 * MiB, &err);
    assert_non_null(code);
    assert_true(x64_code_prepare(code, &config, &err));
    return 0;
}

static int tear_down(void **state)
{
    x64_code_destroy(code);
    return 0;
}

/* ---- operands ---- */
static uint64_t random_number(struct test_random *r, enum fp_format f)
{
    static const unsigned fraction_bits[] = {0, 10, 23, 52}, exponent_bits[] = {0, 5, 8, 11};
    unsigned n = fraction_bits[f];
    uint64_t all = ones(exponent_bits[f]), bias = all / 2, e, fraction = test_random_next(r) & ones(n);
    switch (test_random_below(r, 10)) {
    case 0: e = 0; break;
    case 1: e = test_random_below(r, 3) ? bias : all; break;
    case 2: e = 1 + test_random_below(r, 3); break;
    case 3: e = all - 1 - test_random_below(r, 3); break;
    case 4: e = test_random_next(r) & all; break;
    case 5: e = bias / 2 + test_random_below(r, 5); break; /* products near the least normal number */
    case 6: e = MIN(bias + 29 + test_random_below(r, 5) + (test_random_below(r, 2) ? 32 : 0), all); break; /* near 2^31, 2^63 */
    default: e = bias - 4 + test_random_below(r, 9); break;
    }
    switch (test_random_below(r, 5)) {
    case 0: fraction = 0; break;
    case 1: fraction = ones(n); break;
    case 2: fraction = BIT(test_random_below(r, n)); break;
    }
    if (e == 0 && test_random_below(r, 2))
        fraction = 0;
    return (test_random_next(r) & 1 ? fp_sign_bit(f) : 0) | e << n | fraction;
}

static union ir_value random_vector(struct test_random *r, enum fp_format f)
{
    union ir_value v = {0};
    for (unsigned k = 0; k < 128 / fp_bits(f); k++) {
        uint64_t x = test_random_below(r, 12) ? random_number(r, f) : test_random_next(r);
        memcpy(&v.b[k << f], &x, (size_t)1 << f);
    }
    return v;
}

static void random_state(struct test_random *r, struct test_state *s, enum fp_format f)
{
    memset(s, 0, sizeof *s);
    for (unsigned k = 0; k < 8; k++)
        s->v[k] = random_vector(r, f);
    if (test_random_below(r, 6) == 0)
        s->v[1] = s->v[0];
    for (unsigned k = 0; k < 32; k++)
        s->x[k] = test_random_value(r);
    s->flags = ir_flags_from_nzcv((uint32_t)test_random_next(r) & 0xf0000000);
    s->fpcr = test_random_below(r, 4) ? 0 : (uint32_t)test_random_next(r) & FPCR_MASK;
    s->fpsr = (test_random_below(r, 4) ? FPSR_IXC : 0) | (test_random_below(r, 8) ? 0 : (uint32_t)test_random_next(r) & 0x9f);
}

/* ---- operations ---- */
static unsigned random_own(struct test_random *r, enum ir_op op, enum fp_format *f, unsigned *log2)
{
    static const enum fp_rounding roundings[] = {FP_TIEEVEN, FP_POSINF, FP_NEGINF, FP_ZERO, FP_TIEAWAY, FP_BY_FPCR};
    enum fp_rounding rounding = roundings[test_random_below(r, 6)];
    bool one = test_random_below(r, 2);
    unsigned fbits = test_random_below(r, 4) ? 0 : 1 + test_random_below(r, fp_bits(*f) - 1);
    switch (op) {
    case IR_FP_MULADD: return test_random_below(r, 4);
    case IR_FP_MULADDH: *f = FP_SINGLE, *log2 = 1 + one; return test_random_below(r, 2) | (one ? FP_UPPER : 0);
    case IR_FP_CMLA: *log2 = 4 - *f; return test_random_below(r, 4);
    case IR_FP_CADD: *log2 = 4 - *f; return one;
    case IR_FP_CMP: *log2 = 0; return one;
    case IR_FP_CMPM: return test_random_below(r, 5);
    case IR_FP_RINT: return (unsigned)rounding << FP_ROUNDING_SHIFT | (one ? FP_EXACT : 0);
    case IR_FP_RINTN:
        *f = *f == FP_HALF ? FP_SINGLE : *f, *log2 = MIN(*log2, 4u - *f);
        return (unsigned)(one ? FP_ZERO : FP_BY_FPCR) << FP_ROUNDING_SHIFT | (test_random_below(r, 2) ? FP_WIDE : 0);
    case IR_FP_CVT: {
        enum fp_format to = 1 + (*f + test_random_below(r, 2)) % 3;
        *log2 = one ? 0 : 4u - MAX(*f, to);
        return fp_own_cvt(to, *f == FP_DOUBLE && to == FP_SINGLE && test_random_below(r, 4) == 0 ? FP_ODD : FP_BY_FPCR);
    }
    case IR_FP_TOINT: return fp_own_int(one, false, rounding, fbits);
    case IR_FP_FROMINT: return fp_own_int(one, false, FP_BY_FPCR, fbits);
    case IR_FP_TOGPR: *log2 = 0; return fp_own_int(one, test_random_below(r, 2), rounding, fbits);
    case IR_FP_FROMGPR: *log2 = 0; return fp_own_int(one, test_random_below(r, 2), FP_BY_FPCR, fbits);
    case IR_FP_JCVT: *f = FP_DOUBLE, *log2 = 0; return 0;
    default: return 0;
    }
}

/* A block with the operation once, its result put into v[7], x[7] or flags; its operands live on, or not. */
static enum fp_format random_block(struct test_random *r, enum ir_op op)
{
    const struct ir_op_info *info = &ir_ops[op];
    enum fp_format f = 1 + test_random_below(r, 3);
    unsigned log2 = test_random_below(r, 3) == 0 ? 0 : 4u - f - test_random_below(r, 2);
    unsigned own = random_own(r, op, &f, &log2);
    uint64_t imm = op == IR_V_SELECT ? test_random_below(r, 16) : fp_imm(f, log2, own);
    ir_ref arg[3] = {0};

    ir_block_init(&block, 0);
    ir_emit(&block, IR_INSN, 0, 0, 0, 0);
    for (unsigned k = 0; k < 3; k++) {
        unsigned n = test_random_below(r, 4);
        if (info->arg[k] == IR_V128)
            arg[k] = ir_emit(&block, IR_GETV, 0, 0, 0, offsetof(struct test_state, v) + 16 * n);
        else if (info->arg[k] == IR_I64)
            arg[k] = ir_emit(&block, IR_GET64, 0, 0, 0, offsetof(struct test_state, x) + 8 * n);
        else if (info->arg[k] == IR_FLAGS)
            arg[k] = ir_emit(&block, IR_GETF, 0, 0, 0, offsetof(struct test_state, flags));
    }
    if (test_random_below(r, 8) == 0) /* as MSR FPSR does */
        ir_emit(&block, IR_SET32, ir_const(&block, test_random_next(r) & 0x9f), 0, 0, offsetof(struct test_state, fpsr));
    ir_ref result = ir_emit(&block, op, arg[0], arg[1], arg[2], imm);
    if (info->result == IR_V128)
        ir_emit(&block, IR_SETV, result, 0, 0, offsetof(struct test_state, v) + 16 * 7);
    else if (info->result == IR_I64)
        ir_emit(&block, IR_SET64, result, 0, 0, offsetof(struct test_state, x) + 8 * 7);
    else
        ir_emit(&block, IR_SETF, result, 0, 0, offsetof(struct test_state, flags));
    if (test_random_below(r, 4) == 0) { /* MRS FPSR, and again later */
        ir_ref fpsr = ir_emit(&block, IR_GET32, 0, 0, 0, offsetof(struct test_state, fpsr));
        ir_emit(&block, IR_SET64, fpsr, 0, 0, offsetof(struct test_state, x) + 8 * 6);
        ir_emit(&block, op, arg[0], arg[1], arg[2], imm);
    }
    for (unsigned k = 0; k < 3; k++) /* operands intact? */
        if (info->arg[k] == IR_V128 && test_random_below(r, 2))
            ir_emit(&block, IR_SETV, arg[k], 0, 0, offsetof(struct test_state, v) + 16 * (4 + k));
    ir_emit(&block, IR_EXIT_DIRECT, 0, 0, 0, 4);
    return f;
}

/* ---- several operations, on each other's results, with what asks for flags ---- */

enum { POOL = 8 };

struct chain {
    struct test_random *r;
    ir_ref v[POOL], x[POOL], flags[2]; /* values so far */
};

static ir_ref any(struct chain *g, const ir_ref *pool)
{
    return pool[test_random_below(g->r, POOL)];
}

static void keep(struct chain *g, ir_ref result, enum ir_type type)
{
    unsigned n = test_random_below(g->r, POOL), at = test_random_below(g->r, 8);
    bool set = test_random_below(g->r, 2);
    if (type == IR_V128) {
        g->v[n] = result;
        if (set)
            ir_emit(&block, IR_SETV, result, 0, 0, offsetof(struct test_state, v) + 16 * at);
    } else if (type == IR_I64) {
        g->x[n] = result;
        if (set)
            ir_emit(&block, IR_SET64, result, 0, 0, offsetof(struct test_state, x) + 8 * at);
    } else {
        g->flags[n & 1] = result;
        if (set)
            ir_emit(&block, IR_SETF, result, 0, 0, offsetof(struct test_state, flags));
    }
}

static ir_ref operand_of(struct chain *g, enum ir_type type)
{
    switch (type) {
    case IR_V128: return any(g, g->v);
    case IR_I64: return any(g, g->x);
    case IR_FLAGS: return g->flags[test_random_below(g->r, 2)];
    default: return 0;
    }
}

static void one_more(struct chain *g, enum fp_format f)
{
    static const enum ir_op others[] = {IR_COND, IR_SELECT, IR_FSELECT, IR_V_SELECT, IR_EXIT_COND, IR_ADD64, IR_VAND, IR_FSUB64, IR_FP_CMP};
    bool other = test_random_below(g->r, 2);
    enum ir_op op = other ? others[test_random_below(g->r, ARRAY_SIZE(others))]
                          : IR_FIRST_FP + test_random_below(g->r, IR_OP_COUNT - IR_FIRST_FP);
    unsigned log2 = test_random_below(g->r, 2) ? 0 : 4u - f, cond = test_random_below(g->r, 14);
    bool is_fp = (unsigned)op >= IR_FIRST_FP && op != IR_V_SELECT;
    uint64_t imm = is_fp ? 0 : cond;
    if (is_fp) {
        unsigned own = random_own(g->r, op, &f, &log2);
        imm = fp_imm(f, log2, own);
    }
    ir_ref a[3];
    for (unsigned k = 0; k < 3; k++)
        a[k] = operand_of(g, ir_ops[op].arg[k]);
    if (op == IR_EXIT_COND) /* rare, so that most of a block runs */
        ir_emit(&block, op, a[0], (ir_ref)cond, 0, test_random_below(g->r, 4) ? 4000 : 4 + 4 * block.n);
    else
        keep(g, ir_emit(&block, op, a[0], a[1], a[2], imm), ir_ops[op].result);
}

/* As guest code has it: FCMP, and a branch that asks at once. */
static void compare_and_leave(struct chain *g, enum fp_format f)
{
    unsigned log2, own = random_own(g->r, IR_FP_CMP, &f, &log2);
    ir_ref made = ir_emit(&block, IR_FP_CMP, operand_of(g, IR_V128), operand_of(g, IR_V128), 0, fp_imm(f, log2, own));
    ir_emit(&block, IR_SETF, made, 0, 0, offsetof(struct test_state, flags));
    ir_emit(&block, IR_INSN, 0, 0, 0, 4);
    ir_emit(&block, IR_EXIT_COND, made, (ir_ref)test_random_below(g->r, 14), 0, 4000);
    if (test_random_below(g->r, 4) == 0)
        g->flags[0] = made;
}

static enum fp_format random_chain(struct test_random *r)
{
    struct chain g = {.r = r};
    enum fp_format f = FP_SINGLE + test_random_below(r, 2);
    ir_block_init(&block, 0);
    ir_emit(&block, IR_INSN, 0, 0, 0, 0);
    for (unsigned k = 0; k < POOL; k++) {
        g.v[k] = ir_emit(&block, IR_GETV, 0, 0, 0, offsetof(struct test_state, v) + 16 * k);
        g.x[k] = ir_emit(&block, IR_GET64, 0, 0, 0, offsetof(struct test_state, x) + 8 * k);
    }
    g.flags[0] = g.flags[1] = ir_emit(&block, IR_GETF, 0, 0, 0, offsetof(struct test_state, flags));
    for (unsigned n = 2 + test_random_below(r, 12); n; n--)
        if (test_random_below(r, 6))
            one_more(&g, f);
        else
            compare_and_leave(&g, f);
    if (test_random_below(r, 2))
        keep(&g, ir_emit(&block, IR_GET32, 0, 0, 0, offsetof(struct test_state, fpsr)), IR_I64);
    for (unsigned k = 0; k < POOL; k += 1 + test_random_below(r, 3)) {
        ir_emit(&block, IR_SETV, g.v[k], 0, 0, offsetof(struct test_state, v) + 16 * k);
        ir_emit(&block, IR_SET64, g.x[k], 0, 0, offsetof(struct test_state, x) + 8 * k);
    }
    ir_emit(&block, IR_SETF, g.flags[0], 0, 0, offsetof(struct test_state, flags));
    ir_emit(&block, IR_EXIT_DIRECT, 0, 0, 0, 4);
    if (test_random_below(r, 2))
        ir_optimise(&block);
    return f;
}

static void show(const struct test_state *before, const struct test_state *want, const struct test_state *got)
{
    ir_print(&block, stderr);
    print_error("fpcr %08x fpsr %08x: want fpsr %08x flags %x x7 %016" PRIx64 ", got %08x %x %016" PRIx64 "\n", before->fpcr,
                before->fpsr, want->fpsr, want->flags, want->x[7], got->fpsr, got->flags, got->x[7]);
    for (unsigned k = 0; k < 8; k++)
        print_error("v%u %016" PRIx64 "_%016" PRIx64 " want %016" PRIx64 "_%016" PRIx64 " got %016" PRIx64 "_%016" PRIx64 "\n", k,
                    before->v[k].d[1], before->v[k].d[0], want->v[k].d[1], want->v[k].d[0], got->v[k].d[1], got->v[k].d[0]);
}

static bool same(const struct test_state *a, const struct test_state *b)
{
    return !memcmp(a->v, b->v, sizeof a->v) && !memcmp(a->x, b->x, sizeof a->x) && a->fpsr == b->fpsr && a->fpcr == b->fpcr &&
           ir_flags_to_nzcv(a->flags) == ir_flags_to_nzcv(b->flags);
}

static unsigned long env_number(const char *name, unsigned long otherwise)
{
    const char *s = getenv(name);
    return s ? strtoul(s, NULL, 0) : otherwise;
}

static unsigned long operations;

/* Compiles the block and runs it `times` times. */
static void compare(struct test_random *r, enum fp_format f, unsigned times, const char *what)
{
    struct x64_block out;
    config.fpcr_default = test_random_below(r, 2);
    if (!x64_compile(code, &config, &block, &out)) {
        x64_code_reset(code);
        assert_true(x64_compile(code, &config, &block, &out));
    }
    for (unsigned k = 0; k < times; k++) {
        struct test_state before, want, got;
        uint32_t link;
        random_state(r, &before, f);
        if (config.fpcr_default)
            before.fpcr = 0;
        want = got = before;
        ir_eval(&block, &want, &test_env);
        x64_run(code, &got, out.entry, &link);
        if (!same(&want, &got) || want.pc != got.pc) {
            show(&before, &want, &got);
            fail_msg("%s differs", what);
        }
    }
    operations += times;
}

static void thread_that_blocks_signals(void **state)
{
    struct test_random r = {3};
    sigset_t all;
    x64_traps_install();
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    x64_traps_unblock();
    uint64_t trapped = x64_code_trapped(code);
    for (unsigned n = 0; n < 50; n++)
        compare(&r, random_block(&r, IR_FP_DIV), 60, "division");
    sigemptyset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    if (x64_host()->fptraps)
        assert_true(x64_code_trapped(code) > trapped);
}

static void compiled_is_evaluated(void **state)
{
    struct test_random r = {env_number("POME_TEST_SEED", 1)};
    unsigned long blocks = 200 * env_number("POME_TEST_SCALE", 1);
    x64_traps_install(); /* cmocka took the signal */
    for (unsigned op = IR_FIRST_FP; op < IR_OP_COUNT; op++)
        for (unsigned long n = 0; n < blocks; n++)
            compare(&r, random_block(&r, (enum ir_op)op), 60, ir_ops[op].name);
    print_message("%lu operations compared, %" PRIu64 " exceptions\n", operations, x64_code_trapped(code));
}

static void chains_are_evaluated(void **state)
{
    struct test_random r = {env_number("POME_TEST_SEED", 1) ^ 0x5555};
    x64_traps_install();
    for (unsigned long n = 1500 * env_number("POME_TEST_SCALE", 1); n; n--)
        compare(&r, random_chain(&r), 20, "chain");
}

/* Few operands, again and again: the operation becomes a jump to its cold code. */
static void frequent_exceptions_end(void **state)
{
    struct test_random r = {7};
    x64_traps_install();
    for (unsigned op = IR_FIRST_FP; op < IR_OP_COUNT; op++) {
        struct x64_block out;
        enum fp_format f = random_block(&r, (enum ir_op)op);
        config.fpcr_default = true;
        x64_code_reset(code);
        assert_true(x64_compile(code, &config, &block, &out));
        uint64_t trapped = x64_code_trapped(code);
        for (unsigned k = 0; k < 1000; k++) {
            static const uint64_t nan[4] = {0, 0x7c017c017c017c01, 0x7f8000017f800001, 0x7ff0000000000001};
            struct test_state want, got;
            uint32_t link;
            random_state(&r, &want, f);
            want.fpcr = 0;
            for (unsigned n = 0; n < 8; n++)
                want.v[n].d[0] = want.v[n].d[1] = k % 2 ? nan[f] : nan[f] | fp_sign_bit(f) >> 9;
            got = want;
            ir_eval(&block, &want, &test_env);
            x64_run(code, &got, out.entry, &link);
            if (!same(&want, &got))
                fail_msg("%s differs", ir_ops[op].name);
        }
        if (x64_host()->avx512vl && op != IR_FP_CMP) /* quiet comparisons are not replaced: only signalling NaNs trap */
            assert_true(x64_code_trapped(code) - trapped < 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(thread_that_blocks_signals), cmocka_unit_test(compiled_is_evaluated), cmocka_unit_test(chains_are_evaluated),
                                       cmocka_unit_test(frequent_exceptions_end)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
