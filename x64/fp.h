/*
 * fp.h - what the emitters of floating-point operations are written with (how they work: emit_fp.c).
 */
#ifndef X64_FP_H
#define X64_FP_H

#include "ir/fp_imm.h"
#include "x64/compile.h"

enum { XMM0, XMM1, XMM2 };

struct x64_fp {
    struct x64_compiler *c;
    enum fp_format f;
    unsigned lanes;
    unsigned own;
    bool dbl, scalar, full; /* full: all 128 bits */
    bool masks;             /* AVX-512: lanes are chosen by K_LANE_1, K_LANES_2 */
    unsigned r[3];          /* registers of vector operands */
    const uint8_t *start;   /* first byte, which a jump may replace (traps.c) */
    uint32_t trap;          /* first of the operation's traps */
    uint8_t *checked;       /* the end of a jump to the cold code, if there is one */
};

/* ---- instructions ---- */

#define OP66(op)   X64_V(PP_66, MAP_0F, 0, op)
#define OP66_38(op) X64_V(PP_66, MAP_0F38, 0, op)
#define OP66_3A(op) X64_V(PP_66, MAP_0F3A, 0, op)
enum { ADD = 0x58, MUL = 0x59, SUB = 0x5c, MIN = 0x5d, DIV = 0x5e, MAX = 0x5f, SQRT = 0x51, AND = 0x54, OR = 0x56, CMP = 0xc2 };

/* xxxps, xxxpd, xxxss, xxxsd */
static inline uint32_t opcode(const struct x64_fp *x, unsigned op)
{
    unsigned pp = x->scalar ? (x->dbl ? PP_F2 : PP_F3) : x->dbl ? PP_66 : PP_NONE;
    return X64_V(pp, MAP_0F, 0, op);
}

/* xxxps, xxxpd; W as EVEX has it */
static inline uint32_t packed(const struct x64_fp *x, unsigned op)
{
    return X64_V(x->dbl ? PP_66 : PP_NONE, MAP_0F, 0, op);
}

static inline uint32_t packed_evex(const struct x64_fp *x, unsigned op)
{
    return X64_V(x->dbl ? PP_66 : PP_NONE, MAP_0F, x->dbl, op);
}

/* The mask register of the operation's lanes, 0 for all. */
static inline unsigned mask_of(const struct x64_fp *x)
{
    return x->scalar ? K_LANE_1 : x->full ? 0 : K_LANES_2;
}

/* d = a op b in the operation's lanes, zero above (AVX-512). For one operand: a is 0. */
static inline void masked(struct x64_fp *x, uint32_t v, unsigned d, unsigned a, unsigned b)
{
    unsigned k = mask_of(x);
    evex_rrr(&x->c->a, v, 0, d, a, b, k, k != 0, false);
}

static inline void pshufd(struct x64_compiler *c, unsigned d, unsigned s, unsigned order)
{
    sse_rr(&c->a, OP66(0x70), d, s);
    put8(&c->a, order);
}

static inline void clear(struct x64_compiler *c, unsigned d)
{
    sse_rr(&c->a, OP66(0xef), d, d);
}

static inline unsigned width(const struct x64_fp *x)
{
    return x->lanes * fp_bits(x->f);
}

/* ---- an operation (fp.c): begin, instructions, end ---- */

/* The first byte of the operation is here: after uses and the def, which may move other values. */
void x64_fp_begin(struct x64_fp *x);
/* A register for the result, none of the operands'. */
static inline unsigned x64_fp_def(struct x64_fp *x)
{
    return x->masks ? x64_def_any_v(x->c) : x64_def_v(x->c);
}
/* The next instruction may raise. */
void x64_fp_may_trap(struct x64_fp *x);
/* d = a op b of the operation's lanes, zero above; op as an opcode of ADDPS. d is none of the operands. */
void x64_fp_compute(struct x64_fp *x, unsigned op, unsigned d, unsigned a, unsigned b);
/* The scalar or vector in d is zero above the operation's lanes. Without AVX-512. */
void x64_fp_zero_above(struct x64_fp *x, unsigned d);
/* Raises where a lane of d, a number of the given width, is the least normal number: it may have been rounded up to that. */
void x64_fp_check_least(struct x64_fp *x, bool dbl, unsigned d);
/* Raises where a lane of d is a NaN. */
void x64_fp_check_nan(struct x64_fp *x, unsigned d);
/* The same, in blocks for any FPCR: FPCR.DN; denormal operands beside a NaN, which the host does not report. */
void x64_fp_check_modes(struct x64_fp *x, unsigned d);
/* A jump of result checks; only one may be taken: x->checked = x64_fp_jump(x, cc). */
uint8_t *x64_fp_jump(struct x64_fp *x, enum x64_cc cc);
/* The end, where the cold code comes back with the result in d, a vector or general register as the operation has it. */
void x64_fp_end(struct x64_fp *x, unsigned d);

#endif
