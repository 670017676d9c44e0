/*
 * emit_fp.c - floating-point operations on singles and doubles. What has no case here is done by ir_eval_pure.
 *
 * How it works
 *   Translated code runs with the host's default MXCSR: round to nearest, no flushing, all exceptions masked; what the host
 *   accumulates in it is ignored. Results and FPSR stay exact because the fast code first looks at the guest's state and
 *   then at its own result, and leaves to cold code (ir_eval_pure) whatever it cannot vouch for:
 *     - FPCR asks for another rounding mode or for flushing;
 *     - the operation could be inexact and FPSR.IXC is not set yet (almost always it is, after the first such operation);
 *     - the result says that there may be more to it than "inexact": a NaN (which one, and was it invalid?), an infinity
 *       (overflow, division by zero), or a number so small that it may have underflowed (Arm sees tininess before rounding,
 *       so the least normal numbers count). Exact zeros from zero operands are recognised in the cold code.
 *   FPCR.DN matters for NaNs only. Operands stay untouched until the checks are through: fast code computes in XMM0, and the
 *   last move, after the point where the cold code comes back, also makes the lanes above zero.
 */
#include "fp/fp.h"
#include "ir/fp_imm.h"
#include "x64/compile.h"

enum { XMM0, XMM1, XMM2 };

/* What the result must not be. */
enum check { CHECK_NOTHING, CHECK_NAN, CHECK_FINITE, CHECK_NORMAL };

enum { MAX_JUMPS = 4 };

struct fast {
    struct x64_compiler *c;
    enum fp_format f;
    unsigned lanes;
    unsigned own;
    bool dbl, scalar, full; /* full: all 128 bits */
    unsigned r[3];          /* registers of vector operands */
    unsigned n_modes;
    uint8_t *modes[2];      /* jumps taken before anything was computed */
    uint8_t *checked;       /* the jump taken after looking at the result */
};

/* ---- instructions ---- */

#define OP66(op)   X64_V(PP_66, MAP_0F, 0, op)
#define OP66_38(op) X64_V(PP_66, MAP_0F38, 0, op)
#define OP66_3A(op) X64_V(PP_66, MAP_0F3A, 0, op)
enum { ADD = 0x58, MUL = 0x59, SUB = 0x5c, MIN = 0x5d, DIV = 0x5e, MAX = 0x5f, SQRT = 0x51, AND = 0x54, OR = 0x56, CMP = 0xc2 };

/* xxxps, xxxpd, xxxss, xxxsd */
static uint32_t opcode(const struct fast *x, unsigned op)
{
    unsigned pp = x->scalar ? (x->dbl ? PP_F2 : PP_F3) : x->dbl ? PP_66 : PP_NONE;
    return X64_V(pp, MAP_0F, 0, op);
}

static uint32_t packed(const struct fast *x, unsigned op)
{
    return X64_V(x->dbl ? PP_66 : PP_NONE, MAP_0F, 0, op);
}

/* d = a op b; d is not b */
static void op3(struct x64_compiler *c, uint32_t v, unsigned d, unsigned a, unsigned b)
{
    if (c->host->avx) {
        vex_rrr(&c->a, v, d, a, b);
        return;
    }
    if (d != a)
        movaps_rr(&c->a, d, a);
    sse_rr(&c->a, v, d, b);
}

static void op3_imm(struct x64_compiler *c, uint32_t v, unsigned d, unsigned a, unsigned b, unsigned imm)
{
    op3(c, v, d, a, b);
    put8(&c->a, imm);
}

/* d = op a; scalar VEX forms take the other lanes from a too, which saves a dependency */
static void op2(struct fast *x, uint32_t v, unsigned d, unsigned a)
{
    if (x->c->host->avx)
        vex_rrr(&x->c->a, v, d, x->scalar ? a : 0, a);
    else
        sse_rr(&x->c->a, v, d, a);
}

static void pshufd(struct x64_compiler *c, unsigned d, unsigned s, unsigned order)
{
    sse_rr(&c->a, OP66(0x70), d, s);
    put8(&c->a, order);
}

