/* start_test.c - places, boot_args and the boot loader's part of the tree. */
#include "darwin/start.h"

#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LINK UINT64_C(0xfffffe0007004000)
#define RAM  UINT64_C(0x70000000)

static struct macho kernel = {.has_entry = true, .lowest = LINK, .header = LINK, .end = LINK + 40 * MiB, .entry = LINK + 0x8000};

static struct darwin_parts parts_of(uint64_t ram_bytes)
{
    return (struct darwin_parts){.ram_gpa = RAM, .ram_bytes = ram_bytes, .kernel = &kernel, .tree_bytes = 700 * KiB, .trust_cache_bytes = 5000, .ramdisk_bytes = 3 * MiB + 1};
}

static void everything_has_its_place(void **state)
{
    const uint64_t sizes[] = {512 * MiB, 1 * GiB, 8 * GiB};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        const struct darwin_parts p = parts_of(sizes[i]);
        struct darwin_layout l;
        struct pome_error err = {0};
        if (!darwin_plan(&p, &l, &err))
            fail_msg("%s", err.message);
        assert_true(l.virt_base == 0xfffffe0006000000 && l.kernel.gpa == RAM + 0x1004000);
        assert_true(l.entry_gpa == RAM + 0x100c000 && darwin_gpa(&l, LINK) == l.kernel.gpa);
        /* trust cache and kernel without a gap; then RAM disk, tree, boot_args, the end */
        assert_true(l.trust_cache.gpa >= RAM && l.trust_cache.gpa + align_up(l.trust_cache.bytes, DARWIN_PAGE) == l.kernel.gpa);
        assert_true(l.ramdisk.gpa == l.kernel.gpa + 40 * MiB && l.tree.gpa == l.ramdisk.gpa + 3 * MiB + DARWIN_PAGE);
        assert_true(l.tree.bytes == align_up(700 * KiB, DARWIN_PAGE) && l.boot_args.gpa == l.tree.gpa + l.tree.bytes);
        assert_true(l.top == l.kernel.gpa + 128 * MiB && l.top < l.screen.gpa);
        assert_true(l.screen.gpa + l.screen.bytes <= RAM + sizes[i]);
    }
}

static void what_does_not_fit_is_named(void **state)
{
    static const struct {
        uint64_t lowest, ram, ramdisk;
        bool entry;
        const char *says;
    } rows[] = {
        {LINK, 512 * MiB, 0, false, "no entry"},
        {0x100000000, 512 * MiB, 0, true, "linked at 0x100000000"},
        {LINK + 0x1000, 512 * MiB, 0, true, "16 KiB"},
        {LINK, 32 * MiB, 0, true, "reach 57 MiB"},
        {LINK, 512 * MiB, 500 * MiB, true, "RAM disk (524288000 bytes) need 561 MiB"},
        {LINK, 512 * MiB, UINT64_MAX - 5, true, "a RAM disk of 18446744073709551610"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct macho k = kernel;
        k.has_entry = rows[i].entry;
        k.lowest = rows[i].lowest;
        struct darwin_parts p = parts_of(rows[i].ram);
        p.kernel = &k;
        p.ramdisk_bytes = rows[i].ramdisk;
        struct darwin_layout l;
        struct pome_error err = {0};
        assert_false(darwin_plan(&p, &l, &err));
        if (!strstr(err.message, rows[i].says))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, err.message, rows[i].says);
    }
}

static void boot_args_are_laid_out_as_xnu_reads_them(void **state)
{
    const struct darwin_parts p = parts_of(GiB);
    struct darwin_layout l;
    uint8_t a[DARWIN_BOOT_ARGS_BYTES];
    char line[DARWIN_COMMAND_LINE + 1];
    struct pome_error err;
    assert_true(darwin_plan(&p, &l, NULL));
    for (unsigned revision = 1; revision <= 3; revision++) {
        assert_true(darwin_boot_args(&l, revision, "-v serial=3", a, NULL));
        assert_int_equal(le16_get(a), revision);
        assert_int_equal(le16_get(a + 2), 2);
        assert_true(le64_get(a + 0x08) == l.virt_base && le64_get(a + 0x10) == RAM && le64_get(a + 0x20) == l.top);
        assert_true(le64_get(a + 0x18) == GiB - 4 * MiB && le64_get(a + 0x478) == GiB);
        assert_true(le64_get(a + 0x28) == l.screen.gpa && le64_get(a + 0x40) == 1024 && le64_get(a + 0x50) == 32);
        assert_true(le64_get(a + 0x60) == l.tree.gpa - RAM + l.virt_base && le32_get(a + 0x68) == l.tree.bytes);
        assert_string_equal((char *)a + 0x6c, "-v serial=3");
    }
    assert_false(darwin_boot_args(&l, 4, "", a, &err));
    memset(line, 'x', sizeof line);
    line[DARWIN_COMMAND_LINE] = 0;
    assert_false(darwin_boot_args(&l, 2, line, a, &err));
    line[DARWIN_COMMAND_LINE - 1] = 0;
    assert_true(darwin_boot_args(&l, 2, line, a, &err));
}

static void the_tree_is_completed(void **state)
{
    static uint8_t bytes[8192];
    const struct darwin_parts p = parts_of(GiB);
    struct darwin_layout l;
    struct adt t;
    struct adt_property q;
    struct pome_error err;
    size_t used;
    assert_true(darwin_plan(&p, &l, NULL));
    l.trust_cache.bytes = 0;
    const struct darwin_chosen c = {.layout = &l, .seed = "12345678", .seed_bytes = 8, .nvram = "bank", .nvram_bytes = 4, .firmware = "pome-test"};
    adt_begin(&t, bytes, sizeof bytes, "device-tree");
    size_t map = adt_add(&t, adt_add(&t, ADT_ROOT, "chosen"), "memory-map");
    ADT_SET_U64S(&t, map, "TrustCache", 1, 2); /* of another start */
    size_t cpus = adt_add(&t, ADT_ROOT, "cpus");
    for (unsigned i = 0; i < 4; i++)
        adt_add(&t, cpus, "cpu");
    size_t before = t.n;
    darwin_fill(&t, &c);
    assert_true(darwin_fill_cpus(&t, 2, 24000000, &err));
    assert_true(!t.failed && adt_check(bytes, t.n, &used, &err) && used == t.n);
    assert_true(t.n - before <= darwin_fill_bytes(&c));
    map = adt_find(&t, "/chosen/memory-map");
    assert_true(adt_get(&t, map, "RAMDisk", &q) && le64_get(q.value) == l.ramdisk.gpa && le64_get(q.value + 8) == 3 * MiB + 1);
    assert_false(adt_get(&t, map, "TrustCache", &q));
    assert_true(adt_get(&t, adt_find(&t, "/chosen"), "dram-size", &q) && le64_get(q.value) == GiB);
    assert_true(adt_find(&t, "/options") != ADT_NONE && adt_find(&t, "/defaults") != ADT_NONE);
    cpus = adt_find(&t, "/cpus");
    assert_int_equal(adt_children(&t, cpus), 2);
    assert_true(adt_get(&t, adt_first_child(&t, cpus), "state", &q));
    assert_string_equal((const char *)q.value, "running");
    assert_false(darwin_fill_cpus(&t, 3, 24000000, &err));
    assert_non_null(strstr(err.message, "2 nodes in /cpus, the machine has 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_has_its_place),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(boot_args_are_laid_out_as_xnu_reads_them),
        cmocka_unit_test(the_tree_is_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
