/*
 * sysop.c - SYS instructions: address translation, cache and TLB maintenance (DDI 0487H.a, C5.3 to C5.5).
 *
 * Data cache operations do nothing but check the address, as memory is coherent. Instruction cache operations are when
 * translations die. TLBI works on this vCPU at once; the inner and outer shareable forms are also asked of the others,
 * and the next DSB waits for them.
 */
#include "cpu/jit/jit.h"

enum where { LOCAL, BROADCAST };
enum form { BY_ALL, BY_VA, BY_ASID, BY_VAA, BY_RANGE, BY_RANGE_ALL_ASIDS };

struct call {
    struct vcpu *c;
    uint64_t value;
    uint32_t enc, pc_offset;
    unsigned rt;
    uint8_t arg; /* of the row */
};

static bool raise_trap(const struct call *k)
{
    raise_sync(k->c, EC_SYSREG, sysreg_iss(k->enc, k->rt, false), insn_pc(k->c, k->pc_offset));
    return false;
}

static bool el0_denied(const struct call *k, uint64_t sctlr_bit)
{
    return !k->c->el && !(k->c->sr[SR_SCTLR_EL1] & sctlr_bit);
}

/* ---- TLBI ---- */

static void pages_at(const struct vcpu *c, struct tlbi *t, uint64_t va)
{
    uint64_t granule = BIT(mmu_granule_bits(c->sr[SR_TCR_EL1], va));
    t->va = va & ~(granule - 1);
    t->pages = granule / 4096;
}

static void range(const struct vcpu *c, struct tlbi *t, uint64_t x)
{
    static const uint8_t bits[4] = {0, 12, 14, 16};
    unsigned g = bits[bits_get(x, 47, 46)];
    uint64_t units = (bits_get(x, 43, 39) + 1) << (5 * bits_get(x, 45, 44) + 1);
    if (!g) { /* reserved */
        t->kind = TLBI_ALL;
        return;
    }
    t->va = (uint64_t)sext(bits_get(x, 36, 0), 37) << g;
    t->pages = units << (g - 12);
}

static bool tlbi(const struct call *k, enum where where, enum form form)
{
    struct vcpu *c = k->c;
    uint64_t va = (uint64_t)sext(bits_get(k->value, 43, 0) << 12, 56);
    struct tlbi t = {.asid = k->value >> 48};
    if (!(c->sr[SR_TCR_EL1] >> 36 & 1))
        t.asid &= 0xff;
    switch (form) {
    case BY_ALL: t.kind = TLBI_ALL; break;
    case BY_ASID: t.kind = TLBI_ASID; break;
    case BY_VA: t.kind = TLBI_VA; pages_at(c, &t, va); break;
    case BY_VAA: t.kind = TLBI_VAA; pages_at(c, &t, va); break;
    case BY_RANGE: t.kind = TLBI_VA; range(c, &t, k->value); break;
    case BY_RANGE_ALL_ASIDS: t.kind = TLBI_VAA; range(c, &t, k->value); break;
    }
    c->stats.tlbi++;
    if (c->set->trace & TRACE_TLB)
        fprintf(stderr, "cpu %u: tlbi kind %d asid %u va %#llx pages %llu%s\n", c->id, t.kind, t.asid, (unsigned long long)t.va,
                (unsigned long long)t.pages, where == BROADCAST ? " (broadcast)" : "");
    tlb_invalidate(c, &t);
    if (where == BROADCAST)
        requests_broadcast(c, &t);
    return true;
}

static bool run_tlbi(const struct call *k) { return tlbi(k, LOCAL, k->arg); }
static bool run_tlbi_is(const struct call *k) { return tlbi(k, BROADCAST, k->arg); }

/* ---- AT: bit 0 write, bit 1 EL0, bit 2 PAN counts ---- */

static bool run_at(const struct call *k)
{
    tlb_at(k->c, k->value, k->arg & 1, k->arg & 2, k->arg & 4);
    return true;
}

/* ---- data cache ---- */

static const struct tlb2_entry *touch(const struct call *k, bool write)
{
    struct mmu_fault f;
    const struct tlb2_entry *e = tlb_lookup(k->c, k->value, write ? TLB_WRITE : TLB_READ, false, &f);
    if (!e) /* cache maintenance reports as a write */
        access_fault(k->c, &f, k->value, ISS_CM | ISS_WNR, k->pc_offset);
    return e;
}

static bool run_dc_va(const struct call *k) { return el0_denied(k, SCTLR_UCI) ? raise_trap(k) : touch(k, false) != NULL; }
static bool run_dc_ivac(const struct call *k) { return touch(k, true) != NULL; }
static bool run_nothing(const struct call *k) { return true; }

static bool run_dc_zva(const struct call *k)
{
    if (el0_denied(k, SCTLR_DZE))
        return raise_trap(k);
    jit_helpers[HELPER_dc_zva](k->c, k->value, 0, 0, k->pc_offset);
    return !k->c->s.raised;
}

/* ---- instruction cache ---- */

