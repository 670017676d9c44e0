/*
 * compile.h - what the files of x64/ share: the compiler's state and its vocabulary.
 *
 * How it works
 *   One walk forward over a block of IR (compile.c), after one walk backward that finds every value's last use. Registers
 *   are given out on the way (regs.c). A value can be in a register, in a spill slot of the frame, in guest state ("home":
 *   a GET is not loaded before somebody needs it, a SET's value can be had back from the state), be a constant, or be FLAGS
 *   that are recomputed when wanted (flags.c). Emitters speak five words:
 *
 *     r = x64_use(c, ref)          a register that holds the value, loaded if need be; not to be written
 *     o = x64_operand(c, ref, w)   the cheapest form of a source operand: register, memory or 32-bit immediate
 *     d = x64_def(c)               a fresh register for the current instruction's result
 *     d = x64_def_over(c, ref)     a register for the result that already holds ref's value (its own register if ref dies here)
 *     t = RAX, RCX, RDX; XMM0, XMM1, XMM2   scratch: never allocated, free between the operations
 *
 *   and x64_use_v, x64_def_v, x64_def_over_v for vectors. All uses come before the first def of an operation (a def may take
 *   the register of an operand that dies; the register's contents stay intact until the emitter writes the result).
 *   Registers in use by the current operation are busy; the main loop releases them and frees what died.
 *
 *   Everything that is rare is emitted after the block's straight line ("cold"): slow paths, exits.
 *   Slow paths and calls go through stubs (stubs.c) that save every allocatable register, so nothing is ever clobbered.
 *
 * Host flags
 *   c->cc names the FLAGS value that the host's flags currently hold, in form c->cc_form; 0: none. Whoever emits an
 *   instruction that changes the flags calls x64_flags_lost(c); the main loop does so for every operation whose emitter
 *   did not say otherwise.
 */
#ifndef X64_COMPILE_H
#define X64_COMPILE_H

#include "x64/asm.h"
#include "x64/host.h"
#include "x64/x64.h"

enum { X64_LOOP_GROUPS = 24 };

/* The frame: scratch memory at config.frame_offset. */
enum {
    FRAME_ARGS = 0,            /* three vectors: operands of ir_eval_pure and vector slow paths, the result in the first */
    FRAME_LOCK = 48,           /* target of "lock or"; MXCSR for a moment */
    FRAME_MXCSR = 52,          /* translated code's, while C runs */
    FRAME_CALL = 56,           /* u64: helper number | page offset << 16 */
    FRAME_GPR = 64,            /* saved by stubs: rsi, rdi, r8..r11 */
    FRAME_FLAGS = 112,         /* the host's, in cold code of floating-point operations */
    FRAME_BASE = 120,          /* u64: rsp of the empty return stack; */
    FRAME_LIMIT = 128,         /* u64: no call where rsp is below */
    FRAME_V_HERE = 136,        /* u32: 1 while the pinned vector registers are loaded (regs.c) */
    FRAME_XMM = 144,           /* saved by stubs: xmm3..xmm15 */
    FRAME_SLOTS = 144 + 13 * 16,
    N_SLOTS = 1024,            /* of 8 bytes, then as many of 16 */
    FRAME_VSLOTS = FRAME_SLOTS + 8 * N_SLOTS,
    FRAME_LOOP = FRAME_VSLOTS + 16 * N_SLOTS, /* loop.c: 16 bytes a group, then registers */
    FRAME_LOOP_REGS = FRAME_LOOP + 16 * X64_LOOP_GROUPS,
    FRAME_BYTES = FRAME_LOOP_REGS + 16 * 8,
    RETURN_STACK_BYTES = 128 * 1024, /* 16 a call; C code called from translated code needs more below */
};
static_assert((int)FRAME_BYTES <= (int)X64_FRAME_BYTES, "x64.h");

