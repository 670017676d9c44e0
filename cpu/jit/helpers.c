/* helpers.c - what translated code calls, one function per row of helpers.inc. */
#include "cpu/jit/jit.h"
#include "base/spin.h"
#include <sched.h>

enum { YIELDS_PER_HOST_YIELD = 16 };

#define HELPER_FN(name) \
    static uint64_t helper_##name(void *state, uint64_t a, uint64_t b, uint64_t c3, uint32_t pc_offset)
#define BEGIN                        \
    struct vcpu *c = vcpu_of(state); \
    uint64_t pc = insn_pc(c, pc_offset)

/* The return addresses of exceptions: this instruction again, or the next. */

HELPER_FN(undefined)
{
    BEGIN;
    c->insn = (uint32_t)a;
    if (c->set->trace & TRACE_INT)
        fprintf(stderr, "cpu %u: undefined instruction %08x at %#llx\n", c->id, c->insn, (unsigned long long)pc);
    if (c->el) /* a kernel seldom means to; at EL0 programs probe */
        vcpu_note(c, "undefined instruction %08x at %#llx, EL1", c->insn, (unsigned long long)pc);
    raise_undefined(c, pc);
    return 0;
}

HELPER_FN(svc)
{
    BEGIN;
    raise_sync(c, EC_SVC, (uint32_t)a & 0xffff, pc + 4);
    return 0;
}

HELPER_FN(hvc)
{
    BEGIN;
    if (!c->el || c->set->o.no_psci) {
        raise_undefined(c, pc);
        return 0;
    }
    c->s.pc = pc + 4;
    hypercall(c, (unsigned)a & 0xffff);
    return 0;
}

HELPER_FN(smc) /* no EL3: UNDEFINED */
{
    BEGIN;
    raise_undefined(c, pc);
    return 0;
}

HELPER_FN(brk)
{
    BEGIN;
    raise_sync(c, EC_BRK, (uint32_t)a & 0xffff, pc);
    return 0;
}

HELPER_FN(hlt) /* halting debug is not allowed */
{
    BEGIN;
    raise_undefined(c, pc);
    return 0;
}

HELPER_FN(eret)
{
    BEGIN;
    if (!c->el) {
        raise_undefined(c, pc);
        return 0;
    }
    uint64_t target = c->s.elr_el1;
    if (a)
        pauth_check(c, &target, c->s.sp, a == 1 ? 0 : 1); /* what fails is an address that leads nowhere */
    exception_return(c, target);
    return 0;
}

HELPER_FN(mrs)
{
    BEGIN;
    uint64_t value;
    sysreg_read(c, (uint32_t)a, (unsigned)b, pc, &value);
    return value;
}

HELPER_FN(msr)
{
    BEGIN;
    c->s.pc = pc + 4;
    sysreg_write(c, (uint32_t)a, (unsigned)c3, pc, b);
    return 0;
}

/* C6.2.228: the DAIF forms from EL0 obey SCTLR_EL1.UMA and trap; those of other fields of EL1 are UNDEFINED. */
HELPER_FN(msr_imm)
{
    BEGIN;
    enum { UAO = 3, PAN = 4, SPSEL = 5, SSBS = 3 << 3 | 1, DIT = 3 << 3 | 2, DAIFSET = 3 << 3 | 6, DAIFCLR = 3 << 3 | 7 };
    uint32_t bits = (uint32_t)(b & 15) << 6;
    c->s.pc = pc + 4;
    switch (a) {
    case SPSEL:
    case PAN:
        if (!c->el)
            break;
        if (a == SPSEL) {
            pstate_set_sp(c, 1, b & 1);
            vcpu_update_mode(c);
        } else if ((b & 1) != c->pan) {
            c->pan = b & 1;
            tlb_pan_changed(c);
        }
        return 0;
    case SSBS: c->ssbs = b & 1; return 0;
    case DIT: c->dit = b & 1; return 0;
    case DAIFSET:
    case DAIFCLR:
        if (!c->el && !(c->sr[SR_SCTLR_EL1] & SCTLR_UMA)) {
            uint32_t enc = SYSREG_ENC(0, 3, 4, 0, 0) | (uint32_t)(b & 15) << 3 | (a & 7);
            raise_sync(c, EC_SYSREG, sysreg_iss(enc, 31, false), pc);
            return 0;
        }
        c->s.daif = a == DAIFSET ? c->s.daif | bits : c->s.daif & ~bits;
        return 0;
    }
    raise_undefined(c, pc);
    return 0;
}

/* The dispatcher looks at the lines. */
HELPER_FN(unmasked)
{
    BEGIN;
    c->s.pc = pc + 4;
    c->s.raised = 1;
    return 0;
}

HELPER_FN(sys)
{
    BEGIN;
    c->s.pc = pc + 4;
    sysop_run(c, (uint32_t)a, b, (unsigned)c3, pc_offset);
    return 0;
}

HELPER_FN(sysl) /* no SYSL instruction is implemented */
{
    BEGIN;
    raise_undefined(c, pc);
    return 0;
}

HELPER_FN(dc_zva)
{
    BEGIN;
    const struct tlb2_entry *e;
    uint64_t bytes = UINT64_C(4) << c->s.dczid_el0, va = a & ~(bytes - 1);
    if (!c->el && !(c->sr[SR_SCTLR_EL1] & SCTLR_DZE)) {
        raise_sync(c, EC_SYSREG, sysreg_iss(SYSREG_ENC(1, 3, 7, 4, 1), 0, false), pc);
        return 0;
    }
    uint8_t *p = access_resolve(c, va, 1, true, 0, pc_offset, &e);
    if (p)
        memset(p, 0, bytes);
    else if (e)
        access_fault(c, &(struct mmu_fault){.fsc = FSC_ALIGNMENT}, a, ISS_WNR, pc_offset);
    else
        c->s.far_el1 = a; /* the address as given, not its block */
    return 0;
}

