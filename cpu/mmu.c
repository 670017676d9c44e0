/*
 * mmu.c - stage-1 walk for EL1&0 (DDI 0487H.a, D8.2 to D8.5): 4, 16 and 64 KiB granules, 48-bit addresses.
 *
 * Features: HAFDBS (access flag and dirty state by hardware), HPDS, PAN, E0PD, CnP, TTL, BBM level 2.
 * Not here: LPA, LVA, E0PD's timing, stage 2, big-endian tables (SCTLR.EE is RES0 since MMFR0.BigEnd is 0).
 */
#include "cpu/mmu.h"
#include <stdatomic.h>

#define SCTLR_M   BIT(0)
#define SCTLR_WXN BIT(19)
#define TCR_HA    BIT(39)
#define TCR_HD    BIT(40)

#define DESC_VALID     BIT(0)
#define DESC_TABLE     BIT(1) /* page at level 3 */
#define DESC_AP1       BIT(6) /* EL0 may access */
#define DESC_AP2       BIT(7) /* read-only */
#define DESC_AF        BIT(10)
#define DESC_NG        BIT(11)
#define DESC_GP        BIT(50)
#define DESC_DBM       BIT(51)
#define DESC_CONTIG    BIT(52)
#define DESC_PXN       BIT(53)
#define DESC_UXN       BIT(54)
#define DESC_PXNTABLE  BIT(59)
#define DESC_UXNTABLE  BIT(60)
#define DESC_APTABLE0  BIT(61) /* no EL0 access below */
#define DESC_APTABLE1  BIT(62) /* read-only below */

/* One half of the address space as TCR_EL1 describes it. */
struct half {
    unsigned granule;  /* log2 */
    unsigned va_bits;
    bool tbi, epd, hpd, e0pd;
    uint64_t ttbr;
};

static unsigned granule_of(uint64_t tcr, bool upper)
{
    static const uint8_t tg0[4] = {12, 16, 14, 12}, tg1[4] = {12, 14, 12, 16};
    return upper ? tg1[bits_get(tcr, 31, 30)] : tg0[bits_get(tcr, 15, 14)];
}

unsigned mmu_granule_bits(uint64_t tcr, uint64_t va)
{
    return granule_of(tcr, va >> 55 & 1);
}

static struct half half_of(const struct mmu_regime *r, bool upper)
{
    uint64_t t = r->tcr;
    unsigned tsz = upper ? bits_get(t, 21, 16) : bits_get(t, 5, 0);
    /* Out of range sizes are CONSTRAINED UNPREDICTABLE: used as the nearest legal one. */
    tsz = MAX(16u, MIN(39u, tsz));
    return (struct half){
        .granule = granule_of(t, upper),
        .va_bits = 64 - tsz,
        .tbi = t >> (upper ? 38 : 37) & 1,
        .epd = t >> (upper ? 23 : 7) & 1,
        .hpd = t >> (upper ? 42 : 41) & 1,
        .e0pd = t >> (upper ? 56 : 55) & 1,
        .ttbr = upper ? r->ttbr1 : r->ttbr0,
    };
}

static unsigned output_bits(const struct mmu_regime *r)
{
    static const uint8_t ips[8] = {32, 36, 40, 42, 44, 48, 48, 48};
    return MIN(ips[bits_get(r->tcr, 34, 32)], r->pa_bits);
}

static bool fail(struct mmu_fault *f, unsigned fsc, unsigned level)
{
    f->fsc = fsc | level;
    return false;
}

bool mmu_allows(uint32_t prot, enum mmu_access access, bool el0, bool pan)
{
    static const uint32_t need[2][3] = {{MMU_R1, MMU_W1, MMU_X1}, {MMU_R0, MMU_W0, MMU_X0}};
    if (pan && !el0 && access != MMU_FETCH && (prot & MMU_USER))
        return false;
    return prot & need[el0][access];
}

