/* lazy_test.c - what is there is loaded, what is not there is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/lazy.h"

#define LIBM(F) F(cos) F(floor)
struct libm {
    LIBM(LAZY_MEMBER)
};
static const char *const names[] = {LIBM(LAZY_NAME)};

static void loads_once(void **state)
{
    struct libm m = {0}, again;
    struct pome_error err;
    assert_true(lazy_load(&m, names, ARRAY_SIZE(names), "libm.so.6", "libc6", &err));
    assert_true(m.cos(0) == 1);
    assert_true(m.floor(2.5) == 2);
    again = m;
    assert_true(lazy_load(&again, names, ARRAY_SIZE(names), "no-such-library.so.1", "", &err));
    assert_memory_equal(&again, &m, sizeof m);
}

static void says_what_is_missing(void **state)
{
    static const char *const newer[] = {"cos", "cos_of_the_future"};
    struct libm m = {0}, nothing = {0};
    struct pome_error err;
    assert_false(lazy_load(&m, names, ARRAY_SIZE(names), "no-such-library.so.1", "no-such-package", &err));
    assert_non_null(strstr(err.message, "no-such-library.so.1"));
    assert_non_null(strstr(err.message, "no-such-package"));
    assert_false(lazy_load(&m, newer, ARRAY_SIZE(newer), "libm.so.6", "libc6", &err));
    assert_non_null(strstr(err.message, "cos_of_the_future"));
    assert_memory_equal(&m, &nothing, sizeof m); /* so the next use tries again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loads_once), cmocka_unit_test(says_what_is_missing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
