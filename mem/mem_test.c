/* mem_test.c - regions, bounds and the guard. */
#include "mem/mem.h"

#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct mem *two_regions(void)
{
    struct mem *m = mem_create();
    assert_true(mem_add_ram(m, 0x40000000, 1 * MiB, NULL));
    assert_true(mem_add_rom(m, 0x100000, 8192, "rom", 3, NULL));
    return m;
}

static void ranges_stay_inside_one_region(void **state)
{
    struct mem *m = two_regions();
    assert_non_null(mem_ptr(m, 0x40000000, 1 * MiB, true));
    assert_null(mem_ptr(m, 0x40000000, 1 * MiB + 1, true));
    assert_null(mem_ptr(m, 0x3fffffff, 2, true));
    assert_non_null(mem_ptr(m, 0x400fffff, 1, true));
    assert_null(mem_ptr(m, 0x400fffff, 2, true));
    assert_null(mem_ptr(m, 0x40100000, 0, true));
    assert_null(mem_ptr(m, 0x40000010, UINT64_MAX, true));
    assert_null(mem_ptr(m, UINT64_MAX, 2, true));
    mem_destroy(m);
}

static void rom_is_read_only(void **state)
{
    struct mem *m = two_regions();
    char text[4] = { 0 };
    assert_true(mem_read(m, 0x100000, text, 4));
    assert_string_equal(text, "rom");
    assert_false(mem_write(m, 0x100000, "x", 1));
    assert_null(mem_ptr(m, 0x100000, 1, true));
    assert_true(mem_find(m, 0x101fff)->read_only);
    assert_null(mem_find(m, 0x102000));
    mem_destroy(m);
}

static void copies_are_all_or_nothing(void **state)
{
    struct mem *m = two_regions();
    uint32_t v = 0x12345678, back = 0;
    assert_true(mem_write(m, 0x400ffffc, &v, 4));
    assert_true(mem_read(m, 0x400ffffc, &back, 4));
    assert_int_equal(back, v);
    back = 7;
    assert_false(mem_read(m, 0x400ffffd, &back, 4));
    assert_int_equal(back, 7);
    mem_destroy(m);
}

static void bad_places_are_refused(void **state)
{
    struct pome_error err;
    struct mem *m = two_regions();
    assert_false(mem_add_ram(m, 0x400ff000, 8192, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
    assert_false(mem_add_ram(m, 0x50000001, 4096, &err));
    assert_false(mem_add_ram(m, 0x50000000, 0, &err));
    assert_false(mem_add_ram(m, ~UINT64_C(4095), 8192, &err));
    assert_false(mem_add_rom(m, 0x50000000, 4096, "", 4097, &err));
    assert_true(mem_add_ram(m, 0x50000000, 4096, &err));
    assert_int_equal(mem_region(m, 2)->gpa, 0x50000000);
    assert_null(mem_region(m, 3));
    mem_destroy(m);
}

static void huge_ram_costs_nothing_until_touched(void **state)
{
    struct mem *m = mem_create();
    assert_true(mem_add_ram(m, 0x40000000, 255 * GiB, NULL));
    assert_true(mem_write(m, 0x40000000 + 255 * GiB - 1, "x", 1));
    mem_destroy(m);
}

static void the_guard_faults(void **state)
{
    struct mem *m = two_regions();
    volatile uint8_t *p = mem_ptr(m, 0x40000000, 1 * MiB, true);
    pid_t pid = fork();
    if (!pid) {
        signal(SIGSEGV, SIG_DFL);
        p[1 * MiB] = 1;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    mem_destroy(m);
}

static void a_rom_is_written_by_its_host_only(void **state)
{
    struct mem *m = two_regions();
    char got[4] = {0};
    assert_true(mem_rom_write(m, 0x100001, "XY", 2));
    assert_true(mem_read(m, 0x100000, got, 3));
    assert_string_equal(got, "rXY");
    assert_false(mem_write(m, 0x100000, "z", 1));
    assert_false(mem_rom_write(m, 0x40000000, "z", 1)); /* RAM */
    assert_false(mem_rom_write(m, 0x100000 + 8191, "zz", 2));
    mem_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rom_is_written_by_its_host_only),
        cmocka_unit_test(ranges_stay_inside_one_region), cmocka_unit_test(rom_is_read_only),
        cmocka_unit_test(copies_are_all_or_nothing),     cmocka_unit_test(bad_places_are_refused),
        cmocka_unit_test(huge_ram_costs_nothing_until_touched), cmocka_unit_test(the_guard_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