/* Permissions of a leaf with its AP, UXN, PXN and the tables' contribution; D8.4.1. */
static uint32_t prot_of(uint64_t sctlr, uint64_t d, uint64_t table)
{
    bool user = (d & DESC_AP1) && !(table & DESC_APTABLE0);
    bool read_only = (d & DESC_AP2) || (table & DESC_APTABLE1);
    bool uxn = (d & DESC_UXN) || (table & DESC_UXNTABLE);
    bool pxn = (d & DESC_PXN) || (table & DESC_PXNTABLE);
    uint32_t p = MMU_R1;
    if (!read_only)
        p |= MMU_W1;
    if (user)
        p |= MMU_USER | MMU_R0 | (read_only ? 0 : MMU_W0);
    /* EL0 may execute what is not UXN, readable or not; what EL0 can write EL1 never executes */
    if (!uxn && !((p & MMU_W0) && (sctlr & SCTLR_WXN)))
        p |= MMU_X0;
    if (!pxn && !(p & MMU_W0) && !((p & MMU_W1) && (sctlr & SCTLR_WXN)))
        p |= MMU_X1;
    if (d & DESC_GP)
        p |= MMU_GUARDED;
    return p;
}

enum { LOOK_AGAIN = 0xff }; /* no fault status: the descriptor changed under us */

/* Changes the descriptor if nobody else has. */
static bool update(const struct mmu_regime *r, uint64_t gpa, unsigned level, uint64_t old, uint64_t new, struct mmu_fault *f)
{
    _Atomic uint64_t *p = mem_ptr(r->mem, gpa, 8, true);
    if (!p)
        return fail(f, FSC_EXTERNAL_WALK, level);
    return atomic_compare_exchange_strong(p, &old, new) || fail(f, LOOK_AGAIN, 0);
}

static bool flat(const struct mmu_regime *r, uint64_t va, struct mmu_leaf *leaf, struct mmu_fault *f)
{
    /* D8.2.10: with the MMU off, TBI of the half still applies; bits above the PA size are an address size fault */
    bool upper = va >> 55 & 1;
    if (r->tcr >> (upper ? 38 : 37) & 1)
        va &= ones(56);
    if (va >> r->pa_bits)
        return fail(f, FSC_ADDRESS_SIZE, 0);
    *leaf = (struct mmu_leaf){
        .pa = va,
        .prot = MMU_R0 | MMU_W0 | MMU_X0 | MMU_R1 | MMU_W1 | MMU_X1 | MMU_GLOBAL | MMU_DEVICE,
        .size = 4096,
    };
    return true;
}

static uint64_t contiguous_pages(unsigned granule, unsigned level)
{
    if (granule == 12)
        return 16;
    if (granule == 14)
        return level == 3 ? 128 : 32;
    return 32;
}

/* The leaf found: access flag, permission, dirty state. false with LOOK_AGAIN: walk again. */
static bool accept(const struct mmu_regime *r, const struct half *h, uint64_t va, enum mmu_access access, bool el0, bool pan,
                   unsigned level, unsigned shift, uint64_t gpa, uint64_t d, uint64_t table, struct mmu_leaf *leaf,
                   struct mmu_fault *f)
{
    if (!(d & DESC_AF)) {
        if (!(r->tcr & TCR_HA))
            return fail(f, FSC_ACCESS_FLAG, level);
        if (!update(r, gpa, level, d, d | DESC_AF, f))
            return false;
        d |= DESC_AF;
    }
    bool dbm = (r->tcr & TCR_HA) && (r->tcr & TCR_HD) && (d & DESC_DBM) && (d & DESC_AP2);
    /* UXN/PXN consequences of being writable apply to a clean DBM page too: it counts as writable */
    uint32_t prot = prot_of(r->sctlr, dbm ? d & ~DESC_AP2 : d, table);
    if (!mmu_allows(prot, access, el0, pan))
        return fail(f, FSC_PERMISSION, level);
    if (dbm) {
        if (access == MMU_WRITE) {
            if (!update(r, gpa, level, d, d & ~DESC_AP2, f))
                return false;
            d &= ~DESC_AP2;
        } else {
            prot = (prot & ~(uint32_t)(MMU_W0 | MMU_W1)) | MMU_DBM;
        }
    }
    uint64_t size = BIT(shift);
    if (d & DESC_CONTIG)
        size *= contiguous_pages(h->granule, level);
    uint64_t oa = d & ones(48) & ~ones(shift);
    unsigned attr_index = bits_get(d, 4, 2);
    leaf->attr = r->mair >> (8 * attr_index);
    leaf->sh = bits_get(d, 9, 8);
    leaf->pa = oa | (va & ones(shift));
    leaf->size = size;
    leaf->descriptor = d;
    leaf->descriptor_gpa = gpa;
    leaf->prot = prot | (d & DESC_NG ? 0 : MMU_GLOBAL) | (size > 4096 ? MMU_LARGE : 0) |
                 ((leaf->attr & 0xf0) == 0 ? MMU_DEVICE : 0);
    return true;
}

