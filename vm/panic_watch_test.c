/* panic_watch_test.c - what counts as a dead guest and what does not. */
#include "vm/panic_watch.h"

#include "base/bits.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char got[PANIC_LINE];
static struct loop *loop;

static void dead(void *ctx, const char *why)
{
    memcpy(got, why, sizeof got);
    loop_stop(loop);
}

static void give_up(void *ctx)
{
    loop_stop(loop);
}

/* Feeds text, waits up to 1.5 s; true when the guest was declared dead. */
static bool dies(const char *text)
{
    loop = loop_create(NULL);
    struct panic_watch w;
    struct loop_timer limit = {.fn = give_up};
    got[0] = 0;
    panic_watch_init(&w, loop, dead, NULL);
    panic_watch_bytes(&w, (const uint8_t *)text, strlen(text));
    loop_timer_set(loop, &limit, loop_now_ns() + 1500000000);
    loop_run(loop);
    loop_timer_cancel(loop, &limit);
    panic_watch_reset(&w);
    loop_destroy(loop);
    return got[0] != 0;
}

static void a_panic_that_spins_is_death(void **state)
{
    assert_true(dies("[    1.5] Kernel panic - not syncing: Attempted to kill init!\r\n"
                     "[    1.6] CPU: 0\r\n[    1.7] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---\r\n"));
    assert_string_equal(got, "Kernel panic - not syncing: Attempted to kill init!");
    assert_true(dies("[    1.5][    T1] Kernel panic - not syncing: x\n[    1.7][    T1] ---[ end Kernel panic - not syncing: x ]---\n"));
}

static void output_after_it_is_life(void **state)
{
    assert_false(dies("[    1.5] Kernel panic - not syncing: x\n[    1.7] ---[ end Kernel panic - not syncing: x ]---\n# prompt\n# \n"
                      "[    1.9] more\n") && got[0]);
}

static void text_of_users_does_not_count(void **state)
{
    assert_false(dies("Kernel panic - not syncing: fake\n---[ end Kernel panic - not syncing: fake ]---\n"));
}

static const char *why(const char *text)
{
    static struct panic_watch w;
    loop = loop_create(NULL);
    panic_watch_init(&w, loop, dead, NULL);
    panic_watch_bytes(&w, (const uint8_t *)text, strlen(text));
    loop_destroy(loop);
    return w.why;
}

static void darwin_says_it_otherwise(void **state)
{
    assert_string_equal(why("Darwin Kernel Version 21.6.0\r\npanic(cpu 1 caller 0xfffffe00071c2d4c): ipi\r\nDebugger message: panic\r\n"),
                        "panic(cpu 1 caller 0xfffffe00071c2d4c): ipi");
    assert_string_equal(why("[    0.0] Booting Linux\n[    1.0] Run /init\npanic(cpu 1 caller 0x0): fake\n"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_panic_that_spins_is_death),
        cmocka_unit_test(output_after_it_is_life),
        cmocka_unit_test(text_of_users_does_not_count),
        cmocka_unit_test(darwin_says_it_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
