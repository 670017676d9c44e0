/* macho_test.c - Mach-O headers: what is read, and what is refused with which words. */
#include "darwin/macho.h"

#include "base/bits.h"
#include "darwin/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE UINT64_C(0xfffffe0007004000)

enum { SEGMENT = MACHO_HEAD, SECOND = MACHO_HEAD + 72, THREAD = MACHO_HEAD + 3 * 72 + 24 };

static uint8_t *file;
static size_t n;

static void make(uint32_t type, const char *const *entries)
{
    static uint8_t code[100], data[50];
    const struct test_segment segments[] = {
        {"__TEXT", BASE, 0x8000, code, sizeof code, 5},
        {"__DATA", BASE + 0x10000, 0x20000, data, sizeof data, 3},
        {"__EMPTY", 0xfffffe0000004000, 0, NULL, 0, 1},
    };
    const struct test_macho t = {type, MACHO_ARM64E, segments, ARRAY_SIZE(segments), BASE + TEST_MACHO_HEADER + 4, .entries = entries};
    n = test_macho_write(&t, NULL);
    free(file);
    file = calloc(1, n);
    assert_non_null(file);
    test_macho_write(&t, file);
}

static void an_executable_is_read(void **state)
{
    struct macho m;
    struct pome_error err;
    make(MACHO_EXECUTE, NULL);
    assert_true(macho_is(file, n));
    assert_true(macho_read(file, n, &m, &err));
    assert_int_equal(m.n_segments, 2); /* the empty one is none */
    assert_string_equal(m.segments[1].name, "__DATA");
    assert_int_equal(m.segments[1].file_bytes, 50);
    assert_true(m.header == BASE && m.lowest == BASE && m.end == BASE + 0x30000);
    assert_true(m.has_entry && m.entry == BASE + TEST_MACHO_HEADER + 4 && m.has_uuid);
    assert_memory_equal(m.uuid, "Pome's test file", 16);
    assert_string_equal(macho_type_name(m.file_type), "executable");
    assert_string_equal(macho_cpu_name(m.cpu_subtype), "arm64e");
    assert_non_null(macho_segment(&m, "__TEXT"));
    assert_null(macho_segment(&m, "__EMPTY"));
}

static void the_members_of_a_file_set_are_told(void **state)
{
    static const char *const names[] = {"com.apple.kernel", "com.apple.driver.AppleARMGICv3", NULL};
    struct macho m;
    struct macho_entry e;
    uint32_t cursor = 0;
    make(MACHO_FILESET, names);
    assert_true(macho_read(file, n, &m, NULL));
    assert_int_equal(m.n_entries, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(macho_next_entry(&m, &cursor, &e));
        assert_string_equal(e.name, names[i]);
    }
    assert_false(macho_next_entry(&m, &cursor, &e));
}

static void damage_is_named(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
        const char *says;
    } rows[] = {
        {0, 0xcafebabe, "not a 64-bit"},
        {4, 0x01000007, "CPU type 0x1000007"},
        {12, 6, "file type 6"},
        {16, 1000, "load command"},
        {20, 0x7fffffff, "bytes of load commands"},
        {SEGMENT + 4, 0, "load command 0: 0 bytes"},
        {SEGMENT + 4, 12, "load command 0: 12 bytes"},
        {SEGMENT + 4, 24, "a segment of 24 bytes"},
        {SEGMENT + 36, 1, "overlap"},                          /* 4 GiB more memory */
        {SEGMENT + 40, 0x4000, "no segment holds the header"}, /* its offset in the file */
        {SECOND + 44, 1, "of a file of"},
        {SECOND + 48, 0x7fffffff, "in the file"},
        {SECOND + 28, 0xffffffff, "in the file"}, /* the end of the address space: 0xffffffff07014000 + 0x20000 stays below it */
        {THREAD + 8, 1, "no arm64 registers"},
        {THREAD + 16 + 256, 0x07000000, "lies in no segment"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pome_error err = {0};
        struct macho m;
        make(MACHO_EXECUTE, NULL);
        le32_put(file + rows[i].at, rows[i].value);
        if (i == 12) { /* so far up that its end wraps */
            le32_put(file + SECOND + 24, 0xfffff000);
            le32_put(file + SECOND + 28, 0xffffffff);
        }
        assert_false(macho_read(file, n, &m, &err));
        if (!strstr(err.message, rows[i].says))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, err.message, rows[i].says);
    }
}

/* Cut anywhere it is refused: never read beyond its end (the sanitizers look). */
static void a_file_cut_short_is_refused(void **state)
{
    make(MACHO_EXECUTE, NULL);
    for (size_t cut = 0; cut < n; cut += cut < 800 ? 1 : 997) {
        struct macho m;
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, file, cut);
        if (cut < n - 0x4000) /* behind the data's bytes is padding */
            assert_false(macho_read(copy, cut, &m, NULL));
        free(copy);
    }
}

static int cleanup(void **state)
{
    free(file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_executable_is_read),
        cmocka_unit_test(the_members_of_a_file_set_are_told),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(a_file_cut_short_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, cleanup);
}
