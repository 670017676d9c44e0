/*
 * emit_vec.c - integer vector operations as SSE4.2, AVX, AVX2 and AVX-512VL instructions: arithmetic, logic, comparisons,
 * shifts, pairs and sums.
 *
 * What has no case here is called (ir_eval_pure). Instructions: Intel SDM vol. 2.
 */
#include "x64/vec.h"

/* ---- one instruction ---- */

/* Opcode by element size of operations that are one instruction; 0: none. swapped: operands the other way round */
struct simple {
    uint16_t op;
    bool swapped;
    uint32_t v[4];
};
static const struct simple simple[] = {
    {IR_VAND, false, {PAND, PAND, PAND, PAND}},
    {IR_VORR, false, {POR, POR, POR, POR}},
    {IR_VXOR, false, {PXOR, PXOR, PXOR, PXOR}},
    {IR_VANDN, true, {PANDN, PANDN, PANDN, PANDN}}, /* ~first & second */
    {IR_VADD, false, {PADDB, PADDW, PADDD, PADDQ}},
    {IR_VSUB, false, {PSUBB, PSUBW, PSUBD, PSUBQ}},
    {IR_VMUL, false, {0, PMULLW, PMULLD, 0}},
    {IR_VMINS, false, {V38(0x38), V0F(0xea), V38(0x39), 0}},
    {IR_VMAXS, false, {V38(0x3c), V0F(0xee), V38(0x3d), 0}},
    {IR_VMINU, false, {V0F(0xda), V38(0x3a), V38(0x3b), 0}},
    {IR_VMAXU, false, {V0F(0xde), V38(0x3e), V38(0x3f), 0}},
    {IR_VRHADDU, false, {V0F(0xe0), V0F(0xe3), 0, 0}},
    {IR_VCMEQ, false, {PCMPEQB, PCMPEQW, PCMPEQD, PCMPEQQ}},
    {IR_VCMGT, false, {PCMPGTB, PCMPGTW, PCMPGTD, PCMPGTQ}},
    {IR_VADDP, false, {0, V38(0x01), V38(0x02), 0}},
    {IR_VZIP1, false, {V0F(0x60), V0F(0x61), V0F(0x62), PUNPCKLQDQ}},
    {IR_VZIP2, false, {V0F(0x68), V0F(0x69), V0F(0x6a), PUNPCKHQDQ}},
    {IR_VUZP1, false, {0, 0, 0, PUNPCKLQDQ}},
    {IR_VUZP2, false, {0, 0, 0, PUNPCKHQDQ}},
    {IR_VTRN1, false, {0, 0, 0, PUNPCKLQDQ}},
    {IR_VTRN2, false, {0, 0, 0, PUNPCKHQDQ}},
};

static uint32_t opcode_of(unsigned op, unsigned size)
{
    for (unsigned k = 0; k < ARRAY_SIZE(simple); k++)
        if (simple[k].op == op)
            return simple[k].v[size];
    return 0;
}

static void binary(struct x64_compiler *c, uint32_t v, ir_ref a, ir_ref b)
{
    if (!c->host->avx) {
        unsigned rb = x64_use_v(c, b), d = x64_def_over_v(c, a);
        sse_rr(&c->a, v, d, rb);
        return;
    }
    unsigned ra = x64_use_v(c, a);
    struct x64_operand o = a == b ? (struct x64_operand){.kind = OPERAND_REG, .reg = ra} : x64_operand_v(c, b);
    unsigned d = vec_result(c, a);
    if (o.kind == OPERAND_MEM)
        vex_rrm(&c->a, v, d, ra, o.mem);
    else
        vrr(c, v, d, ra, o.reg);
}

static bool one_instruction(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    for (unsigned k = 0; k < ARRAY_SIZE(simple); k++) {
        const struct simple *s = &simple[k];
        if (s->op != i->op || !s->v[vec_size(i)])
            continue;
        binary(c, s->v[vec_size(i)], s->swapped ? i->b : i->a, s->swapped ? i->a : i->b);
        return true;
    }
    return false;
}

