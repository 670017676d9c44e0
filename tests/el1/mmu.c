/* mmu.c - translation, permissions, TLB maintenance; code maintenance; exclusives; several vCPUs. */
#include "tests/el1/guest.h"

#define VALID    UINT64_C(1)
#define TABLE    UINT64_C(3)
#define PAGE     UINT64_C(3)
#define DEVICE   (UINT64_C(0) << 2)
#define NORMAL   (UINT64_C(1) << 2)
#define USER     (UINT64_C(1) << 6)
#define READONLY (UINT64_C(1) << 7)
#define SHARED   (UINT64_C(3) << 8)
#define AF       (UINT64_C(1) << 10)
#define NG       (UINT64_C(1) << 11)
#define DBM      (UINT64_C(1) << 51)
#define PXN      (UINT64_C(1) << 53)
#define UXN      (UINT64_C(1) << 54)
#define RAM      (PAGE | NORMAL | SHARED | AF)

/* 39-bit addresses, 4 KiB granule: level 1 is the first */
static uint64_t level1[512] __attribute__((aligned(4096)));
static uint64_t level2[512] __attribute__((aligned(4096)));
static uint64_t level3[512] __attribute__((aligned(4096)));
static uint64_t other_level1[512] __attribute__((aligned(4096)));
static uint64_t other_level2[512] __attribute__((aligned(4096)));
static uint64_t other_level3[512] __attribute__((aligned(4096)));
static uint8_t pages[8][4096] __attribute__((aligned(4096)));

#define TCR_BASE (UINT64_C(25) | 1 << 8 | 1 << 10 | 3 << 12 | UINT64_C(25) << 16 | UINT64_C(2) << 30 | UINT64_C(2) << 32 | UINT64_C(1) << 36)
#define TCR_HA (UINT64_C(1) << 39)
#define TCR_HD (UINT64_C(1) << 40)
#define E0PD0  (UINT64_C(1) << 55)
#define TBI0   (UINT64_C(1) << 37)

void tlbi_all(void)
{
    asm volatile("dsb ishst\n tlbi vmalle1is\n dsb ish\n isb" : : : "memory");
}

static void tlbi_va(uint64_t va)
{
    asm volatile("dsb ishst\n tlbi vaae1is, %0\n dsb ish\n isb" : : "r"(va >> 12) : "memory");
}

uint64_t *pte(uint64_t va)
{
    return &level3[va >> 12 & 511];
}

static void fill(uint64_t *l1, uint64_t *l2, uint64_t *l3)
{
    l1[0] = VALID | DEVICE | AF | PXN | UXN;
    l1[1] = 0x40000000 | VALID | NORMAL | SHARED | AF; /* not for EL0 */
    l1[2] = (uint64_t)l2 | TABLE;
    l1[3] = 0x40000000 | VALID | NORMAL | SHARED | AF | USER; /* the same for EL0, which EL1 must not execute */
    l2[0] = (uint64_t)l3 | TABLE;
}

void mmu_on(void)
{
    fill(level1, level2, level3);
    MSR(mair_el1, 0xff00);
    MSR(tcr_el1, TCR_BASE);
    MSR(ttbr0_el1, (uint64_t)level1);
    MSR(ttbr1_el1, (uint64_t)level1);
    tlbi_all();
    MSR(sctlr_el1, MRS(sctlr_el1) | 1 | 4 | 1 << 12 | 1 << 23);
    el0_alias = 0x80000000;
}

static bool load(uint64_t va, uint64_t *v)
{
    unsigned n = trap.n;
    uint64_t x = 0;
    asm volatile("ldr %0, [%1]" : "+r"(x) : "r"(va) : "memory");
    *v = x;
    return trap.n == n;
}

static bool store(uint64_t va, uint64_t v)
{
    unsigned n = trap.n;
    asm volatile("str %0, [%1]" : : "r"(v), "r"(va) : "memory");
    return trap.n == n;
}

static uint64_t page(unsigned i)
{
    return (uint64_t)pages[i];
}

static void set(uint64_t va, uint64_t descriptor)
{
    *pte(va) = descriptor;
    tlbi_va(va);
}

#define FAULT(fsc) CHECK_EQ(trap.esr & ~UINT64_C(0x40), (uint64_t)0x25 << 26 | 1 << 25 | (fsc))

