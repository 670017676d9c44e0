/* eval_int.h - the meaning of the integer and flag operations of ops.inc that have no effects. */
#ifndef IR_EVAL_INT_H
#define IR_EVAL_INT_H

#include "ir/ir.h"

/* Does condition code cond (A64's encoding) hold for a flags word? */
bool ir_cond_holds(unsigned cond, uint32_t flags);

/* Evaluates one pure operation of ops.inc (not of ops_vec.inc or ops_fp.inc); FLAGS as the word of ir.h. */
uint64_t ir_eval_int(enum ir_op op, uint64_t imm, uint64_t a, uint64_t b, uint64_t c);

/* What ATOMIC with this imm stores where `old` was. Of all three as many bytes count as it accesses. */
uint64_t ir_rmw_result(uint32_t memop, uint64_t old, uint64_t operand);

#endif
