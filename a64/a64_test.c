/* a64_test.c - the table is consistent; decoding, printing and random generation agree with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "a64/a64.h"

static uint64_t rng(void *ctx)
{
    uint64_t *s = ctx;
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void table_is_consistent(void **state)
{
    static char text[1 << 16];
    bool ok = a64_check_table(text, sizeof text);
    if (!ok)
        print_error("%s", text);
    assert_true(ok);
}

static void random_words_decode_to_their_row(void **state)
{
    uint64_t seed = 42;
    for (unsigned op = 1; op < A64_OP_COUNT; op++) {
        for (int k = 0; k < 20; k++) {
            struct a64_insn i;
            a64_decode(a64_random((enum a64_op)op, rng, &seed), &i);
            assert_int_equal(i.op, op);
        }
    }
}

static void prints_known_words(void **state)
{
    static const struct {
        uint32_t word;
        const char *text;
    } known[] = {
        {0x91000420, "add x0, x1, #1"},
        {0x114003ff, "add wsp, wsp, #0, lsl #12"},
        {0x00000000, "udf #0"},
        {0x00010000, ".inst 0x00010000"},
    };
    for (unsigned k = 0; k < ARRAY_SIZE(known); k++) {
        struct a64_insn i;
        char text[128];
        a64_decode(known[k].word, &i);
        a64_print(&i, 0, text, sizeof text);
        assert_string_equal(text, known[k].text);
    }
}

static void bitmasks(void **state)
{
    assert_int_equal(a64_bitmask(true, 1, 0, 0), 1);
    assert_true(a64_bitmask(true, 0, 0, 0x3c) == UINT64_C(0x5555555555555555));
    assert_int_equal(a64_bitmask(false, 0, 16, 15), 0xffff0000);
    assert_int_equal(a64_bitmask(false, 1, 0, 0), 0);
    assert_int_equal(a64_bitmask(true, 1, 0, 63), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_consistent),
        cmocka_unit_test(random_words_decode_to_their_row),
        cmocka_unit_test(prints_known_words),
        cmocka_unit_test(bitmasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
