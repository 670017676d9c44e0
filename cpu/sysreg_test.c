/* sysreg_test.c - the table of system registers: encodings, rights at each level, trap syndromes, masks, ID registers. */
#include "cpu/qarma.h"
#include "cpu/vcpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum access { RW0, RO0, R0W1, RW1, RO1, WO1 };
static const struct row {
    const char *name;
    uint32_t enc;
    enum access access;
    uint64_t mask;
    bool plain;
} rows[] = {
#define SYSREG(name, op0, op1, crn, crm, op2, access, check, read, write, reset, mask, section) \
    {#name, SYSREG_ENC(op0, op1, crn, crm, op2), access, mask, #read[0] == 'f' && #read[1] == 'i' && #write[0] == 'f' && #write[1] == 'i'},
#include "cpu/sysregs.inc"
#undef SYSREG
};

static uint64_t icc_read(void *ctx, unsigned cpu, enum icc_reg reg) { return 7; }
static void icc_write(void *ctx, unsigned cpu, enum icc_reg reg, uint64_t v) {}
static void ppi_set(void *ctx, unsigned cpu, unsigned intid, bool level) {}

static struct cpu_set *set;
static struct vcpu *cpu;
static struct mem *memory;

static void make(enum cpu_model model)
{
    static const struct cpu_board board = {.icc_read = icc_read, .icc_write = icc_write, .ppi_set = ppi_set};
    struct pome_error err;
    memory = mem_create();
    assert_true(mem_add_ram(memory, 0x40000000, 1 << 20, NULL));
    set = cpu_set_create(&(struct cpu_options){.n_cpus = 1, .model = model, .mem = memory, .board = &board, .code_bytes = 1 << 20}, &err);
    if (!set)
        fail_msg("%s", err.message);
    cpu = set->cpu[0];
}

static void drop(void)
{
    cpu_set_destroy(set);
    mem_destroy(memory);
}

static void go_el0(void)
{
    pstate_set_sp(cpu, 0, 0);
    vcpu_update_mode(cpu);
}

static void go_el1(void)
{
    pstate_set_sp(cpu, 1, 1);
    cpu->s.raised = 0;
    vcpu_update_mode(cpu);
}

static void encodings_are_unique(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t j = i + 1; j < ARRAY_SIZE(rows); j++)
            if (rows[i].enc == rows[j].enc)
                fail_msg("%s and %s have the same encoding", rows[i].name, rows[j].name);
}

/* What may be done is done; what may not is UNDEFINED at EL1. */
static void rights_at_el1(void **state)
{
    make(CPU_MODEL_APPLE);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t v;
        bool can_read = rows[i].access != WO1, can_write = rows[i].access != RO0 && rows[i].access != RO1;
        go_el1();
        cpu->sr[SR_CPACR_EL1] = 3 << 20;
        vcpu_update_mode(cpu);
        if (sysreg_read(cpu, rows[i].enc, 3, 0x1000, &v) != can_read)
            fail_msg("%s: read", rows[i].name);
        go_el1();
        if (sysreg_write(cpu, rows[i].enc, 3, 0x1000, 0) != can_write)
            fail_msg("%s: write", rows[i].name);
        if (!can_write)
            assert_true(cpu->s.esr_el1 == BIT(25) && cpu->s.elr_el1 == 0x1000);
    }
    drop();
}