enum {
    X64_GPRS = 1 << RBX | 1 << RSI | 1 << RDI | 1 << R8 | 1 << R9 | 1 << R10 | 1 << R11 | 1 << R12 | 1 << R13 |
               1 << R14,          /* allocatable */
    X64_XMMS = 0xfff8,            /* xmm3..xmm15 */
    X64_OP_BYTES = 2048,          /* most that one operation may emit */
    X64_HOMES = 4096 / 8,         /* guest state that homes are kept for */
};

/* Constants at the beginning of the code memory (mem_code), and what translated code's MXCSR is: emit_fp.c. */
enum {
    CODE_HALF_DOUBLE = 16, CODE_HALF_SINGLE = 32, /* one half in every lane */
    CODE_MXCSR_C = 48, CODE_MXCSR_GUEST = 52,
    CODE_MASK_1 = 56, CODE_MASK_2 = 57,           /* bytes for mask registers */
    CODE_FP_FLAGS = 64, CODE_FP_FLAGS_SWAPPED = CODE_FP_FLAGS + 2 * 0x48, /* u16, by AH after a comparison: flags word */
    CODE_SIGN_DOUBLE = CODE_FP_FLAGS_SWAPPED + 2 * 0x48, CODE_SIGN_SINGLE = CODE_SIGN_DOUBLE + 16, /* the sign in every lane */
    CODE_BELOW_HALF_DOUBLE = CODE_SIGN_SINGLE + 16, CODE_BELOW_HALF_SINGLE = CODE_BELOW_HALF_DOUBLE + 16, /* the greatest number below one half */
    CODE_ONE_BYTES = CODE_BELOW_HALF_SINGLE + 16, CODE_ONE_WORDS = CODE_ONE_BYTES + 16, /* 1 in every element */
    CODE_LOW_BYTES = CODE_ONE_WORDS + 16, CODE_LOW_WORDS = CODE_LOW_BYTES + 16, /* the lower half of every word, of every doubleword */
    CODE_ALL_ONES = CODE_LOW_WORDS + 16, CODE_ABOVE_15 = CODE_ALL_ONES + 16, /* 0x70, with which bytes above 15 saturate to more than 127 */
    CODE_SHIFTS = CODE_ABOVE_15 + 16,                                        /* matrices of bits: bytes left by 0..7, right by 0..8, signed right */
    CODE_REVERSED = CODE_SHIFTS + 26 * 16,                                   /* ... and the other way round */
    CODE_NARROW = CODE_REVERSED + 16,                                        /* orders of bytes: the lower halves of words, of doublewords */
    CODE_REV16 = CODE_NARROW + 2 * 16, CODE_REV32 = CODE_REV16 + 16, CODE_REV64 = CODE_REV32 + 2 * 16, /* by bytes, then by words */
    CODE_STUBS = CODE_REV64 + 2 * 16,
};
enum {
    MXCSR_IE = 1, MXCSR_DE = 2, MXCSR_ZE = 4, MXCSR_OE = 8, MXCSR_UE = 0x10, MXCSR_PE = 0x20, /* and masks, 7 bits higher */
    MXCSR_FLAGS = 0x3f, MXCSR_MASKS = 7, MXCSR_RC = 13,
    MXCSR_C = 0x1f80,                                              /* as C expects it */
    MXCSR_GUEST = 0x1f80 & ~((MXCSR_IE | MXCSR_UE) << MXCSR_MASKS), /* while FPCR is 0 */
    MXCSR_FPSR = MXCSR_ZE | MXCSR_OE | MXCSR_PE,                   /* FPSR's DZC, OFC, IXC one bit higher */
    K_LANES_2 = 6, K_LANE_1 = 7,                                   /* mask registers (AVX-512): always 3 and 1 */
};

enum { X64_TLB_SHIFT = 5 };
static_assert(sizeof(struct x64_tlb_entry) == 1 << X64_TLB_SHIFT, "look-ups scale by it");

/* R15 holds state->tlb[0] in translated code: loaded on entry and by every stub after C code ran. */
enum { X64_TLB = R15 };

