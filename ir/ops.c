/* ops.c - the table of ops.inc as data. */
#include "ir/ir.h"

const struct ir_op_info ir_ops[IR_OP_COUNT] = {
#define IR(name_, result_, a_, b_, c_, effects_) \
    [IR_##name_] = {.name = #name_, .result = result_, .arg = {a_, b_, c_}, .effects = effects_},
#include "ir/ops.inc"
#undef IR
};
