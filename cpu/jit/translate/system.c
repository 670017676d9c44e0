/*
 * system.c - hints, barriers, system instructions and registers.
 *
 * Registers that programs use all the time are read and written in place; all others go through the helpers, which know
 * every register's rights and effects.
 */
#include "cpu/jit/translate/functions.h"

/* ---- hints ---- */
#define NOTHING(row)                                              \
    void translate_##row(struct tr *t, const struct a64_insn *i) \
    {                                                             \
    }
NOTHING(HINT)
NOTHING(NOP)
NOTHING(DGH)
NOTHING(ESB) /* no physical SErrors */
NOTHING(PSB)
NOTHING(TSB)
NOTHING(CSDB) /* translated code does not speculate on guest values more than the host does */
NOTHING(CLRBHB)
NOTHING(BTI) /* the landing pad itself; whoever enters the block checks */
NOTHING(SB)

static void call_and_end(struct tr *t, enum helper h, ir_ref a, ir_ref b, ir_ref c)
{
    tr_call(t, h, a, b, c);
    end_block(t);
}

void translate_YIELD(struct tr *t, const struct a64_insn *i)
{
    tr_call(t, HELPER_yield, 0, 0, 0);
}

void translate_WFE(struct tr *t, const struct a64_insn *i)
{
    call_and_end(t, HELPER_wfe, 0, 0, 0);
}

void translate_WFI(struct tr *t, const struct a64_insn *i)
{
    call_and_end(t, HELPER_wfi, 0, 0, 0);
}

void translate_WFET(struct tr *t, const struct a64_insn *i)
{
    call_and_end(t, HELPER_wfet, reg(t, i->rd), 0, 0);
}

void translate_WFIT(struct tr *t, const struct a64_insn *i)
{
    call_and_end(t, HELPER_wfit, reg(t, i->rd), 0, 0);
}

void translate_SEV(struct tr *t, const struct a64_insn *i)
{
    tr_call(t, HELPER_sev, konst(t, 0), 0, 0);
}

void translate_SEVL(struct tr *t, const struct a64_insn *i)
{
    tr_call(t, HELPER_sev, konst(t, 1), 0, 0);
}

/* ---- barriers ---- */
enum { BARRIER_LOAD = 1, BARRIER_STORE = 2, BARRIER_FULL = 3 };

void translate_CLREX(struct tr *t, const struct a64_insn *i)
{
    tr_call(t, HELPER_clrex, 0, 0, 0);
}

/* CRm<1:0>: 1 loads, 2 stores, 3 all; 0 is reserved and acts as all. */
void translate_DMB(struct tr *t, const struct a64_insn *i)
{
    unsigned types = (unsigned)i->crm & 3;
    E0(BARRIER, types ? types : BARRIER_FULL);
}

/* CRm 0 and 4 are SSBB and PSSBB: order of speculative accesses only. */
void translate_DSB(struct tr *t, const struct a64_insn *i)
{
    unsigned types = (unsigned)i->crm & 3;
    E0(BARRIER, types ? types : BARRIER_FULL);
    if (i->crm != 0 && i->crm != 4)
        E1(RAISE_NZ, E0(GET32, offsetof(struct cpu_state, must_sync)), HELPER_dsb);
}

/* Nothing to do: what it would make visible (system registers, maintenance by address or of another vCPU after its DSB)
 * already ended a block. */
void translate_ISB(struct tr *t, const struct a64_insn *i)
{
}

/* ---- PSTATE, system instructions ---- */
enum { DAIFSET = 3 << 3 | 6, DAIFCLR = 3 << 3 | 7 };

/* Masking needs nobody's attention. Unmasking with a line up leaves the block, so that no stretch of code with back edges in masked
 * parts only can keep an interrupt out. */
static void write_daif(struct tr *t, ir_ref v, bool may_unmask)
{
    E1(SET64, v, offsetof(struct cpu_state, daif));
    if (may_unmask)
        E1(RAISE_NZ, E2(ANDN64, E0(GET32, offsetof(struct cpu_state, lines)), v, 0), HELPER_unmasked);
}

void translate_MSR_imm(struct tr *t, const struct a64_insn *i)
{
    int field = i->op1 << 3 | i->op2;
    if (t->mode & CPU_MODE_EL1 && (field == DAIFSET || field == DAIFCLR)) {
        ir_ref old = E0(GET64, offsetof(struct cpu_state, daif)), bits = konst(t, (uint64_t)(i->crm & 15) << 6);
        write_daif(t, field == DAIFSET ? E2(OR64, old, bits, 0) : E2(ANDN64, old, bits, 0), field == DAIFCLR && i->crm & 3);
        return;
    }
    call_and_end(t, HELPER_msr_imm, konst(t, (uint64_t)(i->op1 << 3 | i->op2)), konst(t, (uint64_t)i->crm), 0);
}

#define SYSREG(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

static unsigned sysreg_of(const struct a64_insn *i, unsigned op0)
{
    return op0 << 14 | (unsigned)(i->op1 << 11 | i->crn << 7 | i->crm << 3 | i->op2);
}

void translate_SYS(struct tr *t, const struct a64_insn *i)
{
    unsigned op = sysreg_of(i, 1);
    bool trapped = !(t->mode & CPU_MODE_EL1) && t->mode & CPU_MODE_TRAP_EL0;
    if (op == SYSREG(1, 3, 7, 4, 1) && !trapped) /* DC ZVA */
        tr_call(t, HELPER_dc_zva, reg(t, i->rt), 0, 0);
    else
        call_and_end(t, HELPER_sys, konst(t, op), reg(t, i->rt), konst(t, (uint64_t)i->rt));
}

