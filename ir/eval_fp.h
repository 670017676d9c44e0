/* eval_fp.h - the meaning of the operations of ops_fp.inc. */
#ifndef IR_EVAL_FP_H
#define IR_EVAL_FP_H

#include "ir/ir.h"

/* Evaluates one operation into *out (all 16 bytes written; I64 and FLAGS results in u64) as FPCR says; accumulates the
 * cumulative bits in *fpsr. False: not a floating-point operation. */
bool ir_eval_fp(enum ir_op op, uint64_t imm, const union ir_value args[3], uint32_t fpcr, uint32_t *fpsr, union ir_value *out);

#endif
