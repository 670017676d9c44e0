/*
 * fp.h - what the emitters of floating-point operations are written with (how they work: emit_fp.c).
 */
#ifndef X64_FP_H
#define X64_FP_H

#include "ir/fp_imm.h"
#include "x64/compile.h"

enum { XMM0, XMM1, XMM2 };

/* What the result must not be. */
enum x64_fp_check { CHECK_NOTHING, CHECK_NAN, CHECK_FINITE, CHECK_NORMAL };

struct x64_fp {
    struct x64_compiler *c;
    enum fp_format f;
    unsigned lanes;
    unsigned own;
    bool dbl, scalar, full; /* full: all 128 bits */
    unsigned r[3];          /* registers of vector operands */
    uint8_t *moded;         /* jumps (their ends): FPCR has a mode that the host's unit is not in */
    uint8_t *checked;       /* the result did not pass */
    bool restore;           /* the cold code gives MXCSR back as it was in FRAME_LOCK: the host set PE where Arm does not */
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

static inline uint32_t packed(const struct x64_fp *x, unsigned op)
{
    return X64_V(x->dbl ? PP_66 : PP_NONE, MAP_0F, 0, op);
}

/* d = a op b; d is not b */
static inline void op3(struct x64_compiler *c, uint32_t v, unsigned d, unsigned a, unsigned b)
{
    if (c->host->avx) {
        vex_rrr(&c->a, v, d, a, b);
        return;
    }
    if (d != a)
        movaps_rr(&c->a, d, a);
    sse_rr(&c->a, v, d, b);
}

static inline void op3_imm(struct x64_compiler *c, uint32_t v, unsigned d, unsigned a, unsigned b, unsigned imm)
{
    op3(c, v, d, a, b);
    put8(&c->a, imm);
}

/* d = op a; scalar VEX forms take the other lanes from a too, which saves a dependency */
static inline void op2(struct x64_fp *x, uint32_t v, unsigned d, unsigned a)
{
    if (x->c->host->avx)
        vex_rrr(&x->c->a, v, d, x->scalar ? a : 0, a);
    else
        sse_rr(&x->c->a, v, d, a);
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

static inline void splat32(struct x64_compiler *c, unsigned d, uint32_t v)
{
    mov_ri(&c->a, RAX, v);
    movd_vr(&c->a, false, d, RAX);
    pshufd(c, d, d, 0);
}

static inline void movmskps(struct x64_compiler *c, unsigned d, unsigned s)
{
    sse_rr(&c->a, X64_V(PP_NONE, MAP_0F, 0, 0x50), d, s);
}
static inline unsigned width(const struct x64_fp *x)
{
    return x->lanes * fp_bits(x->f);
}
/* ---- checks (fp.c): each leaves a jump to the cold code ---- */
/* A jump of result checks; only one may be taken: x->checked = x64_fp_jump(x, cc). */
uint8_t *x64_fp_jump(struct x64_fp *x, enum x64_cc cc);
/* FPCR first, unless the block is made for its default. Changes the host's flags only. */
void x64_fp_modes(struct x64_fp *x);
/* Keeps MXCSR, for operations whose fast form may raise PE and then be found wrong. */
void x64_fp_keep(struct x64_fp *x);
void x64_fp_restore(struct x64_compiler *c);
/* The operand, or, if its upper half is no part of the operation, a copy in `scratch` with zeros there: lanes that do not count
 * must not be inexact. */
unsigned x64_fp_operand(struct x64_fp *x, unsigned k, unsigned scratch);
/* Looks at the result in XMM0, all of its lanes. Changes RAX, XMM1, XMM2. */
void x64_fp_check(struct x64_fp *x, enum x64_fp_check kind);
/* The same as FINITE or NORMAL for a given shape of result. */
void x64_fp_check_scalar(struct x64_fp *x, bool dbl, bool normal);
void x64_fp_check_vector(struct x64_fp *x, bool dbl, bool full, bool normal);
/* No lane of a and b may be a NaN. A scalar leaves the host's flags of UCOMISx; a vector changes RAX, XMM1. */
void x64_fp_check_ordered(struct x64_fp *x, unsigned a, unsigned b);

/* ---- the end of an operation: where the cold code comes back ---- */
/* From XMM0 into the result's register, zero above `bits` bits. */
void x64_fp_deliver(struct x64_fp *x, unsigned bits);
/* From RAX. */
void x64_fp_deliver_general(struct x64_fp *x);

#endif
