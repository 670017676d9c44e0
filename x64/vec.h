/*
 * vec.h - words that the vector emitters share.
 *
 * Sequences of more than one instruction are written with VEX forms only and need AVX; on hosts without it such operations
 * are called (ir_eval_pure). They compute in the scratch registers XMM0..XMM2 and write the result's register last, because
 * it may be an operand's.
 */
#ifndef X64_VEC_H
#define X64_VEC_H

#include "x64/compile.h"

/* Opcodes: the usual case is prefix 66 */
#define V0F(op)    X64_V(PP_66, MAP_0F, 0, op)
#define V38(op)    X64_V(PP_66, MAP_0F38, 0, op)
#define V38W(op)   X64_V(PP_66, MAP_0F38, 1, op)
#define V3A(op)    X64_V(PP_66, MAP_0F3A, 0, op)
#define V3AW(op)   X64_V(PP_66, MAP_0F3A, 1, op)

enum {
    XMM0, XMM1, XMM2,
    PAND = V0F(0xdb), PANDN = V0F(0xdf), POR = V0F(0xeb), PXOR = V0F(0xef),
    PADDB = V0F(0xfc), PADDW = V0F(0xfd), PADDD = V0F(0xfe), PADDQ = V0F(0xd4),
    PSUBB = V0F(0xf8), PSUBW = V0F(0xf9), PSUBD = V0F(0xfa), PSUBQ = V0F(0xfb),
    PCMPEQB = V0F(0x74), PCMPEQW = V0F(0x75), PCMPEQD = V0F(0x76), PCMPEQQ = V38(0x29),
    PCMPGTB = V0F(0x64), PCMPGTW = V0F(0x65), PCMPGTD = V0F(0x66), PCMPGTQ = V38(0x37),
    PMULLW = V0F(0xd5), PMULLD = V38(0x40), PMULDQ = V38(0x28), PMULUDQ = V0F(0xf4),
    PUNPCKLQDQ = V0F(0x6c), PUNPCKHQDQ = V0F(0x6d), PINSRQ = V3AW(0x22), PEXTRQ = V3AW(0x16),
    PACKUSWB = V0F(0x67), PACKUSDW = V38(0x2b), PACKSSWB = V0F(0x63), PACKSSDW = V0F(0x6b),
    PSHUFB = V38(0x00), PSHUFD = V0F(0x70), SHUFPS = X64_V(PP_NONE, MAP_0F, 0, 0xc6), PALIGNR = V3A(0x0f),
    PBLENDW = V3A(0x0e), PADDUSB = V0F(0xdc), PSADBW = V0F(0xf6),
    PSLLW = V0F(0x71) /* 6; PSRLW 2; PSRAW 4 */, PSLLD = V0F(0x72), PSLLQ = V0F(0x73) /* PSLLDQ 7, PSRLDQ 3 */,
};
enum shift_kind { SHIFT_RIGHT = 2, SHIFT_BYTES_RIGHT = 3, SHIFT_SIGNED = 4, SHIFT_LEFT = 6, SHIFT_BYTES_LEFT = 7 };

static inline unsigned vec_size(const struct ir_insn *i)
{
    return i->imm & 3;
}

static inline unsigned vec_n(const struct ir_insn *i)
{
    return (unsigned)(i->imm >> 2);
}

static inline void vrr(struct x64_compiler *c, uint32_t v, unsigned d, unsigned a, unsigned b)
{
    vex_rrr(&c->a, v, d, a, b);
}

static inline void vrri(struct x64_compiler *c, uint32_t v, unsigned d, unsigned a, unsigned b, unsigned imm)
{
    vex_rrr(&c->a, v, d, a, b);
    put8(&c->a, imm);
}

/* d = a op the 16 bytes of a constant table (RAX is lost) */
static inline void vrt(struct x64_compiler *c, uint32_t v, unsigned d, unsigned a, const void *table)
{
    mov_table(&c->a, RAX, table);
    vex_rrm(&c->a, v, d, a, mem_at(RAX, 0));
}

/* Shifts of elements of size 1..3 by an immediate */
static inline void vshift(struct x64_compiler *c, enum shift_kind kind, unsigned size, unsigned d, unsigned s, unsigned n)
{
    vex_rrr(&c->a, size == 1 ? PSLLW : size == 2 ? PSLLD : PSLLQ, kind, d, s);
    put8(&c->a, n);
}