/* ---- constants ---- */

static void constant(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned d = x64_def_v(c);
    if (i->imm == 0) {
        sse_rr(&c->a, PXOR, d, d);
    } else if (i->imm == ~UINT64_C(0)) {
        sse_rr(&c->a, PCMPEQD, d, d);
    } else {
        mov_ri(&c->a, RAX, i->imm);
        movd_vr(&c->a, true, d, RAX);
        sse_rr(&c->a, PUNPCKLQDQ, d, d);
    }
}

/* ---- logic ---- */

static bool invert(struct x64_compiler *c)
{
    unsigned a = x64_use_v(c, x64_insn(c)->a), d = vec_result(c, x64_insn(c)->a);
    vnot(c, d, a);
    return true;
}

static bool select(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned b = x64_use_v(c, i->b), z = x64_use_v(c, i->c);
    if (c->host->avx512vl) {
        unsigned d = x64_def_over_v(c, i->a);
        vternary(c, 0xca, d, b, z); /* d ? b : z */
        return true;
    }
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    vrr(c, PAND, XMM0, b, a);
    vrr(c, PANDN, XMM1, a, z);
    vrr(c, POR, d, XMM0, XMM1);
    return true;
}

/* ---- arithmetic ---- */

static bool negate(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    vzero(c, XMM0);
    vrr(c, opcode_of(IR_VSUB, vec_size(i)), d, XMM0, a);
    return true;
}

static bool absolute(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (size < 3) {
        vrr(c, V38(0x1c + size), d, 0, a);
        return true;
    }
    vzero(c, XMM0);
    vrr(c, PCMPGTQ, XMM0, XMM0, a); /* (a ^ sign) - sign */
    vrr(c, PXOR, XMM1, a, XMM0);
    vrr(c, PSUBQ, d, XMM1, XMM0);
    return true;
}

/* Bytes: products of even and of odd bytes as words */
static bool multiply_bytes(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    vshift(c, SHIFT_RIGHT, 1, XMM0, a, 8);
    vshift(c, SHIFT_RIGHT, 1, XMM1, b, 8);
    vrr(c, PMULLW, XMM0, XMM0, XMM1);
    vshift(c, SHIFT_LEFT, 1, XMM0, XMM0, 8);
    vrr(c, PMULLW, XMM1, a, b);
    vrc(c, PAND, XMM1, XMM1, CODE_LOW_BYTES);
    vrr(c, POR, d, XMM0, XMM1);
    return true;
}

static bool difference(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    bool is_signed = i->op == IR_VABDS;
    if (size == 3 && !c->host->avx512vl)
        return false;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    if (size == 3) { /* VPMAXSQ, VPMINSQ; VPMAXUQ, VPMINUQ */
        evex_rrr(&c->a, is_signed ? V38W(0x3d) : V38W(0x3f), 0, XMM0, a, b, 0, false, false);
        evex_rrr(&c->a, is_signed ? V38W(0x39) : V38W(0x3b), 0, XMM1, a, b, 0, false, false);
        vrr(c, PSUBQ, d, XMM0, XMM1);
        return true;
    }
    vrr(c, opcode_of(is_signed ? IR_VMAXS : IR_VMAXU, size), XMM0, a, b);
    vrr(c, opcode_of(is_signed ? IR_VMINS : IR_VMINU, size), XMM1, a, b);
    vrr(c, opcode_of(IR_VSUB, size), d, XMM0, XMM1);
    return true;
}

/* d = mask in every byte (RAX is lost) */
static void byte_mask(struct x64_compiler *c, unsigned d, unsigned mask)
{
    mov_ri(&c->a, RAX, mask * UINT64_C(0x01010101));
    movd_vr(&c->a, false, d, RAX);
    vrri(c, PSHUFD, d, 0, d, 0);
}

enum { PAVGB = V0F(0xe0), PAVGW = V0F(0xe3) };