/* Order and kinds of the shared stubs. */
enum x64_stub {
    STUB_EXIT,           /* rax: enum x64_exit | link << 32: leave */
    STUB_EXIT_STATE,
    STUB_EXIT_LINK,      /* eax: target's page offset (signed), edx: link: pc = pc_page + rax */
    STUB_EXIT_PENDING,   /* eax: likewise */
    STUB_EXIT_PC,        /* rax: pc */
    STUB_JUMP_MISS,      /* rax: pc, not in its line of the jump cache: tries the neighbour */
    STUB_EXIT_PENDING_PC,
    STUB_RETURN_EMPTY,   /* a return matched the bottom of the return stack */
    STUB_LOAD, STUB_STORE, STUB_LOADV, STUB_STOREV, STUB_ATOMIC, STUB_CAS, STUB_CAS128,
    STUB_PREPARE,
    STUB_LOADX, STUB_LOADXV, STUB_STOREX, STUB_STOREXV,
    STUB_CALL,
    STUB_CALL_END,       /* the same, at the end of a block: then what STUB_EXIT_STATE does */
    STUB_PURE,
    STUB_GET_V,          /* loads the pinned vector registers */
    STUB_LOOK_UP,        /* + 1: writes, + 2: unprivileged. rax: address, edx: size - 1; ZF: hit, then rdx: addend; changes rcx */
    STUB_LOOK_UP_LAST = STUB_LOOK_UP + 3,
    STUB_COUNT,
};

/* Which host register a guest register lives in, by its state offset / 8; NO_REG: none. */
struct x64_pins {
    uint8_t host[IR_STATE_X_BYTES / 8];
    uint32_t hosts; /* all of them */
    uint8_t v_host[X64_V_REGISTERS]; /* vector registers, by number */
    uint32_t v_hosts;
};

struct x64_patch {
    uint32_t patch, unlinked; /* the rel32, and the offset it points to while unlinked */
};

/* An instruction that may raise a floating-point exception (traps.c). Offsets in the code memory. */
struct x64_trap {
    uint32_t at, to; /* it, and where execution goes on then */
    uint32_t patch;  /* where a jump can replace the instruction; 0: nowhere */
    uint32_t slow;   /* comparisons: where that jump leads; otherwise 0, and it leads to `to` */
    uint16_t count;
    uint16_t comparison;
};

struct x64_code {
    uint8_t *rw, *rx;
    size_t size, used, reset_to;
    size_t populated;                   /* pages up to here are there */
    const uint8_t *stub[STUB_COUNT][2]; /* in the writable mapping; [1] saves vector registers too */
    const uint8_t *enter;               /* executable */
    struct x64_pins pins;
    struct x64_patch *patches;          /* ascending, for unlinking */
    size_t n_patches, max_patches;
    struct x64_trap *traps;             /* ascending */
    size_t n_traps, max_traps;
    uint64_t trapped;                   /* how often; concurrent ones may get lost */
    const struct ir_env *env;
    struct ir_env env_copy;
    uint32_t state_bias;
    struct x64_compiler *compiler;      /* reused by every compilation */
};

struct x64_value {
    uint8_t reg;      /* NO_REG: none */
    uint8_t target;   /* the pinned register that a SET will want it in, NO_REG: none (regs.c) */
    uint8_t fused;    /* not computed: part of its users' code (fusable(), all_take() in compile.c) */
    uint16_t slot;    /* spill slot + 1 */
    uint16_t home;    /* state offset + 1 */
    ir_ref last;      /* instruction of the last use; 0: unused */
    uint16_t uses;
    uint16_t takers;  /* ... that would do its work on the way */
    ir_ref rdx_until; /* of the instruction: the next one that uses RDX itself; 0: this one does */
    uint16_t group;   /* memory operations: number of the group + 1 */
    int32_t offset;   /* ... and the distance of the address from its base */
};