/* d = elements of size 1..3 rotated left; XMM2 is lost */
static inline void vrotate(struct x64_compiler *c, unsigned size, unsigned d, unsigned s, unsigned n)
{
    if (size >= 2 && c->host->avx512vl) { /* VPROLD, VPROLQ */
        evex_rrr(&c->a, X64_V(PP_66, MAP_0F, size == 3, 0x72), 0, 1, d, s, 0, false, false);
        put8(&c->a, n);
        return;
    }
    vshift(c, SHIFT_RIGHT, size, XMM2, s, (8u << size) - n);
    vshift(c, SHIFT_LEFT, size, d, s, n);
    vrr(c, POR, d, d, XMM2);
}

/* d = a function of three bits: bit 4 d + 2 a + b of `function` (AVX-512) */
static inline void vternary(struct x64_compiler *c, unsigned function, unsigned d, unsigned a, unsigned b)
{
    evex_rrr(&c->a, V3A(0x25), 0, d, a, b, 0, false, false); /* VPTERNLOGD */
    put8(&c->a, function);
}

static inline void vzero(struct x64_compiler *c, unsigned d)
{
    vrr(c, PXOR, d, d, d);
}

static inline void vones(struct x64_compiler *c, unsigned d)
{
    vrr(c, PCMPEQD, d, d, d);
}

static inline void vmove(struct x64_compiler *c, unsigned d, unsigned s)
{
    if (d != s)
        movaps_rr(&c->a, d, s);
}

/* The result's register, a's own if a dies: to be written last. */
static inline unsigned vec_result(struct x64_compiler *c, ir_ref a)
{
    return x64_where(c, a) != NO_REG && x64_dies(c, a) ? x64_def_over_v(c, a) : x64_def_v(c);
}

/* d = a op the 16 bytes of a constant of the code memory's */
static inline void vrc(struct x64_compiler *c, uint32_t v, unsigned d, unsigned a, unsigned constant)
{
    vex_rrm(&c->a, v, d, a, mem_code((int32_t)constant));
}

/* d = the bytes of s times a matrix of bits, a constant of the code memory's (GF2P8AFFINEQB) */
static inline void vec_bytes_by_matrix(struct x64_compiler *c, unsigned d, unsigned s, unsigned matrix)
{
    vrc(c, V3AW(0xce), d, s, matrix - 1); /* the displacement counts from behind the immediate */
    put8(&c->a, 0);
}

/* d = ~s; no VPTERNLOGD, which would wait for what d was */
static inline void vnot(struct x64_compiler *c, unsigned d, unsigned s)
{
    vrc(c, PXOR, d, s, CODE_ALL_ONES);
}

/* d = element 0 of s, zeros above */
static inline void vkeep(struct x64_compiler *c, unsigned size, unsigned d, unsigned s)
{
    if (size == 3) {
        movq_vv(&c->a, d, s);
        return;
    }
    if (size == 2) { /* INSERTPS, lanes 1..3 zeroed */
        vrri(c, V3A(0x21), d, s, s, 0x0e);
        return;
    }
    if (c->host->masked) { /* VMOVDQU8, VMOVDQU16 */
        evex_rrr(&c->a, X64_V(PP_F2, MAP_0F, size, 0x6f), 0, d, 0, s, K_LANE_1, true, false);
        return;
    }
    vshift(c, SHIFT_BYTES_LEFT, 3, d, s, 16u - (1u << size));
    vshift(c, SHIFT_BYTES_RIGHT, 3, d, d, 16u - (1u << size));
}

bool x64_emit_vec_move(struct x64_compiler *c);   /* emit_vec_move.c: lanes, permutations, widths */
bool x64_emit_vec_bits(struct x64_compiler *c);   /* emit_vec_bits.c */
bool x64_emit_vec_crypto(struct x64_compiler *c); /* emit_vec_crypto.c */
bool x64_emit_vec_sat(struct x64_compiler *c);    /* emit_vec_sat.c; changes the host's flags, as does */
bool x64_emit_vec_masked(struct x64_compiler *c); /* emit_vec_masked.c */

#endif
