/* pass.h - what the passes share. */
#ifndef IR_PASS_H
#define IR_PASS_H

#include "ir/ir.h"

/* Renames the operands of i by map (indexed by value). */
static inline void ir_map_operands(struct ir_insn *i, const ir_ref *map)
{
    i->a = map[i->a];
    if (i->op != IR_EXIT_COND) /* there b is a condition code */
        i->b = map[i->b];
    i->c = map[i->c];
}

#endif
