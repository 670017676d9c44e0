/* loop.c - the part of a block that is a loop: from its start to the last jump back there. */
#include "ir/ir.h"

static bool is_back_edge(const struct ir_block *b, const struct ir_insn *i)
{
    bool jump = i->op == IR_EXIT_COND || i->op == IR_EXIT_NZ || i->op == IR_EXIT_Z || (i->op == IR_EXIT_DIRECT && !(i->imm & IR_EXIT_IS_CALL));
    return jump && ir_exit_offset(i->imm) == b->page_offset;
}

/* 0 if there is none, or one behind a call: a loop does without them. */
static unsigned last_back_edge(const struct ir_block *b)
{
    unsigned last = 0;
    bool called = false;
    for (unsigned n = 1; n < b->n; n++) {
        called |= (ir_ops[b->insn[n].op].effects & IR_EFF_CALL) != 0;
        if (is_back_edge(b, &b->insn[n]))
            last = called ? 0 : n;
    }
    return last;
}

bool ir_loop_cut(struct ir_block *b)
{
    unsigned last = last_back_edge(b);
    uint64_t at = b->page_offset;
    if (!last)
        return false;
    b->n_guest = 0;
    for (unsigned n = 1; n < last; n++)
        if (b->insn[n].op == IR_INSN)
            b->n_guest++, at = b->insn[n].imm;
    b->n = last + 1;
    b->full = false;
    if (b->insn[last].op != IR_EXIT_DIRECT)
        ir_emit(b, IR_EXIT_DIRECT, 0, 0, 0, at + 4);
    return !b->full;
}