static void el0_load(uint64_t va) { done(*(volatile uint64_t *)va); }
static void permissions(void)
{
    uint64_t va = WINDOW + 0x3000, v;
    set(va, page(0) | RAM);
    *(uint64_t *)page(0) = 1111;
    CHECK(load(va, &v));
    CHECK_EQ(v, 1111);
    CHECK(store(va, 2222));
    CHECK_EQ(*(volatile uint64_t *)page(0), 2222);
    set(va, page(0) | RAM | READONLY);
    CHECK(load(va, &v));
    CHECK(!store(va, 1));
    FAULT(0x0f);
    CHECK_EQ(ISS & 0x40, 0x40);
    CHECK_EQ(trap.far, va);
    set(va, 0);
    CHECK(!load(va, &v));
    FAULT(0x07);
    CHECK(!load(WINDOW + 0x200000, &v));
    FAULT(0x06);
    CHECK(!load(UINT64_C(0x100000000), &v));
    FAULT(0x05);
    CHECK(!load(UINT64_C(1) << 40, &v));
    FAULT(0x04);
    /* address size: output above IPS (40 bits) */
    set(va, UINT64_C(1) << 44 | RAM);
    CHECK(!load(va, &v));
    FAULT(0x03);
    /* access flag: fault, then hardware */
    set(va, (page(0) | RAM) & ~AF);
    CHECK(!load(va, &v));
    FAULT(0x0b);
    MSR(tcr_el1, TCR_BASE | TCR_HA);
    CHECK(load(va, &v));
    CHECK_EQ(*pte(va) & AF, AF);
    /* dirty state by hardware */
    set(va, page(0) | RAM | READONLY | DBM);
    CHECK(!store(va, 5));
    FAULT(0x0f);
    MSR(tcr_el1, TCR_BASE | TCR_HA | TCR_HD);
    CHECK(load(va, &v));
    CHECK_EQ(*pte(va) & READONLY, READONLY);
    CHECK(store(va, 6));
    CHECK_EQ(*pte(va) & READONLY, 0);
    MSR(tcr_el1, TCR_BASE);
    /* crossing into a page that is not there: nothing is written */
    set(va, page(0) | RAM);
    set(va + 4096, 0);
    *(uint64_t *)(page(0) + 4088) = 0x55;
    CHECK(!store(va + 4092, ~UINT64_C(0)));
    CHECK_EQ(trap.far, va + 4096);
    CHECK_EQ(*(volatile uint64_t *)(page(0) + 4088), 0x55);
    set(va + 4096, page(3) | RAM);
    CHECK(store(va + 4092, UINT64_C(0x1122334455667788)));
    CHECK_EQ(*(volatile uint32_t *)page(3), 0x11223344);
    CHECK(load(va + 4092, &v));
    CHECK_EQ(v, UINT64_C(0x1122334455667788));
}

static void privileges(void)
{
    uint64_t va = WINDOW + 0x5000, v;
    set(va, page(1) | RAM | PXN | UXN);
    *(uint64_t *)page(1) = 77;
    el0(el0_load, va);
    CHECK_EQ(trap.esr, (uint64_t)0x24 << 26 | 1 << 25 | 0x0f);
    CHECK_EQ(trap.vector, 0x400);
    set(va, page(1) | RAM | USER | PXN | UXN);
    el0(el0_load, va);
    CHECK_EQ(el0_result, 77);
    /* PAN: EL1 may not; LDTR may */
    CHECK(load(va, &v));
    asm volatile("msr pan, #1");
    CHECK(!load(va, &v));
    FAULT(0x0f);
    asm volatile("ldtr %0, [%1]" : "=r"(v) : "r"(va) : "memory");
    CHECK_EQ(v, 77);
    asm volatile("msr pan, #0");
    CHECK(load(va, &v));
    RAISES("ldtr %0, [%1]" : "=r"(v) : "r"(WINDOW + 0x3000) : "memory"); /* not for EL0 */
    FAULT(0x0f);
    /* SCTLR.SPAN 0: PAN is set on exceptions */
    MSR(sctlr_el1, MRS(sctlr_el1) & ~(UINT64_C(1) << 23));
    asm volatile("svc #0\n");
    CHECK_EQ(trap.spsr >> 22 & 1, 0);
    MSR(sctlr_el1, MRS(sctlr_el1) | 1 << 23);
    /* E0PD: EL0 has no lower half */
    MSR(tcr_el1, TCR_BASE | E0PD0);
    el0(el0_load, va);
    CHECK_EQ(trap.esr, (uint64_t)0x20 << 26 | 1 << 25 | 0x04); /* already its first instruction */
    MSR(tcr_el1, TCR_BASE | TBI0);
    CHECK(load(va | UINT64_C(0xab) << 56, &v));
    CHECK_EQ(v, 77);
    MSR(tcr_el1, TCR_BASE);
    CHECK(!load(va | UINT64_C(0xab) << 56, &v));
    FAULT(0x04);
    /* AT */
    asm volatile("at s1e1r, %0\n isb" : : "r"(va + 0x123) : "memory");
    CHECK_EQ(MRS(par_el1) & UINT64_C(0xfffffffff001), page(1));
    asm volatile("at s1e0w, %0\n isb" : : "r"(WINDOW + 0x3000) : "memory");
    CHECK_EQ(MRS(par_el1) & 0x7f, 0x0f << 1 | 1);
}