static void clear(struct x64_compiler *c, unsigned d)
{
    sse_rr(&c->a, OP66(0xef), d, d);
}

static void splat32(struct x64_compiler *c, unsigned d, uint32_t v)
{
    mov_ri(&c->a, RAX, v);
    movd_vr(&c->a, false, d, RAX);
    pshufd(c, d, d, 0);
}

static void movmskps(struct x64_compiler *c, unsigned d, unsigned s)
{
    sse_rr(&c->a, X64_V(PP_NONE, MAP_0F, 0, 0x50), d, s);
}

/* ---- jumps to the cold code ---- */

static uint8_t *jump_cold(struct fast *x, enum x64_cc cc)
{
    struct x64_asm *a = &x->c->a;
    jcc_near(a, cc, a->p + 6);
    return a->p;
}

/* FPCR first; `inexact`: FPSR.IXC must be set already. */
static void look_at_modes(struct fast *x, bool inexact)
{
    struct x64_compiler *c = x->c;
    op_rm(&c->a, false, 0xf7, 0, x64_state(c, c->config->env.fpcr_offset)); /* test dword, imm32 */
    put32(&c->a, 3u << FPCR_RMODE_SHIFT | FPCR_FZ);
    x->modes[x->n_modes++] = jump_cold(x, CC_NE);
    if (!inexact)
        return;
    op_rm(&c->a, false, 0xf6, 0, x64_state(c, c->config->env.fpsr_offset)); /* test byte, imm8 */
    put8(&c->a, FPSR_IXC);
    x->modes[x->n_modes++] = jump_cold(x, CC_E);
}

/* The upper bits of the exponent in EAX, shifted so that the sign is gone: 0xff000000 or 0xffe00000 and up are not finite. */
static void check_scalar(struct fast *x, bool dbl, bool normal)
{
    struct x64_asm *a = &x->c->a;
    uint32_t least = dbl ? 2u << 21 : 2u << 24, limit = dbl ? 0xffe00000 : 0xff000000;
    movd_rv(a, dbl, RAX, XMM0);
    if (dbl)
        shift_ri(a, SH_SHR, true, RAX, 32);
    alu_rr(a, ALU_ADD, false, RAX, RAX);
    if (normal) {
        alu_ri(a, ALU_SUB, false, RAX, (int32_t)least);
        limit -= least;
    }
    alu_ri(a, ALU_CMP, false, RAX, (int32_t)limit);
    x->checked = jump_cold(x, CC_AE);
}

/* The same for all lanes; the cold code finds the mask of bad 32-bit lanes in EAX. */
static void check_vector(struct fast *x, bool dbl, bool full, bool normal)
{
    struct x64_compiler *c = x->c;
    uint32_t least = dbl ? 2u << 21 : 2u << 24, limit = dbl ? 0xffe00000 : 0xff000000;
    pshufd(c, XMM1, XMM0, dbl ? 0xf5 : full ? 0xe4 : 0x44); /* upper halves twice; all; lower lanes twice */
    sse_rr(&c->a, OP66(0xfe), XMM1, XMM1);                  /* paddd */
    if (normal) {
        splat32(c, XMM2, least);
        sse_rr(&c->a, OP66(0xfa), XMM1, XMM2); /* psubd */
        limit -= least;
    }
    splat32(c, XMM2, limit);
    sse_rr(&c->a, OP66_38(0x3f), XMM2, XMM1); /* pmaxud: equal to XMM1 where that is at or above the limit */
    sse_rr(&c->a, OP66(0x76), XMM2, XMM1);    /* pcmpeqd */
    movmskps(c, RAX, XMM2);
    test_rr(&c->a, false, RAX, RAX);
    x->checked = jump_cold(x, CC_NE);
}

/* No lane of a op b may be unordered. */
static void check_ordered(struct fast *x, unsigned a, unsigned b)
{
    struct x64_compiler *c = x->c;
    if (x->scalar) {
        sse_rr(&c->a, X64_V(x->dbl ? PP_66 : PP_NONE, MAP_0F, 0, 0x2e), a, b); /* ucomiss, ucomisd */
        x->checked = jump_cold(x, CC_P);
        return;
    }
    op3_imm(c, packed(x, CMP), XMM1, a, b, 3); /* unordered */
    movmskps(c, RAX, XMM1);
    if (x->full)
        test_rr(&c->a, false, RAX, RAX);
    else
        test_ri(&c->a, false, RAX, 3);
    x->checked = jump_cold(x, CC_NE);
}

