/*
 * vcpu.h - inside of cpu/: one vCPU, the set, and who offers what. Not for other folders.
 *
 * Threads. Everything in struct vcpu belongs to its own thread, but for the fields marked "shared". What other threads
 * want from a vCPU they leave in `pending` (atomic or) and, for TLB and code maintenance, in its request queue.
 */
#ifndef CPU_VCPU_H
#define CPU_VCPU_H

#include "cpu/cpu.h"
#include "cpu/mmu.h"
#include "cpu/state.h"
#include "x64/x64.h"
#include <pthread.h>
#include <stdatomic.h>

/* ---- system registers ---- */
enum sysreg {
#define SYSREG(name, op0, op1, crn, crm, op2, access, check, read, write, reset, mask, section) SR_##name,
#include "cpu/sysregs.inc"
#undef SYSREG
    SR_COUNT
};
/* Encoding as helpers.inc passes it. */
#define SYSREG_ENC(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

/* ---- PSTATE and SPSR bits ---- */
#define PSTATE_N    BIT(31)
#define PSTATE_DIT  BIT(24)
#define PSTATE_PAN  BIT(22)
#define PSTATE_SS   BIT(21)
#define PSTATE_IL   BIT(20)
#define PSTATE_SSBS BIT(12)
#define PSTATE_D    BIT(9)
#define PSTATE_A    BIT(8)
#define PSTATE_I    BIT(7)
#define PSTATE_F    BIT(6)
#define PSTATE_DAIF (PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F)

/* ---- SCTLR_EL1 bits ---- */
#define SCTLR_M     BIT(0)
#define SCTLR_A     BIT(1)
#define SCTLR_SA    BIT(3)
#define SCTLR_SA0   BIT(4)
#define SCTLR_UMA   BIT(9)
#define SCTLR_ENDB  BIT(13)
#define SCTLR_DZE   BIT(14)
#define SCTLR_UCT   BIT(15)
#define SCTLR_NTWI  BIT(16)
#define SCTLR_NTWE  BIT(18)
#define SCTLR_WXN   BIT(19)
#define SCTLR_TSCXT BIT(20)
#define SCTLR_SPAN  BIT(23)
#define SCTLR_UCI   BIT(26)
#define SCTLR_ENDA  BIT(27)
#define SCTLR_ENIB  BIT(30)
#define SCTLR_ENIA  BIT(31)
#define SCTLR_BT0   BIT(35)
#define SCTLR_BT1   BIT(36)
#define SCTLR_DSSBS BIT(44)

/* ---- exception classes (ESR_ELx.EC, D17.2.37) ---- */
enum esr_ec {
    EC_UNKNOWN = 0x00, EC_WFX = 0x01, EC_FP = 0x07, EC_BTI = 0x0d, EC_ILLEGAL = 0x0e, EC_SVC = 0x15, EC_HVC = 0x16,
    EC_SYSREG = 0x18, EC_PAC_FAIL = 0x1c, EC_IABORT = 0x20, EC_IABORT_SAME = 0x21, EC_PC_ALIGN = 0x22, EC_DABORT = 0x24,
    EC_DABORT_SAME = 0x25, EC_SP_ALIGN = 0x26, EC_BREAKPOINT = 0x30, EC_STEP = 0x32, EC_WATCHPOINT = 0x34, EC_BRK = 0x3c, /* 0x30..0x34: one more from EL1 */
};

/* ---- soft TLB ---- */
enum {
    TLB2_BITS = 15,
    TLB_CONTEXTS = 16,   /* EL0 address spaces that keep their tables */
    TLB_RANGES = 8,
    TLB_LOW_MAX = 64,
    JUMP_FILTER_BITS = 4096,
};

/* A translation as the architecture's TLB would hold it, cut to 4 KiB. */
struct tlb2_entry {
    uint64_t page;    /* va >> 12 */
    uint32_t ctx;     /* identity of the address space; 0: global, upper half */
    uint32_t gen;     /* valid if equal to tlb.gen */
    uint64_t pa_page : 48; /* physical address >> 12 */
    uint64_t prot : 16;    /* MMU_* */
    uint8_t *hva;          /* NULL: not memory */
};
static_assert(sizeof(struct tlb2_entry) == 32, "two a line");

