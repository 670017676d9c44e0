/* blocks_test.c - the table of translations, when code is written anew. */
#include "cpu/jit/jit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static uint64_t icc_read(void *ctx, unsigned cpu, enum icc_reg reg) { return 0; }
static void icc_write(void *ctx, unsigned cpu, enum icc_reg reg, uint64_t v) {}
static void ppi_set(void *ctx, unsigned cpu, unsigned intid, bool level) {}

enum { RAM = 0x40000000 };
static struct cpu_set *set;
static struct mem *memory;

static int make(void **state)
{
    static const struct cpu_board board = {.icc_read = icc_read, .icc_write = icc_write, .ppi_set = ppi_set};
    struct pome_error err;
    setenv("POME_CACHE", "off", 1);
    memory = mem_create();
    assert_true(mem_add_ram(memory, RAM, 1 << 20, NULL));
    set = cpu_set_create(&(struct cpu_options){.n_cpus = 1, .mem = memory, .board = &board, .code_bytes = 8 << 20}, &err);
    if (!set)
        fail_msg("%s", err.message);
    return 0;
}

static int drop(void **state)
{
    cpu_set_destroy(set);
    mem_destroy(memory);
    return 0;
}

/* add x0, x0, #n; ret */
static void write_code(uint64_t pa, unsigned n)
{
    uint8_t *p = mem_ptr(memory, pa, 8, true);
    le32_put(p, 0x91000000 | n % 4096 << 10);
    le32_put(p + 4, 0xd65f03c0);
}

/* Code that a JIT writes to the same places again and again: the table holds what there is now, and no traces of the rest. */
static void code_written_anew_leaves_nothing_in_the_table(void **state)
{
    enum { PLACES = 8, TIMES = 1000 };
    struct vcpu *c = set->cpu[0];
    struct jit *j = set->jit;
    size_t size = 0;
    for (unsigned n = 0; n < TIMES; n++) {
        struct dropped d = {0};
        for (unsigned k = 0; k < PLACES; k++)
            write_code(RAM + 64 * k, n);
        blocks_check_page(c, RAM, &d);
        assert_int_equal(d.n, n ? PLACES : 0);
        for (unsigned k = 0; k < PLACES; k++) {
            uint64_t pa = RAM + 64 * k;
            assert_null(block_find(j, pa, 0));
            struct block *b = block_make(c, pa, 0, mem_ptr(memory, pa, 4096 - (pa & 4095), false));
            assert_non_null(b);
            assert_ptr_equal(block_find(j, pa, 0), b);
        }
        assert_int_equal(blocks_change(j, RAM), n > 0);
        if (!n)
            size = j->blocks.n;
        assert_int_equal(j->blocks.n, size);
        assert_int_equal(j->blocks.used, PLACES);
    }
}

static const void *offered(const struct vcpu *c, uint64_t va)
{
    const struct x64_jump_entry *entry = (const struct x64_jump_entry *)c->s.tlb[0] - X64_JUMP_LINES;
    unsigned line = x64_jump_line(va);
    return entry[line].va == va ? entry[line].code : NULL;
}

/* A process that comes to the page for the first time is offered what is there now: all of it, and nothing that was dropped. */
static void a_page_offers_what_it_has(void **state)
{
    enum { PLACES = 20, VA = 0x7000 };
    struct vcpu *c = set->cpu[0];
    for (unsigned n = 0; n < 50; n++) {
        struct dropped d = {0};
        for (unsigned k = n ? n % PLACES : 0; k < PLACES; k++) /* of those after the first some stay */
            write_code(RAM + 64 * k, n);
        blocks_check_page(c, RAM, &d);
        tlb_flush_code(c);
        blocks_announce(c, VA, RAM, 0);
        for (unsigned k = 0; k < PLACES; k++) {
            struct block *b = block_find(set->jit, RAM + 64 * k, 0);
            assert_int_equal(b != NULL, n && k < n % PLACES);
            assert_ptr_equal(offered(c, VA + 64 * k), b ? b->entry : NULL);
            if (!b)
                assert_non_null(block_make(c, RAM + 64 * k, 0, mem_ptr(memory, RAM + 64 * k, 4096 - 64 * k, false)));
        }
    }
    tlb_flush_code(c);
    blocks_announce(c, VA, RAM, CPU_MODE_EL1);
    for (unsigned k = 0; k < PLACES; k++)
        assert_null(offered(c, VA + 64 * k)); /* what was made for another mode */
}

static void note_page(void *ctx, const uint8_t *hva)
{
    unsigned *seen = ctx;
    seen[(hva - (const uint8_t *)mem_ptr(memory, RAM, 1, false)) / 4096]++;
}

/* Each once, however many blocks it has; more than are asked for: none. */
static void pages_with_translations_are_known(void **state)
{
    for (unsigned i = 0; i < 6; i++) {
        uint64_t pa = RAM + i / 2 * 3 * 4096 + i % 2 * 64;
        write_code(pa, i);
        assert_non_null(block_make(set->cpu[0], pa, 0, mem_ptr(memory, pa, 64, false)));
    }
    for (unsigned max = 2; max <= 3; max++) {
        unsigned seen[256] = {0};
        jit_each_page(set->jit, max, note_page, seen);
        for (unsigned i = 0; i < 256; i++)
            assert_int_equal(seen[i], max == 3 && (i == 0 || i == 3 || i == 6));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(code_written_anew_leaves_nothing_in_the_table, make, drop),
        cmocka_unit_test_setup_teardown(a_page_offers_what_it_has, make, drop),
        cmocka_unit_test_setup_teardown(pages_with_translations_are_known, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
