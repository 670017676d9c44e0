/* saved_test.c - a vCPU's saved state: random states survive, truncated ones are refused, hostile ones do no harm. */
#include "cpu/vcpu.h"
#include "fp/fp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static uint64_t icc_read(void *ctx, unsigned cpu, enum icc_reg reg) { return 7; }
static void icc_write(void *ctx, unsigned cpu, enum icc_reg reg, uint64_t v) {}
static void ppi_set(void *ctx, unsigned cpu, unsigned intid, bool level) {}

static struct cpu_set *set;
static struct mem *memory;

static void make(enum cpu_model model)
{
    static const struct cpu_board board = {.icc_read = icc_read, .icc_write = icc_write, .ppi_set = ppi_set};
    struct pome_error err;
    memory = mem_create();
    assert_true(mem_add_ram(memory, 0x40000000, 1 << 20, NULL));
    set = cpu_set_create(&(struct cpu_options){.n_cpus = 2, .model = model, .mem = memory, .board = &board, .code_bytes = 1 << 20}, &err);
    if (!set)
        fail_msg("%s", err.message);
}

static void drop(void)
{
    cpu_set_destroy(set);
    mem_destroy(memory);
}

static uint64_t random64(void)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* As a guest could have made it. */
static void make_random(struct vcpu *c)
{
    for (unsigned i = 0; i < 31; i++)
        c->s.x[i] = random64();
    for (unsigned i = 0; i < 32; i++)
        c->s.v[i] = (union ir_value){.u64 = random64()};
    c->s.pc = random64() & ~UINT64_C(3);
    c->s.fpcr = (uint32_t)random64() & FPCR_MASK;
    c->s.flags = ir_flags_from_nzcv((uint32_t)random64());
    c->s.daif = random64() & PSTATE_DAIF;
    c->s.tpidr_el0 = random64();
    c->el = random64() & 1;
    c->spsel = random64() & 1;
    c->pan = random64() & 1;
    c->btype = random64() & 3;
    c->s.sp = random64();
    c->s.sp_el[0] = random64();
    c->wait = random64() % WAIT_KINDS;
    c->kicked = random64() & 1;
    c->pac_diversifier = random64();
    c->pac_diversified = random64() & 3;
    c->wait_until = random64();
    atomic_store(&c->event, random64() & 1);
    atomic_store(&c->power, CPU_ON);
    for (unsigned r = 0; r < SR_COUNT; r++)
        if (sysreg_storage(r) == SYSREG_STORAGE)
            sysreg_load(c, r, random64());
    c->timer.level[0] = random64() & 1;
}

static void states_survive(void **state)
{
    struct pome_error err;
    for (enum cpu_model m = 0; m < CPU_MODEL_COUNT; m++) {
        make(m);
        for (unsigned i = 0; i < 200; i++) {
            struct records a = {0}, b = {0};
            make_random(set->cpu[1]);
            cpu_save(set, 1, &a);
            vcpu_reset(set->cpu[1]);
            if (!cpu_load(set, 1, a.bytes, a.n, &err))
                fail_msg("%s", err.message);
            cpu_save(set, 1, &b);
            assert_int_equal(a.n, b.n);
            assert_memory_equal(a.bytes, b.bytes, a.n);
            records_free(&a);
            records_free(&b);
        }
        drop();
    }
}

static void truncated_states_are_refused(void **state)
{
    struct records a = {0};
    make(CPU_MODEL_DEFAULT);
    make_random(set->cpu[0]);
    cpu_save(set, 0, &a);
    for (size_t n = 0; n < a.n; n++)
        assert_false(cpu_load(set, 0, a.bytes, n, NULL));
    assert_true(cpu_load(set, 0, a.bytes, a.n, NULL));
    records_free(&a);
    drop();
}

