/*
 * host.h - the same arithmetic by the host's floating-point unit, where that is provably equal.
 *
 * The host computes with the guest's rounding mode and its exception flags cleared. Its results are Arm's if nothing
 * but "inexact" happened (no NaN, no denormal, no overflow, no underflow) and every result is zero or above the least normal number: the
 * architectures differ in NaNs, in flushing, and in whether tininess is seen before or after rounding, and these
 * cases are all excluded. Otherwise nothing is changed and the caller uses fp.h.
 */
#ifndef FP_HOST_H
#define FP_HOST_H

#include "fp/fp.h"

enum fp_host_op { FP_HOST_ADD, FP_HOST_SUB, FP_HOST_MUL, FP_HOST_DIV, FP_HOST_SQRT, FP_HOST_MULADD };

/* n lanes of singles or doubles (up to 16 bytes in all) from a, b, c; MULADD is a + b x c. True: *out's lanes are written, the rest of
 * *out is zero, and FPSR.IXC is set if inexact. */
bool fp_host(enum fp_host_op op, enum fp_format f, unsigned n, const void *a, const void *b, const void *c, void *out,
             struct fp_ctx *ctx);

#endif