/* Bytes: PAVGB rounds up, and takes its operands as unsigned. */
static bool halving_add_bytes(struct x64_compiler *c, bool is_signed, bool round)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = x64_def_v(c);
    if (is_signed) {
        byte_mask(c, XMM2, 0x80);
        vrr(c, PXOR, XMM0, a, XMM2);
        vrr(c, PXOR, XMM1, b, XMM2);
        vrr(c, PAVGB, XMM0, XMM0, XMM1);
        vrr(c, PXOR, d, XMM0, XMM2);
    } else {
        vrr(c, PAVGB, d, a, b);
    }
    if (round)
        return true;
    byte_mask(c, XMM0, 1);
    vrr(c, PXOR, XMM1, a, b);
    vrr(c, PAND, XMM1, XMM1, XMM0);
    vrr(c, PSUBB, d, d, XMM1);
    return true;
}

/* Bytes and halfwords: a + ~b is a - b, and half of what the last bit then adds is what PAVG rounds up. */
static void halving_subtract_small(struct x64_compiler *c, unsigned size, bool is_signed, unsigned d, unsigned a, unsigned b)
{
    if (size == 0) {
        byte_mask(c, XMM0, 0x80);
    } else {
        vones(c, XMM0);
        vshift(c, SHIFT_LEFT, 1, XMM0, XMM0, 15);
    }
    vones(c, XMM2);
    if (is_signed) {
        vrr(c, PXOR, XMM1, a, XMM0);
        vrr(c, PXOR, XMM2, XMM2, XMM0);
        a = XMM1;
    }
    vrr(c, PXOR, XMM2, XMM2, b);
    vrr(c, size ? PAVGW : PAVGB, XMM1, a, XMM2);
    vrr(c, PXOR, d, XMM1, XMM0);
}

static bool halving_subtract(struct x64_compiler *c, bool is_signed)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    if (size > 2)
        return false;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = x64_def_v(c);
    if (size < 2) {
        halving_subtract_small(c, size, is_signed, d, a, b);
        return true;
    }
    enum shift_kind kind = is_signed ? SHIFT_SIGNED : SHIFT_RIGHT;
    vshift(c, kind, 2, XMM0, a, 1);
    vshift(c, kind, 2, XMM1, b, 1);
    vrr(c, PSUBD, XMM0, XMM0, XMM1);
    vrr(c, PANDN, XMM1, a, b); /* what the last bits borrow */
    vshift(c, SHIFT_LEFT, 2, XMM1, XMM1, 31);
    vshift(c, SHIFT_RIGHT, 2, XMM1, XMM1, 31);
    vrr(c, PSUBD, d, XMM0, XMM1);
    return true;
}

/* (a & b) + ((a ^ b) >> 1), or rounded up (a | b) - ((a ^ b) >> 1), for elements that have a shift */
static bool halving_add(struct x64_compiler *c, bool is_signed, bool round)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    if (size == 0)
        return halving_add_bytes(c, is_signed, round);
    if (size == 3 && is_signed)
        return false;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    vrr(c, round ? POR : PAND, XMM0, a, b);
    vrr(c, PXOR, XMM1, a, b);
    vshift(c, is_signed ? SHIFT_SIGNED : SHIFT_RIGHT, size, XMM1, XMM1, 1);
    vrr(c, opcode_of(round ? IR_VSUB : IR_VADD, size), d, XMM0, XMM1);
    return true;
}

/* ---- comparisons ---- */

/* 64 bits: the signed comparison, with the signs turned over. XMM0, XMM1 are lost */
static void unsigned_greater_64(struct x64_compiler *c, unsigned d, unsigned a, unsigned b)
{
    vones(c, XMM0);
    vshift(c, SHIFT_LEFT, 3, XMM0, XMM0, 63);
    vrr(c, PXOR, XMM1, a, XMM0);
    vrr(c, PXOR, XMM0, b, XMM0);
    vrr(c, PCMPGTQ, d, XMM1, XMM0);
}