static bool run_ic_ivau(const struct call *k)
{
    if (el0_denied(k, SCTLR_UCI))
        return raise_trap(k);
    struct mmu_fault f;
    const struct tlb2_entry *e = tlb_lookup(k->c, k->value, TLB_READ, false, &f);
    if (!e) {
        /* Permission is not checked; a page that cannot be read can hold code all the same */
        struct mmu_fault unused;
        e = tlb_lookup(k->c, k->value & ~UINT64_C(3), TLB_FETCH, false, &unused);
    }
    if (!e) {
        access_fault(k->c, &f, k->value, ISS_CM, k->pc_offset);
        return false;
    }
    jit_check_page(k->c, tlb2_pa(e));
    return true;
}

static bool run_ic_all(const struct call *k)
{
    jit_check_all(k->c);
    return true;
}

/* ---- the table ---- */
static const struct row {
    uint16_t enc;
    bool el0;
    uint8_t arg;
    bool (*run)(const struct call *k);
} rows[] = {
#define SYS(op1, crn, crm, op2) SYSREG_ENC(1, op1, crn, crm, op2)
    {SYS(0, 7, 1, 0), false, 0, run_ic_all},   /* IC IALLUIS */
    {SYS(0, 7, 5, 0), false, 0, run_ic_all},   /* IC IALLU */
    {SYS(3, 7, 5, 1), true, 0, run_ic_ivau},   /* IC IVAU */
    {SYS(0, 7, 6, 1), false, 0, run_dc_ivac},  /* DC IVAC */
    {SYS(0, 7, 6, 2), false, 0, run_nothing},  /* DC ISW */
    {SYS(0, 7, 10, 2), false, 0, run_nothing}, /* DC CSW */
    {SYS(0, 7, 14, 2), false, 0, run_nothing}, /* DC CISW */
    {SYS(3, 7, 4, 1), true, 0, run_dc_zva},    /* DC ZVA */
    {SYS(3, 7, 10, 1), true, 0, run_dc_va},    /* DC CVAC */
    {SYS(3, 7, 11, 1), true, 0, run_dc_va},    /* DC CVAU */
    {SYS(3, 7, 12, 1), true, 0, run_dc_va},    /* DC CVAP */
    {SYS(3, 7, 13, 1), true, 0, run_dc_va},    /* DC CVADP */
    {SYS(3, 7, 14, 1), true, 0, run_dc_va},    /* DC CIVAC */
    {SYS(0, 7, 8, 0), false, 0, run_at},       /* AT S1E1R */
    {SYS(0, 7, 8, 1), false, 1, run_at},       /* AT S1E1W */
    {SYS(0, 7, 8, 2), false, 2, run_at},       /* AT S1E0R */
    {SYS(0, 7, 8, 3), false, 3, run_at},       /* AT S1E0W */
    {SYS(0, 7, 9, 0), false, 4, run_at},       /* AT S1E1RP */
    {SYS(0, 7, 9, 1), false, 5, run_at},       /* AT S1E1WP */
#define TLBI_FORMS(crm, run)                                              \
    {SYS(0, 8, crm, 0), false, BY_ALL, run},  /* VMALLE1 */               \
    {SYS(0, 8, crm, 1), false, BY_VA, run},   /* VAE1 */                  \
    {SYS(0, 8, crm, 2), false, BY_ASID, run}, /* ASIDE1 */                \
    {SYS(0, 8, crm, 3), false, BY_VAA, run},  /* VAAE1 */                 \
    {SYS(0, 8, crm, 5), false, BY_VA, run},   /* VALE1 */                 \
    {SYS(0, 8, crm, 7), false, BY_VAA, run}   /* VAALE1 */
#define TLBI_RANGES(crm, run)                                             \
    {SYS(0, 8, crm, 1), false, BY_RANGE, run},           /* RVAE1 */      \
    {SYS(0, 8, crm, 3), false, BY_RANGE_ALL_ASIDS, run}, /* RVAAE1 */     \
    {SYS(0, 8, crm, 5), false, BY_RANGE, run},           /* RVALE1 */     \
    {SYS(0, 8, crm, 7), false, BY_RANGE_ALL_ASIDS, run}  /* RVAALE1 */
    TLBI_FORMS(7, run_tlbi),
    TLBI_FORMS(3, run_tlbi_is),   /* ...IS */
    TLBI_FORMS(1, run_tlbi_is),   /* ...OS */
    TLBI_RANGES(6, run_tlbi),
    TLBI_RANGES(2, run_tlbi_is),
    TLBI_RANGES(5, run_tlbi_is),
};

bool sysop_run(struct vcpu *c, uint32_t enc, uint64_t value, unsigned rt, uint32_t pc_offset)
{
    enc = (enc & 0x3fff) | 1 << 14;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].enc != enc || (!c->el && !rows[i].el0))
            continue;
        return rows[i].run(&(struct call){c, value, enc, pc_offset, rt, rows[i].arg});
    }
    raise_undefined(c, insn_pc(c, pc_offset));
    return false;
}
