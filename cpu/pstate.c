/* pstate.c - PSTATE, the banked stack pointers, and the part of the state that translations depend on. */
#include "cpu/vcpu.h"
#include "fp/fp.h"

uint64_t pstate_get(const struct vcpu *c)
{
    return ir_flags_to_nzcv(c->s.flags) | (c->dit ? PSTATE_DIT : 0) | (c->pan ? PSTATE_PAN : 0) | (c->ss ? PSTATE_SS : 0) |
           (c->il ? PSTATE_IL : 0) | (c->ssbs ? PSTATE_SSBS : 0) | (uint64_t)c->btype << 10 | c->s.daif |
           (uint64_t)c->el << 2 | c->spsel;
}

void pstate_set_sp(struct vcpu *c, unsigned el, unsigned spsel)
{
    c->s.sp_el[c->el && c->spsel] = c->s.sp;
    c->el = el;
    c->spsel = spsel;
    c->s.sp = c->s.sp_el[el && spsel];
}

static uint32_t mode_of(const struct vcpu *c)
{
    uint64_t sctlr = c->sr[SR_SCTLR_EL1];
    unsigned fpen = bits_get(c->sr[SR_CPACR_EL1], 21, 20);
    const uint64_t el0_free = SCTLR_UCT | SCTLR_UCI | SCTLR_NTWI | SCTLR_NTWE | SCTLR_DZE;
    uint32_t m = c->base_mode;
    if (c->el)
        m |= CPU_MODE_EL1 | (c->spsel ? 0 : CPU_MODE_SPSEL0);
    if (!(fpen & 1) || (fpen == 1 && !c->el))
        m |= CPU_MODE_FP_TRAP;
    if (c->s.fpcr & FPCR_MODES)
        m |= CPU_MODE_FP_MODES;
    if (sctlr & SCTLR_A)
        m |= CPU_MODE_ALIGN;
    if (sctlr & (c->el ? SCTLR_SA : SCTLR_SA0))
        m |= CPU_MODE_SP_ALIGN;
    if (!c->el && (sctlr & el0_free) != el0_free)
        m |= CPU_MODE_TRAP_EL0;
    return m;
}

void vcpu_update_mode(struct vcpu *c)
{
    c->s.mode = mode_of(c);
    tlb_select(c);
}

void vcpu_reset(struct vcpu *c)
{
    static const uint64_t reset[SR_COUNT] = {
#define SYSREG(name, op0, op1, crn, crm, op2, access, check, read, write, reset_value, mask, section) [SR_##name] = reset_value,
#include "cpu/sysregs.inc"
#undef SYSREG
    };
    memcpy(c->sr, reset, sizeof reset);
    memset(&c->s, 0, offsetof(struct cpu_state, lines));
    idregs_reset(c);
    c->s.flags = ir_flags_from_nzcv(0);
    c->sr[SR_CNTFRQ_EL0] = c->set->o.cntfrq_hz;
    c->base_mode = c->set->o.model == CPU_MODEL_APPLE ? CPU_MODE_PAUTH : 0;
    /* DC ZVA: the largest block there is (2 KiB) clears pages in two steps; an M2 has 64 bytes */
    c->s.dczid_el0 = c->set->o.model == CPU_MODEL_APPLE ? 4 : 9; /* BS: log2 of words */
    c->s.ctr_el0 = c->sr[SR_CTR_EL0];
    c->s.daif = PSTATE_DAIF;
    c->el = c->spsel = 1;
    c->pan = c->dit = c->ssbs = c->btype = c->il = c->ss = 0;
    c->s.sp_el[0] = c->s.sp_el[1] = 0;
    c->monitor.bytes = 0;
    c->wait = WAIT_NONE;
    c->event = c->kicked = false;
    c->pac_diversifier = c->pac_diversified = 0;
    timer_reset(c);
    tlb_flush_all(c);
    vcpu_update_mode(c);
}