static bool walk(const struct mmu_regime *r, const struct half *h, uint64_t va, enum mmu_access access, bool el0, bool pan,
                 struct mmu_leaf *leaf, struct mmu_fault *f)
{
    unsigned stride = h->granule - 3, oa_bits = output_bits(r);
    unsigned level = 4 - (h->va_bits - h->granule + stride - 1) / stride;
    unsigned shift = h->granule + stride * (3 - level);
    uint64_t input = va & ones(h->va_bits), table = h->ttbr & ones(48) & ~UINT64_C(1), attributes = 0;
    unsigned first_bits = h->va_bits - shift + 3;
    table &= ~ones(MAX(first_bits, 6u));
    if (table >> oa_bits)
        return fail(f, FSC_ADDRESS_SIZE, 0);
    uint64_t index = input >> shift;
    for (;; level++) {
        uint64_t gpa = table + index * 8;
        _Atomic uint64_t *p = mem_ptr(r->mem, gpa, 8, false);
        if (!p)
            return fail(f, FSC_EXTERNAL_WALK, level);
        uint64_t d = atomic_load(p);
        if (!(d & DESC_VALID))
            return fail(f, FSC_TRANSLATION, level);
        bool is_table = level < 3 && (d & DESC_TABLE);
        if (!is_table) {
            bool legal = level == 3 ? (d & DESC_TABLE) : level == 2 || (level == 1 && h->granule == 12);
            if (!legal)
                return fail(f, FSC_TRANSLATION, level);
            if ((d & ones(48) & ~ones(shift)) >> oa_bits)
                return fail(f, FSC_ADDRESS_SIZE, level);
            return accept(r, h, va, access, el0, pan, level, shift, gpa, d, attributes, leaf, f);
        }
        table = d & ones(48) & ~ones(h->granule);
        if (table >> oa_bits)
            return fail(f, FSC_ADDRESS_SIZE, level);
        if (!h->hpd)
            attributes |= d & (DESC_PXNTABLE | DESC_UXNTABLE | DESC_APTABLE0 | DESC_APTABLE1);
        shift -= stride;
        index = input >> shift & ones(stride);
    }
}

bool mmu_translate(const struct mmu_regime *r, uint64_t va, enum mmu_access access, bool el0, bool pan, struct mmu_leaf *leaf,
                   struct mmu_fault *fault)
{
    if (!(r->sctlr & SCTLR_M))
        return flat(r, va, leaf, fault);
    bool upper = va >> 55 & 1;
    struct half h = half_of(r, upper);
    unsigned top = h.tbi ? 56 : 64;
    uint64_t above = bits_get(va, top - 1, h.va_bits);
    if (above != (upper ? ones(top - h.va_bits) : 0) || h.epd || (el0 && h.e0pd))
        return fail(fault, FSC_TRANSLATION, 0);
    do {
        if (walk(r, &h, va, access, el0, pan, leaf, fault))
            return true;
    } while (fault->fsc == LOOK_AGAIN);
    return false;
}