/* Accesses to one page off one base value, with one look-up (group.c). The addend is kept as value X64_MAX_... + number. */
struct x64_group {
    ir_ref base;
    int32_t min, end; /* offsets from base that are accessed: [min, end) */
    uint16_t first, last, count;
    bool write, unpriv;
    bool maybe;       /* written, but only behind side exits */
    uint64_t page;    /* its distance from pc_page in pages, where that is known: then so is that all of it lies in this page; or NO_PAGE */
    bool late;        /* its first access is not the first of its instruction, which so cannot be begun again: always alone */
    int8_t way;       /* in a loop: the base rises (1), falls (-1) or nobody knows (0) from turn to turn */
    uint8_t addend;   /* ... and the register that the addend is kept in, NO_REG: in memory */
    uint8_t plus;     /* ... and a guest register / 8 that the loop does not write: part of the addend, not of the base; NO_REG: none */
    uint8_t leader;   /* ... if there is one: the first group with the same base, which looks this one's page up, too; or itself */
};
enum { X64_MAX_GROUPS = 64 };
#define NO_PAGE UINT64_MAX


struct x64_class {
    ir_ref owner[32];  /* whose value a register holds; 0: free */
    ir_ref twin[32];   /* ... a pinned register holds as well, though that value's place is another pinned one; 0: none */
    uint32_t free, busy, allocatable, pins;
    uint16_t slots[N_SLOTS]; /* stack of free ones */
    unsigned n_slots, used_slots;
};

/* Carry: as ir.h's flags word; inverted; undefined, C and V clear. Of a floating-point comparison: as UCOMISx leaves them, with the
 * operands the other way round; ZF if not equal. */
enum x64_form { FORM_SUB, FORM_ADD, FORM_LOGIC, FORM_FP, FORM_FP_SWAPPED, FORM_FP_UNEQUAL };

struct x64_compiler;
struct x64_operand {
    enum { OPERAND_REG, OPERAND_MEM, OPERAND_IMM } kind;
    unsigned reg;
    struct x64_mem mem;
    int32_t imm;
    uint64_t value; /* x64_place only: the whole constant */
    bool narrow;    /* ... and only 32 bits of the memory count */
};

/* ---- cold code (cold.c) ---- */
struct x64_cold {
    uint8_t kind;      /* enum in cold.c's users */
    uint8_t reg, reg2; /* operands by kind */
    uint8_t stub;
    bool vectors;
    uint8_t addend;    /* of a group: the register, NO_REG: none */
    bool linked;       /* exits: has a link */
    int32_t disp;      /* of the address from reg */
    uint8_t *from;     /* end of the jump (rel32) that comes here */
    uint8_t *from2;    /* another, or NULL */
    uint8_t *back;     /* where to continue */
    uint32_t pc_off, memop;
    int64_t target;
    /* flags that are not in the state (flags_later.c) */
    ir_ref flags;      /* 0: none */
    bool in_host;      /* the host has them, in */
    uint8_t form;
    struct x64_operand operand[2];
    /* floating point (fp.c) */
    uint8_t reg3;
    ir_ref n;              /* the instruction */
    uint32_t trap, trap_end; /* entries of code->traps that lead here */
    void (*emit)(struct x64_compiler *c, const struct x64_cold *cold);
};

/* A block that is a loop (loop.c). */
struct x64_loop {
    bool on;
    uint32_t written; /* guest registers that it SETs */
    unsigned n_moved;
    struct x64_moved {
        uint8_t host;    /* register that holds something else inside */
        uint8_t outside; /* guest register that lives there outside, / 8 */
        uint8_t inside;  /* the one inside, NO_REG: none, */
        uint8_t group;   /* but the addend of this group, NO_REG: free for the compiler */
        bool written;    /* inside */
    } moved[16];
    int64_t low[IR_STATE_X_BYTES / 8], high[IR_STATE_X_BYTES / 8]; /* what a turn adds to a guest register; low > high: unknown */
    const uint8_t *top, *leave, *enter;
    ir_ref flags;                    /* what the last SETF sets, if that is not done (loop_flags.c); 0 */
    unsigned first_setf, last_setf;  /* the block's */
    struct x64_loop_operand {
        uint8_t reg;                 /* a guest register / 8, NO_REG: none, */
        int64_t add;                 /* plus this */
    } operand[2];
};