static void check(struct fast *x, enum check kind)
{
    if (kind == CHECK_NAN)
        check_ordered(x, XMM0, XMM0);
    else if (kind != CHECK_NOTHING && x->scalar)
        check_scalar(x, x->dbl, kind == CHECK_NORMAL);
    else if (kind != CHECK_NOTHING)
        check_vector(x, x->dbl, x->full, kind == CHECK_NORMAL);
}

/* ---- cold code ---- */

/* struct x64_cold as used here: reg, reg2, stub: registers of the operands; target: the instruction's number; memop: how far
 * behind `from` the jump of the result check ends, 0: none; from2: the second mode jump, or NULL. */

/* ZF: the scalar in v is zero */
static void is_zero(struct x64_compiler *c, bool dbl, unsigned v)
{
    movd_rv(&c->a, dbl, RAX, v);
    alu_rr(&c->a, ALU_ADD, dbl, RAX, RAX);
}

/* After the check of a scalar: back if the result is exact because an operand is zero. */
static void forgive_scalar(struct x64_compiler *c, const struct x64_cold *k, unsigned op, bool dbl)
{
    struct x64_asm *a = &c->a;
    uint8_t *no[2] = {NULL, NULL};
    if (op == IR_FP_MULADD) { /* a zero product: the sum is the addend, or a NaN */
        sse_rr(a, X64_V(dbl ? PP_66 : PP_NONE, MAP_0F, 0, 0x2e), XMM0, XMM0);
        no[0] = jcc_short(a, CC_P);
        is_zero(c, dbl, k->reg2);
        jcc_near(a, CC_E, k->back);
        is_zero(c, dbl, k->stub);
        jcc_near(a, CC_E, k->back);
    } else {
        is_zero(c, dbl, XMM0);
        no[0] = jcc_short(a, CC_NE);
        is_zero(c, dbl, k->reg);
        jcc_near(a, CC_E, k->back);
        if (op == IR_FP_MUL || op == IR_FP_MULX) {
            is_zero(c, dbl, k->reg2);
            jcc_near(a, CC_E, k->back);
        }
    }
    jump_here(a, no[0]);
}

/* d = lanes of v that are zero */
static void zero_lanes(struct x64_compiler *c, bool dbl, unsigned d, unsigned v)
{
    clear(c, d);
    sse_rr(&c->a, X64_V(dbl ? PP_66 : PP_NONE, MAP_0F, 0, CMP), d, v);
    put8(&c->a, 0);
}

/* The same for vectors; EAX is the mask of lanes that did not pass. */
static void forgive_vector(struct x64_compiler *c, const struct x64_cold *k, unsigned op, bool dbl, bool full)
{
    struct x64_asm *a = &c->a;
    bool sum = op == IR_FP_MULADD;
    uint32_t pp = dbl ? PP_66 : PP_NONE;
    zero_lanes(c, dbl, XMM1, sum ? k->reg2 : k->reg);
    if (op != IR_FP_DIV) {
        zero_lanes(c, dbl, XMM2, sum ? k->stub : k->reg2);
        sse_rr(a, X64_V(pp, MAP_0F, 0, OR), XMM1, XMM2);
    }
    if (sum) { /* and not a NaN */
        movaps_rr(a, XMM2, XMM0);
        sse_rr(a, X64_V(pp, MAP_0F, 0, CMP), XMM2, XMM0);
        put8(a, 7); /* ordered */
    } else {
        zero_lanes(c, dbl, XMM2, XMM0);
    }
    sse_rr(a, X64_V(pp, MAP_0F, 0, AND), XMM1, XMM2);
    movmskps(c, RCX, XMM1);
    unary_r(a, UN_NOT, false, RCX);
    alu_rr(a, ALU_AND, false, RCX, RAX);
    if (!full)
        alu_ri(a, ALU_AND, false, RCX, 3);
    jcc_near(a, CC_E, k->back);
}

