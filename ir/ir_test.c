/* ir_test.c - builder and verifier, the evaluator on known answers, passes against the evaluator on random blocks. */
#include "ir/eval_int.h"
#include "ir/random_block.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ir_block block, optimised;

static uint64_t eval(enum ir_op op, uint64_t imm, uint64_t a, uint64_t b, uint64_t c)
{
    const union ir_value args[3] = {{.u64 = a}, {.u64 = b}, {.u64 = c}};
    uint32_t fpsr = 0;
    return ir_eval_pure(op, imm, args, 0, &fpsr).u64;
}

static uint32_t nzcv(enum ir_op op, uint64_t a, uint64_t b, uint32_t nzcv_in)
{
    return ir_flags_to_nzcv((uint32_t)eval(op, 0, a, b, ir_flags_from_nzcv(nzcv_in << 28))) >> 28;
}

/* Values from the Arm ARM's definitions, worked out by hand. */
static void known_answers(void **state)
{
    assert_int_equal(eval(IR_EXTR64, 8, 0x11, 0x2200, 0), 0x1100000000000022);
    assert_int_equal(eval(IR_EXTR32, 4, 0xf, 0x12345678, 0), 0xf1234567);
    assert_int_equal(eval(IR_CLS64, 0, 0, 0, 0), 63);
    assert_int_equal(eval(IR_CLS32, 0, 0xc0000000, 0, 0), 1);
    assert_int_equal(eval(IR_CLZ32, 0, 0, 0, 0), 32);
    assert_int_equal(eval(IR_SDIV32, 0, 0x80000000, 0xffffffff, 0), 0x80000000);
    assert_int_equal(eval(IR_UDIV64, 0, 5, 0, 0), 0);
    assert_int_equal(eval(IR_BFI, 4 | 8 << 8, 0xfffff, 0x1a5, 0), 0xffa5f);
    assert_int_equal(eval(IR_SBFX32, 4 | 4 << 8, 0x80, 0, 0), 0xfffffff8);
    assert_int_equal(eval(IR_BSWAP16X4, 0, 0x0102030405060708, 0, 0), 0x0201040306050807);
    assert_int_equal(eval(IR_BSWAP32X2, 0, 0x0102030405060708, 0, 0), 0x0403020108070605);
    assert_int_equal(eval(IR_SMULH, 0, ~UINT64_C(0), 2, 0), ~UINT64_C(0));
    /* CRC-32 of "123456789" is cbf43926, CRC-32C e3069283 (both with initial and final inversion) */
    assert_int_equal(eval(IR_CRC32, 1, eval(IR_CRC32, 8, 0xffffffff, 0x3837363534333231, 0), '9', 0) ^ 0xffffffff, 0xcbf43926);
    assert_int_equal(eval(IR_CRC32C, 1, eval(IR_CRC32C, 8, 0xffffffff, 0x3837363534333231, 0), '9', 0) ^ 0xffffffff, 0xe3069283);
    assert_int_equal(nzcv(IR_FSUB64, 1, 1, 0), 6);                            /* Z C */
    assert_int_equal(nzcv(IR_FSUB32, 0x80000000, 1, 0), 3);                   /* C V */
    assert_int_equal(nzcv(IR_FADD64, ~UINT64_C(0), 1, 0), 6);                 /* Z C */
    assert_int_equal(nzcv(IR_FADD32, 0x7fffffff, 1, 0), 9);                   /* N V */
    assert_int_equal(nzcv(IR_FADC64, ~UINT64_C(0), ~UINT64_C(0), 2), 10);     /* N C */
    assert_int_equal(nzcv(IR_FSBC64, 0, 0, 0), 8);                            /* 0 - 0 - 1: N */
    assert_int_equal(nzcv(IR_FLOGIC32, 0xffffffff00000000, 0, 15), 4);        /* Z */
    assert_true(ir_cond_holds(8, ir_flags_from_nzcv(UINT32_C(2) << 28)));     /* HI: C and not Z */
    assert_false(ir_cond_holds(8, ir_flags_from_nzcv(UINT32_C(6) << 28)));
    assert_true(ir_cond_holds(12, ir_flags_from_nzcv(UINT32_C(9) << 28)));    /* GT: N == V, not Z */
    for (uint32_t f = 0; f < 16; f++)
        assert_int_equal(ir_flags_to_nzcv(ir_flags_from_nzcv(f << 28)), f << 28);
}

