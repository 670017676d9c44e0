/*
 * emit_fp.c - floating-point operations on singles and doubles. What has no case here is done by ir_eval_pure.
 *
 * How it works
 *   Translated code runs with the host's default MXCSR: round to nearest, no flushing, all exceptions masked. The host's
 *   "precision" bit (PE), which accumulates there, is FPSR.IXC: it is carried over when the guest reads FPSR and when
 *   translated code is left (stubs.c), and cleared when the guest writes FPSR (emit_state.c). So an emitter may do nothing
 *   inexact that Arm would not call so. All other bits of MXCSR are ignored. Results and the rest of FPSR stay exact because
 *   the fast code looks at its own result, and leaves to cold code (ir_eval_pure) whatever it cannot vouch for:
 *     - FPCR asks for another rounding mode or for flushing (blocks are made for the default and for the others, see
 *       struct x64_config);
 *     - the result says that there may be more to it than "inexact": a NaN (which one, and was it invalid?), an infinity
 *       (overflow, division by zero), or a number so small that it may have underflowed (Arm sees tininess before rounding,
 *       so the least normal numbers count). Exact zeros from zero operands are recognised in the cold code.
 *   FPCR.DN matters for NaNs only. Operands stay untouched until the checks are through: fast code computes in XMM0, and the
 *   last move, after the point where the cold code comes back, also makes the lanes above zero.
 */
#include "x64/fp.h"

/* ---- operations ---- */

static void arithmetic(struct x64_fp *x, unsigned op, enum x64_fp_check kind)
{
    x64_fp_modes(x);
    op3(x->c, opcode(x, op), XMM0, x64_fp_operand(x, 0, XMM0), x64_fp_operand(x, 1, XMM1));
    x64_fp_check(x, kind);
    x64_fp_deliver(x, width(x));
}

static void square_root(struct x64_fp *x)
{
    x64_fp_modes(x);
    op2(x, opcode(x, SQRT), XMM0, x64_fp_operand(x, 0, XMM0));
    x64_fp_check(x, CHECK_NAN);
    x64_fp_deliver(x, width(x));
}

static bool muladd(struct x64_fp *x)
{
    /* VFMADD231 and its kin: XMM0 = +-(b x c) +- XMM0 */
    static const uint8_t op[4] = {0xb8, 0xbc, 0xba, 0xbe};
    if (!x->c->host->fma)
        return false;
    x64_fp_modes(x);
    unsigned b = x64_fp_operand(x, 1, XMM1), d = x64_fp_operand(x, 2, XMM2), sum = x64_fp_operand(x, 0, XMM0);
    if (sum != XMM0)
        movaps_rr(&x->c->a, XMM0, sum);
    vex_rrr(&x->c->a, X64_V(PP_66, MAP_0F38, x->dbl, op[x->own & 3] | x->scalar), XMM0, b, d);
    x64_fp_check(x, CHECK_NORMAL);
    x64_fp_deliver(x, width(x));
    return true;
}

/* Both orders, because the host delivers the second operand of two zeros; then the zero of the right sign. */
static void extreme(struct x64_fp *x, unsigned op)
{
    struct x64_compiler *c = x->c;
    x64_fp_modes(x);
    x64_fp_check_ordered(x, x->r[0], x->r[1]);
    op3(c, opcode(x, op), XMM0, x->r[0], x->r[1]);
    op3(c, opcode(x, op), XMM1, x->r[1], x->r[0]);
    sse_rr(&c->a, packed(x, op == MAX ? AND : OR), XMM0, XMM1);
    x64_fp_deliver(x, width(x));
}

static void compare(struct x64_fp *x)
{
    struct x64_asm *a = &x->c->a;
    x64_fp_modes(x);
    mov_ri(a, RAX, 0); /* greater: C only */
    mov_ri(a, RCX, ir_flags_from_nzcv(6u << 28));
    mov_ri(a, RDX, ir_flags_from_nzcv(8u << 28));
    x64_fp_check_ordered(x, x->r[0], x->r[1]);
    cmov_rr(a, CC_E, false, RAX, RCX);
    cmov_rr(a, CC_B, false, RAX, RDX);
    x64_fp_deliver_general(x);
}

