/* cold_test.c - which code is evaluated before it is compiled, and how often. */
#include "cpu/jit/jit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static uint32_t page[1024];

static struct fetched at(unsigned offset, uint32_t mode)
{
    return (struct fetched){.code = (const uint8_t *)page + offset, .pa = 0x40000000 + offset, .mode = mode};
}

/* How often it is cold, up to a limit. */
static unsigned visits(struct cold *k, struct fetched f)
{
    unsigned n = 0;
    while (n < 1000 && cold_visit(k, &f, false))
        n++;
    return n;
}

static struct cold *create(const char *value)
{
    setenv("POME_COLD", value, 1);
    struct cold *k = cold_create();
    unsetenv("POME_COLD");
    return k;
}

static void becomes_hot_after_so_many_visits(void **state)
{
    struct cold *k = create("3");
    assert_int_equal(visits(k, at(16, 0)), 3);
    assert_int_equal(visits(k, at(16, 0)), 0);
    assert_int_equal(visits(k, at(20, 0)), 3);
    free(k);
}

static void another_mode_or_other_words_begin_anew(void **state)
{
    struct cold *k = create("2");
    assert_int_equal(visits(k, at(64, 0)), 2);
    assert_int_equal(visits(k, at(64, 1)), 2);
    page[16] = 0x11000400;
    assert_int_equal(visits(k, at(64, 0)), 2);
    page[17] = 0xd65f03c0;
    assert_int_equal(visits(k, at(64, 0)), 2);
    page[18] = 0xd65f03c0; /* the third word: no part of the digest */
    assert_int_equal(visits(k, at(64, 0)), 0);
    free(k);
}

/* A sanitized build sees a read behind the page. */
static void last_word_of_a_page(void **state)
{
    struct cold *k = create("1");
    uint8_t *code = malloc(4);
    memcpy(code, &page[1], 4);
    assert_int_equal(visits(k, (struct fetched){.code = code, .pa = 0x40000ffc}), 1);
    free(code);
    free(k);
}

static void nothing_is_cold(void **state)
{
    struct cold *k = create("0");
    assert_int_equal(visits(k, at(0, 0)), 0);
    free(k);
}

/* Without POME_COLD: once, what is rewritten more often. */
static void rewritten_code_stays_cold_for_longer(void **state)
{
    struct fetched f = at(128, 0);
    struct cold *k = cold_create();
    assert_int_equal(visits(k, f), 1);
    for (unsigned n = 1; n < 4; n++)
        assert_true(cold_visit(k, &f, true));
    assert_false(cold_visit(k, &f, true));
    free(k);
}

/* A JIT that writes new code for ever: what is new is cold after a million pieces as it was at first, save where two share a count. */
static void counts_do_not_fill_up(void **state)
{
    enum { PIECES = 1000000, LAST = 10000 };
    struct cold *k = create("2");
    unsigned cold = 0;
    for (unsigned n = 0; n < PIECES; n++) {
        page[200] = 0x11000000 | n;
        unsigned v = visits(k, at(800, 0));
        cold += n >= PIECES - LAST && v == 2;
    }
    assert_in_range(cold, LAST / 2, LAST);
    free(k);
}

/* More than a count can hold ends, too. */
static void many_visits_end(void **state)
{
    struct cold *k = create("100000");
    unsigned n = visits(k, at(0, 0));
    assert_in_range(n, 200, 255);
    free(k);
}

int main(void)
{
    unsetenv("POME_COLD");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(becomes_hot_after_so_many_visits),
        cmocka_unit_test(another_mode_or_other_words_begin_anew),
        cmocka_unit_test(last_word_of_a_page),
        cmocka_unit_test(nothing_is_cold),
        cmocka_unit_test(rewritten_code_stays_cold_for_longer),
        cmocka_unit_test(counts_do_not_fill_up),
        cmocka_unit_test(many_visits_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