/* a >= b: the greater one of them is a */
static bool greater_or_equal(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    bool is_signed = i->op == IR_VCMGE;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    if (size == 3 && !is_signed) {
        unsigned_greater_64(c, XMM0, b, a);
        vnot(c, d, XMM0);
    } else if (size == 3) {
        vrr(c, PCMPGTQ, XMM0, b, a);
        vnot(c, d, XMM0);
    } else {
        vrr(c, opcode_of(is_signed ? IR_VMAXS : IR_VMAXU, size), XMM0, a, b);
        vrr(c, opcode_of(IR_VCMEQ, size), d, XMM0, a);
    }
    return true;
}

/* a > b, unsigned: not b >= a */
static bool higher(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    if (size == 3) {
        unsigned_greater_64(c, d, a, b);
        return true;
    }
    vrr(c, opcode_of(IR_VMAXU, size), XMM0, a, b);
    vrr(c, opcode_of(IR_VCMEQ, size), XMM0, XMM0, b);
    vnot(c, d, XMM0);
    return true;
}

static bool test(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    vrr(c, PAND, XMM0, a, b);
    vzero(c, XMM1);
    vrr(c, opcode_of(IR_VCMEQ, vec_size(i)), XMM0, XMM0, XMM1);
    vnot(c, d, XMM0);
    return true;
}

/* ---- shifts by a constant ---- */

/* Bytes are shifted as words and what came from the neighbour is masked off. RAX, XMM0, XMM1 are lost */
static void shift_bytes(struct x64_compiler *c, unsigned op, unsigned d, unsigned a, unsigned n)
{
    if (c->host->gfni) {
        vec_bytes_by_matrix(c, d, a, CODE_SHIFTS + 16 * (n + (op == IR_VSHL ? 0 : op == IR_VSHR ? 8 : 17)));
        return;
    }
    if (op == IR_VSHL) {
        vshift(c, SHIFT_LEFT, 1, XMM0, a, n);
        byte_mask(c, XMM1, 0xff << n & 0xff);
        vrr(c, PAND, d, XMM0, XMM1);
        return;
    }
    bool is_signed = op == IR_VSAR;
    n = is_signed && n == 8 ? 7 : n;
    vshift(c, SHIFT_RIGHT, 1, XMM0, a, n);
    byte_mask(c, XMM1, 0xffu >> n);
    if (!is_signed) {
        vrr(c, PAND, d, XMM0, XMM1);
        return;
    }
    vrr(c, PAND, XMM0, XMM0, XMM1); /* the sign now is at 0x80 >> n: (x ^ sign) - sign */
    byte_mask(c, XMM1, 0x80u >> n);
    vrr(c, PXOR, XMM0, XMM0, XMM1);
    vrr(c, PSUBB, d, XMM0, XMM1);
}

/* Signed 64-bit shifts are EVEX only: VPSRAQ */
static void shift_signed_64(struct x64_compiler *c, unsigned d, unsigned a, unsigned n)
{
    evex_rrr(&c->a, X64_V(PP_66, MAP_0F, 1, 0x72), 0, SHIFT_SIGNED, d, a, 0, false, false);
    put8(&c->a, n);
}

static bool rotate(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    if (vec_size(i) == 0)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    vrotate(c, vec_size(i), d, a, vec_n(i));
    return true;
}

static bool shift(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), n = vec_n(i);
    bool is_signed = i->op == IR_VSAR;
    if (size == 3 && is_signed && !c->host->avx512vl)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (size == 0)
        shift_bytes(c, i->op, d, a, n);
    else if (size == 3 && is_signed)
        shift_signed_64(c, d, a, MIN(n, 63u));
    else
        vshift(c, i->op == IR_VSHL ? SHIFT_LEFT : is_signed ? SHIFT_SIGNED : SHIFT_RIGHT, size, d, a, n);
    return true;
}

/* d = x >> n plus the last bit shifted out, of bytes; d is no operand's register */
static void rounding_shift_bytes(struct x64_compiler *c, unsigned op, unsigned d, unsigned a, unsigned n)
{
    shift_bytes(c, op, d, a, n);
    vshift(c, SHIFT_RIGHT, 1, XMM0, a, n - 1);
    byte_mask(c, XMM1, 1);
    vrr(c, PAND, XMM0, XMM0, XMM1);
    vrr(c, PADDB, d, d, XMM0);
}

