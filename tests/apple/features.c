/* features.c - what XNU needs of the CPU: 16 KiB pages, range TLBI, PAN, PAuth, LRCPC2, the event stream. */
#include "tests/apple/guest.h"

/* ---- 16 KiB pages, T0SZ = T1SZ = 17: levels 1 to 3 of 2048 entries ---- */
enum { ENTRIES = 2048, PAGE = 0x4000 };
static uint64_t level1[ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t level2_low[ENTRIES] __attribute__((aligned(PAGE)));  /* physical = virtual */
static uint64_t level2_high[ENTRIES] __attribute__((aligned(PAGE))); /* of TTBR1 */
static uint64_t level3[ENTRIES] __attribute__((aligned(PAGE)));      /* WINDOW: 32 MiB, in both halves */
static uint8_t pages[4][PAGE] __attribute__((aligned(PAGE)));
static uint64_t level1_high[ENTRIES] __attribute__((aligned(PAGE)));

#define HIGH_WINDOW UINT64_C(0xffff800000000000) /* the first 32 MiB of TTBR1's 47 bits */
#define ACCESSED (1 << 10)
#define INNER    (3 << 8)
#define USER     (1 << 6)
#define NORMAL   (ACCESSED | INNER | 0 << 2)
#define DEVICE   (ACCESSED | 1 << 2)

volatile uint64_t *window_entry(unsigned page)
{
    return &level3[page];
}

static void build_tables(void)
{
    const uint64_t block = 32 << 20;
    level1[0] = (uint64_t)level2_low | 3;
    for (unsigned i = 0; i < 64; i++)
        level2_low[i] = i * block | (i * block >= RAM ? NORMAL : DEVICE) | 1;
    level2_low[(WINDOW >> 25) % ENTRIES] = (uint64_t)level3 | 3;
    level1_high[0] = (uint64_t)level2_high | 3;
    level2_high[0] = (uint64_t)level3 | 3;
}

void mmu_on(void)
{
    MSR(mair_el1, 0x00ff); /* 0 normal, 1 device */
    MSR(tcr_el1, 17 | 1 << 8 | 1 << 10 | 3 << 12 | 2 << 14 | UINT64_C(17) << 16 | 1 << 24 | 1 << 26 | 3 << 28 | UINT64_C(1) << 30 | UINT64_C(2) << 32);
    MSR(ttbr0_el1, (uint64_t)level1);
    MSR(ttbr1_el1, (uint64_t)level1_high);
    asm volatile("tlbi vmalle1\n dsb nsh\n isb" : : : "memory");
    MSR(sctlr_el1, MRS(sctlr_el1) | 1 | 1 << 2 | 1 << 12);
}

/* Range operand: ASID, granule 16 KiB, SCALE, NUM, address (C5.5.47). */
static uint64_t range(uint64_t va, unsigned scale, unsigned num)
{
    return UINT64_C(2) << 46 | (uint64_t)scale << 44 | (uint64_t)num << 39 | (va >> 14 & ((UINT64_C(1) << 37) - 1));
}

#define RANGE_FORMS(F) F(rvae1) F(rvaae1) F(rvale1) F(rvaale1) F(rvae1is) F(rvaae1is) F(rvale1is) F(rvaale1is) \
                       F(rvae1os) F(rvaae1os) F(rvale1os) F(rvaale1os)
#define FORM(name) static void name(uint64_t x) { asm volatile(".arch armv8.5-a\n tlbi " #name ", %0\n dsb ish\n isb" : : "r"(x) : "memory"); }
RANGE_FORMS(FORM)

static uint64_t at(uint64_t base, unsigned page) { return rd64(base + (uint64_t)page * PAGE); }

static void range_tlbi(uint64_t base)
{
    static void (*const form[])(uint64_t) = {
#define NAME(name) name,
        RANGE_FORMS(NAME)
    };
    for (unsigned i = 0; i < 4; i++)
        *(uint64_t *)pages[i] = 100 + i;
    for (unsigned f = 0; f < sizeof form / sizeof *form; f++) {
        /* 2 * (NUM + 1) << (5 * SCALE + 1) pages: the first and last page of the range, and what is behind it */
        static const struct { unsigned first, scale, num; } r[] = {{8, 0, 0}, {8, 0, 3}, {64, 1, 0}, {0, 1, 31}};
        for (unsigned k = 0; k < sizeof r / sizeof *r; k++) {
            unsigned first = r[k].first, n = (r[k].num + 1) << (5 * r[k].scale + 1), last = first + n - 1;
            for (unsigned round = 0; round < 2; round++) {
                uint64_t was = 100 + (round ? 1 : 0), now = 100 + (round ? 0 : 1);
                *window_entry(first) = *window_entry(last) = (uint64_t)pages[round] | NORMAL | 3;
                asm volatile("dsb ishst\n tlbi vmalle1is\n dsb ish\n isb" : : : "memory");
                CHECK_EQ(at(base, first), was);
                CHECK_EQ(at(base, last), was);
                *window_entry(first) = *window_entry(last) = (uint64_t)pages[!round] | NORMAL | 3;
                asm volatile("dsb ishst" : : : "memory");
                form[f](range(base + (uint64_t)first * PAGE, r[k].scale, r[k].num));
                CHECK_EQ(at(base, first), now);
                CHECK_EQ(at(base, last), now);
            }
        }
    }
    /* loops of accesses in between: what is outside keeps its translation whatever it costs; the answer is the same */
    *window_entry(0) = (uint64_t)pages[2] | NORMAL | 3;
    *window_entry(500) = (uint64_t)pages[3] | NORMAL | 3;
    asm volatile("dsb ishst\n tlbi vmalle1is\n dsb ish\n isb" : : : "memory");
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(at(base, 0), 102);
        CHECK_EQ(at(base, 500), 103);
        rvae1is(range(base + 8 * PAGE, 0, 0));
    }
}