static uint64_t call(uint64_t va)
{
    uint64_t v;
    asm volatile("mov x0, #0\n blr %1\n mov %0, x0" : "=r"(v) : "r"(va) : "x0", "x30", "memory");
    return v;
}

#define MOV_RET(n) (UINT64_C(0xd65f03c0) << 32 | 0xd2800000 | (n) << 5) /* mov x0, #n; ret */

static void execution(void)
{
    uint64_t va = WINDOW + 0x9000;
    *(uint64_t *)page(4) = MOV_RET(42);
    set(va, page(4) | RAM);
    asm volatile("dsb ish\n ic iallu\n dsb ish\n isb");
    CHECK_EQ(call(va), 42);
    set(va, page(4) | RAM | PXN);
    CHECK_EQ(call(va), 0);
    CHECK_EQ(trap.esr, (uint64_t)0x21 << 26 | 1 << 25 | 0x0f);
    CHECK_EQ(trap.far, va);
    CHECK_EQ(trap.elr, va);
    set(va, page(4) | RAM | USER); /* writable by EL0: not for EL1 */
    CHECK_EQ(call(va), 0);
    set(va, 0);
    CHECK_EQ(call(va), 0);
    CHECK_EQ(ISS, 0x07);
    set(va, page(4) | RAM | READONLY);
    CHECK_EQ(call(va), 42);
    /* the same address, another page */
    *(uint64_t *)page(5) = MOV_RET(43);
    set(va, page(5) | RAM | READONLY);
    CHECK_EQ(call(va), 43);
}

static void address_spaces(void)
{
    uint64_t va = WINDOW + 0x11000, v;
    fill(other_level1, other_level2, other_level3);
    *(uint64_t *)page(6) = 600;
    *(uint64_t *)page(7) = 700;
    level3[va >> 12 & 511] = page(6) | RAM | NG;
    other_level3[va >> 12 & 511] = page(7) | RAM | NG;
    tlbi_all();
    for (unsigned i = 0; i < 100; i++) {
        MSR(ttbr0_el1, (uint64_t)level1 | UINT64_C(1) << 48);
        CHECK(load(va, &v));
        CHECK_EQ(v, 600);
        MSR(ttbr0_el1, (uint64_t)other_level1 | UINT64_C(2) << 48);
        CHECK(load(va, &v));
        CHECK_EQ(v, 700);
    }
    /* TLBI ASID and by address with another ASID's tables current */
    level3[va >> 12 & 511] = page(7) | RAM | NG;
    asm volatile("dsb ishst\n tlbi aside1is, %0\n dsb ish\n isb" : : "r"(UINT64_C(1) << 48) : "memory");
    MSR(ttbr0_el1, (uint64_t)level1 | UINT64_C(1) << 48);
    CHECK(load(va, &v));
    CHECK_EQ(v, 700);
    level3[va >> 12 & 511] = page(6) | RAM | NG;
    MSR(ttbr0_el1, (uint64_t)other_level1 | UINT64_C(2) << 48);
    asm volatile("dsb ishst\n tlbi vae1is, %0\n dsb ish\n isb" : : "r"(UINT64_C(1) << 48 | va >> 12) : "memory");
    MSR(ttbr0_el1, (uint64_t)level1 | UINT64_C(1) << 48);
    CHECK(load(va, &v));
    CHECK_EQ(v, 600);
    /* range: 4 pages from va - 4096: TG 1, NUM 1, SCALE 0 */
    level3[va >> 12 & 511] = page(7) | RAM | NG;
    uint64_t range = UINT64_C(1) << 48 | UINT64_C(1) << 46 | UINT64_C(1) << 39 | (va - 4096) >> 12;
    asm volatile("dsb ishst\n .arch armv8.4-a\n tlbi rvae1is, %0\n dsb ish\n isb" : : "r"(range) : "memory");
    CHECK(load(va, &v));
    CHECK_EQ(v, 700);
    MSR(ttbr0_el1, (uint64_t)level1);
    /* a block becomes a table: one TLBI of one address takes all of it */
    level2[1] = (page(0) & ~UINT64_C(0x1fffff)) | VALID | NORMAL | SHARED | AF;
    tlbi_all();
    CHECK(load(WINDOW + 0x200000, &v));
    CHECK(load(WINDOW + 0x3ff000, &v));
    level2[1] = 0;
    tlbi_va(WINDOW + 0x234000);
    CHECK(!load(WINDOW + 0x200000, &v));
    CHECK(!load(WINDOW + 0x3ff000, &v));
}