struct x64_compiler {
    struct x64_asm a;
    struct x64_code *code;
    const struct x64_config *config;
    const struct ir_block *ir;
    const struct x64_host *host;
    struct x64_block *out;
    unsigned n;            /* the current instruction */
    uint32_t pc_off;       /* page offset of the current guest instruction */
    ir_ref cc;
    enum x64_form cc_form;
    ir_ref later;          /* flags that were set but not stored (flags_later.c), */
    unsigned later_until;  /* and before which instruction they can be had */
    bool touches_vectors;  /* the block does */
    bool cc_kept;          /* the current emitter took care of cc */
    bool failed;           /* does not fit */
    struct x64_ref refs[X64_MAX_REFS];
    struct x64_pins pins; /* while this block runs */
    struct x64_loop loop;
    struct x64_cold no_cold; /* of accesses that need none: not emitted */
    struct x64_class gpr, xmm;
    ir_ref home_owner[X64_HOMES];
    uint64_t homes[X64_HOMES / 64]; /* which of them may not be 0 */
    struct x64_cold *cold;
    unsigned n_cold, max_cold;
    uint64_t random;       /* register choice: 0 in order */
    unsigned n_groups;
    struct x64_group group[X64_MAX_GROUPS];
    struct x64_value value[IR_MAX_INSNS + X64_MAX_GROUPS]; /* by instruction, then the groups' addends */
};

static inline const struct ir_insn *x64_insn(const struct x64_compiler *c)
{
    return &c->ir->insn[c->n];
}

/* A CALL that the block ends with. */
static inline bool x64_call_ends(const struct x64_compiler *c, unsigned n)
{
    return c->ir->insn[n].op == IR_CALL && c->ir->insn[n + 1].op == IR_EXIT_STATE;
}

/* ---- groups (group.c) ---- */
void x64_groups_find(struct x64_compiler *c);
/* What is left of an address when constants that are added to it are taken away, 0: too far. */
ir_ref x64_base_of(const struct ir_block *b, ir_ref ref, int64_t *offset);
/* The group of instruction n; one that is alone in its group looks its address, base + offset, up by itself. NULL: the address
 * is the operand. */
static inline struct x64_group *x64_group_of(struct x64_compiler *c, unsigned n)
{
    return c->value[n].group ? &c->group[c->value[n].group - 1] : NULL;
}
static inline ir_ref x64_addend_of(const struct x64_compiler *c, unsigned n)
{
    return (ir_ref)(IR_MAX_INSNS + c->value[n].group - 1);
}

/* Cold code: a group's page is not in its line of the TLB. k->reg: the base, k->reg3: the group. Goes on with RDX the addend and RAX the
 * group's lowest address; or the block is left, and every access looks for itself. */
void x64_group_find_page(struct x64_compiler *c, const struct x64_cold *k);
/* Cold code: RAX, RDX likewise, ZF: the line has it. */
void x64_group_look_up(struct x64_compiler *c, const struct x64_cold *k);
/* Cold code: reg = the register that is part of the group's addend (plus). */
void x64_group_plus(struct x64_compiler *c, const struct x64_group *g, unsigned reg);

/* ---- flags_later.c ---- */
/* Until where the operands of SETF n must be kept if it is to emit nothing; 0: it must store. */
unsigned x64_flags_later(const struct x64_compiler *c, unsigned n);
void x64_flags_remember(struct x64_compiler *c, struct x64_cold *k); /* what x64_flags_cold will need */
void x64_flags_cold(struct x64_compiler *c, const struct x64_cold *k); /* first thing in cold code; changes RAX, RCX, the host's flags */

