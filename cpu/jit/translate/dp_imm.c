/* dp_imm.c - C4.1.92 Data Processing - Immediate. */
#include "cpu/jit/translate/functions.h"

void translate_ADD_imm(struct tr *t, const struct a64_insn *i)
{
    uint64_t imm = (uint64_t)i->imm12 << 12 * i->sh;
    write_reg_sp(t, i->rd, ir_emit(t->b, OP(i->sf, ADD), reg_sp(t, i->rn), konst(t, imm), 0, 0));
}
