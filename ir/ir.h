/*
 * ir.h - the intermediate representation between A64 and the host.
 *
 * How it works
 *   A block is a straight line of instructions with one entry and any number of side exits: the translation of a
 *   superblock of guest code inside one 4 KiB page. Instruction i defines value i (SSA by construction: no phis, no
 *   loops inside). Operands name earlier instructions by index; 0 is "none" (instruction 0 is always IR_NOP).
 *
 * Values
 *   I64   64 bits. Operations named ...32 read the low 32 bits of their operands and deliver a result whose upper half
 *         is zero, as x86-64 and A64 W registers both do. So a W register needs no conversion in either direction.
 *   V128  a vector register. Scalar floating-point and 64-bit vector results have zero upper bits.
 *   FLAGS N, Z, C, V of an A64 flag-setting operation, with Arm's carry (C = no borrow after a subtraction).
 *
 * Guest state
 *   GET and SET operations move values from and to the guest state, a struct that ir knows only by byte offsets
 *   (`imm`). A SET is visible to everything after it, in particular to operations that may raise (flag RAISE):
 *   when one of those leaves the block, the state is exactly that before its guest instruction plus whatever that
 *   instruction had SET already; translate functions therefore SET only after the last operation that may raise.
 *   Passes may delete a SET only if it is overwritten with no RAISE, CALL or exit between.
 *
 * Guest pc
 *   Translations are position independent: pc = pc_page (guest state, the page's virtual address) + offset.
 *   PC imm gives pc_page + imm. INSN imm marks the start of a guest instruction at page offset imm; operations that
 *   raise report that offset to their slow path.
 *
 * Exits end or leave a block; see ops.inc. A block's last instruction is an exit that is always taken.
 */
#ifndef IR_IR_H
#define IR_IR_H

#include "base/bits.h"
#include <stdio.h>

typedef uint16_t ir_ref; /* index of the instruction that defines the value; 0: none */

enum ir_type { IR_VOID, IR_I64, IR_V128, IR_FLAGS };

/* What passes may ask about an operation. */
enum ir_effect {
    IR_EFF_PURE = 0,       /* result depends on the operands and imm only (and, for FP, on FPCR; it may set FPSR bits) */
    IR_EFF_READ = 1,       /* reads guest state (GET) */
    IR_EFF_WRITE = 2,      /* writes guest state (SET) */
    IR_EFF_RAISE = 4,      /* may leave the block with a guest exception */
    IR_EFF_CALL = 8,       /* calls out: may read and write guest state other than X, SP, V, FLAGS, unless IR_CALL_REGS in imm */
    IR_EFF_EXIT = 16,      /* leaves the block, always */
    IR_EFF_SIDE_EXIT = 32, /* leaves the block if its condition holds */
    IR_EFF_MARK = 64,      /* no code */
    IR_EFF_FP = 128,       /* depends on FPCR, accumulates FPSR: pure but for that */
    IR_EFF_MEM = 256,      /* accesses guest memory: keep in order */
};

enum ir_op {
#define IR(name, result, a, b, c, effects) IR_##name,
#include "ir/ops.inc"
#undef IR
    IR_OP_COUNT
};

/* Operations of ops.inc come first, then those of ops_vec.inc, then those of ops_fp.inc. */
enum {
    IR_VEC_OPS = 0
#define IR(name, result, a, b, c, effects) +1
#include "ir/ops_vec.inc"
#undef IR
        ,
    IR_FIRST_VEC = IR_EXIT_Z + 1,
    IR_FIRST_FP = IR_FIRST_VEC + IR_VEC_OPS,
};

/* Guest state: X0..X30 and SP fill the first bytes. What lies above is the "other" state that a CALL without IR_CALL_REGS
 * may touch, V and FLAGS (which GETV/SETV and GETF/SETF alone reach) excepted. */
enum { IR_STATE_X_BYTES = 256 };

struct ir_op_info {
    const char *name;
    uint8_t result;  /* enum ir_type */
    uint8_t arg[3];  /* enum ir_type; IR_VOID: no such operand */
    uint16_t effects; /* enum ir_effect bits */
};
extern const struct ir_op_info ir_ops[IR_OP_COUNT];

struct ir_insn {
    uint16_t op; /* enum ir_op */
    ir_ref a, b, c; /* EXIT_COND only: b is the condition code */
    uint64_t imm;
};

enum { IR_MAX_INSNS = 4096 };

