/*
 * pauth.c - pointer authentication (FEAT_PAuth, DDI 0487H.a D8.8, pseudocode AddPAC, Auth, Strip) with a fast keyed hash of
 * our own as the IMPLEMENTATION DEFINED algorithm (announced in ID_AA64ISAR1_EL1.API and GPI). No FPAC, no PAuth2.
 */
#include "cpu/vcpu.h"

static uint64_t mix(uint64_t v)
{
    v = (v ^ v >> 32) * UINT64_C(0xd6e8feb86659fd93);
    v = (v ^ v >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return v ^ v >> 32;
}

static uint64_t compute(uint64_t data, uint64_t modifier, uint64_t lo, uint64_t hi)
{
    return mix(mix(data ^ lo) + mix(modifier ^ hi) + hi);
}

/* IA, IB, DA, DB: where the key is and what enables it. */
static const struct { uint16_t lo, hi; uint64_t enable; } keys[4] = {
    {SR_APIAKEYLO_EL1, SR_APIAKEYHI_EL1, SCTLR_ENIA},
    {SR_APIBKEYLO_EL1, SR_APIBKEYHI_EL1, SCTLR_ENIB},
    {SR_APDAKEYLO_EL1, SR_APDAKEYHI_EL1, SCTLR_ENDA},
    {SR_APDBKEYLO_EL1, SR_APDBKEYHI_EL1, SCTLR_ENDB},
};

/* Bits of a pointer that hold the code: above the address, without bit 55, without the tag where it is ignored. */
static uint64_t field(const struct vcpu *c, bool upper, bool *tbi)
{
    uint64_t tcr = c->sr[SR_TCR_EL1];
    unsigned tsz = upper ? bits_get(tcr, 21, 16) : bits_get(tcr, 5, 0);
    unsigned bottom = 64 - MAX(16u, MIN(39u, tsz));
    *tbi = tcr >> (upper ? 38 : 37) & 1;
    return (ones(*tbi ? 56 : 64) & ~ones(bottom)) & ~BIT(55);
}

static uint64_t extended(uint64_t ptr, uint64_t mask, bool upper)
{
    return upper ? ptr | mask : ptr & ~mask;
}

uint64_t pauth_sign(struct vcpu *c, uint64_t ptr, uint64_t modifier, unsigned key)
{
    bool tbi;
    if (!(c->sr[SR_SCTLR_EL1] & keys[key].enable))
        return ptr;
    bool any_tbi = c->sr[SR_TCR_EL1] & (BIT(37) | BIT(38));
    bool upper = ptr >> (any_tbi ? 55 : 63) & 1;
    uint64_t mask = field(c, upper, &tbi);
    uint64_t plain = upper ? ptr | mask | BIT(55) : ptr & ~(mask | BIT(55));
    uint64_t pac = compute(plain, modifier, c->sr[keys[key].lo], c->sr[keys[key].hi]);
    uint64_t unused = ptr & (mask | BIT(55));
    if (unused && unused != (mask | BIT(55)))
        pac ^= tbi ? BIT(54) : BIT(62); /* not a canonical pointer: make a code that fails */
    return (plain & ~mask) | (pac & mask);
}

uint64_t pauth_check(struct vcpu *c, uint64_t ptr, uint64_t modifier, unsigned key)
{
    bool tbi, upper = ptr >> 55 & 1;
    if (!(c->sr[SR_SCTLR_EL1] & keys[key].enable))
        return ptr;
    uint64_t mask = field(c, upper, &tbi);
    uint64_t plain = extended(ptr, mask, upper);
    uint64_t pac = compute(plain, modifier, c->sr[keys[key].lo], c->sr[keys[key].hi]);
    if (((ptr ^ pac) & mask) == 0)
        return plain;
    uint64_t code = key & 1 ? 2 : 1;
    return tbi ? bits_set(plain, 54, 53, code) : bits_set(plain, 62, 61, code);
}

uint64_t pauth_generic(struct vcpu *c, uint64_t value, uint64_t modifier)
{
    return compute(value, modifier, c->sr[SR_APGAKEYLO_EL1], c->sr[SR_APGAKEYHI_EL1]) & ~ones(32);
}

uint64_t pauth_strip(struct vcpu *c, uint64_t ptr, bool data)
{
    bool tbi, upper = ptr >> 55 & 1;
    return extended(ptr, field(c, upper, &tbi), upper);
}
