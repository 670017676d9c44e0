/*
 * smp.c - all CPUs at once, as the built-in tests of a kernel hammer them: started by PSCI, then interrupts between them, timers as FIQ, a lock
 * whose waiters sleep in WFE, and pages that move under everybody.
 */
#include "tests/apple/guest.h"

enum { ROUNDS = 300, PAGE = 0x4000, SHOOT_PAGE = 1000 };
static uint8_t frame[2][PAGE] __attribute__((aligned(PAGE)));
static volatile uint64_t online, finished, turn_of_page, holder, counter, bad_entry;
static volatile uint64_t acknowledged[CPUS_MAX];

static uint64_t add(volatile uint64_t *p, uint64_t n)
{
    uint64_t old;
    asm volatile(".arch armv8.1-a\n ldaddal %1, %0, [%2]" : "=r"(old) : "r"(n), "r"(p) : "memory");
    return old;
}

/* A lock as XNU's: waiters watch the word with a load-exclusive and sleep in WFE; the event stream or the store wakes them. */
static void lock(void)
{
    uint64_t v, lost;
    asm volatile("sevl\n"
                 "1: wfe\n"
                 "2: ldaxr %0, [%2]\n"
                 "   cbnz %0, 1b\n"
                 "   mov %0, #1\n"
                 "   stxr %w1, %0, [%2]\n"
                 "   cbnz %w1, 2b"
                 : "=&r"(v), "=&r"(lost) : "r"(&holder) : "memory");
}

static void unlock(void)
{
    asm volatile("stlr xzr, [%0]" : : "r"(&holder) : "memory");
}

static void interrupt_others(unsigned sgi)
{
    WRITE_ICC(ICC_SGI1R, UINT64_C(1) << 40 | (uint64_t)sgi << 24);
}

static void interrupt_one(unsigned cpu, unsigned sgi)
{
    WRITE_ICC(ICC_SGI1R, (uint64_t)sgi << 24 | (uint64_t)(cpu / 16) << 44 | 1u << cpu % 16);
}

/* CPU 0 moves a page and asks everybody to look; who has looked says so. Returns the round it looked in last. */
static uint64_t look_when_asked(unsigned cpu, uint64_t looked)
{
    uint64_t round = turn_of_page;
    if (round == looked || round == UINT64_MAX)
        return looked;
    uint64_t v = rd64(WINDOW + SHOOT_PAGE * PAGE);
    if (v != 1000 + (round & 1))
        fail(__FILE_NAME__, __LINE__, "the page after TLBI and DSB", v, 1000 + (round & 1));
    acknowledged[cpu] = round;
    return round;
}

static void hammer(unsigned cpu)
{
    struct witness *s = &witnesses[cpu];
    uint64_t looked = 0;
    s->rearm = 24000 + 700 * cpu; /* about a millisecond */
    timer_in(s->rearm);
    UNMASK(DAIF_I | DAIF_F);
    for (unsigned i = 0; i < ROUNDS; i++) {
        lock();
        uint64_t v = counter;
        for (unsigned k = 0; k < 20; k++)
            asm volatile("nop");
        counter = v + 1;
        unlock();
        if (i % 16 == 0 && n_cpus() > 1)
            interrupt_one((cpu + 1 + i / 16 % (n_cpus() - 1)) % n_cpus(), 1 + i % 7);
        looked = look_when_asked(cpu, looked);
    }
    while (turn_of_page != UINT64_MAX) { /* until CPU 0 is done with its pages */
        looked = look_when_asked(cpu, looked);
        asm volatile("yield");
    }
    while (s->ticks < 3)
        asm volatile("wfi");
    MASK(DAIF_I | DAIF_F);
    s->rearm = 0;
    timer_off();
}

static void move_pages(void)
{
    for (uint64_t round = 1; round <= 60; round++) {
        *window_entry(SHOOT_PAGE) = 0;
        asm volatile(".arch armv8.5-a\n dsb ishst\n tlbi rvaae1is, %0\n dsb ish\n isb"
                     : : "r"(UINT64_C(2) << 46 | (((WINDOW >> 14) + SHOOT_PAGE) & ((UINT64_C(1) << 37) - 1))) : "memory");
        *window_entry(SHOOT_PAGE) = (uint64_t)frame[round & 1] | 3 << 8 | 1 << 10 | 3;
        asm volatile("dsb ishst\n isb" : : : "memory");
        turn_of_page = round;
        for (unsigned cpu = 1; cpu < n_cpus(); cpu++)
            while (acknowledged[cpu] != round)
                asm volatile("yield");
    }
    turn_of_page = UINT64_MAX;
}

void guest_secondary(uint64_t context)
{
    if (MRS(sctlr_el1) & 1 || MRS(daif) != 0x3c0 || MRS(currentel) != 4 || context != 0xc0ffee00 + me() ||
        (MRS(mpidr_el1) & 0xff00ffffff) != me())
        bad_entry = MRS(mpidr_el1);
    gic_start();
    mmu_on();
    add(&online, 1);
    hammer(me());
    add(&finished, 1);
    hvc(0x84000002, 0, 0, 0);
    fail(__FILE_NAME__, __LINE__, "CPU_OFF returned", 0, 0);
}

void test_smp(void)
{
    unsigned n = n_cpus();
    for (unsigned i = 0; i < 2; i++)
        *(uint64_t *)frame[i] = 1000 + i;
    for (unsigned i = 1; i < n; i++)
        CHECK_EQ((uint64_t)hvc(0xc4000003, i, (uint64_t)secondary_start, 0xc0ffee00 + i), 0);
    while (online < n - 1)
        asm volatile("yield");
    CHECK_EQ(bad_entry, 0);
    if (n > 1)
        CHECK_EQ((uint64_t)hvc(0xc400000e, (uint64_t)secondary_start, 0, 0), -(uint64_t)3); /* SYSTEM_SUSPEND: others are on */
    /* everybody else hears an SGI to all, and the last one one of its own */
    interrupt_others(9);
    if (n > 1)
        interrupt_one(n - 1, 10);
    for (unsigned i = 1; i < n; i++)
        while (!witnesses[i].sgi[9])
            asm volatile("yield");
    while (n > 1 && !witnesses[n - 1].sgi[10])
        asm volatile("yield");
    CHECK_EQ(witnesses[0].sgi[9], 0);
    if (n == 1)
        turn_of_page = UINT64_MAX;
    else
        move_pages();
    hammer(0);
    while (finished < n - 1)
        asm volatile("wfe");
    CHECK_EQ(counter, (uint64_t)n * ROUNDS);
    for (unsigned i = 0; i < n; i++)
        CHECK(witnesses[i].n_fiq >= 3);
    for (unsigned i = 1; i < n; i++)
        while (hvc(0xc4000004, i, 0, 0) != 1)
            asm volatile("yield");
}