/* x >> n plus the last bit shifted out */
static bool rounding_shift(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), n = vec_n(i), bits = 8u << size;
    bool is_signed = i->op == IR_VRSAR;
    if (n == 0 || (size == 3 && is_signed && !c->host->avx512vl))
        return false;
    unsigned a = x64_use_v(c, i->a), d = size ? vec_result(c, i->a) : x64_def_v(c);
    if (size == 0) {
        rounding_shift_bytes(c, is_signed ? IR_VSAR : IR_VSHR, d, a, n);
        return true;
    }
    vshift(c, SHIFT_LEFT, size, XMM0, a, bits - n);
    vshift(c, SHIFT_RIGHT, size, XMM0, XMM0, bits - 1);
    if (size == 3 && is_signed)
        shift_signed_64(c, XMM1, a, MIN(n, 63u));
    else
        vshift(c, is_signed ? SHIFT_SIGNED : SHIFT_RIGHT, size, XMM1, a, n);
    vrr(c, opcode_of(IR_VADD, size), d, XMM0, XMM1);
    return true;
}

/* SLI: b << n above a's low n bits; SRI: b >> n below a's high n bits */
static bool shift_insert(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), n = vec_n(i), bits = 8u << size;
    enum shift_kind in = i->op == IR_VSLI ? SHIFT_LEFT : SHIFT_RIGHT, out = i->op == IR_VSLI ? SHIFT_RIGHT : SHIFT_LEFT;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    if (size == 0) {
        vshift(c, in, 1, XMM0, b, n);
        byte_mask(c, XMM1, in == SHIFT_LEFT ? 0xff << n & 0xff : 0xffu >> n);
        vrr(c, PAND, XMM0, XMM0, XMM1);
        vrr(c, PANDN, XMM1, XMM1, a);
        vrr(c, POR, d, XMM0, XMM1);
        return true;
    }
    vshift(c, in, size, XMM0, b, n);
    vshift(c, in, size, XMM1, a, bits - n);
    vshift(c, out, size, XMM1, XMM1, bits - n);
    vrr(c, POR, d, XMM0, XMM1);
    return true;
}

/* ---- shifts by elements: both directions, one of which gives nothing ---- */

/* Variable shifts of 16-bit elements and the signed one of 64 bits are EVEX */
static void variable_shift(struct x64_compiler *c, unsigned base, unsigned size, unsigned d, unsigned a, unsigned by)
{
    static const uint32_t left[4] = {0, V38W(0x12), V38(0x47), V38W(0x47)}, right[4] = {0, V38W(0x10), V38(0x45), V38W(0x45)},
                          sign[4] = {0, V38W(0x11), V38(0x46), V38W(0x46)};
    uint32_t v = base == IR_VSHL ? left[size] : base == IR_VSHR ? right[size] : sign[size];
    if (size == 1 || (size == 3 && base == IR_VSAR))
        evex_rrr(&c->a, v, 0, d, a, by, 0, false, false);
    else
        vrr(c, v, d, a, by);
}

/* XMM2 = a shifted right by XMM2, plus the last bit shifted out. d, no operand's register, is lost */
static void rounding_right(struct x64_compiler *c, unsigned base, unsigned size, unsigned d, unsigned a)
{
    unsigned last = (8u << size) - 1;
    vones(c, d);
    vrr(c, opcode_of(IR_VADD, size), d, d, XMM2);
    variable_shift(c, base, size, d, a, d);
    vshift(c, SHIFT_LEFT, size, d, d, last);
    vshift(c, SHIFT_RIGHT, size, d, d, last);
    variable_shift(c, base, size, XMM2, a, XMM2);
    vrr(c, opcode_of(IR_VADD, size), XMM2, XMM2, d);
}