static void rights_at_el0(void **state)
{
    make(CPU_MODEL_APPLE);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t v;
        bool el1_only = rows[i].access == RW1 || rows[i].access == RO1 || rows[i].access == WO1;
        if (!el1_only)
            continue;
        go_el1();
        go_el0();
        assert_false(sysreg_read(cpu, rows[i].enc, 3, 0x1000, &v));
        bool id = rows[i].enc >> 14 == 3 && bits_get(rows[i].enc, 10, 7) == 0 && bits_get(rows[i].enc, 13, 11) != 3;
        if (id) /* FEAT_IDST */
            assert_true(cpu->s.esr_el1 == (UINT64_C(0x18) << 26 | BIT(25) | sysreg_iss(rows[i].enc, 3, true)));
        else if (cpu->s.esr_el1 != BIT(25))
            fail_msg("%s at EL0: esr %#llx", rows[i].name, (unsigned long long)cpu->s.esr_el1);
        go_el1();
        go_el0();
        assert_false(sysreg_write(cpu, rows[i].enc, 3, 0x1000, 0));
        assert_true(cpu->s.esr_el1 == BIT(25));
    }
    drop();
}

static void masks(void **state)
{
    make(CPU_MODEL_APPLE);
    go_el1();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t before, v;
        if (!rows[i].plain)
            continue;
        sysreg_read(cpu, rows[i].enc, 0, 0, &before);
        assert_true(sysreg_write(cpu, rows[i].enc, 0, 0, UINT64_MAX));
        sysreg_read(cpu, rows[i].enc, 0, 0, &v);
        if (v != (before | rows[i].mask))
            fail_msg("%s: %#llx after writing ones", rows[i].name, (unsigned long long)v);
        sysreg_write(cpu, rows[i].enc, 0, 0, 0);
        sysreg_read(cpu, rows[i].enc, 0, 0, &v);
        assert_true(v == (before & ~rows[i].mask));
    }
    drop();
}

static uint64_t get(uint32_t enc)
{
    uint64_t v = 0;
    go_el1();
    assert_true(sysreg_read(cpu, enc, 0, 0, &v));
    return v;
}

/* Facts that guests build on; DDI 0487 D17.2. */
static void identification(void **state)
{
    make(CPU_MODEL_DEFAULT);
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 4, 0)) & 0xffff, 0x0011);  /* EL1, EL0: AArch64; no EL2, EL3 */
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 4, 0)) >> 60, 1);          /* CSV3 */
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 7, 2)) >> 60, 1);          /* E0PD: no KPTI */
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 6, 1)) >> 4 & 0xff, 0);    /* no PAuth */
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 7, 0)) & 15, 2);           /* 40 bits */
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 2, 0)), 0);                /* AArch32 ID registers read as zero */
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 7, 7)), 0);                /* reserved ID space */
    assert_int_equal(get(SYSREG_ENC(3, 3, 0, 0, 1)) >> 28 & 3, 1);      /* IDC, not DIC */
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 0, 5)), BIT(31));          /* MPIDR */
    uint64_t v;
    go_el1();
    assert_false(sysreg_read(cpu, SYSREG_ENC(3, 0, 2, 1, 0), 0, 0, &v)); /* keys: UNDEFINED */
    drop();
    make(CPU_MODEL_APPLE);
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 6, 1)) >> 4 & 15, 4);
    assert_int_equal(get(SYSREG_ENC(3, 0, 0, 4, 1)) & 15, 1); /* BTI */
    drop();
}

/* FPCR: C5.2.8. Len and Stride mean nothing to AArch64, but a context switch finds again what it wrote (XNU's self tests look). */
/* By the counter alone: bit EVNTI rises, or falls. */
static void event_stream(void **state)
{
    static const struct { uint64_t cntkctl, count, next; } t[] = {
        {0x40, 100, UINT64_MAX}, /* EVNTEN is clear */
        {0x04, 6, 7}, {0x04, 7, 9}, {0x0c, 7, 8}, /* bit 0 */
        {0x44, 0, 16}, {0x44, 15, 16}, {0x44, 16, 48}, {0x44, 47, 48}, /* bit 4 rises at 16, 48, ... */
        {0x4c, 0, 32}, {0x4c, 31, 32}, {0x4c, 32, 64}, /* and falls at 32, 64, ... */
        {0x20044, 4095, 4096}, {0x20044, 4096, 12288}, /* EVNTIS: bit 12 */
    };
    for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
        assert_int_equal(event_stream_after(t[i].cntkctl, t[i].count), t[i].next);
}