struct ir_block {
    unsigned n;            /* instructions in use, including the NOP at 0 */
    unsigned n_guest;      /* guest instructions */
    uint16_t page_offset;  /* of the entry */
    bool full;             /* an append did not fit: the translator ends the block earlier and starts again */
    ir_ref constant[16];   /* the last CONST, by hash of its value (build.c) */
    struct ir_insn insn[IR_MAX_INSNS];
};

/* ---- building (build.c) ---- */
void ir_block_init(struct ir_block *b, uint16_t page_offset);
/* Appends and returns the new value's name (also for VOID results). Sets b->full and returns 0 when there is no room. */
ir_ref ir_emit(struct ir_block *b, enum ir_op op, ir_ref a0, ir_ref a1, ir_ref a2, uint64_t imm);
/* A constant; equal constants near by are shared. */
ir_ref ir_const(struct ir_block *b, uint64_t value);
bool ir_is_const(const struct ir_block *b, ir_ref r, uint64_t *value);
bool ir_is_zero(const struct ir_block *b, ir_ref r); /* the constant vector of zeros? */
/* Is the vector known to be zero above element 0 of the size (0: 8 bits ... 3: 64)? (above.c) */
bool ir_zero_above(const struct ir_block *b, ir_ref r, unsigned size);

/* ---- memory operations: imm ---- */
/* bits 0..2: log2 of the access size in bytes (0..4); 3: sign-extend to 64; 4: sign-extend to 32 (then zero-extend) */
enum {
    IR_MEM_SIZE_MASK = 7,
    IR_MEM_SEXT64 = 1 << 3,
    IR_MEM_SEXT32 = 1 << 4,
    IR_MEM_UNPRIV = 1 << 5,  /* LDTR, STTR: as EL0 */
    IR_MEM_ALIGNED = 1 << 6, /* alignment fault if not aligned to its size, whatever SCTLR.A says */
    IR_MEM_ACQUIRE = 1 << 7, /* LDAR, LDAPR, A forms */
    IR_MEM_RELEASE = 1 << 8, /* STLR, L forms: ordered before a later LDAR (RCsc) */
    IR_MEM_DEVICE_OK = 1 << 9,
    IR_MEM_PREPARE_WRITE = 1 << 10, /* env.prepare only: it will be written */
    IR_MEM_RMW_SHIFT = 12,   /* ATOMIC only: enum ir_rmw, 4 bits */
};
enum ir_rmw { IR_RMW_ADD, IR_RMW_CLR, IR_RMW_EOR, IR_RMW_SET, IR_RMW_SMAX, IR_RMW_SMIN, IR_RMW_UMAX, IR_RMW_UMIN, IR_RMW_SWP };

/* ---- calls: imm = helper number | flags ---- */
enum {
    IR_CALL_HELPER_MASK = 0xffff,
    IR_CALL_REGS = 1 << 16,  /* may read and write X, SP, V and FLAGS: cached values are stale after it */
    IR_CALL_RAISES = 1 << 17, /* may raise: the block is left if it did */
};

/* ---- exits: imm ---- */
/* EXIT_DIRECT, EXIT_IF*: imm = target - pc_page, signed 64-bit; inside [0, 4096) the link stays in the page. */
/* EXIT_INDIRECT: imm = hint. */
enum ir_exit_hint { IR_JUMP, IR_JUMP_CALL, IR_JUMP_RET };
/* EXIT_DIRECT may carry this bit (imm is at most 2^48 away): the branch is a call (BL) whose return address is the next
 * instruction, which operand a names. */
#define IR_EXIT_IS_CALL (UINT64_C(1) << 62)
static inline int64_t ir_exit_offset(uint64_t imm)
{
    return sext(imm, 62);
}

/* Conditions of COND, SELECT and EXIT_COND: A64's encoding (EQ NE CS CC MI PL VS VC HI LS GE LT GT LE AL NV). */

/* FLAGS in guest state (GET_F, SET_F): the x86-friendly word
 *   bit 15 N, bit 14 Z, bit 8 NOT C, bit 0 V; bits 7..1 zero, the others undefined: read it with ir_flags_to_nzcv.
 * (LAHF's AH in bits 15..8, SETO in bit 0, with the carry as x86 has it after a subtraction.) */