static inline uint64_t tlb2_pa(const struct tlb2_entry *e)
{
    return (uint64_t)e->pa_page << 12;
}

/* Virtual ranges mapped by something larger than 4 KiB: a TLBI of one address in there takes the whole table. */
struct tlb_ranges {
    unsigned n;
    struct { uint64_t lo, hi; } r[TLB_RANGES];
};

/* Which lines of a table are in use, as long as they are few: a process that does not live long has its tables cleared line by line. */
enum { TOUCHED_MAX = 4096 };
struct touched {
    unsigned n;         /* more than TOUCHED_MAX: not known */
    uint16_t line[TOUCHED_MAX];
};

struct jump_table {
    struct x64_jump_entry *entry; /* right before the data table of the same EL and context (x64_config.tlb_offset), and allocated with it */
    struct touched touched;
    uint32_t mode;      /* the entries were made for this s.mode */
    bool used;          /* there may be entries */
    uint64_t lo, hi;    /* pages that have entries lie in [lo, hi], */
    uint64_t filter[JUMP_FILTER_BITS / 64]; /* and their hashed numbers are in here */
};

/* EL0's tables for one (TTBR0 base, ASID). */
struct tlb_context {
    uint64_t ttbr0;
    uint16_t asid;
    uint32_t id;      /* 0: unused */
    uint64_t last_use;
    bool data_used;
    bool odd;         /* it may have global translations of the lower half, or such of the upper half: not only its ASID concerns it */
    struct touched touched;
    struct x64_tlb_entry *data;
    struct jump_table jump;
    struct tlb_ranges large;
};

struct tlb {
    unsigned bits;
    struct x64_tlb_entry *el1;       /* data at EL1 */
    struct x64_tlb_entry *empty;     /* never hits: LDTR while the context is not chosen */
    struct jump_table el1_jump;
    struct tlb_ranges el1_large;
    bool el1_used;
    uint16_t low[TLB_LOW_MAX];       /* indices of el1 entries for lower-half addresses */
    unsigned n_low;                  /* > TLB_LOW_MAX: clear all */
    bool low_code;                   /* el1_jump has lower-half addresses */
    struct tlb_context ctx[TLB_CONTEXTS];
    struct tlb_context *cur;         /* NULL: to be chosen on first use */
    uint32_t next_id;
    uint64_t clock;
    uint32_t gen;
    struct tlb2_entry *l2;           /* 1 << TLB2_BITS */
};

/* ---- requests between vCPUs ---- */
enum tlbi_kind {
    TLBI_ALL, TLBI_ASID, TLBI_VA, TLBI_VAA,
    TLBI_CODE,     /* all jump tables */
    TLBI_ONE_CODE, /* jump table entries that lead to `code` from page offset `va` */
};
struct tlbi {
    uint8_t kind;
    uint16_t asid;
    uint64_t va;      /* canonical, page aligned */
    uint64_t pages;   /* of 4 KiB */
    const void *code;
};
enum { REQUESTS_MAX = 64 };
struct requests {
    pthread_mutex_t lock;
    struct tlbi q[REQUESTS_MAX];
    unsigned n;             /* REQUESTS_MAX: overflow, drop everything */
    _Atomic uint64_t asked; /* sequence number of the last request put in */
    _Atomic uint64_t done;  /* of the last one executed */
};

struct timer_state {
    uint64_t deadline_ns;   /* host clock; UINT64_MAX: none */
    bool level[2];          /* as last told to the board: virtual, physical */
};

/* Codes of pointer authentication made before, by a hash of all that went into them (pauth.c). */
enum { PAUTH_MEMO_BITS = 8 };
struct pauth_memo {
    uint64_t data, modifier, lo, hi, code;
    bool valid;
};

