/* operands_simd.c - operands and predicates of Advanced SIMD integer instructions. */
#include "a64/table.h"

bool operand_T(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    static const char names[8][4] = {"8b", "16b", "4h", "8h", "2s", "4s", "1d", "2d"};
    a64_put(o, "%s", names[(i->size & 3) << 1 | (i->q & 1)]);
    return true;
}

bool operand_Ta(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    static const char names[4][4] = {"8h", "4s", "2d", "1q"};
    a64_put(o, "%s", names[i->size & 3]);
    return true;
}
