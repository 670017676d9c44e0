/* build.c - appending to a block. */
#include "ir/ir.h"

/* How far back ir_const looks for an equal constant: near enough to stay in a register, cheap enough to do always. */
enum { CONST_WINDOW = 24 };

void ir_block_init(struct ir_block *b, uint16_t page_offset)
{
    b->n = 1;
    b->n_guest = 0;
    b->page_offset = page_offset;
    b->full = false;
    memset(b->constant, 0, sizeof b->constant);
    b->insn[0] = (struct ir_insn){.op = IR_NOP};
}

ir_ref ir_emit(struct ir_block *b, enum ir_op op, ir_ref a0, ir_ref a1, ir_ref a2, uint64_t imm)
{
    if (b->n >= IR_MAX_INSNS) {
        b->full = true;
        return 0;
    }
    b->insn[b->n] = (struct ir_insn){.op = (uint16_t)op, .a = a0, .b = a1, .c = a2, .imm = imm};
    return (ir_ref)b->n++;
}

ir_ref ir_const(struct ir_block *b, uint64_t value)
{
    ir_ref *last = &b->constant[(value ^ value >> 4 ^ value >> 12) % ARRAY_SIZE(b->constant)];
    const struct ir_insn *i = &b->insn[*last];
    if (*last && (unsigned)*last + CONST_WINDOW >= b->n && i->op == IR_CONST && i->imm == value)
        return *last;
    ir_ref new = ir_emit(b, IR_CONST, 0, 0, 0, value);
    *last = new;
    return new;
}

bool ir_is_const(const struct ir_block *b, ir_ref r, uint64_t *value)
{
    if (b->insn[r].op != IR_CONST)
        return false;
    *value = b->insn[r].imm;
    return true;
}

bool ir_is_zero(const struct ir_block *b, ir_ref r)
{
    return b->insn[r].op == IR_VCONST && !b->insn[r].imm;
}
