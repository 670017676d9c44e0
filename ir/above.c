/* above.c - vectors that are known to be zero above their lowest element: what makes half of all VZERO64 and VKEEP unnecessary. */
#include "ir/fp_imm.h"
#include "ir/ir.h"

enum { DEPTH = 4 };

/* Floating-point results are zero above their lanes. */
static unsigned fp_result_bits(const struct ir_insn *i)
{
    enum fp_format f = i->op == IR_FP_CVT ? fp_imm_to(i->imm) : i->op == IR_FP_MULADDH ? FP_SINGLE : fp_imm_format(i->imm);
    return fp_imm_lanes(i->imm) * fp_bits(f);
}

static bool is_fp_vector(unsigned op)
{
    return op >= IR_FP_ADD && op < IR_V_SELECT && ir_ops[op].result == IR_V128;
}

static bool zero_above(const struct ir_block *b, ir_ref r, unsigned size, unsigned depth)
{
    const struct ir_insn *i = &b->insn[r];
    unsigned bits = 8u << size;
    if (is_fp_vector(i->op))
        return fp_result_bits(i) <= bits;
    if (!depth)
        return false;
    depth--;
    switch (i->op) {
    case IR_VCONST: return i->imm == 0;
    case IR_LOADV: return (i->imm & IR_MEM_SIZE_MASK) <= size;
    case IR_VKEEP: return (i->imm & 3) <= size;
    case IR_VADDV: case IR_VMINVS: case IR_VMINVU: case IR_VMAXVS: case IR_VMAXVU: return (i->imm & 3) <= size;
    case IR_VADDLVS: case IR_VADDLVU: return (i->imm & 3) + 1 <= size;
    case IR_VZERO64: return size == 3 || zero_above(b, i->a, size, depth);
    case IR_VFROM64: case IR_VHIGH: case IR_VXTN: case IR_VQXTNS: case IR_VQXTNU: case IR_VQXTUN: return size == 3;
    case IR_VAND: return zero_above(b, i->a, size, depth) || zero_above(b, i->b, size, depth);
    case IR_VANDN: return zero_above(b, i->a, size, depth);
    case IR_VORR: case IR_VXOR: case IR_VADD: case IR_VSUB:
        return (i->op < IR_VADD || (i->imm & 3) <= size) && zero_above(b, i->a, size, depth) && zero_above(b, i->b, size, depth);
    case IR_V_SELECT: return zero_above(b, i->b, size, depth) && zero_above(b, i->c, size, depth);
    case IR_VINSV: return (i->imm & 3) <= size && (i->imm >> 2 & 15) == 0 && zero_above(b, i->a, size, depth);
    case IR_VCNT: return zero_above(b, i->a, size, depth);
    case IR_VABS: case IR_VNEG: case IR_VSHL: case IR_VSHR: case IR_VSAR: return (i->imm & 3) <= size && zero_above(b, i->a, size, depth);
    default: return false;
    }
}

bool ir_zero_above(const struct ir_block *b, ir_ref r, unsigned size)
{
    return zero_above(b, r, size, DEPTH);
}