/* ---- loops (loop.c) ---- */
void x64_loop_plan(struct x64_compiler *c);   /* before groups are found: c->loop, c->pins */
void x64_loop_groups(struct x64_compiler *c); /* after */
void x64_loop_begin(struct x64_compiler *c);  /* emits what comes before the first turn, and the poll at its top */
/* Registers as other blocks expect them, emitted at a place where the loop is left; *_call: by a call. */
void x64_loop_leave(struct x64_compiler *c);
void x64_loop_leave_call(struct x64_compiler *c);
void x64_loop_enter_call(struct x64_compiler *c);
void x64_loop_flags_plan(struct x64_compiler *c); /* loop_flags.c */
/* Cold code of instruction `site` (0: at the top): flags that the loop has not stored are. Changes RAX, RCX and the host's flags. */
void x64_loop_flags_store(struct x64_compiler *c, unsigned site);
/* Is this the way back to the loop's top? */
static inline bool x64_loop_turns(const struct x64_compiler *c, int64_t target)
{
    return c->loop.on && target == c->ir->page_offset;
}
/* The limit that a group's base must not have reached, and its addend. */
struct x64_mem x64_loop_limit(const struct x64_compiler *c, const struct x64_group *g);
struct x64_mem x64_loop_addend(const struct x64_compiler *c, const struct x64_group *g);

/* Before the first access of a group that has a way: its addend is in the register from here on. */
void x64_loop_check(struct x64_compiler *c, const struct x64_group *g, unsigned base, unsigned addend);
void x64_loop_poll(struct x64_compiler *c);                 /* emit_exit.c */

/* ---- registers (regs.c) ---- */
void x64_regs_init(struct x64_compiler *c);
unsigned x64_use(struct x64_compiler *c, ir_ref ref);
unsigned x64_def(struct x64_compiler *c);
unsigned x64_def_over(struct x64_compiler *c, ir_ref ref);
/* Vectors: one of xmm0..15; x64_any_v, x64_def_any_v: possibly one that only EVEX forms and the moves of asm.h can name. */
unsigned x64_use_v(struct x64_compiler *c, ir_ref ref);
unsigned x64_def_v(struct x64_compiler *c);
unsigned x64_def_over_v(struct x64_compiler *c, ir_ref ref);
unsigned x64_any_v(struct x64_compiler *c, ir_ref ref);
unsigned x64_def_any_v(struct x64_compiler *c);
/* A register for the result, any, that may be the one of an operand which dies. */
unsigned x64_def_in_v(struct x64_compiler *c, ir_ref a, ir_ref b);
/* A fresh register that from now on holds ref's value (the caller fills it). */
unsigned x64_bind_new(struct x64_compiler *c, ir_ref ref);
/* Loads the value into a given scratch register. */
void x64_load_into(struct x64_compiler *c, ir_ref ref, unsigned reg);
void x64_load_into_v(struct x64_compiler *c, ir_ref ref, unsigned reg);
/* The value's register, NO_REG if it is in none now. */
unsigned x64_where(const struct x64_compiler *c, ir_ref ref);
/* Is the integer in a pinned register, so that it needs no other? */
bool x64_in_pin(const struct x64_compiler *c, ir_ref ref);
/* May the result overwrite the value's register (which then is what x64_def_over returns)? */
bool x64_dies(const struct x64_compiler *c, ir_ref ref);

/* Where a value is now, whatever that is; it must be needed later. */
struct x64_operand x64_place(const struct x64_compiler *c, ir_ref ref);
/* wide: the operation reads 64 bits of it. An immediate is the constant, sign-extended from 32 bits (for 32-bit operations: its low half). */
struct x64_operand x64_operand(struct x64_compiler *c, ir_ref ref, bool wide);
/* The vector as register or memory operand (kind never IMM). Memory operands are not aligned: VEX forms and movups only. */
struct x64_operand x64_operand_v(struct x64_compiler *c, ir_ref ref);
/* May the constant be an imm32? */
bool x64_imm32(const struct x64_compiler *c, ir_ref ref, bool wide, int32_t *imm);

