/* adt_test.c - Apple device trees: known bytes, every edit, damage, and a tree too full. */
#include "darwin/adt.h"

#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t bytes[4096];

static struct adt small_tree(void)
{
    struct adt t;
    adt_begin(&t, bytes, sizeof bytes, "device-tree");
    size_t chosen = adt_add(&t, ADT_ROOT, "chosen");
    adt_set_u64(&t, chosen, "dram-base", 0x70000000);
    adt_add(&t, chosen, "memory-map");
    size_t cpus = adt_add(&t, ADT_ROOT, "cpus");
    for (unsigned i = 0; i < 3; i++) {
        const char name[] = {'c', 'p', 'u', (char)('0' + i), 0};
        adt_set_u32(&t, adt_add(&t, cpus, name), "reg", i);
    }
    return t;
}

static void check_whole(const struct adt *t)
{
    size_t used;
    struct pome_error err = {0};
    if (!adt_check(t->bytes, t->n, &used, &err))
        fail_msg("%s", err.message);
    assert_int_equal(used, t->n);
}

/* The layout, byte by byte: a root with a name and one child of that name "a" with a property of three bytes. */
static void the_bytes_are_xnus(void **state)
{
    struct adt t;
    uint8_t want[8 + 40 + 8 + 40 + 40] = {1, 0, 0, 0, 1};
    memcpy(want + 8, "name", 4);
    want[8 + 32] = 2;
    memcpy(want + 8 + 36, "r", 1);
    want[48] = 2;
    memcpy(want + 56, "name", 4);
    want[56 + 32] = 2;
    memcpy(want + 56 + 36, "a", 1);
    memcpy(want + 96, "x", 1);
    want[96 + 32] = 3;
    memcpy(want + 96 + 36, "\1\2\3", 3);
    adt_begin(&t, bytes, sizeof bytes, "r");
    adt_set(&t, adt_add(&t, ADT_ROOT, "a"), "x", "\1\2\3", 3);
    assert_int_equal(t.n, sizeof want);
    assert_memory_equal(t.bytes, want, sizeof want);
}

static void nodes_and_properties_are_found(void **state)
{
    struct adt t = small_tree();
    struct adt_property p;
    check_whole(&t);
    assert_int_equal(adt_find(&t, "/"), ADT_ROOT);
    assert_true(adt_find(&t, "/chosen/none") == ADT_NONE);
    assert_true(adt_find(&t, "/chose") == ADT_NONE);
    assert_string_equal(adt_name(&t, adt_find(&t, "/chosen/memory-map")), "memory-map");
    assert_true(adt_get(&t, adt_find(&t, "/cpus/cpu2"), "reg", &p));
    assert_int_equal(le32_get(p.value), 2);
    assert_int_equal(adt_children(&t, adt_find(&t, "/cpus")), 3);
}

static void edits_keep_the_rest(void **state)
{
    struct adt t = small_tree();
    struct adt_property p;
    size_t cpus = adt_find(&t, "/cpus");
    adt_set_text(&t, adt_find(&t, "/cpus/cpu1"), "state", "waiting");     /* new, in the middle */
    adt_set(&t, adt_find(&t, "/chosen"), "dram-base", "12345", 5);        /* shorter */
    adt_set_text(&t, adt_find(&t, "/chosen"), "dram-base", "longer than it was"); /* and longer */
    check_whole(&t);
    cpus = adt_find(&t, "/cpus");
    adt_remove(&t, cpus, adt_child(&t, cpus, "cpu0"));
    assert_true(adt_unset(&t, adt_find(&t, "/cpus/cpu2"), "reg"));
    assert_false(adt_unset(&t, adt_find(&t, "/cpus/cpu2"), "reg"));
    adt_open(&t, ADT_ROOT, "options");
    adt_open(&t, ADT_ROOT, "options");
    check_whole(&t);
    assert_false(t.failed);
    assert_int_equal(adt_children(&t, ADT_ROOT), 3);
    assert_int_equal(adt_children(&t, adt_find(&t, "/cpus")), 2);
    assert_true(adt_get(&t, adt_find(&t, "/chosen"), "dram-base", &p));
    assert_string_equal((const char *)p.value, "longer than it was");
    assert_true(adt_get(&t, adt_find(&t, "/cpus/cpu1"), "state", &p));
    assert_string_equal((const char *)p.value, "waiting");
}

static void a_placeholder_is_seen_and_filled(void **state)
{
    struct adt t = small_tree();
    struct adt_property p;
    size_t chosen = adt_find(&t, "/chosen");
    assert_true(adt_get(&t, chosen, "dram-base", &p));
    bytes[p.value - bytes - 1] |= 0x80;
    assert_true(adt_get(&t, chosen, "dram-base", &p) && p.placeholder && p.bytes == 8);
    check_whole(&t);
    adt_set_u64(&t, chosen, "dram-base", 1);
    assert_true(adt_get(&t, chosen, "dram-base", &p) && !p.placeholder);
}

/* A full tree stays whole, however little room is left. */
static void a_full_tree_says_so(void **state)
{
    for (size_t room = 80; room < 600; room++) {
        struct adt t;
        adt_begin(&t, bytes, room, "r");
        for (unsigned i = 0; i < 8; i++) {
            size_t node = adt_add(&t, ADT_ROOT, "node");
            adt_set_text(&t, node, "property", "of some bytes");
        }
        assert_true(t.failed);
        assert_true(t.n <= room);
        check_whole(&t);
    }
}

static void damage_is_named(void **state)
{
    struct adt t = small_tree();
    size_t used;
    struct pome_error err;
    for (size_t cut = 0; cut < t.n; cut++)
        assert_false(adt_check(t.bytes, cut, &used, &err));
    le32_put(bytes + 4, 0x40000000); /* children */
    assert_false(adt_check(bytes, t.n, &used, &err));
    assert_non_null(strstr(err.message, "where a node begins"));
    t = small_tree();
    le32_put(bytes + 8 + 32, 0x7fffffff);
    assert_false(adt_check(bytes, t.n, &used, &err));
    assert_non_null(strstr(err.message, "0x8 has 2147483647 bytes"));
    t = small_tree();
    bytes[8] = 'N'; /* no "name" any more */
    assert_false(adt_check(bytes, t.n, &used, &err));
    assert_non_null(strstr(err.message, "no name"));
    adt_begin(&t, bytes, sizeof bytes, "r");
    for (size_t i = 0, node = ADT_ROOT; i < ADT_DEPTH_MAX; i++)
        node = adt_add(&t, node, "deep");
    assert_false(adt_check(bytes, t.n, &used, &err));
    assert_non_null(strstr(err.message, "deeper than 16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_xnus),
        cmocka_unit_test(nodes_and_properties_are_found),
        cmocka_unit_test(edits_keep_the_rest),
        cmocka_unit_test(a_placeholder_is_seen_and_filled),
        cmocka_unit_test(a_full_tree_says_so),
        cmocka_unit_test(damage_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
