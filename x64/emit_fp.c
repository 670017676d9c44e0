/* emit_fp.c - floating-point operations. What has no case here is done by ir_eval_pure. */
#include "x64/compile.h"

bool x64_emit_fp(struct x64_compiler *c)
{
    return false;
}