static void verifier_refuses(void **state)
{
    char why[200];
    ir_block_init(&block, 0);
    assert_false(ir_verify(&block, why, sizeof why));
    ir_ref a = ir_const(&block, 1);
    ir_emit(&block, IR_ADD64, a, a, 0, 0);
    assert_false(ir_verify(&block, why, sizeof why)); /* no exit */
    ir_emit(&block, IR_EXIT_STATE, 0, 0, 0, 0);
    assert_true(ir_verify(&block, why, sizeof why));
    block.insn[2].b = 2;
    assert_false(ir_verify(&block, why, sizeof why)); /* its own operand */
    block.insn[2].b = 0;
    assert_false(ir_verify(&block, why, sizeof why)); /* none */
    block.insn[2] = (struct ir_insn){.op = IR_SETV, .a = a, .imm = 16};
    assert_false(ir_verify(&block, why, sizeof why)); /* type */
    block.insn[2] = (struct ir_insn){.op = IR_UBFX, .a = a, .imm = 60 | 5 << 8};
    assert_false(ir_verify(&block, why, sizeof why)); /* field */
    block.insn[2] = (struct ir_insn){.op = IR_OP_COUNT};
    assert_false(ir_verify(&block, why, sizeof why));
}

static void building_stops_when_full(void **state)
{
    ir_block_init(&block, 0);
    for (unsigned i = 1; i < IR_MAX_INSNS; i++)
        assert_int_equal(ir_emit(&block, IR_CONST, 0, 0, 0, i), i);
    assert_false(block.full);
    assert_int_equal(ir_emit(&block, IR_CONST, 0, 0, 0, 0), 0);
    assert_true(block.full);
}

static void registers_are_forwarded(void **state)
{
    ir_block_init(&block, 0);
    ir_ref x0 = ir_emit(&block, IR_GET64, 0, 0, 0, 0);
    ir_ref sum = ir_emit(&block, IR_ADD64, x0, ir_const(&block, 1), 0, 0);
    ir_ref first_set = ir_emit(&block, IR_SET64, sum, 0, 0, 8);
    ir_ref again = ir_emit(&block, IR_GET64, 0, 0, 0, 8);
    ir_ref twice = ir_emit(&block, IR_ADD64, again, x0, 0, 0);
    ir_emit(&block, IR_SET64, twice, 0, 0, 8);
    ir_emit(&block, IR_EXIT_STATE, 0, 0, 0, 0);
    ir_optimise(&block);
    assert_int_equal(block.insn[first_set].op, IR_NOP);
    assert_int_equal(block.insn[again].op, IR_NOP);
    assert_int_equal(block.insn[twice].a, sum);
}

static void sets_before_a_load_stay(void **state)
{
    ir_block_init(&block, 0);
    ir_ref one = ir_const(&block, 1), set = ir_emit(&block, IR_SET64, one, 0, 0, 8);
    ir_emit(&block, IR_SET64, ir_emit(&block, IR_LOAD, one, 0, 0, 3), 0, 0, 8);
    ir_emit(&block, IR_EXIT_STATE, 0, 0, 0, 0);
    ir_optimise(&block);
    assert_int_equal(block.insn[set].op, IR_SET64);
}