static bool forgives(unsigned op)
{
    return op == IR_FP_MUL || op == IR_FP_MULX || op == IR_FP_DIV || op == IR_FP_MULADD;
}

static void store_operand(struct x64_compiler *c, enum ir_type type, unsigned slot, unsigned reg)
{
    struct x64_mem at = x64_frame(FRAME_ARGS + 16 * (int32_t)slot);
    if (type == IR_V128)
        movups_mr(&c->a, at, reg);
    else if (type == IR_I64)
        mov_mr(&c->a, true, at, reg);
}

static void cold(struct x64_compiler *c, const struct x64_cold *k)
{
    const struct ir_insn *i = &c->ir->insn[k->target];
    const struct ir_op_info *info = &ir_ops[i->op];
    const uint8_t *start = c->a.p;
    if (k->memop) {
        uint8_t *checked = k->from + k->memop;
        le32_put(checked - 4, (uint32_t)(c->a.p - checked));
        bool dbl = fp_imm_format(i->imm) == FP_DOUBLE;
        unsigned lanes = fp_imm_lanes(i->imm);
        if (forgives(i->op) && lanes == 1)
            forgive_scalar(c, k, i->op, dbl);
        else if (forgives(i->op))
            forgive_vector(c, k, i->op, dbl, lanes * fp_bits(fp_imm_format(i->imm)) == 128);
        start = c->a.p;
    }
    le32_put(k->from - 4, (uint32_t)(start - k->from));
    if (k->from2)
        le32_put(k->from2 - 4, (uint32_t)(start - k->from2));
    store_operand(c, info->arg[0], 0, k->reg);
    store_operand(c, info->arg[1], 1, k->reg2);
    store_operand(c, info->arg[2], 2, k->stub);
    mov_ri(&c->a, RCX, i->op);
    mov_ri(&c->a, RDX, i->imm);
    call_near(&c->a, c->code->stub[STUB_PURE][k->vectors]);
    if (info->result == IR_V128)
        movups_rm(&c->a, XMM0, x64_frame(FRAME_ARGS));
    else
        mov_rm(&c->a, true, RAX, x64_frame(FRAME_ARGS));
    jmp_near(&c->a, k->back);
}

/* The point where both ways meet, with the result in XMM0 or RAX. */
static void join(struct fast *x)
{
    struct x64_compiler *c = x->c;
    struct x64_cold *k = x64_cold_add(c, cold);
    k->from = x->modes[0];
    k->from2 = x->n_modes > 1 ? x->modes[1] : NULL;
    k->memop = x->checked ? (uint32_t)(x->checked - x->modes[0]) : 0;
    k->reg = (uint8_t)x->r[0];
    k->reg2 = (uint8_t)x->r[1];
    k->stub = (uint8_t)x->r[2];
    k->target = c->n;
    k->vectors = x64_vectors_live(c);
    k->back = c->a.p;
}

/* From XMM0 into the result's register, zero above `bits` bits. */
static void deliver(struct fast *x, unsigned bits)
{
    struct x64_compiler *c = x->c;
    join(x);
    unsigned d = x64_def_v(c);
    if (bits == 128) {
        movaps_rr(&c->a, d, XMM0);
    } else if (bits == 64) {
        movq_vv(&c->a, d, XMM0);
    } else { /* insertps, lanes 1..3 zeroed */
        if (c->host->avx)
            vex_rrr(&c->a, OP66_3A(0x21), d, XMM0, XMM0);
        else
            sse_rr(&c->a, OP66_3A(0x21), d, XMM0);
        put8(&c->a, 0x0e);
    }
}

static void deliver_general(struct fast *x)
{
    join(x);
    mov_rr(&x->c->a, true, x64_def(x->c), RAX);
}

static unsigned width(const struct fast *x)
{
    return x->lanes * fp_bits(x->f);
}

/* ---- operations ---- */