void test_mmu(void)
{
    mmu_on();
    permissions();
    privileges();
    execution();
    address_spaces();
}

/* ---- changing code ---- */

void test_code(void)
{
    uint64_t va = page(2);
    volatile uint64_t *code = (volatile uint64_t *)va;
    for (unsigned i = 0; i < 200; i++) {
        *code = MOV_RET(i);
        asm volatile("dsb ish\n ic ivau, %0\n dsb ish\n isb" : : "r"(va) : "memory");
        CHECK_EQ(call(va), i);
        CHECK_EQ(call(va), i);
    }
    /* the same instructions again: still right */
    *code = MOV_RET(199);
    asm volatile("dsb ish\n ic ivau, %0\n dsb ish\n isb" : : "r"(va) : "memory");
    CHECK_EQ(call(va), 199);
    /* code that changes the instruction behind it in its own page */
    static const uint32_t self[] = {
        0x10000083, /* adr x3, +16 */
        0xb9000061, /* str w1, [x3] */
        0xd50b7523, /* ic ivau, x3 */
        0xd5033b9f, /* dsb ish */
        0xd503201f, /* nop: replaced */
        0xd65f03c0, /* ret */
    };
    for (unsigned i = 0; i < sizeof self / 4; i++)
        ((volatile uint32_t *)va)[i] = self[i];
    asm volatile("dsb ish\n ic ivau, %0\n dsb ish\n isb" : : "r"(va) : "memory");
    for (unsigned i = 1; i < 50; i++) {
        uint64_t v;
        asm volatile("mov x0, #0\n mov x1, %1\n blr %2\n mov %0, x0" : "=r"(v) : "r"(UINT64_C(0xd2800000) | i << 5), "r"(va)
                     : "x0", "x1", "x3", "x30", "memory");
        CHECK_EQ(v, i);
    }
}

/* ---- self-hosted debug; EL0 code is reached through its alias ---- */

static void el0_sum(uint64_t n)
{
    asm volatile("mov x1, #0\n 1: add x1, x1, x0\n subs x0, x0, #1\n b.ne 1b\n mov x0, x1\n svc #0xff" : : : "x0", "x1", "cc");
}