/* What the vCPU waits for before it goes on. */
enum wait_kind {
    WAIT_NONE, WAIT_INTERRUPT, WAIT_EVENT,
    WAIT_SUSPENDED,         /* SYSTEM_SUSPEND: an interrupt turns it on again at on_pc */
    WAIT_KICK,              /* apple_calls.c: another vCPU's call, */
    WAIT_KICK_OR_INTERRUPT, /* or an interrupt */
    WAIT_KINDS
};

/* Where the A keys are used with the diversifier (apple_calls.c). */
enum { PAC_DIVERSIFIED_EL0 = 1, PAC_DIVERSIFIED_EL1 = 2 };

struct vcpu {
    struct cpu_state s;
    uint8_t frame[X64_FRAME_BYTES] __attribute__((aligned(16))); /* translated code's */
    struct cpu_set *set;
    unsigned id;
    /* PSTATE beside s.flags and s.daif */
    uint8_t el, spsel, pan, dit, ssbs, btype, il, ss;
    uint64_t sr[SR_COUNT];
    uint32_t base_mode;     /* mode bits that come from the model */
    struct ir_monitor monitor;
    struct tlb tlb;
    struct timer_state timer;
    struct requests requests;                /* shared */
    uint64_t sent[CPU_MAX];                  /* sequence numbers this vCPU waits for at its next DSB */
    _Atomic bool event;                      /* shared: event register */
    _Atomic bool kicked;                     /* shared: likewise for VCPU_WFK */
    _Atomic bool sleeping;                   /* shared: in futex wait on s.pending */
    _Atomic bool parked;                     /* shared: runs no guest code */
    _Atomic int power;                       /* shared: enum cpu_power */
    uint64_t on_pc, on_x0;                   /* for power on; written before power = CPU_ON_PENDING */
    uint64_t pac_diversifier;
    uint8_t pac_diversified;                 /* PAC_DIVERSIFIED_* */
    enum wait_kind wait;                     /* before the next instruction */
    uint64_t wait_until;                     /* counter value; UINT64_MAX: none */
    bool single;                             /* in jit_step: watchpoints are looked at */
    bool sleeps_short;                       /* the last WFI took little time */
    unsigned idle_spins;                     /* WFE in a row without a sleep */
    unsigned yields;
    bool started;
    pthread_t thread;
    uint64_t rng;
    uint32_t exceptions_taken;               /* entries and returns: for whom SS was set by them */
    uint32_t insn;                           /* word of the last undefined instruction, for messages */
    unsigned n_notes;
    struct cpu_stats stats;
    struct pauth_memo pauth_memo[1 << PAUTH_MEMO_BITS];
    struct ir_block *ir;                     /* scratch of the translator */
    struct cold_ir *cold;                    /* jit/cold.c: evaluated lately */
};

enum cpu_power { CPU_OFF, CPU_STARTING, CPU_ON_PENDING, CPU_ON };

struct jit; /* cpu/jit/jit.h */

enum trace { TRACE_INT = 1, TRACE_TLB = 2, TRACE_CODE = 4, TRACE_PSCI = 8, TRACE_BLOCK = 16, TRACE_MMIO = 32, TRACE_CALLS = 64,
             TRACE_X64 = 128 };

struct cpu_set {
    struct cpu_options o;
    struct cpu_board board;
    struct vcpu **cpu;
    struct jit *jit;
    unsigned trace;         /* enum trace */
    uint64_t seed;          /* 0: not randomised */
    unsigned pa_bits, host_cpus;
    struct { uint8_t uuid[16]; uint64_t key; } session; /* of this boot, for apple_calls.c */
    /* the world: parking, stopping, the end */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    _Atomic bool world_taken; /* somebody has the world to himself */
    bool paused;            /* cpu_set_pause has it */
    _Atomic bool stop;
    bool ended;
    enum cpu_end end;
    struct pome_error error;
    unsigned n_running;     /* threads */
    /* time */
    uint64_t count_base_ns; /* CNTVCT is 0 then (host clock) */
    uint64_t paused_at_ns;
    pthread_t timer_thread;
    bool timer_running;
    pthread_mutex_t timer_lock;
    pthread_cond_t timer_cond;
    bool timer_quit;
    uint64_t timer_next_ns;
};