/* ---- pinned guest registers ---- */
void x64_pins_choose(struct x64_pins *p, const struct x64_config *config);
/* The register of the 8 bytes of state that `offset` lies in, NO_REG if they are in memory. */
static inline unsigned x64_pin(const struct x64_compiler *c, uint64_t offset)
{
    return offset < IR_STATE_X_BYTES ? c->pins.host[offset / 8] : (unsigned)NO_REG;
}
/* The same of the vector register at `offset`. */
static inline unsigned x64_pin_v(const struct x64_compiler *c, uint64_t offset)
{
    uint64_t n = (offset - c->config->v_offset) / 16;
    return n < X64_V_REGISTERS ? c->pins.v_host[n] : (unsigned)NO_REG;
}
/* Finds values that can be computed in the register that they will be SET to; n: a SET64 or SETV of a pinned register. */
void x64_pin_target(struct x64_compiler *c, unsigned n);
void x64_pin_get(struct x64_compiler *c, unsigned pin);
void x64_pin_set(struct x64_compiler *c, unsigned pin, ir_ref ref);
void x64_pin_get_v(struct x64_compiler *c, unsigned pin);
void x64_pin_set_v(struct x64_compiler *c, unsigned pin, ir_ref ref);
/* The pinned register is about to change: a value that is there and needed later is saved. */
void x64_pin_lost(struct x64_compiler *c, unsigned pin);

/* The state at [offset, offset + bytes) is about to be written by a SET of `writer` (0: by something else): values that live
 * only there are saved. */
void x64_home_lost(struct x64_compiler *c, uint64_t offset, unsigned bytes, ir_ref writer);
void x64_homes_lost(struct x64_compiler *c, bool all); /* at calls; all: X, SP, V and FLAGS too */
void x64_home_set(struct x64_compiler *c, uint64_t offset, unsigned bytes, ir_ref ref);
/* The registers of the operands so far were read: they may be given to others. */
static inline void x64_operands_done(struct x64_compiler *c)
{
    c->gpr.busy = c->xmm.busy = 0;
}
/* Ends an operation: frees registers of values that died, none is busy. */
void x64_op_end(struct x64_compiler *c);
/* Any vector register holding a value that is needed after this operation? */
bool x64_vectors_live(const struct x64_compiler *c);

/* Guest state and frame as memory operands. */
static inline struct x64_mem x64_state(const struct x64_compiler *c, uint64_t offset)
{
    return mem_at(RBP, (int32_t)((int64_t)offset - (int64_t)c->config->state_bias));
}

static inline struct x64_mem x64_frame(const struct x64_compiler *c, int32_t offset)
{
    return mem_at(RBP, (int32_t)c->config->frame_offset - (int32_t)c->config->state_bias + offset);
}

/* ---- floating-point comparisons (emit_fp.c) ---- */
/* The host's flags, as UCOMISx makes them, of FP_CMP f, whose operands are in these registers. Keeps all registers. */
bool x64_fp_compares(const struct x64_compiler *c, ir_ref f); /* may f be done so? */
void x64_fp_compare(struct x64_compiler *c, ir_ref f, unsigned a, unsigned b);

