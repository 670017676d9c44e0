/*
 * translate.h - what the translate functions (one per row of a64/) are written with.
 *
 * translate_<ROW>(t, i) says what instruction i means, in IR. It reads guest registers with reg()/reg_sp()/vreg(),
 * writes them with write_reg()..., and never mentions a host register, the memory map or a thread. It returns nothing:
 * reserved encodings call undefined(t). Instructions that end the block set t->ended after emitting their exit.
 */
#ifndef CPU_JIT_TRANSLATE_H
#define CPU_JIT_TRANSLATE_H

#include "a64/a64.h"
#include "cpu/state.h"
#include "ir/ir.h"

enum helper {
#define HELPER(name, flags, text) HELPER_##name,
#include "cpu/jit/helpers.inc"
#undef HELPER
    HELPER_COUNT
};

struct tr {
    struct ir_block *b;
    uint32_t mode;     /* enum cpu_mode */
    uint32_t page_off; /* page offset of the current instruction */
    uint32_t next_off; /* where translation goes on; page_off + 4 unless a forward branch is followed */
    unsigned side_exits;
    bool sp_is_aligned; /* checked in this block, and only moved by multiples of 16 since */
    bool ended;        /* the block's final exit has been emitted */
};

typedef void translate_fn(struct tr *t, const struct a64_insn *i);

/* Translates guest code into b: `code` are the instructions from page offset `page_off` to the end of the page (or
 * fewer: n_words). Ends at a final exit, the page's end, or max_insns. Adds INSN marks and the exit if needed. The result depends on
 * page_off, mode, max_insns and the words up to the last INSN mark alone: translations are kept by them (cpu/jit/cache.c). */
void translate_block(struct ir_block *b, const uint32_t *code, unsigned n_words, uint32_t page_off, uint32_t mode,
                     unsigned max_insns);

/* ---- vocabulary (translate.c) ---- */
#define E0(op, imm)          ir_emit(t->b, IR_##op, 0, 0, 0, (imm))
#define E1(op, a, imm)       ir_emit(t->b, IR_##op, (a), 0, 0, (imm))
#define E2(op, a, b_, imm)   ir_emit(t->b, IR_##op, (a), (b_), 0, (imm))
#define E3(op, a, b_, c, imm) ir_emit(t->b, IR_##op, (a), (b_), (c), (imm))
/* The 64- or 32-bit form of an operation, by sf */
#define OP(sf, name) ((sf) ? IR_##name##64 : IR_##name##32)
/* The same for the common case, by i->sf: BY_SF(ADD, a, b), BY_SF1(NOT, a) */
#define BY_SF(name, x, y) ir_emit(t->b, OP(i->sf, name), (x), (y), 0, 0)
#define BY_SF1(name, x)   ir_emit(t->b, OP(i->sf, name), (x), 0, 0, 0)

ir_ref konst(struct tr *t, uint64_t v);
ir_ref reg(struct tr *t, unsigned n);     /* Xn as 64 bits, 31 = zero; users of W use a ...32 operation on it */
ir_ref reg_w(struct tr *t, unsigned n);   /* Wn zero-extended, for 64-bit consumers */
ir_ref reg_sp(struct tr *t, unsigned n);  /* 31 = SP */
void write_reg(struct tr *t, unsigned n, ir_ref v);    /* 31: discarded; v must be zero-extended for W (all ...32 results are) */
void write_reg_sp(struct tr *t, unsigned n, ir_ref v);
ir_ref vreg(struct tr *t, unsigned n);                 /* Vn, 128 bits */
void write_vreg(struct tr *t, unsigned n, ir_ref v);   /* all 128 bits: 64-bit and scalar results have zero above */
ir_ref flags(struct tr *t);
void write_flags(struct tr *t, ir_ref f);

ir_ref tr_call(struct tr *t, enum helper h, ir_ref a, ir_ref b, ir_ref c);
void undefined(struct tr *t, const struct a64_insn *i);
/* true (and the block has ended with the trap) when FP/SIMD is trapped: `if (fp_trapped(t, i)) return;` first thing */
bool fp_trapped(struct tr *t, const struct a64_insn *i);
/* A general register extended as `option` says (UXTB .. SXTX), to 64 bits */
ir_ref extend(struct tr *t, ir_ref v, unsigned option);
/* base register + SP alignment check where the mode asks for it */
ir_ref base_reg(struct tr *t, unsigned n);
/* base_reg plus an offset in bytes; a + offset */
ir_ref address(struct tr *t, unsigned rn, int64_t offset);
ir_ref plus(struct tr *t, ir_ref a, int64_t offset);
void end_block(struct tr *t);              /* EXIT_STATE */
/* The imm of an exit to this instruction plus an offset in bytes */
uint64_t exit_target(struct tr *t, int64_t offset_from_insn);
void end_direct(struct tr *t, int64_t offset_from_insn);
void end_call(struct tr *t, int64_t offset_from_insn, ir_ref return_address);
/* IR_MEM_* for a normal access of 1 << log2 bytes under this mode */
uint64_t memop(struct tr *t, unsigned log2_bytes, unsigned flags);

#endif