static inline struct vcpu *vcpu_of(void *state)
{
    return state; /* struct cpu_state is the first member */
}

/* ---- pstate.c ---- */
uint64_t pstate_get(const struct vcpu *c); /* as SPSR_EL1 would get it */
void pstate_set_sp(struct vcpu *c, unsigned el, unsigned spsel); /* moves to another EL or stack pointer */
void vcpu_update_mode(struct vcpu *c);     /* after changes of EL, SCTLR, CPACR: s.mode and the tables of the context */
void vcpu_reset(struct vcpu *c);

/* ---- exception.c: the exception is put into the state, s.raised set ---- */
void raise_sync(struct vcpu *c, enum esr_ec ec, uint32_t iss, uint64_t return_pc);
void raise_fault(struct vcpu *c, const struct mmu_fault *f, uint64_t va, uint32_t iss, bool fetch, uint64_t return_pc);
void raise_undefined(struct vcpu *c, uint64_t return_pc);
bool take_interrupt(struct vcpu *c); /* true: an unmasked line was up and pc is at the vector */
void exception_return(struct vcpu *c, uint64_t target);
uint64_t canonical_pc(const struct vcpu *c, uint64_t pc); /* removes the tag where TBI says so */

/* ---- debug.c ---- */
bool debug_active(const struct vcpu *c);   /* instructions must be run one by one */
bool debug_before(struct vcpu *c);         /* true: a step or breakpoint exception was raised instead of the instruction at pc */
bool debug_watch(struct vcpu *c, uint64_t va, unsigned bytes, bool write, uint64_t pc); /* true: watchpoint exception raised */
bool debug_return_ss(const struct vcpu *c, uint64_t spsr); /* PSTATE.SS after a return with this SPSR; before EL and DAIF change */

/* ---- sysreg.c: false: an exception was raised ---- */
bool sysreg_read(struct vcpu *c, uint32_t enc, unsigned rt, uint64_t return_pc, uint64_t *value);
bool sysreg_write(struct vcpu *c, uint32_t enc, unsigned rt, uint64_t return_pc, uint64_t value);
/* ESR's ISS for a trapped MRS, MSR or SYS */
uint32_t sysreg_iss(uint32_t enc, unsigned rt, bool read);
const char *sysreg_name(enum sysreg r);
/* For saved.c: does the register have storage of its own (sr[])? IDENTITY: it never changes. Load: a value cut to what the guest could have written;
 * tables made from it are the caller's. */
enum sysreg_storage { SYSREG_NO_STORAGE, SYSREG_IDENTITY, SYSREG_STORAGE };
enum sysreg_storage sysreg_storage(enum sysreg r);
void sysreg_load(struct vcpu *c, enum sysreg r, uint64_t v);
void idregs_reset(struct vcpu *c);

/* ---- tlb.c ---- */
bool tlb_create(struct vcpu *c, struct pome_error *err);
void tlb_destroy(struct vcpu *c);
void tlb_flush_all(struct vcpu *c);
void tlb_flush_code(struct vcpu *c); /* jump tables only */
void tlb_context_changed(struct vcpu *c); /* TTBR0, TTBR1 or ASID written */
void tlb_regime_changed(struct vcpu *c);  /* SCTLR.M, TCR, MAIR, TTBR1's base */
void tlb_pan_changed(struct vcpu *c);
void tlb_select(struct vcpu *c);          /* s.tlb, s.jump for the current EL and context */
void tlb_invalidate(struct vcpu *c, const struct tlbi *t);
/* The translation of va for this access, filling the inline table when memory; NULL with *fault set. `unpriv`: as EL0. */
enum tlb_access { TLB_READ, TLB_WRITE, TLB_FETCH };
const struct tlb2_entry *tlb_lookup(struct vcpu *c, uint64_t va, enum tlb_access access, bool unpriv, struct mmu_fault *fault);
struct jump_table *tlb_jump_table(struct vcpu *c);
void tlb_jump_insert(struct vcpu *c, uint64_t va, const void *code);
bool tlb_jump_new_page(struct vcpu *c, uint64_t va);                 /* nothing of this page is in the current jump table */
void tlb_jump_offer(struct vcpu *c, uint64_t va, const void *code);  /* likewise, if the place is free */
struct mmu_regime vcpu_regime(const struct vcpu *c);
uint16_t vcpu_asid(const struct vcpu *c);
/* AT S1E*: fills PAR_EL1. */
void tlb_at(struct vcpu *c, uint64_t va, bool write, bool el0, bool pan);