static void mask(struct x64_fp *x)
{
    /* predicates for ordered operands: equal, not less, not less or equal */
    static const uint8_t predicate[] = {
        [FP_MASK_EQ] = 0, [FP_MASK_GE] = 5, [FP_MASK_GT] = 6, [FP_MASK_ACGE] = 5, [FP_MASK_ACGT] = 6};
    struct x64_compiler *c = x->c;
    unsigned a = x->r[0], b = x->r[1];
    x64_fp_modes(x);
    x64_fp_check_ordered(x, a, b);
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
    x64_fp_deliver(x, width(x));
}

/* ROUNDxx's immediate, with which it says when it was inexact; or -1 */
static int round_imm(enum fp_rounding r)
{
    switch (r) {
    case FP_TIEEVEN:
    case FP_BY_FPCR: return 0; /* FPCR says nearest: x64_fp_modes */
    case FP_NEGINF: return 1;
    case FP_POSINF: return 2;
    case FP_ZERO: return 3;
    default: return -1;
    }
}

/* d = a rounded to integral values */
static void round_to(struct x64_fp *x, unsigned d, unsigned a, int imm)
{
    op2(x, OP66_3A((x->scalar ? 0x0a : 0x08) | x->dbl), d, a);
    put8(&x->c->a, (unsigned)imm);
}

static void splat(struct x64_fp *x, unsigned d, uint64_t v)
{
    struct x64_asm *a = &x->c->a;
    mov_ri(a, RAX, v);
    movd_vr(a, x->dbl, d, RAX);
    if (!x->scalar)
        pshufd(x->c, d, d, x->dbl ? 0x44 : 0);
}

/* XMM0 = a rounded to integral values, ties away from zero: chopped after the greatest number below a half was added with a's
 * sign. MXCSR is what it was. Changes RAX, XMM1, XMM2. */
static void round_away(struct x64_fp *x, unsigned a)
{
    struct x64_compiler *c = x->c;
    x64_fp_keep(x);
    splat(x, XMM1, fp_sign_bit(x->f));
    sse_rr(&c->a, packed(x, AND), XMM1, a);
    splat(x, XMM2, x->dbl ? 0x3fdfffffffffffff : 0x3effffff);
    sse_rr(&c->a, packed(x, OR), XMM1, XMM2);
    op3(c, opcode(x, ADD), XMM0, a, XMM1);
    round_to(x, XMM0, XMM0, 3);
    x64_fp_restore(c);
}

static bool to_integral(struct x64_fp *x)
{
    enum fp_rounding r = x->own >> FP_ROUNDING_SHIFT & 7;
    int imm = round_imm(r);
    bool away = r == FP_TIEAWAY && !(x->own & FP_EXACT);
    if (imm < 0 && !away)
        return false;
    x64_fp_modes(x);
    if (away)
        round_away(x, x64_fp_operand(x, 0, XMM0));
    else
        round_to(x, XMM0, x64_fp_operand(x, 0, XMM0), x->own & FP_EXACT ? imm : imm | 8); /* 8: not inexact */
    x64_fp_check(x, CHECK_NAN);
    x64_fp_deliver(x, width(x));
    return true;
}

/* Integers of 64 bits first; results outside of what is wanted are left to the cold code, as are NaNs and infinities, which the
 * host makes INT64_MIN. */
static bool to_general(struct x64_fp *x)
{
    struct x64_asm *a = &x->c->a;
    enum fp_rounding r = x->own >> FP_ROUNDING_SHIFT & 7;
    int imm = round_imm(r);
    bool wide = x->own & FP_WIDE, is_unsigned = x->own & FP_UNSIGNED;
    if ((imm < 0 && r != FP_TIEAWAY) || x->own >> FP_FBITS_SHIFT)
        return false;
    x64_fp_modes(x);
    unsigned from = x->r[0];
    if (!wide || is_unsigned)
        x64_fp_keep(x);
    if (r == FP_TIEAWAY) {
        round_away(x, from);
        round_to(x, XMM1, from, 3); /* inexact if that is */
        from = XMM0;
    } else if (r != FP_ZERO) {
        round_to(x, XMM0, from, imm);
        from = XMM0;
    }
    sse_rr(a, X64_V(x->dbl ? PP_F2 : PP_F3, MAP_0F, 1, 0x2c), RAX, from); /* cvttsx2si */
    if (wide && is_unsigned) {
        test_rr(a, true, RAX, RAX);
        x->checked = x64_fp_jump(x, CC_S);
    } else if (wide) {
        alu_ri(a, ALU_CMP, true, RAX, 1);
        x->checked = x64_fp_jump(x, CC_O);
    } else {
        movsx_rr(a, 2, true, RCX, RAX);
        if (is_unsigned)
            mov_rr(a, false, RCX, RAX);
        alu_rr(a, ALU_CMP, true, RAX, RCX);
        x->checked = x64_fp_jump(x, CC_NE);
        if (!is_unsigned)
            mov_rr(a, false, RAX, RAX);
    }
    x64_fp_deliver_general(x);
    return true;
}