static void pan(void)
{
    *window_entry(0) = (uint64_t)pages[2] | NORMAL | USER | 3;
    asm volatile("dsb ishst\n tlbi vmalle1is\n dsb ish\n isb" : : : "memory");
    unsigned n = seen.n_sync;
    asm volatile(".arch armv8.5-a\n msr pan, #1");
    (void)*(volatile uint64_t *)WINDOW;
    asm volatile(".arch armv8.5-a\n msr pan, #0");
    CHECK_EQ(seen.n_sync, n + 1);
    CHECK_EQ(seen.esr >> 26, 0x25);
    CHECK_EQ(seen.esr & 0x3f, 0xf); /* permission, level 3 */
    CHECK_EQ(*(volatile uint64_t *)WINDOW, 102);
    CHECK_EQ(seen.n_sync, n + 1);
}

static void lrcpc2(void)
{
    static uint64_t data[3] = {1, 2, 3};
    uint64_t v, s;
    asm volatile(".arch armv8.5-a\n ldapur %0, [%2, #8]\n stlur %0, [%2, #16]\n ldapursb %1, [%2, #16]" : "=&r"(v), "=&r"(s) : "r"(data) : "memory");
    CHECK_EQ(v, 2);
    CHECK_EQ(s, 2);
    CHECK_EQ(data[2], 2);
}

/* WFE with nobody to send an event: ends by the stream, every 32 ticks as XNU sets it. The host may be busy: a good hundred among many will do. */
static void event_stream(void)
{
    unsigned fewest = 100;
    MSR(cntkctl_el1, 0x4f);
    for (unsigned tries = 0; tries < 50 && fewest; tries++) {
        unsigned late = 0;
        for (unsigned i = 0; i < 100; i++) {
            uint64_t start = MRS(cntvct_el0);
            asm volatile("wfe" : : : "memory");
            late += MRS(cntvct_el0) - start > 24 * 60; /* microseconds */
        }
        fewest = late < fewest ? late : fewest;
    }
    CHECK_EQ(fewest, 0);
    MSR(cntkctl_el1, 0xbf); /* bit 11: 170 us */
    uint64_t shortest = UINT64_MAX;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t start = MRS(cntvct_el0);
        asm volatile("wfe" : : : "memory");
        uint64_t took = MRS(cntvct_el0) - start;
        shortest = took < shortest ? took : shortest;
    }
    CHECK(shortest < 240000); /* 10 ms */
    MSR(cntkctl_el1, 0x4f);
}

static void identification(void)
{
    CHECK_EQ(MRS(id_aa64mmfr0_el1) >> 20 & 15, 1);  /* TGran16 */
    CHECK_EQ(MRS(id_aa64isar0_el1) >> 56 & 15, 2);  /* TLBI ranges */
    CHECK_EQ(MRS(id_aa64isar0_el1) >> 20 & 15, 2);  /* LSE */
    CHECK(MRS(id_aa64isar0_el1) >> 12 & 15);        /* SHA2 */
    CHECK_EQ(MRS(id_aa64isar1_el1) >> 20 & 15, 2);  /* LRCPC2 */
    CHECK(MRS(id_aa64isar1_el1) & 0xff0);           /* PAuth */
    CHECK(MRS(id_aa64mmfr1_el1) >> 20 & 15);        /* PAN */
    CHECK_EQ(MRS(id_aa64pfr0_el1) >> 24 & 15, 1);   /* GIC system registers */
    unsigned n = seen.n_sync;
    asm volatile("msr oslar_el1, xzr\n isb");
    CHECK_EQ(seen.n_sync, n);
}

void test_features(void)
{
    identification();
    build_tables();
    mmu_on();
    range_tlbi(WINDOW);
    range_tlbi(HIGH_WINDOW);
    pan();
    lrcpc2();
    event_stream();
}