void test_debug(void)
{
    uint64_t va = WINDOW + 0x5000, code = (uint64_t)el0_sum + el0_alias;
    set(va, page(1) | RAM | USER | PXN | UXN);
    *(uint64_t *)page(1) = 77;
    asm volatile("msr oslar_el1, xzr\n isb");

    el0(el0_sum, 10);
    CHECK_EQ(el0_result, 55);
    steps = 0;
    MSR(mdscr_el1, 1);
    el0(el0_sum, 10);
    MSR(mdscr_el1, 0);
    CHECK_EQ(el0_result, 55);
    CHECK_EQ(trap.esr & 0xffff, 0xff);
    CHECK_EQ(trap.spsr >> 21 & 1, 0);
    CHECK_EQ(steps, 1 + 1 + 30 + 1); /* before the first, after each before the SVC */

    MSR(mdscr_el1, 1 << 15);
    MSR(dbgbvr0_el1, code + 4);
    MSR(dbgbcr0_el1, 0xf << 5 | 2 << 1 | 1);
    el0(el0_sum, 3);
    CHECK_EQ(trap.esr, (uint64_t)0x30 << 26 | 1 << 25 | 0x22);
    CHECK_EQ(trap.elr, code + 4);
    CHECK_EQ(trap.vector, 0x400);
    MSR(dbgbcr0_el1, 0);

    MSR(dbgwvr1_el1, va);
    MSR(dbgwcr1_el1, 0xff << 5 | 1 << 3 | 2 << 1 | 1); /* loads by EL0 */
    el0(el0_load, va);
    CHECK_EQ(trap.esr, (uint64_t)0x34 << 26 | 1 << 25 | 0x22);
    CHECK_EQ(trap.far, va);
    el0(el0_load, va + 8);
    CHECK_EQ(trap.esr & 0xffff, 0xff);
    MSR(dbgwcr1_el1, 0xff << 5 | 2 << 3 | 2 << 1 | 1); /* stores: not this one */
    el0(el0_load, va);
    CHECK_EQ(el0_result, 77);
    MSR(dbgwcr1_el1, 0);
    MSR(mdscr_el1, 0);
}

/* ---- exclusives ---- */

static unsigned stxr_after(uint64_t *p, const unsigned what)
{
    unsigned lost;
    uint64_t v;
    switch (what) {
    case 0: asm volatile("ldxr %1, [%2]\n add %1, %1, #1\n stxr %w0, %1, [%2]" : "=&r"(lost), "=&r"(v) : "r"(p) : "memory"); break;
    case 1: asm volatile("ldxr %1, [%2]\n clrex\n stxr %w0, %1, [%2]" : "=&r"(lost), "=&r"(v) : "r"(p) : "memory"); break;
    case 2: asm volatile("ldxr %1, [%2]\n svc #0\n stxr %w0, %1, [%2]" : "=&r"(lost), "=&r"(v) : "r"(p) : "memory"); break;
    case 3: asm volatile("ldxr %1, [%2]\n str xzr, [%2]\n stxr %w0, %1, [%2]" : "=&r"(lost), "=&r"(v) : "r"(p) : "memory"); break;
    case 4: asm volatile("ldxr %1, [%2]\n stxr %w0, %1, [%2, #0]\n stxr %w0, %1, [%2]" : "=&r"(lost), "=&r"(v) : "r"(p) : "memory"); break;
    default: asm volatile("ldxr %1, [%2]\n add x9, %2, #8\n stxr %w0, %1, [x9]" : "=&r"(lost), "=&r"(v) : "r"(p) : "x9", "memory"); break;
    }
    return lost;
}

void test_exclusives(void)
{
    static uint64_t data[4] __attribute__((aligned(16))) = {10, 20};
    CHECK_EQ(stxr_after(data, 0), 0);
    CHECK_EQ(data[0], 11);
    for (unsigned i = 1; i < 6; i++) {
        data[0] = 5;
        CHECK_EQ(stxr_after(data, i), 1);
    }
    uint64_t a, b;
    unsigned lost;
    data[0] = 1;
    data[1] = 2;
    asm volatile("ldxp %0, %1, [%3]\n stxp %w2, %1, %0, [%3]" : "=&r"(a), "=&r"(b), "=&r"(lost) : "r"(data) : "memory");
    CHECK_EQ(lost, 0);
    CHECK_EQ(data[0], 2);
    CHECK_EQ(data[1], 1);
    RAISES("ldxr %0, [%1]" : "=r"(a) : "r"((char *)data + 4) : "memory"); /* not aligned */
    CHECK_EQ(ISS, 0x21);
}

/* ---- several vCPUs ---- */

void secondary_start(void);
static volatile uint64_t ready, go, finished, counter, llsc_counter, msg, flag, x, y, r[2], stop_looking, seen;

static void add_exclusive(volatile uint64_t *p)
{
    unsigned lost;
    uint64_t v;
    asm volatile("1: ldaxr %1, [%2]\n add %1, %1, #1\n stlxr %w0, %1, [%2]\n cbnz %w0, 1b" : "=&r"(lost), "=&r"(v) : "r"(p) : "memory");
}