static void fpcr_keeps_len_and_stride(void **state)
{
    const uint32_t fpcr = SYSREG_ENC(3, 3, 4, 4, 0);
    make(CPU_MODEL_APPLE);
    go_el1();
    assert_true(sysreg_write(cpu, SYSREG_ENC(3, 0, 1, 0, 2), 0, 0, 3 << 20)); /* CPACR_EL1.FPEN */
    const uint32_t translation = cpu->s.mode;
    assert_true(sysreg_write(cpu, fpcr, 0, 0, UINT64_MAX));
    assert_int_equal(get(fpcr), 0x07ff0000);
    assert_true(cpu->s.mode & CPU_MODE_FP_MODES);
    assert_true(sysreg_write(cpu, fpcr, 0, 0, 0x00370000));
    assert_int_equal(get(fpcr), 0x00370000);
    assert_int_equal(cpu->s.mode, translation); /* they change no instruction */
    drop();
}

/* The paper's example, and what else of it is known. */
static void qarma(void **state)
{
    assert_true(qarma5(0xfb623599da6e8127, 0x477d469dec0b8762, 0x84be85ce9804e94b, 0xec2802d4e0a488e9) == 0xc003b93999b33765);
}

static void pointer_authentication(void **state)
{
    make(CPU_MODEL_APPLE);
    cpu->sr[SR_TCR_EL1] = 16 | 16 << 16;
    cpu->sr[SR_SCTLR_EL1] |= SCTLR_ENIA | SCTLR_ENDB;
    cpu->sr[SR_APIAKEYLO_EL1] = 0x1234567890abcdef;
    unsigned changed = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t p = i & 1 ? 0xffff800008000000 + i * 64 : 0x0000aaaa00000000 + i * 64;
        uint64_t s = pauth_sign(cpu, p, i, 0), good = s, bad = s ^ BIT(50);
        changed += s != p;
        assert_true(s == pauth_sign(cpu, p, i, 0)); /* remembered */
        assert_true((s ^ p) == (qarma5(p, i, 0, 0x1234567890abcdef) & 0xff7f000000000000));
        assert_true(pauth_check(cpu, &good, i, 0) && good == p);
        assert_true(pauth_strip(cpu, s, false) == p);
        assert_true(!pauth_check(cpu, &bad, i, 0) && bad == (p ^ BIT(50)));
        assert_true(pauth_sign(cpu, p, i, 1) == p); /* IB is off */
        cpu->sr[SR_APIAKEYHI_EL1] = i + 1; /* another key, another code */
        assert_true(pauth_sign(cpu, p, i, 0) != s);
        cpu->sr[SR_APIAKEYHI_EL1] = 0;
    }
    assert_true(changed > 990);
    /* the tag: kept where it is ignored, part of the code where it is not; TBID is for pointers to code */
    cpu->sr[SR_TCR_EL1] = 16 | 16 << 16 | BIT(37);
    uint64_t p = 0x5a00aaaabbbbcccc;
    assert_true(pauth_sign(cpu, p, 1, 0) >> 56 == 0x5a);
    assert_true(pauth_strip(cpu, p, false) == p);
    cpu->sr[SR_TCR_EL1] |= BIT(51);
    assert_true(pauth_strip(cpu, p, false) == 0xaaaabbbbcccc);
    assert_true(pauth_strip(cpu, p, true) == p);
    drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_are_unique), cmocka_unit_test(rights_at_el1), cmocka_unit_test(rights_at_el0),
        cmocka_unit_test(masks), cmocka_unit_test(identification), cmocka_unit_test(event_stream), cmocka_unit_test(fpcr_keeps_len_and_stride),
        cmocka_unit_test(qarma), cmocka_unit_test(pointer_authentication),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
