/*
 * simd.h - what the simd_*.c files share: vectors of 64 and 128 bits, "2" forms, scalars.
 *
 * Q = 0 works on the low halves and clears the high half of the result. Saturating operations accumulate FPSR.QC from all
 * lanes, so their operands are cleared where the instruction has no lane (lanes(), scalar()); others just have their
 * result cut (write_lanes()).
 */
#ifndef CPU_JIT_TRANSLATE_SIMD_H
#define CPU_JIT_TRANSLATE_SIMD_H

#include "cpu/jit/translate/functions.h"

#define TRANSLATE(row) void translate_##row(struct tr *t, const struct a64_insn *i)

enum { SIZE_B, SIZE_H, SIZE_S, SIZE_D };

static inline ir_ref v1(struct tr *t, enum ir_op op, ir_ref a, uint64_t imm)
{
    return ir_emit(t->b, op, a, 0, 0, imm);
}

static inline ir_ref v2(struct tr *t, enum ir_op op, ir_ref a, ir_ref b, uint64_t imm)
{
    return ir_emit(t->b, op, a, b, 0, imm);
}

/* imm of an operation: element size and the operation's own number */
static inline uint64_t sized(unsigned size, unsigned n)
{
    return size | (uint64_t)n << 2;
}

static inline ir_ref zero_above_64(struct tr *t, ir_ref v)
{
    return E1(VZERO64, v, 0);
}

/* Vn as the instruction's lanes: high half cleared if Q = 0 */
static inline ir_ref lanes(struct tr *t, const struct a64_insn *i, unsigned n)
{
    return i->q ? vreg(t, n) : zero_above_64(t, vreg(t, n));
}

/* Element 0 of Vn, zeros above */
static inline ir_ref scalar(struct tr *t, unsigned n, unsigned size)
{
    return E1(VKEEP, vreg(t, n), size);
}

/* The half of Vn that a long instruction reads, in the low half: the high one for the "2" forms */
static inline ir_ref half(struct tr *t, const struct a64_insn *i, unsigned n)
{
    return i->q ? E1(VHIGH, vreg(t, n), 0) : vreg(t, n);
}

/* The lanes twice in a row if Q = 0: for operations across lanes that do not mind repetitions */
static inline ir_ref repeated(struct tr *t, const struct a64_insn *i, unsigned n)
{
    ir_ref v = vreg(t, n);
    return i->q ? v : E2(VZIP1, v, v, SIZE_D);
}

static inline void write_lanes(struct tr *t, const struct a64_insn *i, ir_ref v)
{
    write_vreg(t, (unsigned)i->rd, i->q ? v : zero_above_64(t, v));
}

/* Result of a narrowing instruction, in the low half with zeros above: the "2" forms keep Vd's low half below it */
static inline void write_narrow(struct tr *t, const struct a64_insn *i, ir_ref v)
{
    write_vreg(t, (unsigned)i->rd, i->q ? E2(VZIP1, vreg(t, (unsigned)i->rd), v, SIZE_D) : v);
}

/* An operation on Vn's elements with Vm's above them (ADDP, UZP1, ...); with Q = 0 both are made one vector first. */
static inline void pairwise(struct tr *t, const struct a64_insn *i, enum ir_op op)
{
    if (fp_trapped(t, i))
        return;
    ir_ref n = vreg(t, i->rn), m = vreg(t, i->rm);
    if (!i->q)
        n = m = E2(VZIP1, n, m, SIZE_D);
    write_lanes(t, i, v2(t, op, n, m, i->size));
}

#endif