static void arithmetic(struct fast *x, unsigned op, enum check kind)
{
    look_at_modes(x, true);
    op3(x->c, opcode(x, op), XMM0, x->r[0], x->r[1]);
    check(x, kind);
    deliver(x, width(x));
}

static void square_root(struct fast *x)
{
    look_at_modes(x, true);
    op2(x, opcode(x, SQRT), XMM0, x->r[0]);
    check(x, CHECK_NAN);
    deliver(x, width(x));
}

static bool muladd(struct fast *x)
{
    /* VFMADD231 and its kin: XMM0 = +-(b x c) +- XMM0 */
    static const uint8_t op[4] = {0xb8, 0xbc, 0xba, 0xbe};
    if (!x->c->host->fma)
        return false;
    look_at_modes(x, true);
    movaps_rr(&x->c->a, XMM0, x->r[0]);
    vex_rrr(&x->c->a, X64_V(PP_66, MAP_0F38, x->dbl, op[x->own & 3] | x->scalar), XMM0, x->r[1], x->r[2]);
    check(x, CHECK_NORMAL);
    deliver(x, width(x));
    return true;
}

/* Both orders, because the host delivers the second operand of two zeros; then the zero of the right sign. */
static void extreme(struct fast *x, unsigned op)
{
    struct x64_compiler *c = x->c;
    look_at_modes(x, false);
    check_ordered(x, x->r[0], x->r[1]);
    op3(c, opcode(x, op), XMM0, x->r[0], x->r[1]);
    op3(c, opcode(x, op), XMM1, x->r[1], x->r[0]);
    sse_rr(&c->a, packed(x, op == MAX ? AND : OR), XMM0, XMM1);
    deliver(x, width(x));
}

static void compare(struct fast *x)
{
    struct x64_asm *a = &x->c->a;
    look_at_modes(x, false);
    mov_ri(a, RAX, 0); /* greater: C only */
    mov_ri(a, RCX, ir_flags_from_nzcv(6u << 28));
    mov_ri(a, RDX, ir_flags_from_nzcv(8u << 28));
    check_ordered(x, x->r[0], x->r[1]);
    cmov_rr(a, CC_E, false, RAX, RCX);
    cmov_rr(a, CC_B, false, RAX, RDX);
    deliver_general(x);
}

static void mask(struct fast *x)
{
    /* predicates for ordered operands: equal, not less, not less or equal */
    static const uint8_t predicate[] = {
        [FP_MASK_EQ] = 0, [FP_MASK_GE] = 5, [FP_MASK_GT] = 6, [FP_MASK_ACGE] = 5, [FP_MASK_ACGT] = 6};
    struct x64_compiler *c = x->c;
    unsigned a = x->r[0], b = x->r[1];
    look_at_modes(x, false);
    check_ordered(x, a, b);
    if (x->own >= FP_MASK_ACGE) {
        sse_rr(&c->a, OP66(0x76), XMM2, XMM2); /* all ones, shifted right by one: the mask of magnitudes */
        sse_rr(&c->a, OP66(x->dbl ? 0x73 : 0x72), 2, XMM2);
        put8(&c->a, 1);
        movaps_rr(&c->a, XMM1, XMM2);
        sse_rr(&c->a, packed(x, AND), XMM1, a);
        sse_rr(&c->a, packed(x, AND), XMM2, b);
        a = XMM1, b = XMM2;
    }
    op3_imm(c, opcode(x, CMP), XMM0, a, b, predicate[x->own]);
    deliver(x, width(x));
}

/* ROUNDxx's immediate, or -1 */
static int round_imm(enum fp_rounding r)
{
    switch (r) {
    case FP_TIEEVEN:
    case FP_BY_FPCR: return 8; /* FPCR says nearest: look_at_modes */
    case FP_NEGINF: return 8 | 1;
    case FP_POSINF: return 8 | 2;
    case FP_ZERO: return 8 | 3;
    default: return -1;
    }
}

/* d = a rounded to integral values */
static void round_to(struct fast *x, unsigned d, unsigned a, int imm)
{
    op2(x, OP66_3A((x->scalar ? 0x0a : 0x08) | x->dbl), d, a);
    put8(&x->c->a, (unsigned)imm);
}

