/*
 * mmu_test.c - the walk against a slow reference, on random tables and random registers.
 *
 * The reference is written from the manual's text a second time, in another shape: it works on strings of bits of the
 * address and on a list of levels, keeps every permission as a separate question, and never changes memory.
 * POME_TEST_COUNT: number of translations (default 200000).
 */
#include "cpu/mmu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { RAM_BYTES = 2 << 20 };
#define RAM UINT64_C(0x40000000)

static uint64_t seed = 0x9e3779b97f4a7c15;
static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}
static uint64_t below(uint64_t n)
{
    return random64() % n;
}

/* ---- reference ---- */
struct answer {
    bool ok;
    unsigned fsc;
    uint64_t pa;
    bool sets_af, sets_dirty;
};

static struct answer fault(unsigned type, int level)
{
    return (struct answer){.fsc = type + (unsigned)level};
}

struct question {
    const struct mmu_regime *r;
    uint64_t va;
    enum mmu_access access;
    bool el0, pan;
};

static bool tcr_bit(const struct question *q, unsigned lower, unsigned upper)
{
    return q->r->tcr >> (q->va >> 55 & 1 ? upper : lower) & 1;
}

/* Permission by the tables of D8.4.1, one question at a time. */
static bool permitted(const struct question *q, uint64_t leaf, const uint64_t *tables, unsigned n_tables, bool hpd, bool writable_by_dbm)
{
    bool ap1 = leaf >> 6 & 1, ap2 = leaf >> 7 & 1 && !writable_by_dbm, uxn = leaf >> 54 & 1, pxn = leaf >> 53 & 1;
    for (unsigned i = 0; i < n_tables && !hpd; i++) {
        if (tables[i] >> 61 & 1)
            ap1 = false;
        if (tables[i] >> 62 & 1)
            ap2 = true;
        uxn |= tables[i] >> 60 & 1;
        pxn |= tables[i] >> 59 & 1;
    }
    bool wxn = q->r->sctlr >> 19 & 1;
    if (q->el0) {
        if (q->access == MMU_FETCH)
            return !uxn && !(ap1 && !ap2 && wxn);
        return ap1 && (q->access == MMU_READ || !ap2);
    }
    if (q->access == MMU_FETCH)
        return !pxn && !(ap1 && !ap2) && !(!ap2 && wxn);
    if (q->pan && ap1)
        return false;
    return q->access == MMU_READ || !ap2;
}

static struct answer reference(const struct question *q)
{
    const struct mmu_regime *r = q->r;
    static const unsigned ips_bits[] = {32, 36, 40, 42, 44, 48, 48, 48};
    bool upper = q->va >> 55 & 1;
    unsigned tg = upper ? r->tcr >> 30 & 3 : r->tcr >> 14 & 3, tsz = upper ? r->tcr >> 16 & 63 : r->tcr & 63;
    unsigned page = upper ? (tg == 1 ? 14 : tg == 3 ? 16 : 12) : (tg == 1 ? 16 : tg == 2 ? 14 : 12);
    unsigned oa = ips_bits[r->tcr >> 32 & 7];
    if (oa > r->pa_bits)
        oa = r->pa_bits;
    tsz = tsz < 16 ? 16 : tsz > 39 ? 39 : tsz;
    int top = tcr_bit(q, 37, 38) ? 55 : 63;
    for (int i = top; i >= (int)(64 - tsz); i--)
        if ((q->va >> i & 1) != upper)
            return fault(0x04, 0);
    if (tcr_bit(q, 7, 23) || (q->el0 && tcr_bit(q, 55, 56)))
        return fault(0x04, 0);
    /* split the input address from the page offset upwards */
    unsigned lsb[4] = {0}, n = 0, bits = 64 - tsz, at = page;
    while (at < bits) {
        lsb[n++] = at;
        at += page - 3;
    }
    uint64_t tables[4], base = (upper ? r->ttbr1 : r->ttbr0) & 0xffffffffffff;
    unsigned n_tables = 0;
    for (int i = (int)n - 1; i >= 0; i--) {
        int level = 3 - i;
        unsigned width = i == (int)n - 1 ? bits - lsb[i] : page - 3;
        uint64_t size = UINT64_C(8) << width;
        if (i == (int)n - 1)
            base -= base % (size < 64 ? 64 : size);
        if (base >> oa)
            return fault(0x00, i == (int)n - 1 ? 0 : level - 1);
        uint64_t index = (q->va >> lsb[i]) % (UINT64_C(1) << width), d;
        if (!mem_read(r->mem, base + index * 8, &d, 8))
            return fault(0x14, level);
        if (!(d & 1))
            return fault(0x04, level);
        if (level < 3 && (d & 2)) {
            tables[n_tables++] = d;
            base = d & 0xffffffffffff;
            base -= base % (UINT64_C(1) << page);
            continue;
        }
        if (level == 3 ? !(d & 2) : (level == 0 || (level == 1 && page != 12)))
            return fault(0x04, level);
        uint64_t out = d & 0xffffffffffff;
        out -= out % (UINT64_C(1) << lsb[i]);
        if (out >> oa)
            return fault(0x00, level);
        struct answer a = {.ok = true, .pa = out + q->va % (UINT64_C(1) << lsb[i])};
        bool ha = r->tcr >> 39 & 1, hd = ha && (r->tcr >> 40 & 1), dbm = hd && (d >> 51 & 1) && (d >> 7 & 1);
        if (!(d >> 10 & 1)) {
            if (!ha)
                return fault(0x08, level);
            a.sets_af = true;
        }
        if (!permitted(q, d, tables, n_tables, tcr_bit(q, 41, 42), dbm)) {
            struct answer f = fault(0x0c, level);
            f.sets_af = a.sets_af;
            return f;
        }
        a.sets_dirty = dbm && q->access == MMU_WRITE;
        return a;
    }
    return fault(0x04, 0);
}