static bool shift_by_elements(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i), bits = 8u << size;
    bool is_signed = i->op == IR_VSSHL || i->op == IR_VSRSHL, round = i->op == IR_VURSHL || i->op == IR_VSRSHL;
    unsigned right = is_signed ? IR_VSAR : IR_VSHR;
    if (size == 0 || !c->host->avx2 || (size != 2 && !c->host->avx512vl))
        return false;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = round ? x64_def_v(c) : vec_result(c, i->a);
    vshift(c, SHIFT_LEFT, size, XMM0, b, bits - 8); /* the low byte, sign-extended */
    if (size == 3)
        shift_signed_64(c, XMM0, XMM0, bits - 8);
    else
        vshift(c, SHIFT_SIGNED, size, XMM0, XMM0, bits - 8);
    variable_shift(c, IR_VSHL, size, XMM1, a, XMM0); /* too large counts, as negative ones are unsigned, give 0 */
    vzero(c, XMM2);
    vrr(c, opcode_of(IR_VSUB, size), XMM2, XMM2, XMM0);
    if (round)
        rounding_right(c, right, size, d, a);
    else
        variable_shift(c, right, size, XMM2, a, XMM2);
    if (!is_signed) {
        vrr(c, POR, d, XMM1, XMM2);
        return true;
    }
    if (size == 3) /* sign of the count, over all its bits: for 64-bit elements PBLENDVB looks at every byte's */
        shift_signed_64(c, XMM0, XMM0, 63);
    else
        vshift(c, SHIFT_SIGNED, size, XMM0, XMM0, bits - 1);
    vrri(c, V3A(0x4c), d, XMM1, XMM2, XMM0 << 4); /* VPBLENDVB: right where negative */
    return true;
}

/* ---- pairs ---- */

/* d = the even (odd) elements of a and b in a row */
static void unzip(struct x64_compiler *c, unsigned size, bool odd, unsigned d, unsigned a, unsigned b)
{
    if (size == 3) {
        vrr(c, odd ? PUNPCKHQDQ : PUNPCKLQDQ, d, a, b);
        return;
    }
    if (size == 2) {
        vrri(c, SHUFPS, d, a, b, odd ? 0xdd : 0x88);
        return;
    }
    if (odd) {
        vshift(c, SHIFT_RIGHT, size + 1, XMM0, a, 8u << size);
        vshift(c, SHIFT_RIGHT, size + 1, XMM1, b, 8u << size);
    } else if (size == 0) {
        vrc(c, PAND, XMM0, a, CODE_LOW_BYTES);
        vrc(c, PAND, XMM1, b, CODE_LOW_BYTES);
    } else {
        vzero(c, XMM2);
        vrri(c, PBLENDW, XMM0, a, XMM2, 0xaa);
        vrri(c, PBLENDW, XMM1, b, XMM2, 0xaa);
    }
    vrr(c, size ? PACKUSDW : PACKUSWB, d, XMM0, XMM1);
}

static bool unzip_op(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    unzip(c, vec_size(i), i->op == IR_VUZP2, d, a, b);
    return true;
}

static unsigned element_op(unsigned op)
{
    switch (op) {
    case IR_VADDP: case IR_VADDV: return IR_VADD;
    case IR_VMINPS: case IR_VMINVS: return IR_VMINS;
    case IR_VMINPU: case IR_VMINVU: return IR_VMINU;
    case IR_VMAXPS: case IR_VMAXVS: return IR_VMAXS;
    default: return IR_VMAXU;
    }
}

/* d = an element and its neighbour joined by v, in the place of both, zeros above */
static void join_neighbours(struct x64_compiler *c, uint32_t v, unsigned size, unsigned d, unsigned a)
{
    vshift(c, SHIFT_RIGHT, size + 1, d, a, 8u << size);
    vrr(c, v, d, d, a);
    if (size == 0) {
        vrc(c, PAND, d, d, CODE_LOW_BYTES);
    } else {
        vzero(c, XMM2);
        vrri(c, PBLENDW, d, d, XMM2, 0xaa);
    }
}