static bool to_integral(struct fast *x)
{
    int imm = round_imm(x->own >> FP_ROUNDING_SHIFT & 7);
    if (imm < 0)
        return false;
    look_at_modes(x, x->own & FP_EXACT);
    round_to(x, XMM0, x->r[0], imm);
    check(x, CHECK_NAN);
    deliver(x, width(x));
    return true;
}

/* Integers of 64 bits first; results outside of what is wanted are left to the cold code, as are NaNs and infinities, which the
 * host makes INT64_MIN. */
static bool to_general(struct fast *x)
{
    struct x64_asm *a = &x->c->a;
    enum fp_rounding r = x->own >> FP_ROUNDING_SHIFT & 7;
    int imm = round_imm(r);
    bool wide = x->own & FP_WIDE, is_unsigned = x->own & FP_UNSIGNED;
    if (imm < 0 || x->own >> FP_FBITS_SHIFT)
        return false;
    look_at_modes(x, true);
    unsigned from = x->r[0];
    if (r != FP_ZERO) {
        round_to(x, XMM0, from, imm);
        from = XMM0;
    }
    sse_rr(a, X64_V(x->dbl ? PP_F2 : PP_F3, MAP_0F, 1, 0x2c), RAX, from); /* cvttsx2si */
    if (wide && is_unsigned) {
        test_rr(a, true, RAX, RAX);
        x->checked = jump_cold(x, CC_S);
    } else if (wide) {
        alu_ri(a, ALU_CMP, true, RAX, 1);
        x->checked = jump_cold(x, CC_O);
    } else {
        movsx_rr(a, 2, true, RCX, RAX);
        if (is_unsigned)
            mov_rr(a, false, RCX, RAX);
        alu_rr(a, ALU_CMP, true, RAX, RCX);
        x->checked = jump_cold(x, CC_NE);
        if (!is_unsigned)
            mov_rr(a, false, RAX, RAX);
    }
    deliver_general(x);
    return true;
}

static bool from_general(struct fast *x)
{
    struct x64_asm *a = &x->c->a;
    bool wide = x->own & FP_WIDE, is_unsigned = x->own & FP_UNSIGNED;
    if (x->own >> FP_FBITS_SHIFT)
        return false;
    unsigned from = x->r[0];
    look_at_modes(x, wide || !x->dbl); /* 32 bits fit a double */
    if (wide && is_unsigned) {
        test_rr(a, true, from, from);
        x->checked = jump_cold(x, CC_S);
    } else if (is_unsigned) {
        mov_rr(a, false, RAX, from);
        from = RAX, wide = true;
    }
    clear(x->c, XMM0);
    sse_rr(a, X64_V(x->dbl ? PP_F2 : PP_F3, MAP_0F, wide, 0x2a), XMM0, from); /* cvtsi2sx */
    deliver(x, fp_bits(x->f));
    return true;
}

/* Lanes of integers of the same size. */
static bool from_integers(struct fast *x)
{
    struct x64_asm *a = &x->c->a;
    if (x->own >> FP_FBITS_SHIFT || x->own & FP_UNSIGNED || (x->dbl && !x->scalar))
        return false;
    look_at_modes(x, true);
    if (x->dbl) {
        movd_rv(a, true, RAX, x->r[0]);
        clear(x->c, XMM0);
        sse_rr(a, X64_V(PP_F2, MAP_0F, 1, 0x2a), XMM0, RAX);
    } else {
        sse_rr(a, X64_V(PP_NONE, MAP_0F, 0, 0x5b), XMM0, x->r[0]); /* cvtdq2ps */
    }
    deliver(x, width(x));
    return true;
}