/* ---- waiting: the dispatcher sleeps, outside of translated code ---- */

static bool wfx_trapped(struct vcpu *c, uint64_t allowed, uint32_t ti, uint64_t pc)
{
    if (c->el || (c->sr[SR_SCTLR_EL1] & allowed))
        return false;
    raise_sync(c, EC_WFX, 1 << 24 | 0xe << 20 | ti, pc);
    return true;
}

static void wait_for(struct vcpu *c, enum wait_kind kind, uint64_t until)
{
    c->wait = kind;
    c->wait_until = until;
}

/* WFI, WFIT: continues at pc + 4 when an interrupt is there or the time has come. kind: ISS.TI of the trap. */
static uint64_t wait_interrupt(struct vcpu *c, uint64_t pc, unsigned kind, uint64_t until)
{
    c->s.pc = pc + 4;
    if (!wfx_trapped(c, SCTLR_NTWI, kind, pc))
        wait_for(c, WAIT_INTERRUPT, until);
    return 0;
}

/* WFE, WFET: likewise, but the event register is looked at first. */
static uint64_t wait_event(struct vcpu *c, uint64_t pc, unsigned kind, uint64_t until)
{
    c->s.pc = pc + 4;
    if (atomic_load(&c->event))
        atomic_store(&c->event, false);
    else if (!wfx_trapped(c, SCTLR_NTWE, kind, pc))
        wait_for(c, WAIT_EVENT, until);
    return 0;
}

HELPER_FN(wfi) { BEGIN; return wait_interrupt(c, pc, 0, UINT64_MAX); }
HELPER_FN(wfe) { BEGIN; return wait_event(c, pc, 1, UINT64_MAX); }
HELPER_FN(wfit) { BEGIN; return wait_interrupt(c, pc, 2, a); }
HELPER_FN(wfet) { BEGIN; return wait_event(c, pc, 3, a); }

HELPER_FN(sev)
{
    BEGIN;
    (void)pc;
    atomic_store(&c->event, true);
    for (unsigned i = 0; !a && i < c->set->o.n_cpus; i++) {
        struct vcpu *to = c->set->cpu[i];
        if (to != c && !atomic_exchange(&to->event, true) && atomic_load(&to->sleeping))
            vcpu_kick(to, CPU_PENDING_EVENT);
    }
    return 0;
}

/* A spinning guest waits for another vCPU: leave the host core to it now and then, in case it has none. The loop around
 * polls for interrupts by itself. */
HELPER_FN(yield)
{
    struct vcpu *c = vcpu_of(state);
    if (c->set->o.n_cpus == 1)
        return 0;
    if (++c->yields % YIELDS_PER_HOST_YIELD == 0)
        sched_yield();
    else
        spin_pause();
    return 0;
}

HELPER_FN(clrex)
{
    vcpu_of(state)->monitor.bytes = 0;
    return 0;
}

/* What others ask for meanwhile may concern the code that is running, and where its callers are: it is left. */
HELPER_FN(dsb)
{
    BEGIN;
    requests_wait(c);
    c->s.pc = pc + 4;
    c->s.raised = 1;
    return 0;
}

HELPER_FN(isb)
{
    BEGIN;
    c->s.pc = pc + 4;
    return 0;
}

HELPER_FN(fp_trap)
{
    BEGIN;
    raise_sync(c, EC_FP, 0x1e00000, pc); /* CV, COND always */
    return 0;
}

HELPER_FN(sp_align)
{
    BEGIN;
    raise_sync(c, EC_SP_ALIGN, 0, pc);
    return 0;
}

HELPER_FN(pc_align)
{
    BEGIN;
    (void)pc;
    a = canonical_pc(c, a);
    raise_sync(c, EC_PC_ALIGN, 0, a);
    c->s.far_el1 = a;
    return 0;
}

HELPER_FN(bti_fail)
{
    BEGIN;
    raise_sync(c, EC_BTI, c->btype, pc);
    return 0;
}

HELPER_FN(set_btype)
{
    vcpu_of(state)->btype = a & 3;
    return 0;
}

HELPER_FN(pac) { return pauth_sign(vcpu_of(state), a, b, c3 & 3); }

/* FEAT_FPAC: ISS bit 0: a B key, bit 1: of data */
HELPER_FN(aut)
{
    BEGIN;
    if (!pauth_check(c, &a, b, c3 & 3))
        raise_sync(c, EC_PAC_FAIL, c3 & 3, pc);
    return a;
}

HELPER_FN(aut_use)
{
    pauth_check(vcpu_of(state), &a, b, c3 & 3);
    return a;
}

HELPER_FN(pacga) { return pauth_generic(vcpu_of(state), a, b); }
HELPER_FN(xpac) { return pauth_strip(vcpu_of(state), a, b); }
HELPER_FN(cntvct) { return counter_now(vcpu_of(state)->set); }

uint64_t (*const jit_helpers[HELPER_COUNT])(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset) = {
#define HELPER(name, flags, text) [HELPER_##name] = helper_##name,
#include "cpu/jit/helpers.inc"
#undef HELPER
};