/* A loaded word is zero above it, and so is a sum of two such; half of one is cut all the same. */
static void what_is_zero_already_is_not_cut(void **state)
{
    ir_block_init(&block, 0);
    ir_ref at = ir_const(&block, 64), word = ir_emit(&block, IR_LOADV, at, 0, 0, 2), other = ir_emit(&block, IR_LOADV, at, 0, 0, 2);
    ir_ref sum = ir_emit(&block, IR_VADD, word, other, 0, 2), wide = ir_emit(&block, IR_VADD, word, other, 0, 3);
    const struct {
        enum ir_op op;
        ir_ref a;
        uint64_t imm;
        bool stays;
    } cut[] = {
        {IR_VKEEP, word, 2, false}, {IR_VKEEP, word, 1, true},   {IR_VZERO64, word, 0, false}, {IR_VKEEP, sum, 2, false},
        {IR_VKEEP, sum, 0, true},   {IR_VZERO64, sum, 0, false}, {IR_VKEEP, wide, 2, true},    {IR_VZERO64, wide, 0, false},
    };
    ir_ref made[ARRAY_SIZE(cut)];
    for (unsigned k = 0; k < ARRAY_SIZE(cut); k++) {
        made[k] = ir_emit(&block, cut[k].op, cut[k].a, 0, 0, cut[k].imm);
        ir_emit(&block, IR_SETV, made[k], 0, 0, IR_STATE_X_BYTES + 16 * k);
    }
    ir_emit(&block, IR_EXIT_STATE, 0, 0, 0, 0);
    ir_optimise(&block);
    for (unsigned k = 0; k < ARRAY_SIZE(cut); k++)
        if ((block.insn[made[k]].op == IR_NOP) == cut[k].stays)
            fail_msg("cut %u: %s", k, ir_ops[block.insn[made[k]].op].name);
}

/* An address computed twice, its operands the other way round, is one value; a difference is not. */
static void equal_operations_are_shared(void **state)
{
    ir_block_init(&block, 0);
    ir_ref x = ir_emit(&block, IR_GET64, 0, 0, 0, 0), y = ir_emit(&block, IR_GET64, 0, 0, 0, 8);
    ir_ref sum[2] = {ir_emit(&block, IR_ADD64, x, y, 0, 0), ir_emit(&block, IR_ADD64, y, x, 0, 0)};
    ir_ref difference[2] = {ir_emit(&block, IR_SUB64, x, y, 0, 0), ir_emit(&block, IR_SUB64, y, x, 0, 0)};
    for (unsigned k = 0; k < 2; k++) {
        ir_emit(&block, IR_SET64, sum[k], 0, 0, 16 + 8 * k);
        ir_emit(&block, IR_SET64, difference[k], 0, 0, 32 + 8 * k);
    }
    ir_emit(&block, IR_EXIT_STATE, 0, 0, 0, 0);
    ir_optimise(&block);
    assert_int_equal(block.insn[sum[1]].op, IR_NOP);
    assert_int_equal(block.insn[difference[1]].op, IR_SUB64);
}

static ir_ref store(ir_ref v, unsigned n)
{
    return ir_emit(&block, IR_SETV, v, 0, 0, IR_STATE_X_BYTES + 16 * n);
}