/* ---- flags (flags.c) ---- */
static inline void x64_flags_lost(struct x64_compiler *c)
{
    c->cc = 0;
}
/* Operations whose flags are recomputed from their operands at each use. */
static inline bool x64_flags_lazy(const struct x64_compiler *c, ir_ref f)
{
    const struct ir_insn *i = &c->ir->insn[f];
    switch (i->op) {
    case IR_FADD64: case IR_FADD32: case IR_FSUB64: case IR_FSUB32: case IR_FLOGIC64: case IR_FLOGIC32: case IR_FCONST:
        return true;
    case IR_FP_CMP: return x64_fp_compares(c, f);
    }
    return false;
}
/* Makes the host flags hold f so that x64 condition *cc is f's condition `cond` (0..13). */
enum x64_cc x64_flags_cond(struct x64_compiler *c, ir_ref f, unsigned cond);
/* Makes the host flags hold f in FORM_SUB (CF = no Arm carry). */
void x64_flags_uniform(struct x64_compiler *c, ir_ref f);
/* In FORM_ADD (CF = Arm's carry) or FORM_SUB. */
void x64_flags_carry(struct x64_compiler *c, ir_ref f, enum x64_form form);
/* The host's flags hold f, which is not lazy: keeps them as a word, too. */
void x64_flags_keep(struct x64_compiler *c, ir_ref f);
/* The host's flags, in c->cc_form, are the result of the current instruction: keeps them as a word. */
void x64_flags_define(struct x64_compiler *c);
/* The flags word in a register. */
unsigned x64_flags_word(struct x64_compiler *c, ir_ref f);
/* The same in EAX (upper half undefined); for a SET. */
void x64_flags_word_in_rax(struct x64_compiler *c, ir_ref f);
/* The host flags just computed by the current instruction (an ADD, SUB or AND) are those of a FLAGS operation that follows. */
void x64_flags_follow(struct x64_compiler *c, enum x64_form form, bool wide);
/* The current instruction, an FP_CMP that is x64_fp_compares. */
void x64_flags_fp(struct x64_compiler *c);
/* Is the condition one of the host's after such a comparison, in FORM_FP or FORM_FP_SWAPPED? */
bool x64_flags_fp_condition(unsigned cond);
/* EAX: the flags word, from the host's flags in one of these forms, which stay. Changes RCX. */
void x64_flags_fp_word(struct x64_compiler *c, enum x64_form form);
/* Must the current ADD, SUB be done by an instruction that sets the flags? */
bool x64_flags_wanted(const struct x64_compiler *c);
/* How many registers a recomputation of f needs at most. */
unsigned x64_flags_registers(const struct x64_compiler *c, ir_ref f);
/* Loads what a recomputation of f would need, and keeps it there (before code that branches locally). */
void x64_flags_prepare(struct x64_compiler *c, ir_ref f);

/* Remembers a piece of cold code; emit is called after the straight line, with the jumps at from, from2 pointed at it. */
struct x64_cold *x64_cold_add(struct x64_compiler *c, void (*emit)(struct x64_compiler *, const struct x64_cold *));

/* Cold code: leaves to the current instruction, where a translation without x64_config.share is to go on (emit_exit.c). */
void x64_exit_alone(struct x64_compiler *c);

/* ---- emitters: return false when they have none for this operation ---- */
bool x64_emit_int(struct x64_compiler *c);   /* emit_int.c: arithmetic, flags, choice */
bool x64_emit_state(struct x64_compiler *c); /* emit_state.c: GET, SET, PC, CALL */
bool x64_emit_mem(struct x64_compiler *c);   /* emit_mem.c */
bool x64_emit_exit(struct x64_compiler *c);  /* emit_exit.c */
bool x64_emit_vec(struct x64_compiler *c);   /* emit_vec.c */
bool x64_emit_fp(struct x64_compiler *c);    /* emit_fp.c */
/* Does the operation make this operand on the way, if it is the only user: a VHIGH, a known order of bytes? (emit_vec_move.c) */
bool x64_vec_takes(const struct x64_compiler *c, const struct ir_insn *i, ir_ref operand);
void x64_emit_pure_call(struct x64_compiler *c); /* any operation without effects: ir_eval_pure */

/* ---- floating-point exceptions (traps.c) ---- */
/* What comes next can be replaced by a jump, if it is as long. */
void x64_trap_align(struct x64_compiler *c);
/* The next instruction may raise one, which leads to the cold code; patch: see struct x64_trap. */
void x64_trap_here(struct x64_compiler *c, const uint8_t *patch);
/* Cold code: this is where the traps [k->trap, k->trap_end) lead. */
void x64_traps_land(struct x64_compiler *c, const struct x64_cold *k);
/* The comparison that ends here and whose first byte is `start` sets "unordered" when it raises, and FPSR.IOC. patch: its cold
 * code does the same without an exception. */
void x64_trap_compare(struct x64_compiler *c, const uint8_t *start, bool patch);

/* code.c: makes sure that the pages up to `end` are there. */
void x64_code_populate(struct x64_code *c, size_t end);

/* stubs.c */
bool x64_stubs_make(struct x64_code *code, const struct x64_config *config);
void x64_call_stub(struct x64_compiler *c, enum x64_stub stub, bool vectors);

#endif
