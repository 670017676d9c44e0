/*
 * debug.c - self-hosted debug: software step, two breakpoints, two watchpoints (DDI 0487H.a, D2).
 *
 * While any of them can strike at the current exception level, the run loop leaves translated code alone and runs one
 * instruction at a time through the evaluator (cpu/jit/step.c): slow, but only for the thread that is being debugged,
 * since kernels enable these per thread. So the fast path knows nothing of debugging.
 *
 * Missing: linked and context-matching breakpoints, and mismatch types; ESR.EX of a stepped load exclusive.
 */
#include "cpu/vcpu.h"

#define MDSCR_SS  BIT(0)
#define MDSCR_KDE BIT(13)
#define MDSCR_MDE BIT(15)

static const struct { uint16_t value, control; } breakpoints[] = {
    {SR_DBGBVR0_EL1, SR_DBGBCR0_EL1}, {SR_DBGBVR1_EL1, SR_DBGBCR1_EL1},
}, watchpoints[] = {
    {SR_DBGWVR0_EL1, SR_DBGWCR0_EL1}, {SR_DBGWVR1_EL1, SR_DBGWCR1_EL1},
};

/* D2.3: debug exceptions from this level are generated (to EL1). */
static bool generated(const struct vcpu *c, unsigned el, uint64_t daif)
{
    if (c->sr[SR_OSLSR_EL1] & BIT(1))
        return false;
    return !el || (c->sr[SR_MDSCR_EL1] & MDSCR_KDE && !(daif & PSTATE_D));
}

bool debug_active(const struct vcpu *c)
{
    uint64_t mdscr = c->sr[SR_MDSCR_EL1];
    if (!(mdscr & (MDSCR_SS | MDSCR_MDE)) || !generated(c, c->el, c->s.daif))
        return false;
    if (mdscr & MDSCR_SS)
        return true;
    for (unsigned i = 0; i < ARRAY_SIZE(breakpoints); i++)
        if ((c->sr[breakpoints[i].control] | c->sr[watchpoints[i].control]) & 1)
            return true;
    return false;
}

bool debug_return_ss(const struct vcpu *c, uint64_t spsr)
{
    /* DebugExceptionReturnSS: SS is taken over when debug exceptions become possible by this return */
    bool here = generated(c, c->el, c->s.daif), there = generated(c, bits_get(spsr, 3, 2), spsr);
    return c->sr[SR_MDSCR_EL1] & MDSCR_SS && !here && there && spsr & PSTATE_SS;
}

/* PMC or PAC of a control register against the current level; HMC and SSC do not matter with two levels and one state. */
static bool level_matches(const struct vcpu *c, uint64_t control)
{
    return control >> (c->el ? 1 : 2) & 1;
}

static void raise_debug(struct vcpu *c, enum esr_ec lower, uint32_t iss, uint64_t pc)
{
    raise_sync(c, lower + (c->el ? 1 : 0), iss, pc);
}

bool debug_before(struct vcpu *c)
{
    enum { ISV = 1 << 24, DEBUG_FSC = 0x22 };
    uint64_t pc = c->s.pc;
    if (c->sr[SR_MDSCR_EL1] & MDSCR_SS && !c->ss) {
        raise_debug(c, EC_STEP, ISV | DEBUG_FSC, pc);
        return true;
    }
    for (unsigned i = 0; c->sr[SR_MDSCR_EL1] & MDSCR_MDE && i < ARRAY_SIZE(breakpoints); i++) {
        uint64_t control = c->sr[breakpoints[i].control], value = c->sr[breakpoints[i].value];
        bool address = bits_get(control, 23, 20) == 0 && sext(value & ~UINT64_C(3), 49) == sext(pc & ~UINT64_C(3), 49);
        if (control & 1 && level_matches(c, control) && address) {
            raise_debug(c, EC_BREAKPOINT, DEBUG_FSC, pc);
            return true;
        }
    }
    return false;
}

/* [lo, hi] that a watchpoint looks at: a power-of-two range by MASK, or bytes by BAS (the first run of ones counts). */
static bool watched(uint64_t control, uint64_t value, uint64_t *lo, uint64_t *hi)
{
    unsigned mask = bits_get(control, 28, 24), bas = bits_get(control, 12, 5);
    value = (uint64_t)sext(value & ~UINT64_C(3), 49);
    if (mask >= 3) {
        *lo = value & ~ones(mask);
        *hi = *lo | ones(mask);
        return true;
    }
    if (!bas)
        return false;
    *lo = value + (unsigned)__builtin_ctz(bas);
    *hi = value + 31 - (unsigned)__builtin_clz(bas);
    return true;
}

bool debug_watch(struct vcpu *c, uint64_t va, unsigned bytes, bool write, uint64_t pc)
{
    if (!(c->sr[SR_MDSCR_EL1] & MDSCR_MDE) || !generated(c, c->el, c->s.daif))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(watchpoints); i++) {
        uint64_t control = c->sr[watchpoints[i].control], lo, hi;
        if (!(control & 1) || !level_matches(c, control) || !(control >> (write ? 4 : 3) & 1) ||
            !watched(control, c->sr[watchpoints[i].value], &lo, &hi) || va > hi || va + bytes - 1 < lo)
            continue;
        raise_debug(c, EC_WATCHPOINT, 0x22 | (write ? 1 << 6 : 0), pc);
        c->s.far_el1 = va;
        return true;
    }
    return false;
}