/* ---- requests.c ---- */
bool requests_serve(struct vcpu *c);                           /* own thread; true: there were some */
void requests_broadcast(struct vcpu *c, const struct tlbi *t); /* to all others; they are done after requests_wait */
bool requests_wait(struct vcpu *c);                            /* DSB; true: served some meanwhile */

/* ---- set.c ---- */
/* A line for the machine's log; the first few of each vCPU only. */
void vcpu_note(struct vcpu *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- world.c ---- */
void vcpu_kick(struct vcpu *c, uint32_t pending);  /* any thread */
void vcpu_park(struct vcpu *c);                    /* from here on the vCPU runs no guest code */
void vcpu_unpark(struct vcpu *c);                  /* waits while the world is stopped */
bool vcpu_sleep(struct vcpu *c, uint64_t until_ns); /* parked until pending is non-zero or the time comes */
void world_stop(struct cpu_set *set, struct vcpu *c); /* returns when all are parked; c: caller, itself at a safe point, or NULL */
void world_resume(struct cpu_set *set, struct vcpu *c);
void set_end(struct vcpu *c, enum cpu_end why, const struct pome_error *err);

/* ---- timer.c ---- */
uint64_t host_now_ns(void);
uint64_t counter_now(const struct cpu_set *set);
int64_t counter_offset(const struct cpu_set *set); /* the host's clock in ticks less counter_now; changes only with a pause */
uint64_t counter_to_host_ns(const struct cpu_set *set, uint64_t count); /* UINT64_MAX: never */
void timer_update(struct vcpu *c); /* levels and the next deadline, from the registers */
void timer_reset(struct vcpu *c);  /* registers are at reset: levels down, no deadline */
uint64_t event_stream_after(uint64_t cntkctl, uint64_t count); /* the counter at the next event that CNTKCTL_EL1 asks for; UINT64_MAX: none */
uint64_t event_stream_ns(const struct vcpu *c); /* host clock of the next event that CNTKCTL_EL1 asks for; UINT64_MAX: none */
bool timer_start(struct cpu_set *set, struct pome_error *err);
void timer_stop(struct cpu_set *set);

/* ---- hypercall.c ---- */
void hypercall(struct vcpu *c, unsigned imm); /* HVC: arguments and result in registers */

/* ---- pauth.c ---- */
uint64_t pauth_sign(struct vcpu *c, uint64_t ptr, uint64_t modifier, unsigned key);
bool pauth_check(struct vcpu *c, uint64_t *ptr, uint64_t modifier, unsigned key); /* false: it is not signed so; *ptr leads nowhere */
uint64_t pauth_generic(struct vcpu *c, uint64_t value, uint64_t modifier);
uint64_t pauth_strip(struct vcpu *c, uint64_t ptr, bool data);

/* ---- cpu/jit ---- */
struct jit *jit_create(struct cpu_set *set, struct pome_error *err);
void jit_destroy(struct jit *j);
void jit_reset(struct jit *j);                      /* forget all; no vCPU runs */
void jit_run(struct vcpu *c);                       /* until set->stop or the vCPU is off */
void jit_check_page(struct vcpu *c, uint64_t pa);   /* IC IVAU: translations of changed code die, everywhere after DSB */
void jit_check_all(struct vcpu *c);                 /* IC IALLU */
void jit_each_page(struct jit *j, unsigned max, cpu_page_fn *each, void *ctx); /* those that have translations, if they are no more than max; no vCPU runs */

#endif
