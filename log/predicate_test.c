/* predicate_test.c - what holds, and what is no predicate. */
#include "log/predicate.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static const struct log_record record = {
    .level = LOG_LEVEL_ERROR, .pid = 42, .thread = 0x1f, .process = "kernel", .subsystem = "org.pome.machine", .category = "device",
    .message = "usb 1-1: Größe FAILED (error -110)", .boot = "", .activity = 0x0c1aa82e,
};

static const struct {
    const char *text;
    bool holds;
} rows[] = {
    {"process == \"kernel\"", true},
    {"process = 'kernel'", true},
    {"process == \"Kernel\"", false},
    {"process ==[c] \"Kernel\"", true},
    {"process != \"kernel\"", false},
    {"eventMessage CONTAINS \"failed\"", false},
    {"eventMessage CONTAINS[c] \"failed\"", true},
    {"eventMessage contains[cd] \"GROSSE\"", true}, /* sharp s folds to ss */
    {"eventMessage contains[c] \"grosse\"", false},
    {"eventMessage CONTAINS[cd] \"groß\"", true},
    {"eventMessage CONTAINS[d] \"Große\"", true},
    {"eventMessage BEGINSWITH \"usb 1\"", true},
    {"eventMessage ENDSWITH \"-110)\"", true},
    {"eventMessage ENDSWITH \"-111)\"", false},
    {"eventMessage LIKE \"usb*error ?110)\"", true},
    {"eventMessage LIKE \"usb*error\"", false},
    {"eventMessage MATCHES \"usb [0-9]+-[0-9]+:.*\"", true},
    {"eventMessage MATCHES \"usb\"", false}, /* the whole text */
    {"messageType == error", true},
    {"messageType == \"error\"", true},
    {"logType >= default", true},
    {"messageType == fault OR messageType == info", false},
    {"messageType IN {error, fault}", true},
    {"category IN {\"cpu\", \"device\"}", true},
    {"category IN {\"cpu\"}", false},
    {"processIdentifier == 42", true},
    {"processIdentifier == '42'", true},
    {"processIdentifier == 0x2a && threadIdentifier > 30", true},
    {"activityIdentifier == 0x0C1AA82E", true},
    {"eventType == logEvent", true},
    {"eventType == 1024 AND eventType != activityCreateEvent", true},
    {"NOT process == \"kernel\"", false},
    {"! (process == \"kernel\" AND category == \"cpu\")", true},
    {"process == \"x\" AND process == \"y\" OR category == \"device\"", true}, /* AND binds closer */
    {"process == \"x\" AND (process == \"y\" OR category == \"device\")", false},
    {"NOT NOT TRUEPREDICATE and not falsepredicate", true},
    {"subsystem == \"org.pome.machine\" and sender == 'kernel'", true},
    {"process == \"ker\\\"nel\"", false},
    {"  process   ==\t\"kernel\"  ", true},
};

static void holding(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pome_error err = {0};
        struct log_predicate *p = log_predicate_parse(rows[i].text, &err);
        if (!p)
            fail_msg("%s: %s", rows[i].text, err.message);
        if (log_predicate_holds(p, &record) != rows[i].holds)
            fail_msg("%s: %d", rows[i].text, !rows[i].holds);
        log_predicate_free(p);
    }
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "", "process", "process ==", "process == kernel", "process == \"kernel", "process == \"a\" AND", "process == \"a\" process == \"b\"", "(process == \"a\"",
        "process == \"a\")", "nonsense == 1", "processIdentifier CONTAINS 1", "processIdentifier == x", "processIdentifier == 12x", "messageType == loud",
        "category IN \"a\"", "category IN {\"a\"", "category IN {}", "process ==[x] \"a\"", "process ==[c \"a\"", "eventMessage MATCHES \"(\"", "NOT", "== 1",
        "ANDprocess == \"a\"", "processID=''0", "processID == '1", "processID == '1\"", "messageType == ''",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pome_error err = {0};
        struct log_predicate *p = log_predicate_parse(bad[i], &err);
        if (p)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
        assert_true(strlen(err.message) > 20);
    }
}

static void limits(void **state)
{
    static char text[PREDICATE_MAX_BYTES + 100];
    memset(text, '(', 200);
    assert_null(log_predicate_parse(text, NULL));
    memset(text, '!', PREDICATE_MAX_BYTES);
    assert_null(log_predicate_parse(text, NULL));
    text[0] = 0;
    for (int i = 0; i < 70; i++)
        strcat(text, i ? " OR process == 'a'" : "process == 'a'");
    assert_null(log_predicate_parse(text, NULL)); /* 139 terms */
    memset(text, 'a', sizeof text - 1);
    assert_null(log_predicate_parse(text, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(holding), cmocka_unit_test(refused), cmocka_unit_test(limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