/* Small elements: each with its neighbour, in place; then they are packed. */
static bool pairs(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    uint32_t v = opcode_of(element_op(i->op), size);
    if (!v)
        return false;
    unsigned a = x64_use_v(c, i->a), b = x64_use_v(c, i->b), d = vec_result(c, i->a);
    if (size >= 2) {
        unzip(c, size, false, XMM0, a, b);
        unzip(c, size, true, XMM1, a, b);
        vrr(c, v, d, XMM0, XMM1);
        return true;
    }
    join_neighbours(c, v, size, XMM0, a);
    if (a != b)
        join_neighbours(c, v, size, XMM1, b);
    vrr(c, size ? PACKUSDW : PACKUSWB, d, XMM0, a == b ? XMM0 : XMM1);
    return true;
}

/* d = sums of neighbours, twice as wide: mostly as sums of products with one. XMM0, XMM1 are lost */
static void add_neighbours(struct x64_compiler *c, unsigned size, bool is_signed, unsigned d, unsigned a)
{
    enum { PMADDUBSW = V38(0x04), PMADDWD = V0F(0xf5) }; /* the former's first operand is unsigned */
    unsigned bits = 8u << size;
    enum shift_kind kind = is_signed ? SHIFT_SIGNED : SHIFT_RIGHT;
    if (size == 0 && !is_signed) {
        vrc(c, PMADDUBSW, d, a, CODE_ONE_BYTES);
        return;
    }
    if (size == 0) {
        movups_rm(&c->a, XMM0, mem_code(CODE_ONE_BYTES));
        vrr(c, PMADDUBSW, d, XMM0, a);
        return;
    }
    if (size == 1 && is_signed) {
        vrc(c, PMADDWD, d, a, CODE_ONE_WORDS);
        return;
    }
    if (size == 1) {
        vshift(c, SHIFT_RIGHT, 2, XMM0, a, 16);
        vrc(c, PAND, XMM1, a, CODE_LOW_WORDS);
        vrr(c, PADDD, d, XMM0, XMM1);
        return;
    }
    vshift(c, SHIFT_LEFT, size + 1, XMM1, a, bits);
    if (size == 2 && is_signed) {
        shift_signed_64(c, XMM0, a, bits);
        shift_signed_64(c, XMM1, XMM1, bits);
    } else {
        vshift(c, kind, size + 1, XMM0, a, bits);
        vshift(c, kind, size + 1, XMM1, XMM1, bits);
    }
    vrr(c, opcode_of(IR_VADD, size + 1), d, XMM0, XMM1);
}

static bool pairs_long(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    bool is_signed = i->op == IR_VADDLPS;
    if (vec_size(i) == 2 && is_signed && !c->host->avx512vl)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    add_neighbours(c, vec_size(i), is_signed, d, a);
    return true;
}

/* ---- across ---- */

/* d = element 0 of a's elements joined by v: halves are folded upon each other. XMM0, XMM1 are lost */
static void fold(struct x64_compiler *c, uint32_t v, unsigned size, unsigned d, unsigned a)
{
    vrri(c, PSHUFD, XMM0, 0, a, 0x4e);
    vrr(c, v, XMM0, XMM0, a);
    if (size < 3) {
        vrri(c, PSHUFD, XMM1, 0, XMM0, 0xb1);
        vrr(c, v, XMM0, XMM0, XMM1);
    }
    if (size < 2) {
        vshift(c, SHIFT_RIGHT, 2, XMM1, XMM0, 16);
        vrr(c, v, XMM0, XMM0, XMM1);
    }
    if (size == 0) {
        vshift(c, SHIFT_RIGHT, 1, XMM1, XMM0, 8);
        vrr(c, v, XMM0, XMM0, XMM1);
    }
    vkeep(c, size, d, XMM0);
}

/* XMM0 = sums of the bytes: in element 0 if there are eight, else in element 0 of both halves */
static void sum_bytes(struct x64_compiler *c, unsigned a)
{
    vzero(c, XMM0);
    vrr(c, PSADBW, XMM0, a, XMM0);
}