static inline uint32_t ir_flags_from_nzcv(uint32_t nzcv) /* NZCV in bits 31..28, as PSTATE has it */
{
    return (nzcv >> 31 & 1) << 15 | (nzcv >> 30 & 1) << 14 | (~nzcv >> 29 & 1) << 8 | (nzcv >> 28 & 1);
}
static inline uint32_t ir_flags_to_nzcv(uint32_t f)
{
    return (f >> 15 & 1) << 31 | (f >> 14 & 1) << 30 | (~f >> 8 & 1) << 29 | (f & 1) << 28;
}

union ir_value {
    uint64_t u64; /* I64; FLAGS as the word above */
    uint64_t d[2];
    uint32_t s[4];
    uint16_t h[8];
    uint8_t b[16];
    int64_t sd[2];
    int32_t ss[4];
    int16_t sh[8];
    int8_t sb[16];
} __attribute__((aligned(16)));

/* ---- passes (pass_*.c): each leaves a valid block; all can be switched off with POME_NOPASS=regs,const,... ---- */
void ir_pass_regs(struct ir_block *b);  /* GET after SET/GET of the same state: the value; dead SETs deleted */
void ir_pass_const(struct ir_block *b); /* folding and small algebra */
void ir_optimise(struct ir_block *b);   /* the list of passes, in order */

/* A block that jumps back to its own beginning, not optimised yet: ends it behind the last jump that does, which makes it a loop for
 * x64_config.loop. false: there is no such jump, or a CALL before it. */
bool ir_loop_cut(struct ir_block *b);

/* Checks every rule above: types, order, one final exit. Message into buf when wrong. */
bool ir_verify(const struct ir_block *b, char *buf, size_t size);
void ir_print(const struct ir_block *b, FILE *to);

/* ---- running (eval*.c) ---- */

/* What an exclusive load leaves for the exclusive store that follows: where the host has it, how many bytes,
 * what was there. */
struct ir_monitor {
    uint64_t place, bytes; /* bytes 0: nothing */
    union ir_value value;
};

/* The outside of a block, for the evaluator and for the slow paths of compiled code. `state` is the guest state.
 * A function that raises sets *(uint32_t *)(state + raised_offset) to 1, after it has put the exception into the
 * state; the caller leaves the block at once. Values come in without bits above the access's size; integer results
 * are extended by the caller. pc_offset: page offset of the guest instruction. memop: imm of the
 * operation. */
struct ir_env {
    uint32_t pc_page_offset, pc_offset, flags_offset, raised_offset; /* in guest state: u64, u64, u32, u32 */
    uint32_t fpcr_offset, fpsr_offset;                               /* u32, u32 */
    uint64_t (*load)(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset);
    void (*store)(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc_offset);
    void (*load128)(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset, union ir_value *out);
    void (*store128)(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc_offset);
    /* LSE; returns the old value, zero-extended */
    uint64_t (*atomic)(void *state, uint64_t va, uint64_t operand, uint32_t memop, uint32_t pc_offset);
    uint64_t (*cas)(void *state, uint64_t va, uint64_t expected, uint64_t desired, uint32_t memop, uint32_t pc_offset);
    void (*cas128)(void *state, uint64_t va, const union ir_value *expected, const union ir_value *desired, uint32_t memop,
                   uint32_t pc_offset, union ir_value *old);
    /* exclusives: load records the monitor; store returns 0 done, 1 lost */
    uint64_t (*load_ex)(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset);
    void (*load_ex128)(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset, union ir_value *out);
    uint64_t (*store_ex)(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc_offset);
    uint64_t (*store_ex128)(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc_offset);
    /* Makes the page of va accessible to translated code if it can be; raises nothing. NULL: it never can. */
    void (*prepare)(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset);
    /* helper i is called with up to three I64 operands; pc_offset tells where */
    uint64_t (*const *helper)(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset);
    unsigned n_helpers;
};

/* How a block was left. The evaluator stores the new pc (pc_page untouched) in guest state at pc_offset for every
 * kind but IR_LEFT_STATE, where the state's pc was already set by whoever raised or called. */
enum ir_left { IR_LEFT_PC, IR_LEFT_STATE };

/* Runs the block once on the state. */
enum ir_left ir_eval(const struct ir_block *b, void *state, const struct ir_env *env);

/* One operation that has no effect but FPSR, on values: what compiled code calls when it has no instructions of its own
 * for an operation. fpcr as the register; *fpsr accumulates. */
union ir_value ir_eval_pure(enum ir_op op, uint64_t imm, const union ir_value args[3], uint32_t fpcr, uint32_t *fpsr);

#endif