void translate_SYSL(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rt, tr_call(t, HELPER_sysl, konst(t, sysreg_of(i, 1)), konst(t, (uint64_t)i->rt), 0));
}

/* ---- system registers ---- */
enum {
    NZCV = SYSREG(3, 3, 4, 2, 0),
    FPCR = SYSREG(3, 3, 4, 4, 0),
    FPSR = SYSREG(3, 3, 4, 4, 1),
    TPIDR_EL0 = SYSREG(3, 3, 13, 0, 2),
    TPIDRRO_EL0 = SYSREG(3, 3, 13, 0, 3),
    TPIDR_EL1 = SYSREG(3, 0, 13, 0, 4),
    DAIF = SYSREG(3, 3, 4, 2, 1),
    SP_EL0 = SYSREG(3, 0, 4, 1, 0),
    SPSR_EL1 = SYSREG(3, 0, 4, 0, 0),
    ELR_EL1 = SYSREG(3, 0, 4, 0, 1),
    ESR_EL1 = SYSREG(3, 0, 5, 2, 0),
    FAR_EL1 = SYSREG(3, 0, 6, 0, 0),
    CTR_EL0 = SYSREG(3, 3, 0, 0, 1),
    DCZID_EL0 = SYSREG(3, 3, 0, 0, 7),
};
enum { DAIF_BITS = 0x3c0, FPSR_BITS = 1 << 27 | 0x9f }; /* QC, IDC, IXC, UFC, OFC, DZC, IOC */

/* A register that is a plain 64-bit field of the state, with the rights of this exception level. */
static bool plain_field(struct tr *t, unsigned sysreg, bool write, uint64_t *offset)
{
    bool el1 = t->mode & CPU_MODE_EL1, free = el1 || !(t->mode & CPU_MODE_TRAP_EL0);
    switch (sysreg) {
    case TPIDR_EL0: *offset = offsetof(struct cpu_state, tpidr_el0); return true;
    case TPIDRRO_EL0: *offset = offsetof(struct cpu_state, tpidrro_el0); return el1 || !write;
    case TPIDR_EL1: *offset = offsetof(struct cpu_state, tpidr_el1); return el1;
    case SP_EL0: *offset = offsetof(struct cpu_state, sp_el[0]); return el1 && !(t->mode & CPU_MODE_SPSEL0);
    case ELR_EL1: *offset = offsetof(struct cpu_state, elr_el1); return el1;
    case FAR_EL1: *offset = offsetof(struct cpu_state, far_el1); return el1;
    case CTR_EL0: *offset = offsetof(struct cpu_state, ctr_el0); return !write && free;
    case DCZID_EL0: *offset = offsetof(struct cpu_state, dczid_el0); return !write && free;
    case DAIF: *offset = offsetof(struct cpu_state, daif); return el1 && !write;
    case ESR_EL1: *offset = offsetof(struct cpu_state, esr_el1); return el1 && !write;   /* writes are masked */
    case SPSR_EL1: *offset = offsetof(struct cpu_state, spsr_el1); return el1 && !write;
    default: return false;
    }
}

void translate_MRS(struct tr *t, const struct a64_insn *i)
{
    unsigned sysreg = sysreg_of(i, 2 + (unsigned)i->o0);
    uint64_t offset;
    ir_ref v;
    if (plain_field(t, sysreg, false, &offset)) {
        v = E0(GET64, offset);
    } else if (sysreg == NZCV) {
        v = E1(F_TO_NZCV, flags(t), 0);
    } else if (sysreg == FPCR || sysreg == FPSR) {
        if (fp_trapped(t, i))
            return;
        v = E0(GET32, sysreg == FPCR ? offsetof(struct cpu_state, fpcr) : offsetof(struct cpu_state, fpsr));
    } else {
        v = tr_call(t, HELPER_mrs, konst(t, sysreg), konst(t, (uint64_t)i->rt), 0);
    }
    write_reg(t, i->rt, v);
}

void translate_MSR(struct tr *t, const struct a64_insn *i)
{
    unsigned sysreg = sysreg_of(i, 2 + (unsigned)i->o0);
    uint64_t offset;
    ir_ref v = reg(t, i->rt);
    if (plain_field(t, sysreg, true, &offset)) {
        E1(SET64, v, offset);
    } else if (sysreg == NZCV) {
        write_flags(t, E1(F_FROM_NZCV, v, 0));
    } else if (sysreg == FPSR) {
        if (!fp_trapped(t, i))
            E1(SET32, E2(AND64, v, konst(t, FPSR_BITS), 0), offsetof(struct cpu_state, fpsr));
    } else if (sysreg == SPSR_EL1 && t->mode & CPU_MODE_EL1) {
        E1(SET64, E2(AND64, v, konst(t, CPU_SPSR_MASK), 0), offsetof(struct cpu_state, spsr_el1));
    } else if (sysreg == DAIF && t->mode & CPU_MODE_EL1) {
        write_daif(t, E2(AND64, v, konst(t, DAIF_BITS), 0), true);
    } else if (sysreg != FPCR || !fp_trapped(t, i)) {
        call_and_end(t, HELPER_msr, konst(t, sysreg), v, konst(t, (uint64_t)i->rt));
    }
}
