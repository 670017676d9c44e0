/* pass_dead.c - deletes what nobody uses, walking backwards, so that users go before what they used. */
#include "ir/ir.h"

enum { KEEP = IR_EFF_WRITE | IR_EFF_RAISE | IR_EFF_CALL | IR_EFF_EXIT | IR_EFF_SIDE_EXIT | IR_EFF_MARK | IR_EFF_FP | IR_EFF_MEM };

void ir_pass_dead(struct ir_block *b)
{
    bool used[IR_MAX_INSNS];
    memset(used, 0, b->n * sizeof *used);
    for (unsigned n = b->n - 1; n >= 1; n--) {
        struct ir_insn *i = &b->insn[n];
        if (!used[n] && !(ir_ops[i->op].effects & KEEP)) {
            *i = (struct ir_insn){.op = IR_NOP};
            continue;
        }
        used[i->a] = used[i->c] = true;
        if (i->op != IR_EXIT_COND)
            used[i->b] = true;
    }
}
