/*
 * exception.c - taking exceptions to EL1 and returning from them (DDI 0487H.a, D1.3; AArch64.TakeException and
 * AArch64.ExceptionReturn in J1).
 */
#include "cpu/vcpu.h"

enum vector { VECTOR_SYNC = 0x000, VECTOR_IRQ = 0x080, VECTOR_FIQ = 0x100 };

static void take(struct vcpu *c, enum vector vector, uint64_t return_pc)
{
    c->exceptions_taken++;
    unsigned from = !c->el ? 0x400 : c->spsel ? 0x200 : 0;
    uint64_t sctlr = c->sr[SR_SCTLR_EL1];
    c->s.spsr_el1 = pstate_get(c);
    c->s.elr_el1 = return_pc;
    pstate_set_sp(c, 1, 1);
    c->s.daif = PSTATE_DAIF;
    c->il = c->ss = c->btype = 0;
    if (!(sctlr & SCTLR_SPAN) && !c->pan) {
        c->pan = 1;
        tlb_pan_changed(c);
    }
    c->ssbs = sctlr & SCTLR_DSSBS ? 1 : 0;
    c->monitor.bytes = 0;
    c->s.pc = c->sr[SR_VBAR_EL1] + from + vector;
    c->s.raised = 1;
    vcpu_update_mode(c);
}

void raise_sync(struct vcpu *c, enum esr_ec ec, uint32_t iss, uint64_t return_pc)
{
    c->stats.exceptions++;
    if (c->set->trace & TRACE_INT)
        fprintf(stderr, "cpu %u: exception %#x iss %#x pc %#llx el %u\n", c->id, ec, iss, (unsigned long long)return_pc, c->el);
    if (ec == EC_SVC || ec == EC_HVC)
        c->ss = 0; /* the instruction is done: SPSR says so */
    /* IL: set but for 16-bit instructions, which do not exist here */
    c->s.esr_el1 = (uint64_t)ec << 26 | BIT(25) | iss;
    take(c, VECTOR_SYNC, return_pc);
}

void raise_fault(struct vcpu *c, const struct mmu_fault *f, uint64_t va, uint32_t iss, bool fetch, uint64_t return_pc)
{
    enum esr_ec ec = fetch ? EC_IABORT : EC_DABORT;
    c->s.far_el1 = va;
    raise_sync(c, ec + (c->el ? 1 : 0), iss | f->fsc, return_pc);
    c->s.far_el1 = va;
}

void raise_undefined(struct vcpu *c, uint64_t return_pc)
{
    raise_sync(c, EC_UNKNOWN, 0, return_pc);
}

bool take_interrupt(struct vcpu *c)
{
    uint32_t open = __atomic_load_n(&c->s.lines, __ATOMIC_SEQ_CST) & ~(uint32_t)c->s.daif;
    if (!open)
        return false;
    bool fiq = open & PSTATE_F;
    c->stats.irqs += !fiq;
    c->stats.fiqs += fiq;
    take(c, fiq ? VECTOR_FIQ : VECTOR_IRQ, c->s.pc);
    return true;
}

uint64_t canonical_pc(const struct vcpu *c, uint64_t pc)
{
    bool upper = pc >> 55 & 1;
    uint64_t tcr = c->sr[SR_TCR_EL1];
    if (!(tcr >> (upper ? 38 : 37) & 1) || tcr >> (upper ? 52 : 51) & 1) /* TBI, TBID */
        return pc;
    /* AArch64.BranchAddr: at EL1 and EL0 the tag becomes a copy of bit 55 */
    return sext(pc, 56);
}

/* D1.3.4: what makes SPSR an illegal return for a processor with EL1 and EL0 in AArch64 only. */
static bool illegal(uint64_t spsr)
{
    unsigned m = bits_get(spsr, 4, 0);
    return m != 0x00 && m != 0x04 && m != 0x05;
}

void exception_return(struct vcpu *c, uint64_t target)
{
    uint64_t spsr = c->s.spsr_el1;
    bool bad = illegal(spsr);
    uint8_t pan = spsr & PSTATE_PAN ? 1 : 0;
    bool ss = !bad && debug_return_ss(c, spsr);
    c->exceptions_taken++;
    c->s.flags = ir_flags_from_nzcv(spsr);
    c->s.daif = spsr & PSTATE_DAIF;
    c->dit = spsr & PSTATE_DIT ? 1 : 0;
    c->ssbs = spsr & PSTATE_SSBS ? 1 : 0;
    c->il = bad || (spsr & PSTATE_IL);
    c->ss = ss;
    c->btype = bad ? 0 : bits_get(spsr, 11, 10);
    if (!bad) /* an illegal return keeps EL and SP */
        pstate_set_sp(c, bits_get(spsr, 3, 2), spsr & 1);
    if (pan != c->pan) {
        c->pan = pan;
        tlb_pan_changed(c);
    }
    c->monitor.bytes = 0;
    atomic_store_explicit(&c->event, true, memory_order_relaxed); /* an exception return sets the event register (D1.6.1) */
    c->s.pc = bad ? target : canonical_pc(c, target);
    c->s.raised = 1;
    vcpu_update_mode(c);
}