static bool across(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    uint32_t v = opcode_of(element_op(i->op), size);
    if (!v)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (i->op != IR_VADDV || size) {
        fold(c, v, size, d, a);
        return true;
    }
    sum_bytes(c, a);
    if (!ir_zero_above(c->ir, i->a, 3)) {
        vrri(c, PSHUFD, XMM1, 0, XMM0, 0x4e);
        vrr(c, PADDB, XMM0, XMM0, XMM1);
    }
    vkeep(c, 0, d, XMM0);
    return true;
}

/* Neighbours first; sums of bytes at once. */
static bool sum_long(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned size = vec_size(i);
    bool is_signed = i->op == IR_VADDLVS;
    if (size == 2 && is_signed && !c->host->avx512vl)
        return false;
    unsigned a = x64_use_v(c, i->a), d = vec_result(c, i->a);
    if (size || is_signed) {
        add_neighbours(c, size, is_signed, XMM2, a);
        fold(c, opcode_of(IR_VADD, size + 1), size + 1, d, XMM2);
        return true;
    }
    sum_bytes(c, a);
    vrri(c, PSHUFD, XMM1, 0, XMM0, 0x4e);
    vrr(c, PADDQ, XMM0, XMM0, XMM1);
    movq_vv(&c->a, d, XMM0);
    return true;
}

static bool with_avx(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    switch (i->op) {
    case IR_VNOT: return invert(c);
    case IR_VBSL: return select(c);
    case IR_VNEG: return negate(c);
    case IR_VABS: return absolute(c);
    case IR_VMUL: return vec_size(i) == 0 && multiply_bytes(c);
    case IR_VABDS: case IR_VABDU: return difference(c);
    case IR_VHADDS: case IR_VHADDU: return halving_add(c, i->op == IR_VHADDS, false);
    case IR_VRHADDS: case IR_VRHADDU: return halving_add(c, i->op == IR_VRHADDS, true);
    case IR_VHSUBS: case IR_VHSUBU: return halving_subtract(c, i->op == IR_VHSUBS);
    case IR_VCMGE: case IR_VCMHS: return greater_or_equal(c);
    case IR_VCMHI: return higher(c);
    case IR_VTST: return test(c);
    case IR_VSHL: case IR_VSHR: case IR_VSAR: return shift(c);
    case IR_VROL: return rotate(c);
    case IR_VRSHR: case IR_VRSAR: return rounding_shift(c);
    case IR_VSLI: case IR_VSRI: return shift_insert(c);
    case IR_VUSHL: case IR_VSSHL: case IR_VURSHL: case IR_VSRSHL: return shift_by_elements(c);
    case IR_VUZP1: case IR_VUZP2: return unzip_op(c);
    case IR_VADDP: case IR_VMINPS: case IR_VMINPU: case IR_VMAXPS: case IR_VMAXPU: return pairs(c);
    case IR_VADDLPS: case IR_VADDLPU: return pairs_long(c);
    case IR_VADDV: case IR_VMINVS: case IR_VMINVU: case IR_VMAXVS: case IR_VMAXVU: return across(c);
    case IR_VADDLVS: case IR_VADDLVU: return sum_long(c);
    default: return x64_emit_vec_bits(c) || x64_emit_vec_move(c) || x64_emit_vec_crypto(c);
    }
}

bool x64_emit_vec(struct x64_compiler *c)
{
    bool done = true;
    switch (x64_insn(c)->op) {
    case IR_VCONST: constant(c); break;
    case IR_VZERO64: {
        unsigned a = x64_use_v(c, x64_insn(c)->a), d = vec_result(c, x64_insn(c)->a);
        movq_vv(&c->a, d, a);
        break;
    }
    case IR_VFROM64: {
        unsigned a = x64_use(c, x64_insn(c)->a), d = x64_def_v(c);
        movd_vr(&c->a, true, d, a);
        break;
    }
    default:
        done = one_instruction(c) || (c->host->avx && with_avx(c));
        if (!done)
            return c->host->avx && (x64_emit_vec_sat(c) || x64_emit_vec_masked(c));
    }
    c->cc_kept = done; /* none of these touches the flags */
    return done;
}
