/*
 * pauth.c - pointer authentication: FEAT_PAuth2 and FEAT_FPAC with the architected algorithm (DDI 0487H.a D8.8; pseudocode AddPAC, Auth, Strip).
 *
 * As on an M2: a code is exclusive-or'ed into the bits above the address, AUT* that fails raises an exception, an instruction that
 * authenticates on the way to something else (RETAA, LDRAA) does not: it goes on with a pointer that leads nowhere. The A keys can differ at EL0
 * (apple_calls.c).
 *
 * What a function signs when it is entered it authenticates when it is left, and threads sign the same all the time: results are remembered,
 * and found again by all that went into them, so a change of keys needs nobody's attention.
 */
#include "cpu/qarma.h"
#include "cpu/vcpu.h"

static uint64_t code(struct vcpu *c, uint64_t data, uint64_t modifier, uint64_t lo, uint64_t hi)
{
    uint64_t hash = ((data ^ lo) + (modifier ^ hi) * 31) * UINT64_C(0x9e3779b97f4a7c15);
    struct pauth_memo *m = &c->pauth_memo[hash >> (64 - PAUTH_MEMO_BITS)];
    if (m->data == data && m->modifier == modifier && m->lo == lo && m->hi == hi && m->valid)
        return m->code;
    *m = (struct pauth_memo){data, modifier, lo, hi, qarma5(data, modifier, hi, lo), true};
    return m->code;
}

/* IA, IB, DA, DB: where the key is and what enables it. */
static const struct { uint16_t lo, hi; uint64_t enable; } keys[4] = {
    {SR_APIAKEYLO_EL1, SR_APIAKEYHI_EL1, SCTLR_ENIA},
    {SR_APIBKEYLO_EL1, SR_APIBKEYHI_EL1, SCTLR_ENIB},
    {SR_APDAKEYLO_EL1, SR_APDAKEYHI_EL1, SCTLR_ENDA},
    {SR_APDBKEYLO_EL1, SR_APDBKEYHI_EL1, SCTLR_ENDB},
};

static uint64_t code_by_key(struct vcpu *c, uint64_t data, uint64_t modifier, unsigned key)
{
    uint64_t lo = c->sr[keys[key].lo], hi = c->sr[keys[key].hi];
    if (!(key & 1) && c->pac_diversified & (c->el ? PAC_DIVERSIFIED_EL1 : PAC_DIVERSIFIED_EL0)) {
        lo ^= c->pac_diversifier;
        hi ^= c->pac_diversifier + 1;
    }
    return code(c, data, modifier, lo, hi);
}

/* Is the top byte of such a pointer ignored? TCR_EL1.TBI, and for those to instructions TBID. */
static bool tagged(const struct vcpu *c, bool upper, bool data)
{
    uint64_t tcr = c->sr[SR_TCR_EL1];
    return tcr >> (upper ? 38 : 37) & 1 && (data || !(tcr >> (upper ? 52 : 51) & 1));
}

/* Bits of a pointer that hold the code: above the address, without bit 55, without the tag where it is ignored. */
static uint64_t field(const struct vcpu *c, bool upper, bool data)
{
    uint64_t tcr = c->sr[SR_TCR_EL1];
    unsigned tsz = upper ? bits_get(tcr, 21, 16) : bits_get(tcr, 5, 0);
    unsigned bottom = 64 - MAX(16u, MIN(39u, tsz));
    return (ones(tagged(c, upper, data) ? 56 : 64) & ~ones(bottom)) & ~BIT(55);
}

static uint64_t extended(uint64_t ptr, uint64_t mask, bool upper)
{
    return upper ? ptr | mask : ptr & ~mask;
}

uint64_t pauth_sign(struct vcpu *c, uint64_t ptr, uint64_t modifier, unsigned key)
{
    bool data = key >> 1;
    if (!(c->sr[SR_SCTLR_EL1] & keys[key].enable))
        return ptr;
    bool upper = ptr >> (tagged(c, false, data) || tagged(c, true, data) ? 55 : 63) & 1;
    uint64_t mask = field(c, upper, data);
    uint64_t pac = code_by_key(c, extended(ptr, mask | BIT(55), upper), modifier, key);
    return extended(ptr ^ (pac & mask), BIT(55), upper);
}

bool pauth_check(struct vcpu *c, uint64_t *ptr, uint64_t modifier, unsigned key)
{
    bool upper = *ptr >> 55 & 1, data = key >> 1;
    if (!(c->sr[SR_SCTLR_EL1] & keys[key].enable))
        return true;
    uint64_t mask = field(c, upper, data), plain = extended(*ptr, mask, upper);
    *ptr ^= code_by_key(c, plain, modifier, key) & mask;
    return *ptr == plain;
}

uint64_t pauth_generic(struct vcpu *c, uint64_t value, uint64_t modifier)
{
    return code(c, value, modifier, c->sr[SR_APGAKEYLO_EL1], c->sr[SR_APGAKEYHI_EL1]) & ~ones(32);
}

uint64_t pauth_strip(struct vcpu *c, uint64_t ptr, bool data)
{
    bool upper = ptr >> 55 & 1;
    return extended(ptr, field(c, upper, data), upper);
}