static void add_atomic(volatile uint64_t *p)
{
    asm volatile(".arch armv8.1-a\n ldaddal %0, xzr, [%1]" : : "r"(UINT64_C(1)), "r"(p) : "memory");
}

enum { ROUNDS = 2000, LITMUS = 300 };

static void barrier(uint64_t n)
{
    static volatile uint64_t arrived;
    add_atomic(&arrived);
    while (arrived < n)
        asm volatile("yield");
}

static uint64_t next_barrier[2];

/* Two vCPUs: message passing with release and acquire, store buffering with DMB and with STLR/LDAR */
static void litmus(unsigned me)
{
    for (uint64_t i = 1; i <= LITMUS; i++) {
        barrier(next_barrier[me] += 2);
        if (me == 0) {
            msg = i;
            asm volatile("stlr %0, [%1]" : : "r"(i), "r"(&flag) : "memory");
        } else {
            uint64_t f;
            do
                asm volatile("ldar %0, [%1]" : "=r"(f) : "r"(&flag) : "memory");
            while (f != i);
            CHECK_EQ(msg, i);
        }
        barrier(next_barrier[me] += 2);
        volatile uint64_t *mine = me ? &y : &x, *other = me ? &x : &y;
        uint64_t v;
        if (i & 1)
            asm volatile("str %1, [%2]\n dmb ish\n ldr %0, [%3]" : "=&r"(v) : "r"(i), "r"(mine), "r"(other) : "memory");
        else
            asm volatile("stlr %1, [%2]\n ldar %0, [%3]" : "=&r"(v) : "r"(i), "r"(mine), "r"(other) : "memory");
        r[me] = v;
        barrier(next_barrier[me] += 2);
        if (me == 0)
            CHECK(r[0] == i || r[1] == i);
    }
}

void guest_secondary(uint64_t me);
void guest_secondary(uint64_t me)
{
    mmu_on();
    add_atomic(&ready);
    while (!go)
        asm volatile("wfe");
    for (unsigned i = 0; i < ROUNDS; i++) {
        add_atomic(&counter);
        add_exclusive(&llsc_counter);
    }
    if (me == 1) {
        litmus(1);
        /* look at a page that the first vCPU moves */
        while (!stop_looking)
            seen = *(volatile uint64_t *)(WINDOW + 0x20000);
    }
    add_atomic(&finished);
    psci(0x84000002, 0, 0, 0); /* CPU_OFF */
    fail("CPU_OFF returned", __LINE__, 0, 0);
}

void test_smp(void)
{
    uint64_t n = 1;
    set(WINDOW + 0x20000, page(0) | RAM);
    *(uint64_t *)page(0) = 1;
    *(uint64_t *)page(1) = 2;
    while (n < 8 && psci(0xc4000003, n, (uint64_t)secondary_start, n) == 0)
        n++;
    while (ready < n - 1)
        asm volatile("yield");
    go = 1;
    asm volatile("dsb ish\n sev");
    for (unsigned i = 0; i < ROUNDS; i++) {
        add_atomic(&counter);
        add_exclusive(&llsc_counter);
    }
    if (n > 1) {
        litmus(0);
        /* After TLBI and DSB nobody sees the old page */
        for (unsigned i = 0; i < 100; i++) {
            *pte(WINDOW + 0x20000) = 0;
            *pte(WINDOW + 0x20000) = page(i & 1) | RAM; /* the same attributes: a plain exchange would do too */
            tlbi_va(WINDOW + 0x20000);
            seen = 99;
            uint64_t v;
            do
                v = seen;
            while (v == 99);
            /* one load may have been under way when seen was cleared */
            seen = 99;
            do
                v = seen;
            while (v == 99);
            CHECK_EQ(v, (i & 1) + 1);
        }
        stop_looking = 1;
    }
    while (finished < n - 1)
        asm volatile("yield");
    CHECK_EQ(counter, n * ROUNDS);
    CHECK_EQ(llsc_counter, n * ROUNDS);
    for (uint64_t i = 1; i < n; i++)
        while (psci(0xc4000004, i, 0, 0) != 1)
            ;
}