/* What a damaged state becomes is a state that a guest could be in: it is taken again unchanged. */
static void hostile_states_do_no_harm(void **state)
{
    struct records a = {0};
    unsigned taken = 0;
    make(CPU_MODEL_APPLE);
    make_random(set->cpu[0]);
    cpu_save(set, 0, &a);
    uint8_t *copy = malloc(a.n);
    for (unsigned i = 0; i < 20000; i++) {
        struct records b = {0}, c = {0};
        memcpy(copy, a.bytes, a.n);
        for (unsigned k = random64() % 8; k < 8; k++)
            copy[random64() % a.n] = (uint8_t)random64();
        if (cpu_load(set, 0, copy, a.n, NULL)) {
            taken++;
            cpu_save(set, 0, &b);
            assert_true(cpu_load(set, 0, b.bytes, b.n, NULL));
            cpu_save(set, 0, &c);
            assert_memory_equal(b.bytes, c.bytes, b.n);
            assert_true(set->cpu[0]->el <= 1 && set->cpu[0]->wait < WAIT_KINDS);
        }
        records_free(&b);
        records_free(&c);
    }
    assert_true(taken > 1000 && taken < 19000);
    free(copy);
    records_free(&a);
    drop();
}

static void another_model_is_refused(void **state)
{
    struct records a = {0};
    struct pome_error err;
    make(CPU_MODEL_APPLE);
    cpu_save(set, 0, &a);
    drop();
    make(CPU_MODEL_DEFAULT);
    assert_false(cpu_load(set, 0, a.bytes, a.n, &err));
    assert_int_equal(err.code, POME_ERROR_RESTORE);
    assert_non_null(strstr(err.message, "saved 0x"));
    records_free(&a);
    drop();
}

static void the_counter_goes_on_where_it_was(void **state)
{
    make(CPU_MODEL_DEFAULT);
    cpu_set_pause(set);
    cpu_set_load_counter(set, 123456789012);
    assert_int_equal(cpu_set_save_counter(set), 123456789012);
    cpu_set_resume(set);
    uint64_t now = counter_now(set); /* 1 GHz */
    assert_true(now >= 123456789012 && now < 123456789012 + UINT64_C(60000000000));
    drop();
}

static void note_page(void *ctx, const uint8_t *hva)
{
    bool *seen = ctx;
    uint64_t at = (uint64_t)(hva - (const uint8_t *)mem_ptr(memory, 0x40000000, 1, false));
    assert_true(at < 1 << 20);
    seen[at >> 12] = true;
}

/* Pages that a vCPU read, wrote and ran are known, of others nothing is said. */
static void recent_pages_are_known(void **state)
{
    bool seen[256] = {false};
    struct mmu_fault fault;
    make(CPU_MODEL_DEFAULT);
    cpu_recent_pages(set, 0, note_page, seen);
    for (unsigned i = 0; i < 256; i++)
        assert_false(seen[i]);
    struct vcpu *c = set->cpu[0];
    assert_non_null(tlb_lookup(c, 0x40003000, TLB_READ, false, &fault));
    assert_non_null(tlb_lookup(c, 0x40007ff8, TLB_WRITE, false, &fault));
    cpu_recent_pages(set, 1, note_page, seen);
    assert_false(seen[3] || seen[7]);
    cpu_recent_pages(set, 0, note_page, seen);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(seen[i], i == 3 || i == 7);
    assert_non_null(tlb_lookup(c, 0x4000b000, TLB_FETCH, false, &fault)); /* has not run yet */
    cpu_recent_pages(set, 0, note_page, seen);
    assert_false(seen[11]);
    memset(seen, 0, sizeof seen);
    cpu_known_pages(set, note_page, seen);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(seen[i], i == 3 || i == 7 || i == 11);
    drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_survive), cmocka_unit_test(truncated_states_are_refused), cmocka_unit_test(hostile_states_do_no_harm),
        cmocka_unit_test(another_model_is_refused), cmocka_unit_test(the_counter_goes_on_where_it_was),
        cmocka_unit_test(recent_pages_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
