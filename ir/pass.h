/*
 * pass.h - what the passes share.
 *
 * Both look at one instruction after the other and only ever ask about earlier ones, so ir_optimise walks a block once: operands
 * renamed, then guest registers, then constants.
 */
#ifndef IR_PASS_H
#define IR_PASS_H

#include "ir/ir.h"

enum { IR_REGS_LIMIT = 1024, IR_REGS_GRANULES = IR_REGS_LIMIT / 4 }; /* state above is left alone */

/* Renames the operands of i by map (indexed by value). */
static inline void ir_map_operands(struct ir_insn *i, const ir_ref *map)
{
    i->a = map[i->a];
    if (i->op != IR_EXIT_COND) /* there b is a condition code */
        i->b = map[i->b];
    i->c = map[i->c];
}

struct ir_regs {
    struct ir_block *b;
    ir_ref *map;
    ir_ref owner[IR_REGS_GRANULES]; /* instruction that last read or wrote it here; 0 none */
    ir_ref set[IR_REGS_GRANULES];   /* instruction that last wrote it */
    unsigned stale_all;      /* owners up to this instruction are stale: */
    unsigned stale_other;    /* ... those of "other" state */
    unsigned stale_32;       /* ... 32-bit ones of other state (FPCR, FPSR) */
    unsigned observed;       /* SETs up to this instruction have been seen by somebody */
};
void ir_regs_begin(struct ir_regs *r, struct ir_block *b, ir_ref *map);
void ir_regs_visit(struct ir_regs *r, unsigned n); /* not for operations without effects */

enum { IR_FOLD_SEEN_BITS = 7, IR_FOLD_SEEN_WAYS = 2 };
struct ir_fold {
    struct ir_block *b;
    ir_ref *map;
    ir_ref seen[1 << IR_FOLD_SEEN_BITS][IR_FOLD_SEEN_WAYS]; /* values by hash of their operation */
};
extern const uint16_t ir_fold_rules[IR_OP_COUNT]; /* 0: nothing to visit for */
void ir_fold_begin(struct ir_fold *f, struct ir_block *b, ir_ref *map);
void ir_fold_visit(struct ir_fold *f, unsigned n);

#endif
