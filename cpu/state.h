/*
 * state.h - the guest-visible state of one vCPU, and the few fields that translated code shares with the dispatcher.
 *
 * The hot part comes first: translated code addresses it with one-byte displacements from a base register that
 * points at &x[16] (offset CPU_STATE_BIAS). Everything else is reached by the sysreg table and by helpers.
 */
#ifndef CPU_STATE_H
#define CPU_STATE_H

#include "ir/ir.h"

struct x64_tlb_entry;

enum { CPU_STATE_BIAS = 128 };

/* Why translated code must come back to the dispatcher soon: bits of `pending`, set by any thread (atomic or). */
enum {
    CPU_PENDING_IRQ = 1,      /* irq or fiq line may be up: look */
    CPU_PENDING_STOP = 2,     /* pause, stop */
    CPU_PENDING_REQUESTS = 4, /* queue of cross-vCPU requests (TLB, code invalidation) is not empty */
    CPU_PENDING_TIMER = 8,    /* a timer deadline passed */
    CPU_PENDING_EVENT = 16,   /* the event register was set (SEV): wakes WFE */
};

struct cpu_state {
    uint64_t x[31];
    uint64_t sp;       /* the current stack pointer (banked copies below are stale for the current one) */
    uint64_t pc;       /* valid outside of translated code */
    uint64_t pc_page;  /* virtual address of the 4 KiB page the running translation was entered through */
    uint32_t flags;    /* NZCV in ir.h's form */
    uint32_t raised;   /* a slow path put an exception into the state: leave the block */
    uint32_t pending;  /* CPU_PENDING_* */
    uint32_t mode;     /* the part of the translation key that is not the address: enum cpu_mode bits */
    uint32_t fpcr, fpsr;
    uint64_t tpidr_el0, tpidrro_el0, tpidr_el1;
    uint64_t sp_el[2];  /* banked stack pointers; the current one's copy is stale */
    uint64_t daif;      /* PSTATE.DAIF in bits 9..6 */
    uint64_t elr_el1, spsr_el1, esr_el1, far_el1;
    uint64_t ctr_el0, dczid_el0; /* constants of the model, which guests read all the time */
    uint32_t must_sync; /* there are requests to others that DSB must wait for */
    union ir_value v[32];
    /* What x64/ reaches through offsets: tables of the current context (struct x64_tlb_entry; before the first, struct x64_jump_entry). */
    struct x64_tlb_entry *tlb[2];
    uint32_t lines;    /* shared, as `pending` is; kept by resets: interrupt lines that are up, at the places of their DAIF bits */
    /* Everything else (PSTATE, system registers, monitor) follows in struct vcpu, cpu/vcpu.h. */
};

/* Translation key beside the physical address; each bit changes what a guest instruction means. */
enum cpu_mode {
    CPU_MODE_EL1 = 1 << 0,
    CPU_MODE_FP_TRAP = 1 << 1,    /* CPACR_EL1.FPEN traps FP and SIMD here */
    CPU_MODE_ALIGN = 1 << 2,      /* SCTLR_EL1.A */
    CPU_MODE_SP_ALIGN = 1 << 3,   /* SCTLR_EL1.SA / SA0 */
    CPU_MODE_PAUTH = 1 << 4,      /* the model has FEAT_PAuth: hint-space forms are not NOPs */
    CPU_MODE_BTI = 1 << 5,        /* guarded page and SCTLR_EL1.BTx: BTYPE is checked */
    CPU_MODE_TRAP_EL0 = 1 << 6,   /* SCTLR_EL1.UMA/UCT/UCI/nTWI/nTWE/DZE differ from "all allowed": use the slow forms */
    CPU_MODE_FP_MODES = 1 << 8,   /* FPCR asks for another arithmetic: FPCR_MODES */
    CPU_MODE_LOOP = 1 << 9,       /* of no vCPU: a second translation, for hot loops (cpu/jit/blocks.c); */
    CPU_MODE_ALONE = 1 << 10,     /* another, where accesses cannot share a look-up (struct x64_link.alone) */
    CPU_MODE_VARIANTS = CPU_MODE_LOOP | CPU_MODE_ALONE,
    CPU_MODE_SPSEL0 = 1 << 7,     /* EL1 with SPSel 0: SP_EL0 is the current stack pointer */
};

/* Bits of SPSR_EL1 that are kept: NZCV, DIT to IL, SSBS, BTYPE, DAIF, M */
#define CPU_SPSR_MASK UINT64_C(0xfff01fff)

#define CPU_X(n)  ((uint64_t)(offsetof(struct cpu_state, x) + 8 * (n)))
#define CPU_SP    ((uint64_t)offsetof(struct cpu_state, sp))
#define CPU_FLAGS ((uint64_t)offsetof(struct cpu_state, flags))
#define CPU_V(n)  ((uint64_t)(offsetof(struct cpu_state, v) + 16 * (n)))

#endif
