/* fp.h - what the floating-point chapters share: formats and lane counts from encodings, constants, lanes. */
#ifndef CPU_JIT_TRANSLATE_FP_H
#define CPU_JIT_TRANSLATE_FP_H

#include "cpu/jit/translate/functions.h"
#include "ir/fp_imm.h"

/* A format and log2 of the number of lanes. */
struct fp_shape {
    enum fp_format f;
    unsigned log2;
};

static inline uint64_t fp_shape_imm(struct fp_shape s, unsigned own)
{
    return fp_imm(s.f, s.log2, own);
}

static inline enum fp_format ftype_format(unsigned ftype) /* 0, 1, 3 */
{
    return ftype == 0 ? FP_SINGLE : ftype == 1 ? FP_DOUBLE : FP_HALF;
}

/* One lane; suffixes of rows: _f by ftype, _s by sz, _sh halves */
static inline struct fp_shape shape_f(const struct a64_insn *i)
{
    return (struct fp_shape){ftype_format((unsigned)i->ftype), 0};
}

static inline struct fp_shape shape_s(const struct a64_insn *i)
{
    return (struct fp_shape){i->sz ? FP_DOUBLE : FP_SINGLE, 0};
}

static inline struct fp_shape shape_sh(const struct a64_insn *i)
{
    return (struct fp_shape){FP_HALF, 0};
}

/* All lanes of the 64- or 128-bit vector */
static inline struct fp_shape shape_of(enum fp_format f, bool q)
{
    return (struct fp_shape){f, 3u - f + q};
}

static inline struct fp_shape shape_v(const struct a64_insn *i)
{
    return shape_of(i->sz ? FP_DOUBLE : FP_SINGLE, i->q);
}

static inline struct fp_shape shape_vh(const struct a64_insn *i)
{
    return shape_of(FP_HALF, i->q);
}

/* Makes what lies above the shape's lanes zero. */
static inline ir_ref fp_keep(struct tr *t, struct fp_shape s, ir_ref v)
{
    if (s.log2 == 0)
        return E1(VKEEP, v, s.f);
    return s.f + s.log2 == 4 ? v : E1(VZERO64, v, 0);
}

/* The lane value v (of the format's width) in every lane. */
static inline ir_ref fp_splat(struct tr *t, enum fp_format f, uint64_t v)
{
    for (unsigned width = fp_bits(f); width < 64; width *= 2)
        v |= v << width;
    return E0(VCONST, v);
}

/* Lane n of v in every lane. */
static inline ir_ref fp_dup(struct tr *t, enum fp_format f, ir_ref v, unsigned n)
{
    return E1(VDUPLANE, v, n << 2 | f);
}

static inline ir_ref fp_abs(struct tr *t, struct fp_shape s, ir_ref v)
{
    return E2(VAND, v, fp_splat(t, s.f, ones(fp_bits(s.f) - 1)), 0);
}

static inline ir_ref fp_neg(struct tr *t, struct fp_shape s, ir_ref v)
{
    return E2(VXOR, v, fp_splat(t, s.f, fp_sign_bit(s.f)), 0);
}

#endif
