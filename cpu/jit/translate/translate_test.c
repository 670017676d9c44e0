/* translate_test.c - blocks of random code are valid IR in every mode; where blocks end and where their exits lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cpu/jit/translate/translate.h"

static struct ir_block block;

static uint64_t rng(void *ctx)
{
    uint64_t *s = ctx;
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * UINT64_C(0x2545f4914f6cdd1d);
}

static void must_be_valid(const uint32_t *code, uint32_t off, const char *when)
{
    char why[200];
    if (ir_verify(&block, why, sizeof why))
        return;
    ir_print(&block, stderr);
    fail_msg("%s, first word %08x at %#x: %s", when, code[0], off, why);
}

static void random_code_is_valid_ir(void **state)
{
    static uint32_t page[1024];
    const char *scale = getenv("POME_TEST_SCALE");
    unsigned rounds = 60 * (scale ? (unsigned)atoi(scale) : 1);
    uint64_t seed = 7;
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned k = 0; k < ARRAY_SIZE(page); k++) {
            enum a64_op op = 1 + (enum a64_op)(rng(&seed) % (A64_OP_COUNT - 1));
            page[k] = rng(&seed) % 16 && !a64_is_todo(op) ? a64_random(op, rng, &seed) : (uint32_t)rng(&seed);
        }
        for (unsigned k = 0; k < 200; k++) {
            uint32_t off = (uint32_t)(rng(&seed) % 1024) * 4, mode = (uint32_t)rng(&seed) & 127;
            unsigned n = 1 + (unsigned)(rng(&seed) % (1024 - off / 4)), max = 1 + (unsigned)(rng(&seed) % 80);
            translate_block(&block, page + off / 4, n, off, mode, max);
            assert_in_range(block.n_guest, 1, max);
            must_be_valid(page + off / 4, off, "translated");
            ir_optimise(&block);
            must_be_valid(page + off / 4, off, "optimised");
        }
    }
}

static const struct ir_insn *last(void)
{
    return &block.insn[block.n - 1];
}

static void translate(const uint32_t *code, unsigned n, uint32_t off, unsigned max)
{
    translate_block(&block, code, n, off, CPU_MODE_EL1, max);
    must_be_valid(code, off, "translated");
}

enum { NOP = 0xd503201f, RET = 0xd65f03c0, B_PLUS_8 = 0x14000002, B_MINUS_4 = 0x17ffffff, B_EQ_PLUS_8 = 0x54000040 };

static void block_ends_at_the_page(void **state)
{
    const uint32_t code[] = {NOP, NOP};
    translate(code, 2, 4088, 64);
    assert_int_equal(last()->op, IR_EXIT_DIRECT);
    assert_int_equal(ir_exit_offset(last()->imm), 4096);
    assert_int_equal(block.n_guest, 2);
}

static void block_ends_at_the_limit(void **state)
{
    const uint32_t code[] = {NOP, NOP, NOP, NOP};
    translate(code, 4, 0, 3);
    assert_int_equal(block.n_guest, 3);
    assert_int_equal(ir_exit_offset(last()->imm), 12);
}

static void forward_branch_is_followed(void **state)
{
    const uint32_t code[] = {B_PLUS_8, 0, RET};
    translate(code, 3, 16, 64);
    assert_int_equal(block.n_guest, 2);
    assert_int_equal(last()->op, IR_EXIT_INDIRECT);
    assert_int_equal(last()->imm, IR_JUMP_RET);
}

static void forward_branch_behind_the_given_words_is_not(void **state)
{
    const uint32_t code[] = {B_PLUS_8};
    translate(code, 1, 16, 64);
    assert_int_equal(block.n_guest, 1);
    assert_int_equal(ir_exit_offset(last()->imm), 24);
}

static void backward_branch_is_an_exit(void **state)
{
    const uint32_t code[] = {B_MINUS_4};
    translate(code, 1, 0, 64);
    assert_int_equal(ir_exit_offset(last()->imm), -4);
}

static void conditional_branch_is_a_side_exit(void **state)
{
    const uint32_t code[] = {B_EQ_PLUS_8, RET};
    translate(code, 2, 0, 64);
    assert_int_equal(block.n_guest, 2);
    bool found = false;
    for (unsigned k = 0; k < block.n; k++)
        found |= block.insn[k].op == IR_EXIT_COND && block.insn[k].b == 0 && ir_exit_offset(block.insn[k].imm) == 8;
    assert_true(found);
}

static void call_is_marked(void **state)
{
    const uint32_t code[] = {0x97ffffff}; /* bl .-4 */
    translate(code, 1, 8, 64);
    assert_true(last()->imm & IR_EXIT_IS_CALL);
    assert_int_equal(ir_exit_offset(last()->imm), 4);
}

static unsigned sp_checks(const uint32_t *code, unsigned n, uint32_t mode)
{
    unsigned checks = 0;
    translate_block(&block, code, n, 0, mode, 64);
    must_be_valid(code, 0, "translated");
    for (unsigned k = 0; k < block.n; k++)
        checks += block.insn[k].op == IR_RAISE_NZ && block.insn[k].imm == HELPER_sp_align;
    return checks;
}

static void sp_is_checked_where_it_may_have_changed(void **state)
{
    enum { LDR_X0_SP = 0xf94003e0, STP_PRE_16 = 0xa9bf7bfd, ADD_SP_16 = 0x910043ff, ADD_SP_8 = 0x910023ff };
    const uint32_t kept[] = {STP_PRE_16, LDR_X0_SP, ADD_SP_16, LDR_X0_SP}, moved[] = {LDR_X0_SP, ADD_SP_8, LDR_X0_SP};
    assert_int_equal(sp_checks(kept, 4, CPU_MODE_SP_ALIGN), 1);
    assert_int_equal(sp_checks(moved, 3, CPU_MODE_SP_ALIGN), 2);
    assert_int_equal(sp_checks(moved, 3, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_code_is_valid_ir),
        cmocka_unit_test(block_ends_at_the_page),
        cmocka_unit_test(block_ends_at_the_limit),
        cmocka_unit_test(forward_branch_is_followed),
        cmocka_unit_test(forward_branch_behind_the_given_words_is_not),
        cmocka_unit_test(backward_branch_is_an_exit),
        cmocka_unit_test(conditional_branch_is_a_side_exit),
        cmocka_unit_test(call_is_marked),
        cmocka_unit_test(sp_is_checked_where_it_may_have_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
