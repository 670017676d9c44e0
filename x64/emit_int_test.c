/*
 * emit_int_test.c - arithmetic of long numbers, compiled, gives what the evaluator gives: chains of ADDS, ADCS, SBCS, ADC with products,
 * moves and side exits between, whose flags live in the host's alone or do not; flags chosen by flags; several addresses with one shifted index.
 *
 * POME_TEST_SCALE=n does n times as many blocks; POME_TEST_SEED starts elsewhere; POME_RANDOM_SEED, POME_X64_WITHOUT as in x64_test.c.
 */
#include "ir/random_block.h"
#include "x64/x64.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FLAGS_AT = offsetof(struct test_state, flags), REGS = 12 };

static struct ir_block block;
static struct test_memory memory;
static struct {
    struct x64_jump_entry jump[X64_JUMP_LINES];
    struct x64_tlb_entry tlb[2];
} tables = {.tlb = {{~UINT64_C(0), ~UINT64_C(0), 0, 0}, {~UINT64_C(0), ~UINT64_C(0), 0, 0}}};

static ir_ref get(struct test_random *r)
{
    return ir_emit(&block, IR_GET64, 0, 0, 0, 8 * test_random_below(r, REGS));
}

static void set(struct test_random *r, ir_ref v)
{
    ir_emit(&block, IR_SET64, v, 0, 0, 8 * test_random_below(r, REGS));
}

/* ADDS and SUBS: FLAGS and sum; ADCS, SBCS: with the flags as third operand. */
static void sum(struct test_random *r, enum ir_op flags, enum ir_op plain, bool carry)
{
    ir_ref a = get(r), b = test_random_below(r, 6) ? get(r) : ir_const(&block, test_random_value(r));
    ir_ref in = carry ? ir_emit(&block, IR_GETF, 0, 0, 0, FLAGS_AT) : 0;
    ir_ref f = flags ? ir_emit(&block, flags, a, b, in, 0) : 0;
    if (plain)
        set(r, ir_emit(&block, plain, a, b, in, 0));
    if (f)
        ir_emit(&block, IR_SETF, f, 0, 0, FLAGS_AT);
}

static void addresses(struct test_random *r)
{
    bool wide = test_random_below(r, 3);
    ir_ref by = ir_const(&block, 1 + test_random_below(r, 4)), index = ir_emit(&block, wide ? IR_SHL64 : IR_SHL32, get(r), by, 0, 0);
    for (unsigned k = 1 + test_random_below(r, 3); k; k--)
        set(r, ir_emit(&block, wide ? IR_ADD64 : IR_ADD32, get(r), index, 0, 0));
    if (!test_random_below(r, 4))
        set(r, ir_emit(&block, IR_ADD64, index, test_random_below(r, 2) ? get(r) : index, 0, 0));
}

/* FLAGS by a condition on others, of six registers in all. */
static void choice(struct test_random *r)
{
    ir_ref f[3];
    for (unsigned k = 0; k < 3; k++) {
        ir_ref a = get(r);
        f[k] = ir_emit(&block, test_random_below(r, 2) ? IR_FSUB64 : IR_FADD32, a, get(r), 0, 0);
    }
    ir_emit(&block, IR_SETF, ir_emit(&block, IR_FSELECT, f[0], f[1], f[2], test_random_below(r, 16)), 0, 0, FLAGS_AT);
}

static void step(struct test_random *r)
{
    switch (test_random_below(r, 19)) {
    case 0: sum(r, IR_FADD64, IR_ADD64, false); break;
    case 1: sum(r, IR_FSUB64, IR_SUB64, false); break;
    case 2: case 3: case 4: case 5: sum(r, IR_FADC64, IR_ADC64, true); break;
    case 6: sum(r, IR_FSBC64, IR_SBC64, true); break;
    case 7: sum(r, IR_FADC32, IR_ADC32, true); break;
    case 8: sum(r, 0, test_random_below(r, 3) ? IR_ADC64 : IR_SBC64, true); break;
    case 9: sum(r, test_random_below(r, 2) ? IR_FADC64 : IR_FSBC32, 0, true); break;
    case 10: set(r, ir_emit(&block, IR_MUL64, get(r), get(r), 0, 0)); break;
    case 11: case 12: set(r, ir_emit(&block, IR_UMULH, get(r), get(r), 0, 0)); break;
    case 13: set(r, get(r)); break;
    case 14: set(r, ir_emit(&block, test_random_below(r, 2) ? IR_XOR64 : IR_SMULH, get(r), get(r), 0, 0)); break;
    case 15: case 16: addresses(r); break;
    case 17: choice(r); break;
    default:
        ir_emit(&block, IR_EXIT_COND, ir_emit(&block, IR_GETF, 0, 0, 0, FLAGS_AT), (ir_ref)test_random_below(r, 14), 0,
                4 * test_random_below(r, 64));
    }
}

static void build(struct test_random *r)
{
    char why[200];
    ir_block_init(&block, 0);
    for (unsigned k = 0, n = 2 + test_random_below(r, 30); k < n; k++) {
        ir_emit(&block, IR_INSN, 0, 0, 0, 4 * k);
        step(r);
    }
    ir_emit(&block, IR_EXIT_DIRECT, 0, 0, 0, 2048);
    if (!ir_verify(&block, why, sizeof why))
        fail_msg("%s", why);
}

static void compare(struct x64_code *code, const struct x64_config *config, uint64_t seed)
{
    struct test_random r = {seed};
    static struct test_state one __attribute__((aligned(16))), two __attribute__((aligned(16)));
    static struct ir_block as_translated;
    struct x64_block out;
    uint32_t link;
    build(&r);
    as_translated = block;
    if (seed % 4)
        ir_optimise(&block);
    if (!x64_compile(code, config, &block, &out)) {
        x64_code_reset(code);
        assert_true(x64_compile(code, config, &block, &out));
    }
    for (unsigned k = 0; k < 4; k++) {
        test_random_state(&r, &one, &memory);
        one.pending = 0;
        two = one;
        two.tlb[0] = two.tlb[1] = tables.tlb;
        ir_eval(&as_translated, &one, &test_env);
        x64_run(code, &two, out.entry, &link);
        const char *difference = test_state_difference(&one, &two);
        if (difference) {
            ir_print(&block, stderr);
            fail_msg("POME_TEST_SEED=%#llx: %s", (unsigned long long)seed, difference);
        }
    }
}

static void long_numbers_are_evaluated(void **state)
{
    const struct x64_config config = {
        .env = test_env,
        .state_bias = 128,
        .pin = {8 * 0, 8 * 2, 8 * 3, 8 * 9, 8 * 19},
        .n_pins = 5,
        .frame_offset = offsetof(struct test_state, frame),
        .pending_offset = offsetof(struct test_state, pending),
        .tlb_offset = {offsetof(struct test_state, tlb[0]), offsetof(struct test_state, tlb[1])},
        .tlb_bits = 1,
    };
    const char *scale = getenv("POME_TEST_SCALE"), *first = getenv("POME_TEST_SEED");
    uint64_t seed = first ? strtoull(first, NULL, 0) : 1;
    struct pome_error err;
    struct x64_code *code = x64_code_create(4 * MiB, &err);
    assert_non_null(code);
    assert_true(x64_code_prepare(code, &config, &err));
    for (unsigned k = 0; k < 3000 * (scale ? (unsigned)atoi(scale) : 1); k++)
        compare(code, &config, seed + k);
    x64_code_destroy(code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(long_numbers_are_evaluated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