/* Singles, rounding to zero; what does not fit is INT32_MIN. */
static bool to_integers(struct fast *x)
{
    struct x64_compiler *c = x->c;
    int imm = round_imm(x->own >> FP_ROUNDING_SHIFT & 7);
    if (imm < 0 || x->own >> FP_FBITS_SHIFT || x->own & FP_UNSIGNED || x->dbl)
        return false;
    look_at_modes(x, true);
    round_to(x, XMM0, x->r[0], imm);
    sse_rr(&c->a, X64_V(PP_F3, MAP_0F, 0, 0x5b), XMM0, XMM0); /* cvttps2dq */
    splat32(c, XMM1, 0x80000000);
    sse_rr(&c->a, OP66(0x76), XMM1, XMM0); /* pcmpeqd */
    movmskps(c, RAX, XMM1);
    test_ri(&c->a, false, RAX, (int32_t)ones(x->lanes));
    x->checked = jump_cold(x, CC_NE);
    deliver(x, width(x));
    return true;
}

static bool convert(struct fast *x, uint64_t imm)
{
    enum fp_format to = fp_imm_to(imm);
    if (to == FP_HALF || fp_imm_rounding(imm) != FP_BY_FPCR)
        return false;
    bool widen = to == FP_DOUBLE;
    look_at_modes(x, !widen);
    if (widen)
        check_ordered(x, x->r[0], x->r[0]);
    op2(x, opcode(x, 0x5a), XMM0, x->r[0]); /* cvt between ss and sd, ps and pd */
    if (!widen && x->scalar)
        check_scalar(x, false, true);
    else if (!widen)
        check_vector(x, false, false, true);
    deliver(x, x->lanes * fp_bits(to));
    return true;
}

static void select_vector(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned b = x64_use_v(c, i->b);
    if (i->imm >= 14) {
        unsigned d = x64_def_v(c);
        movaps_rr(&c->a, d, b);
        c->cc_kept = true;
        return;
    }
    x64_use_v(c, i->c);
    enum x64_cc cc = x64_flags_cond(c, i->a, (unsigned)i->imm);
    unsigned d = x64_def_over_v(c, i->c);
    uint8_t *skip = jcc_short(&c->a, cc ^ 1);
    movaps_rr(&c->a, d, b);
    jump_here(&c->a, skip);
    c->cc_kept = true;
}

bool x64_emit_fp(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    if (i->op == IR_V_SELECT) {
        select_vector(c);
        return true;
    }
    const ir_ref arg[3] = {i->a, i->b, i->c};
    struct fast x = {.c = c, .f = fp_imm_format(i->imm), .lanes = fp_imm_lanes(i->imm), .own = fp_imm_own(i->imm)};
    x.dbl = x.f == FP_DOUBLE;
    x.scalar = x.lanes == 1;
    x.full = width(&x) == 128;
    if (x.f != FP_SINGLE && x.f != FP_DOUBLE)
        return false;
    for (unsigned k = 0; k < 3; k++) {
        if (ir_ops[i->op].arg[k] == IR_V128)
            x.r[k] = x64_use_v(c, arg[k]);
        else if (ir_ops[i->op].arg[k] == IR_I64)
            x.r[k] = x64_use(c, arg[k]);
    }
    switch (i->op) {
    case IR_FP_ADD: arithmetic(&x, ADD, CHECK_FINITE); return true;
    case IR_FP_SUB: arithmetic(&x, SUB, CHECK_FINITE); return true;
    case IR_FP_MUL:
    case IR_FP_MULX: arithmetic(&x, MUL, CHECK_NORMAL); return true;
    case IR_FP_DIV: arithmetic(&x, DIV, CHECK_NORMAL); return true;
    case IR_FP_SQRT: square_root(&x); return true;
    case IR_FP_MULADD: return muladd(&x);
    case IR_FP_MAX: extreme(&x, MAX); return true;
    case IR_FP_MIN: extreme(&x, MIN); return true;
    case IR_FP_MAXNM: extreme(&x, MAX); return true;
    case IR_FP_MINNM: extreme(&x, MIN); return true;
    case IR_FP_CMP: compare(&x); return true;
    case IR_FP_CMPM: mask(&x); return true;
    case IR_FP_RINT: return to_integral(&x);
    case IR_FP_TOGPR: return to_general(&x);
    case IR_FP_FROMGPR: return from_general(&x);
    case IR_FP_FROMINT: return from_integers(&x);
    case IR_FP_TOINT: return to_integers(&x);
    case IR_FP_CVT: return convert(&x, i->imm);
    default: return false;
    }
}
