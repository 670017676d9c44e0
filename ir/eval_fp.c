/* eval_fp.c - the meaning of the operations of ops_fp.inc: none yet. */
#include "ir/eval_fp.h"

bool ir_eval_fp(enum ir_op op, uint64_t imm, const union ir_value args[3], uint32_t fpcr, uint32_t *fpsr, union ir_value *out)
{
    return false;
}
