/* eval_vec.h - integer vector operations on values, for the evaluator. */
#ifndef IR_EVAL_VEC_H
#define IR_EVAL_VEC_H

#include "ir/ir.h"

/* Computes one operation of ops_vec.inc into *out (args may be the same object); *fpsr accumulates QC (bit 27). False:
 * not an operation of this file. */
bool ir_eval_vec(enum ir_op op, uint64_t imm, const union ir_value args[3], union ir_value *out, uint32_t *fpsr);

/* The cryptographic ones among them (eval_crypto.c). */
bool ir_eval_crypto(enum ir_op op, const union ir_value args[3], union ir_value *out);

#endif