/* ---- random machines ---- */
static struct mem *memory;

static uint64_t random_descriptor(void)
{
    uint64_t d = random64() & (BIT(5) | BIT(6) | BIT(7) | BIT(11) | BIT(51) | BIT(53) | BIT(54));
    static const uint64_t hierarchical[] = {BIT(59), BIT(60), BIT(61), BIT(62)};
    if (below(4) == 0)
        d |= hierarchical[below(4)];
    if (below(8))
        d |= BIT(10);
    if (below(16))
        d |= 1;
    if (below(4))
        d |= 2;
    if (below(40) == 0)
        d |= BIT(32 + below(16));
    return d | (RAM + (below(RAM_BYTES) & ~UINT64_C(0xfff)));
}

static void random_tables(void)
{
    uint64_t *p = mem_ptr(memory, RAM, RAM_BYTES, true);
    for (size_t i = 0; i < RAM_BYTES / 8; i++)
        p[i] = random_descriptor();
}

static struct mmu_regime random_regime(void)
{
    static const uint8_t lower[] = {0, 0, 1, 2}, upper[] = {2, 2, 1, 3};
    uint64_t tcr = (below(8) ? 16 + below(24) : below(64)) | (below(8) ? 16 + below(24) : below(64)) << 16;
    tcr |= (uint64_t)lower[below(4)] << 14 | (uint64_t)upper[below(4)] << 30 | below(8) << 32;
    tcr |= (random64() & random64() & random64()) & (BIT(7) | BIT(23) | BIT(37) | BIT(38) | BIT(41) | BIT(42) | BIT(55) | BIT(56));
    tcr |= random64() & (BIT(39) | BIT(40));
    return (struct mmu_regime){
        .sctlr = 1 | (below(4) ? 0 : BIT(19)), .tcr = tcr, .ttbr0 = RAM + below(RAM_BYTES), .ttbr1 = RAM + below(RAM_BYTES),
        .mair = random64(), .pa_bits = below(2) ? 40 : 48, .mem = memory,
    };
}

static uint64_t random_va(const struct mmu_regime *r)
{
    bool upper = below(2);
    unsigned tsz = bits_get(r->tcr, upper ? 21 : 5, upper ? 16 : 0);
    uint64_t va = random64();
    if (below(16)) {
        unsigned bits = 64 - (tsz < 16 ? 16 : tsz > 39 ? 39 : tsz);
        va = upper ? va | ~ones(bits) : va & ones(bits);
        if (below(16) == 0)
            va ^= random64() & ~ones(56);
    }
    return va;
}

static void against_reference(void **state)
{
    const char *count = getenv("POME_TEST_COUNT");
    unsigned long n = count ? strtoul(count, NULL, 0) : 200000, good = 0;
    unsigned seen[64] = {0};
    memory = mem_create();
    assert_true(mem_add_ram(memory, RAM, RAM_BYTES, NULL));
    struct mmu_regime r = {0};
    for (unsigned long i = 0; i < n; i++) {
        if (i % 20000 == 0)
            random_tables(); /* the walk sets bits: do not run out of clean ones */
        if (i % 16 == 0)
            r = random_regime();
        struct question q = {&r, random_va(&r), below(3), below(2), below(2)};
        struct answer want = reference(&q);
        struct mmu_leaf leaf = {0};
        struct mmu_fault f = {0xff};
        bool ok = mmu_translate(&r, q.va, q.access, q.el0, q.pan, &leaf, &f);
        if (ok != want.ok || (ok ? leaf.pa != want.pa : f.fsc != want.fsc))
            fail_msg("%lu: va %#llx tcr %#llx access %d el0 %d pan %d: found %d fsc %#x pa %#llx, needed %d fsc %#x pa %#llx", i,
                     (unsigned long long)q.va, (unsigned long long)r.tcr, (int)q.access, q.el0, q.pan, ok, f.fsc,
                     (unsigned long long)leaf.pa, want.ok, want.fsc, (unsigned long long)want.pa);
        if (ok) {
            uint64_t d;
            mem_read(memory, leaf.descriptor_gpa, &d, 8);
            assert_true(d == leaf.descriptor);
            assert_true(d & BIT(10));
            if (want.sets_dirty)
                assert_false(d & BIT(7));
            assert_true(mmu_allows(leaf.prot, q.access, q.el0, q.pan));
            good++;
        } else {
            seen[f.fsc]++;
        }
    }
    /* the test must meet every kind of end */
    assert_true(good > n / 50);
    static const uint8_t kinds[] = {0x00, 0x01, 0x03, 0x04, 0x05, 0x06, 0x07, 0x09, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (!seen[kinds[i]])
            fail_msg("no fault %#x in %lu translations", kinds[i], n);
    mem_destroy(memory);
}

static void flat(void **state)
{
    struct mmu_regime r = {.pa_bits = 40};
    struct mmu_leaf leaf;
    struct mmu_fault f;
    assert_true(mmu_translate(&r, 0x12345678, MMU_WRITE, false, false, &leaf, &f));
    assert_true(leaf.pa == 0x12345678 && leaf.prot & MMU_DEVICE);
    assert_false(mmu_translate(&r, UINT64_C(1) << 40, MMU_READ, false, false, &leaf, &f));
    assert_int_equal(f.fsc, FSC_ADDRESS_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_reference), cmocka_unit_test(flat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
