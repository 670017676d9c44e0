/* settings_test.c - Config.json: what is right, and each way to be wrong. */
#include "config/settings.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void round_trip(void **state)
{
    struct settings a = {.cpu_count = 8, .memory_bytes = SETTINGS_MAX_MEMORY, .cpu_model = "apple"}, b;
    size_t n;
    char *text = settings_write(&a, &n);
    assert_true(settings_read(text, n, "Config.json", &b, NULL));
    assert_int_equal(a.cpu_count, b.cpu_count);
    assert_true(a.memory_bytes == b.memory_bytes);
    assert_string_equal(b.cpu_model, "apple");
    free(text);
}

static void wrong(void **state)
{
    static const struct {
        const char *json, *says;
    } rows[] = {
        {"", "0 bytes"},
        {"{", "line 1"},
        {"[]", "not a JSON object"},
        {"{\"cpuCount\":1,\"memorySize\":1073741824}", "version"},
        {"{\"version\":2,\"cpuCount\":1,\"memorySize\":1073741824}", "version"},
        {"{\"version\":1,\"memorySize\":1073741824}", "cpuCount is missing"},
        {"{\"version\":1,\"cpuCount\":0,\"memorySize\":1073741824}", "cpuCount is 0, allowed are 1 to 8"},
        {"{\"version\":1,\"cpuCount\":9,\"memorySize\":1073741824}", "cpuCount is 9"},
        {"{\"version\":1,\"cpuCount\":-1,\"memorySize\":1073741824}", "cpuCount is not a whole number"},
        {"{\"version\":1,\"cpuCount\":\"2\",\"memorySize\":1073741824}", "cpuCount is not a whole number"},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":1073741825}", "multiple of 1048576"},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":9223372036854775807}", "memorySize is 9223372036854775807"},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":99999999999999999999}", "too big"},
        {"{\"version\":1,\"cpuCount\":2,\"memory\":1073741824}", "is \"memorySize\" meant?"},
        {"{\"version\":1,\"cpus\":2,\"memorySize\":1073741824}", "is \"cpuCount\" meant?"},
        {"{\"version\":1,\"cpuCount\":2,\"cpuCount\":2,\"memorySize\":1073741824}", "duplicate"},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":1073741824,\"cpuModel\":\"z80\"}", "cpuModel is \"z80\""},
        {"{\"version\":1,\"cpuCount\":2,\"memorySize\":1073741824}x", "end of file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings s;
        struct pome_error err = {0};
        assert_false(settings_read(rows[i].json, strlen(rows[i].json), "Config.json", &s, &err));
        assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
        if (!strstr(err.message, rows[i].says))
            fail_msg("%s: says \"%s\", not \"%s\"", rows[i].json, err.message, rows[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