/* Shifts of one value that leave each other's bits are a rotation, others are not; lanes turned back are those before. */
static void vectors_are_simplified(void **state)
{
    enum { WORDS = 2, HALVES = 3 };
    ir_block_init(&block, 0);
    ir_ref v = ir_emit(&block, IR_LOADV, ir_const(&block, 64), 0, 0, 4), w = ir_emit(&block, IR_LOADV, ir_const(&block, 128), 0, 0, 4);
    ir_ref left = ir_emit(&block, IR_VSHL, v, 0, 0, WORDS | 7 << 2), right = ir_emit(&block, IR_VSHR, v, 0, 0, WORDS | 25 << 2);
    ir_ref other = ir_emit(&block, IR_VSHR, w, 0, 0, WORDS | 25 << 2);
    ir_ref rotated[] = {ir_emit(&block, IR_VSLI, right, v, 0, WORDS | 7 << 2), ir_emit(&block, IR_VORR, right, left, 0, 0),
                        ir_emit(&block, IR_VXOR, left, right, 0, 0), ir_emit(&block, IR_VADD, left, right, 0, WORDS)};
    ir_ref not_rotated[] = {ir_emit(&block, IR_VSLI, other, v, 0, WORDS | 7 << 2), ir_emit(&block, IR_VSLI, right, v, 0, WORDS | 8 << 2),
                            ir_emit(&block, IR_VORR, left, other, 0, 0), ir_emit(&block, IR_VADD, left, right, 0, HALVES)};
    ir_ref low = ir_emit(&block, IR_VZIP1, v, w, 0, HALVES), high = ir_emit(&block, IR_VZIP2, v, w, 0, HALVES);
    ir_ref turned = ir_emit(&block, IR_VREV, v, 0, 0, WORDS | HALVES << 2);
    ir_ref back[] = {store(ir_emit(&block, IR_VREV, turned, 0, 0, WORDS | HALVES << 2), 0), store(ir_emit(&block, IR_VZIP1, low, high, 0, HALVES), 1),
                     store(ir_emit(&block, IR_VZIP2, low, high, 0, HALVES), 2), store(ir_emit(&block, IR_VZIP2, high, low, 0, HALVES), 3)};
    for (unsigned k = 0; k < 4; k++) {
        store(rotated[k], 4 + k);
        store(not_rotated[k], 8 + k);
    }
    ir_emit(&block, IR_EXIT_STATE, 0, 0, 0, 0);
    ir_pass_const(&block);
    for (unsigned k = 0; k < 4; k++) {
        unsigned op = block.insn[rotated[k]].op; /* the later ones are the first */
        assert_true(k ? op == IR_NOP || op == IR_VROL : op == IR_VROL);
        assert_int_not_equal(block.insn[not_rotated[k]].op, IR_VROL);
    }
    assert_int_equal(block.insn[rotated[0]].imm, WORDS | 7 << 2);
    assert_int_equal(block.insn[back[0]].a, v);
    assert_int_equal(block.insn[back[1]].a, v);
    assert_int_equal(block.insn[back[2]].a, w);
    assert_int_not_equal(block.insn[back[3]].a, v);
    assert_int_not_equal(block.insn[back[3]].a, w);
}

/* Each pass, and all together, leave what the evaluator says unchanged. */
static void passes_keep_meaning(void **state)
{
    static void (*const pass[])(struct ir_block *) = {ir_pass_regs, ir_pass_const, ir_optimise};
    static struct test_memory m0, m1;
    const char *scale = getenv("POME_TEST_SCALE");
    unsigned n = 3000 * (scale ? (unsigned)atoi(scale) : 1);
    struct test_random r = {1};
    for (unsigned i = 0; i < n; i++) {
        char why[200];
        struct test_state s0, s1;
        uint64_t seed = r.s;
        test_random_block(&r, &block, 5 + test_random_below(&r, 200), NULL);
        if (!ir_verify(&block, why, sizeof why))
            fail_msg("seed %#llx: %s", (unsigned long long)seed, why);
        optimised = block;
        pass[i % ARRAY_SIZE(pass)](&optimised);
        if (!ir_verify(&optimised, why, sizeof why))
            fail_msg("seed %#llx, pass %u: %s", (unsigned long long)seed, (unsigned)(i % ARRAY_SIZE(pass)), why);
        test_random_state(&r, &s0, &m0);
        m1 = m0;
        s1 = s0;
        s1.memory = &m1;
        enum ir_left l0 = ir_eval(&block, &s0, &test_env), l1 = ir_eval(&optimised, &s1, &test_env);
        const char *difference = l0 != l1 ? "exit" : test_state_difference(&s0, &s1);
        if (difference) {
            ir_print(&block, stderr);
            ir_print(&optimised, stderr);
            fail_msg("seed %#llx, pass %u: %s", (unsigned long long)seed, (unsigned)(i % ARRAY_SIZE(pass)), difference);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),          cmocka_unit_test(verifier_refuses),
        cmocka_unit_test(what_is_zero_already_is_not_cut), cmocka_unit_test(vectors_are_simplified),
        cmocka_unit_test(building_stops_when_full), cmocka_unit_test(registers_are_forwarded),
        cmocka_unit_test(sets_before_a_load_stay), cmocka_unit_test(equal_operations_are_shared), cmocka_unit_test(passes_keep_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