static bool from_general(struct x64_fp *x)
{
    struct x64_asm *a = &x->c->a;
    bool wide = x->own & FP_WIDE, is_unsigned = x->own & FP_UNSIGNED;
    if (x->own >> FP_FBITS_SHIFT)
        return false;
    unsigned from = x->r[0];
    if (wide && is_unsigned) {
        test_rr(a, true, from, from);
        x->checked = x64_fp_jump(x, CC_S);
    }
    x64_fp_modes(x); /* 32 bits fit a double */
    if (!wide && is_unsigned) {
        mov_rr(a, false, RAX, from);
        from = RAX, wide = true;
    }
    clear(x->c, XMM0);
    sse_rr(a, X64_V(x->dbl ? PP_F2 : PP_F3, MAP_0F, wide, 0x2a), XMM0, from); /* cvtsi2sx */
    x64_fp_deliver(x, fp_bits(x->f));
    return true;
}

/* Lanes of integers of the same size. */
static bool from_integers(struct x64_fp *x)
{
    struct x64_asm *a = &x->c->a;
    if (x->own >> FP_FBITS_SHIFT || x->own & FP_UNSIGNED || (x->dbl && !x->scalar))
        return false;
    x64_fp_modes(x);
    if (x->scalar) {
        movd_rv(a, x->dbl, RAX, x->r[0]);
        clear(x->c, XMM0);
        sse_rr(a, X64_V(x->dbl ? PP_F2 : PP_F3, MAP_0F, x->dbl, 0x2a), XMM0, RAX); /* cvtsi2sx */
    } else {
        sse_rr(a, X64_V(PP_NONE, MAP_0F, 0, 0x5b), XMM0, x64_fp_operand(x, 0, XMM0)); /* cvtdq2ps */
    }
    x64_fp_deliver(x, width(x));
    return true;
}

/* Singles, rounding to zero; what does not fit is INT32_MIN. */
static bool to_integers(struct x64_fp *x)
{
    struct x64_compiler *c = x->c;
    int imm = round_imm(x->own >> FP_ROUNDING_SHIFT & 7);
    if (imm < 0 || x->own >> FP_FBITS_SHIFT || x->own & FP_UNSIGNED || x->dbl)
        return false;
    x64_fp_modes(x);
    round_to(x, XMM0, x64_fp_operand(x, 0, XMM0), imm);
    if (x->scalar) { /* the other lanes are anything */
        sse_rr(&c->a, X64_V(PP_F3, MAP_0F, 0, 0x2c), RAX, XMM0); /* cvttss2si */
        movd_vr(&c->a, false, XMM0, RAX);
    } else {
        sse_rr(&c->a, X64_V(PP_F3, MAP_0F, 0, 0x5b), XMM0, XMM0); /* cvttps2dq */
    }
    splat32(c, XMM1, 0x80000000);
    sse_rr(&c->a, OP66(0x76), XMM1, XMM0); /* pcmpeqd */
    movmskps(c, RAX, XMM1);
    test_ri(&c->a, false, RAX, (int32_t)ones(x->lanes));
    x->checked = x64_fp_jump(x, CC_NE);
    x64_fp_deliver(x, width(x));
    return true;
}

static bool convert(struct x64_fp *x, uint64_t imm)
{
    enum fp_format to = fp_imm_to(imm);
    if (to == FP_HALF || fp_imm_rounding(imm) != FP_BY_FPCR)
        return false;
    bool widen = to == FP_DOUBLE;
    x64_fp_modes(x);
    if (widen)
        x64_fp_check_ordered(x, x->r[0], x->r[0]);
    op2(x, opcode(x, 0x5a), XMM0, x->r[0]); /* cvt between ss and sd, ps and pd */
    if (!widen && x->scalar)
        x64_fp_check_scalar(x, false, true);
    else if (!widen)
        x64_fp_check_vector(x, false, false, true);
    x64_fp_deliver(x, x->lanes * fp_bits(to));
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
    struct x64_fp x = {.c = c, .f = fp_imm_format(i->imm), .lanes = fp_imm_lanes(i->imm), .own = fp_imm_own(i->imm)};
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
