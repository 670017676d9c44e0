/*
 * emit_fp.c - floating-point operations on singles and doubles. What has no case here is done by ir_eval_pure.
 *
 * How it works
 *   The host's unit and Arm's agree on results (IEEE 754) but for NaNs and flushing, and on exceptions but for when a number is
 *   tiny. So the fast code is the one instruction, and what would differ raises an exception of the host, whose handler
 *   (traps.c) goes on at the operation's cold code: ir_eval_pure, exact arithmetic in C.
 *
 *   MXCSR in translated code (set by stubs.c, on entry, for what FPCR says):
 *     invalid      unmasked. NaNs are made, and signalling ones quieted, in C: the default NaN's sign, the order of operands. Quiet
 *                  NaNs go through the host as through Arm (the first operand that is one), but in fused operations (below)
 *                  and where FPCR.DN is set. Conversions that do not fit are invalid too.
 *     underflow    unmasked: every tiny result (after rounding, exact or not) is made in C. FPSR.UFC and FZ are C's alone.
 *     denormal     unmasked while FPCR.FZ is set: operands that are to be flushed, FPSR.IDC. Else ignored. Division by zero is
 *                  unmasked then as well, because the host does not look at the dividend first.
 *     division by zero, overflow, precision: masked, as Arm has them. They accumulate in MXCSR and are FPSR's DZC, OFC, IXC:
 *                  joined when FPSR is read (emit_state.c) or translated code left (stubs.c). So an emitter may do
 *                  nothing inexact, overflowing or dividing by zero that Arm would not call so.
 *     rounding     as FPCR.
 *
 *   Tininess. Arm sees it before rounding, the host after (as if the exponent had no limit): they differ where a number just below
 *   the least normal one is rounded up to it. Sums and differences that small are exact. A quotient of p-bit numbers A / B
 *   just below a power of two is at least 1 / B > 2^-p of it away, while what rounds up is at most 2^-p: impossible, and so for
 *   roots, which are never small. What remains - products, fused ones, narrowing - is multiplied by one half after the fact
 *   (x64_fp_check_least): that underflows if the result is the least normal number (or has its exponent) and does nothing
 *   else, since an unmasked underflow does not set "precision", and results below have raised before.
 *
 *   Fused operations: Arm looks at the addend first, negates NaNs with the operand, and finds infinity x 0 + NaN invalid. MAXxx of
 *   the result with itself raises "invalid" for every NaN.
 *
 *   Blocks are made for FPCR = 0, or for any FPCR; the latter leave NaNs to C (FPCR.DN; denormal operands beside a NaN, which the
 *   host does not report), and operations that do not follow MXCSR.
 *
 *   Lanes above the operation's must not raise and are zero in the result: AVX-512's zeroing masks do both; otherwise one
 *   instruction more. Operands stay untouched until the last instruction that may raise (an instruction that raises writes nothing), or
 *   are copied.
 */
#include "x64/fp.h"

/* ---- arithmetic ---- */

/* One instruction, and no check behind it? */
static bool is_one(const struct x64_fp *x, bool may_be_least)
{
    return x->masks && x->c->config->fpcr_default && !may_be_least;
}

static void arithmetic(struct x64_fp *x, unsigned op, bool may_be_least)
{
    const struct ir_insn *i = x64_insn(x->c);
    unsigned d = is_one(x, may_be_least) ? x64_def_in_v(x->c, i->a, i->b) : x64_fp_def(x);
    x64_fp_begin(x);
    x64_fp_compute(x, op, d, x->r[0], x->r[1]);
    if (may_be_least)
        x64_fp_check_least(x, x->dbl, d);
    x64_fp_check_modes(x, d);
    x64_fp_end(x, d);
}

/* d = op a, of one operand */
static void compute_one(struct x64_fp *x, uint32_t evex, uint32_t vex, unsigned d, unsigned a)
{
    struct x64_compiler *c = x->c;
    if (!x->masks && !x->scalar && !x->full) {
        movq_vv(&c->a, d, a);
        a = d;
    }
    x64_fp_may_trap(x);
    if (x->masks)
        masked(x, evex, d, 0, a);
    else if (c->host->avx) /* scalar forms take the other lanes from a too, which saves a dependency */
        vex_rrr(&c->a, vex, d, x->scalar ? a : 0, a);
    else
        sse_rr(&c->a, vex, d, a);
}

static void square_root(struct x64_fp *x)
{
    unsigned d = x64_fp_def(x);
    x64_fp_begin(x);
    compute_one(x, packed_evex(x, SQRT), opcode(x, SQRT), d, x->r[0]);
    if (!x->masks)
        x64_fp_zero_above(x, d);
    x64_fp_check_modes(x, d);
    x64_fp_end(x, d);
}

static bool muladd(struct x64_fp *x)
{
    /* VFMADD231 and its kin: d = +-(b x c) +- d */
    static const uint8_t op[4] = {0xb8, 0xbc, 0xba, 0xbe};
    struct x64_compiler *c = x->c;
    uint32_t v = X64_V(PP_66, MAP_0F38, x->dbl, op[x->own & 3]);
    if (!c->host->fma || (!x->masks && !x->scalar && !x->full))
        return false;
    ir_ref addend = x64_insn(c)->a;
    unsigned d = x->masks ? x64_def_in_v(c, addend, addend) : x64_def_v(c);
    if (d == x->r[0]) { /* a sum: the cold code finds what it was here */
        movaps_rr(&c->a, XMM1, d);
        for (unsigned k = 0; k < 3; k++)
            x->r[k] = x->r[k] == d ? XMM1 : x->r[k];
        x64_fp_begin(x);
    } else {
        x64_fp_begin(x);
        if (x->masks) /* as long as a jump */
            evex_rrr(&c->a, X64_V(PP_NONE, MAP_0F, 0, 0x28), 0, d, 0, x->r[0], 0, false, false);
        else
            movaps_rr(&c->a, d, x->r[0]);
    }
    x64_fp_may_trap(x);
    if (x->masks) {
        masked(x, v, d, x->r[1], x->r[2]);
    } else {
        vex_rrr(&c->a, v | x->scalar, d, x->r[1], x->r[2]);
        x64_fp_zero_above(x, d);
    }
    x64_fp_check_least(x, x->dbl, d);
    x64_fp_check_nan(x, d);
    x64_fp_end(x, d);
    return true;
}

/* MAXxx and MINxx raise for every NaN. Of two zeros they deliver the second, VRANGExx the right one. */
static bool extreme(struct x64_fp *x, bool greatest, bool number)
{
    enum { BY_COMPARISON = 4 };
    struct x64_compiler *c = x->c;
    if (!x->masks && !x->scalar && !x->full)
        return false;
    unsigned d = x64_fp_def(x), a = x->r[0], b = x->r[1], op = greatest ? MAX : MIN;
    x64_fp_begin(x);
    if (x->masks) {
        if (!number || !c->config->fpcr_default)
            x64_fp_compute(x, op, XMM0, a, b);
        x64_fp_may_trap(x); /* only for signalling NaNs: a quiet one gives way to the number */
        masked(x, X64_V(PP_66, MAP_0F3A, x->dbl, 0x50), d, a, b);
        put8(&c->a, BY_COMPARISON | greatest);
    } else {
        x64_fp_compute(x, op, XMM0, a, b);
        x64_fp_compute(x, op, d, b, a);
        sse_rr(&c->a, packed(x, greatest ? AND : OR), d, XMM0);
    }
    x64_fp_end(x, d);
    return true;
}

/* ---- comparisons ---- */

enum { UCOMI = 0x2e, COMI = 0x2f }; /* the latter finds quiet NaNs invalid, as FCMPE */

bool x64_fp_compares(const struct x64_compiler *c, ir_ref f)
{
    return c->config->fpcr_default && c->host->fptraps && fp_imm_format(c->ir->insn[f].imm) >= FP_SINGLE;
}

static void put_compare(struct x64_compiler *c, unsigned op, bool dbl, unsigned a, unsigned b)
{
    if (c->host->avx512vl)
        evex_rrr(&c->a, X64_V(dbl ? PP_66 : PP_NONE, MAP_0F, dbl, op), 0, a, 0, b, 0, false, false);
    else
        sse_rr(&c->a, X64_V(dbl ? PP_66 : PP_NONE, MAP_0F, 0, op), a, b);
}

/* Where quiet NaNs are frequent: without an exception. */
static void compare_slowly(struct x64_compiler *c, const struct x64_cold *k)
{
    bool dbl = k->memop;
    const uint8_t *start = c->a.p;
    put_compare(c, UCOMI, dbl, k->reg, k->reg2);
    x64_trap_compare(c, start, false);
    jcc_near(&c->a, CC_NP, k->back);
    alu_mi(&c->a, ALU_OR, false, x64_state(c, c->config->env.fpsr_offset), FPSR_IOC);
    start = c->a.p;
    put_compare(c, UCOMI, dbl, k->reg, k->reg2);
    x64_trap_compare(c, start, false);
    jmp_near(&c->a, k->back);
}

void x64_fp_compare(struct x64_compiler *c, ir_ref f, unsigned a, unsigned b)
{
    const struct ir_insn *i = &c->ir->insn[f];
    bool dbl = fp_imm_format(i->imm) == FP_DOUBLE, signals = fp_imm_own(i->imm) & 1;
    bool patch = signals && c->host->avx512vl; /* long enough for a jump */
    if (patch)
        x64_trap_align(c);
    const uint8_t *start = c->a.p;
    put_compare(c, signals ? COMI : UCOMI, dbl, a, b);
    x64_trap_compare(c, start, patch);
    if (!patch)
        return;
    struct x64_cold *k = x64_cold_add(c, compare_slowly);
    k->trap = (uint32_t)c->code->n_traps - 1;
    k->trap_end = k->trap + 1;
    k->reg = (uint8_t)a;
    k->reg2 = (uint8_t)b;
    k->memop = dbl;
    k->back = c->a.p;
}

static void compare(struct x64_fp *x)
{
    struct x64_compiler *c = x->c;
    struct x64_asm *a = &c->a;
    if (x64_fp_compares(c, (ir_ref)c->n)) {
        x64_flags_fp(c);
        return;
    }
    unsigned d = x64_def(c);
    x64_fp_begin(x);
    x64_fp_may_trap(x);
    put_compare(c, COMI, x->dbl, x->r[0], x->r[1]); /* finds all NaNs */
    mov_ri(a, d, 0); /* greater: C only */
    mov_ri(a, RAX, ir_flags_from_nzcv(6u << 28));
    mov_ri(a, RCX, ir_flags_from_nzcv(8u << 28));
    mov_ri(a, RDX, ir_flags_from_nzcv(3u << 28));
    cmov_rr(a, CC_E, false, d, RAX);
    cmov_rr(a, CC_B, false, d, RCX);
    cmov_rr(a, CC_P, false, d, RDX);
    x64_flags_lost(c);
    x64_fp_end(x, d);
}

/* d = its lanes' magnitudes: a without the sign bits, whose mask is in `m` shifted by one */
static void magnitudes(struct x64_fp *x, unsigned d, unsigned a)
{
    struct x64_asm *s = &x->c->a;
    sse_rr(s, OP66(0x76), d, d); /* all ones, shifted right by one */
    sse_rr(s, OP66(x->dbl ? 0x73 : 0x72), 2, d);
    put8(s, 1);
    sse_rr(s, packed(x, AND), d, a);
}

/* Quiet for EQ, else signalling; ordered: without AVX's predicates, GE and GT with the operands the other way round. */
static bool mask(struct x64_fp *x)
{
    static const uint8_t predicate[] = {
        [FP_MASK_EQ] = 0, [FP_MASK_GE] = 2, [FP_MASK_GT] = 1, [FP_MASK_ACGE] = 2, [FP_MASK_ACGT] = 1};
    enum { K = 1 };
    struct x64_compiler *c = x->c;
    unsigned a = x->r[1], b = x->r[0];
    bool partial = !x->scalar && !x->full;
    if (partial && !x->masks)
        return false;
    unsigned d = x64_def_v(c);
    x64_fp_begin(x);
    if (x->own == FP_MASK_EQ && !c->config->fpcr_default)
        x64_fp_compute(x, MAX, XMM0, a, b);
    if (x->own >= FP_MASK_ACGE) {
        nops(&c->a, 5); /* for a jump */
        magnitudes(x, XMM0, a);
        magnitudes(x, XMM1, b);
        a = XMM0, b = XMM1;
    }
    if (partial) {
        x64_fp_may_trap(x);
        evex_rrr(&c->a, packed_evex(x, CMP), 0, K, a, b, mask_of(x), false, false);
        put8(&c->a, predicate[x->own]);
        evex_rrr(&c->a, X64_V(PP_F3, MAP_0F38, x->dbl, 0x38), 0, d, 0, K, 0, false, false); /* vpmovm2d */
    } else {
        if (!c->host->avx)
            movaps_rr(&c->a, d, a);
        x64_fp_may_trap(x);
        if (c->host->avx)
            vex_rrr(&c->a, opcode(x, CMP), d, a, b);
        else
            sse_rr(&c->a, opcode(x, CMP), d, b);
        put8(&c->a, predicate[x->own]);
        x64_fp_zero_above(x, d);
    }
    x64_fp_end(x, d);
    return true;
}

/* ---- rounding to integral values ---- */

enum { QUIETLY = 8, TO_ZERO = 3 };

/* ROUNDxx's immediate, with which it says when it was inexact; or -1 */
static int round_imm(enum fp_rounding r)
{
    switch (r) {
    case FP_TIEEVEN:
    case FP_BY_FPCR: return 0; /* only in blocks made for FPCR = 0 */
    case FP_NEGINF: return 1;
    case FP_POSINF: return 2;
    case FP_ZERO: return TO_ZERO;
    default: return -1;
    }
}

/* d = a rounded to integral values; without masks, what lies above a scalar is anything */
static void round_to(struct x64_fp *x, unsigned d, unsigned a, int imm)
{
    compute_one(x, X64_V(PP_66, MAP_0F3A, x->dbl, 0x08 | x->dbl), OP66_3A((x->scalar ? 0x0a : 0x08) | x->dbl), d, a);
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

/* XMM0 = a rounded to integral values, ties away from zero: chopped, plus twice the fraction chopped, all of it exact; -0 - -0 is
 * 0, hence the sign at the end. Changes RAX, XMM1. */
static void round_away(struct x64_fp *x, unsigned a)
{
    struct x64_compiler *c = x->c;
    round_to(x, XMM0, a, TO_ZERO | QUIETLY);
    x64_fp_compute(x, SUB, XMM1, a, XMM0);
    x64_fp_compute(x, ADD, XMM2, XMM1, XMM1);
    round_to(x, XMM1, XMM2, TO_ZERO | QUIETLY);
    x64_fp_compute(x, ADD, XMM2, XMM0, XMM1);
    splat(x, XMM1, fp_sign_bit(x->f));
    if (x->masks)
        masked(x, packed_evex(x, AND), XMM1, XMM1, a);
    else
        sse_rr(&c->a, packed(x, AND), XMM1, a);
    movaps_rr(&c->a, XMM0, XMM2);
    sse_rr(&c->a, packed(x, OR), XMM0, XMM1);
}

/* d = a op b, of vectors, b a constant of the code memory's */
static void with_constant(struct x64_fp *x, unsigned op, unsigned d, unsigned a, unsigned constant)
{
    struct x64_asm *s = &x->c->a;
    uint32_t v = X64_V(PP_66, MAP_0F, 1, op);
    if (a < 16)
        vex_rrm(s, X64_V(PP_66, MAP_0F, 0, op), d, a, mem_code(constant));
    else
        evex_rrm(s, v, 4, d, a, mem_code(constant));
}

/*
 * d = the scalar a rounded to an integral value, ties away from zero: chopped after the greatest number below one half was added, with
 * a's sign. That sum is rounded to nearest: a fraction below one half stays below 1 (the sum's last bit is not less than a's), one half
 * and more becomes 1 or more; what is too large for a fraction is not changed. Its exceptions are suppressed. NaNs raise, if wanted.
 */
static void round_away_scalar(struct x64_fp *x, unsigned d, unsigned a, bool check_nan)
{
    struct x64_compiler *c = x->c;
    with_constant(x, AND, XMM1, a, x->dbl ? CODE_SIGN_DOUBLE : CODE_SIGN_SINGLE);
    if (check_nan)
        x64_fp_check_nan(x, a);
    with_constant(x, OR, XMM1, XMM1, x->dbl ? CODE_BELOW_HALF_DOUBLE : CODE_BELOW_HALF_SINGLE);
    evex_rrr(&c->a, X64_V(x->dbl ? PP_F2 : PP_F3, MAP_0F, x->dbl, ADD), 0, XMM1, a, XMM1, 0, false, true); /* vaddsx {rn-sae} */
    round_to(x, d, XMM1, TO_ZERO | QUIETLY);
}

/* XMM0 = a rounded, with no exception but "invalid"; false: not here. A NaN may stay one: the conversion raises. */
static bool round_quietly(struct x64_fp *x, enum fp_rounding r, unsigned a)
{
    int imm = round_imm(r);
    if (imm >= 0)
        round_to(x, XMM0, a, imm | QUIETLY);
    else if (r == FP_TIEAWAY && x->masks && x->scalar)
        round_away_scalar(x, XMM0, a, false);
    else if (r == FP_TIEAWAY)
        round_away(x, a);
    return imm >= 0 || r == FP_TIEAWAY;
}

/* Can this rounding, in this block, be done by round_quietly? */
static bool rounds(const struct x64_fp *x, enum fp_rounding r)
{
    bool partial = !x->scalar && !x->full;
    return x->c->config->fpcr_default && (round_imm(r) >= 0 || r == FP_TIEAWAY) && (x->masks || !partial);
}

static bool to_integral(struct x64_fp *x)
{
    enum fp_rounding r = x->own >> FP_ROUNDING_SHIFT & 7;
    int imm = round_imm(r);
    if (!rounds(x, r) || (imm < 0 && x->own & FP_EXACT))
        return false;
    unsigned d = x64_fp_def(x);
    x64_fp_begin(x);
    if (imm < 0 && x->masks && x->scalar) {
        round_away_scalar(x, d, x->r[0], true);
    } else if (imm < 0) {
        round_away(x, x->r[0]);
        movaps_rr(&x->c->a, d, XMM0);
    } else {
        round_to(x, d, x->r[0], x->own & FP_EXACT ? imm : imm | QUIETLY);
    }
    if (!x->masks)
        x64_fp_zero_above(x, d);
    x64_fp_end(x, d);
    return true;
}

/* ---- to integers: what does not fit is invalid, and nothing else ---- */

/* d = from, an integral value or to be chopped */
static void chop_to_general(struct x64_fp *x, unsigned d, unsigned from, bool wide, bool is_unsigned)
{
    struct x64_asm *a = &x->c->a;
    unsigned pp = x->dbl ? PP_F2 : PP_F3;
    x64_fp_may_trap(x);
    if (x->masks) { /* vcvttsx2si, vcvttsx2usi */
        evex_rrr(a, X64_V(pp, MAP_0F, wide, is_unsigned ? 0x78 : 0x2c), 0, d, 0, from, 0, false, false);
        return;
    }
    sse_rr(a, X64_V(pp, MAP_0F, wide || is_unsigned, 0x2c), d, from);
    if (!is_unsigned)
        return;
    if (wide) { /* the upper half of the numbers does not fit what is signed, either */
        test_rr(a, true, d, d);
        x->checked = x64_fp_jump(x, CC_S);
    } else {
        mov_rr(a, false, RAX, d);
        alu_rr(a, ALU_CMP, true, RAX, d);
        x->checked = x64_fp_jump(x, CC_NE);
    }
    x64_flags_lost(x->c);
}

/* The host calls what it chops inexact even if it is out of a range that is not the instruction's own, and what is rounded
 * before is exact: then "inexact" is raised at the end, by rounding again. */
static bool to_general(struct x64_fp *x)
{
    enum fp_rounding r = x->own >> FP_ROUNDING_SHIFT & 7;
    bool wide = x->own & FP_WIDE, is_unsigned = x->own & FP_UNSIGNED;
    bool at_once = r == FP_ZERO && (x->masks || !is_unsigned);
    if (!rounds(x, r) || x->own >> FP_FBITS_SHIFT)
        return false;
    unsigned d = x64_def(x->c);
    x64_fp_begin(x);
    if (!at_once)
        round_quietly(x, r, x->r[0]);
    chop_to_general(x, d, at_once ? x->r[0] : XMM0, wide, is_unsigned);
    if (!at_once)
        round_to(x, XMM0, x->r[0], TO_ZERO);
    x64_fp_end(x, d);
    return true;
}

/* Lanes of integers of the same size. */
static bool to_integers(struct x64_fp *x)
{
    static const uint32_t op[2][2] = {
        {X64_V(PP_F3, MAP_0F, 0, 0x5b), X64_V(PP_NONE, MAP_0F, 0, 0x78)},  /* vcvttps2dq, vcvttps2udq */
        {X64_V(PP_66, MAP_0F, 1, 0x7a), X64_V(PP_66, MAP_0F, 1, 0x78)}};   /* vcvttpd2qq, vcvttpd2uqq */
    enum fp_rounding r = x->own >> FP_ROUNDING_SHIFT & 7;
    bool is_unsigned = x->own & FP_UNSIGNED;
    if (!rounds(x, r) || x->own >> FP_FBITS_SHIFT || (!x->masks && (is_unsigned || x->dbl || x->scalar)))
        return false;
    unsigned d = x64_fp_def(x);
    x64_fp_begin(x);
    if (r != FP_ZERO)
        round_quietly(x, r, x->r[0]);
    compute_one(x, op[x->dbl][is_unsigned], op[0][0], d, r == FP_ZERO ? x->r[0] : XMM0);
    if (r != FP_ZERO)
        round_to(x, XMM0, x->r[0], TO_ZERO);
    x64_fp_end(x, d);
    return true;
}

/* ---- from integers: nothing but "inexact" ---- */

/* d, integers as numbers, divided by 2^fbits: exact */
static void scale_down(struct x64_fp *x, unsigned d)
{
    struct x64_compiler *c = x->c;
    unsigned fbits = x->own >> FP_FBITS_SHIFT;
    if (!fbits)
        return;
    splat(x, XMM0, x->dbl ? (uint64_t)(1023 - fbits) << 52 : (uint64_t)(127 - fbits) << 23);
    if (x->masks)
        masked(x, packed_evex(x, MUL), d, d, XMM0);
    else
        sse_rr(&c->a, opcode(x, MUL), d, XMM0);
}

static bool from_general(struct x64_fp *x)
{
    struct x64_compiler *c = x->c;
    struct x64_asm *a = &c->a;
    bool wide = x->own & FP_WIDE, is_unsigned = x->own & FP_UNSIGNED;
    unsigned pp = x->dbl ? PP_F2 : PP_F3, from = x->r[0], d = x64_fp_def(x);
    if (wide && is_unsigned && !x->masks) { /* the upper half of the numbers is not signed */
        x64_fp_begin(x);
        test_rr(a, true, from, from);
        x->checked = x64_fp_jump(x, CC_S);
        x64_flags_lost(c);
    }
    clear(c, x->masks ? XMM0 : d);
    if (x->masks) { /* vcvtusi2sx, vcvtsi2sx */
        evex_rrr(a, X64_V(pp, MAP_0F, wide, is_unsigned ? 0x7b : 0x2a), 0, d, XMM0, from, 0, false, false);
    } else {
        if (!wide && is_unsigned) {
            mov_rr(a, false, RAX, from);
            from = RAX, wide = true;
        }
        sse_rr(a, X64_V(pp, MAP_0F, wide, 0x2a), d, from); /* cvtsi2sx */
    }
    scale_down(x, d);
    if (x->checked)
        x64_fp_end(x, d);
    return true;
}

/* Lanes of integers of the same size. */
static bool from_integers(struct x64_fp *x)
{
    static const uint32_t op[2][2] = {
        {X64_V(PP_NONE, MAP_0F, 0, 0x5b), X64_V(PP_F2, MAP_0F, 0, 0x7a)},  /* vcvtdq2ps, vcvtudq2ps */
        {X64_V(PP_F3, MAP_0F, 1, 0xe6), X64_V(PP_F3, MAP_0F, 1, 0x7a)}};   /* vcvtqq2pd, vcvtuqq2pd */
    struct x64_compiler *c = x->c;
    bool is_unsigned = x->own & FP_UNSIGNED;
    if (!x->masks && (is_unsigned || x->dbl || x->scalar))
        return false;
    unsigned d = x64_fp_def(x);
    if (x->masks) {
        masked(x, op[x->dbl][is_unsigned], d, 0, x->r[0]);
    } else {
        if (!x->full)
            movq_vv(&c->a, d, x->r[0]);
        sse_rr(&c->a, op[0][0], d, x->full ? x->r[0] : d);
    }
    scale_down(x, d);
    return true;
}

/* ---- between formats ---- */

/* Halves to singles, and by them to doubles: exact. */
static bool from_half(struct x64_fp *x, enum fp_format to)
{
    struct x64_compiler *c = x->c;
    if (!x->masks || !c->host->f16c || !c->config->fpcr_default || (to == FP_DOUBLE && !x->scalar) || x->lanes == 2)
        return false;
    unsigned k = x->scalar ? K_LANE_1 : 0, d = x64_fp_def(x);
    x64_fp_begin(x);
    x64_fp_may_trap(x);
    evex_rrr(&c->a, OP66_38(0x13), 0, to == FP_DOUBLE ? XMM0 : d, 0, x->r[0], k, k != 0, false); /* vcvtph2ps */
    if (to == FP_DOUBLE)
        evex_rrr(&c->a, X64_V(PP_NONE, MAP_0F, 0, 0x5a), 0, d, 0, XMM0, k, true, false); /* vcvtps2pd */
    x64_fp_end(x, d);
    return true;
}

/* Singles to halves. The least normal half may have been rounded up to. */
static bool to_half(struct x64_fp *x)
{
    enum { NEAREST = 0, PTEST = 0x17 };
    struct x64_compiler *c = x->c;
    if (!x->masks || !c->host->f16c || !c->config->fpcr_default || x->dbl || x->lanes == 2)
        return false;
    unsigned k = x->scalar ? K_LANE_1 : 0, d = x64_fp_def(x);
    x64_fp_begin(x);
    x64_fp_may_trap(x);
    evex_rrr(&c->a, OP66_3A(0x1d), 0, x->r[0], 0, XMM0, k, k != 0, false); /* vcvtps2ph: the destination comes last */
    put8(&c->a, NEAREST);
    vex_rrr(&c->a, OP66(0x71), 6, XMM1, XMM0); /* psllw: without the sign, compared with 0x0400 likewise */
    put8(&c->a, 1);
    vex_rrr(&c->a, OP66(0x75), XMM2, XMM2, XMM2); /* pcmpeqw */
    vex_rrr(&c->a, OP66(0x71), 2, XMM2, XMM2);    /* psrlw */
    put8(&c->a, 15);
    vex_rrr(&c->a, OP66(0x71), 6, XMM2, XMM2);
    put8(&c->a, 11);
    vex_rrr(&c->a, OP66(0x75), XMM1, XMM1, XMM2);
    vex_rrr(&c->a, OP66_38(PTEST), XMM1, 0, XMM1);
    x64_flags_lost(c);
    x->checked = x64_fp_jump(x, CC_NE);
    movaps_rr(&c->a, d, XMM0);
    x64_fp_end(x, d);
    return true;
}

static bool convert(struct x64_fp *x, uint64_t imm)
{
    struct x64_compiler *c = x->c;
    enum fp_format to = fp_imm_to(imm);
    bool widen = to == FP_DOUBLE;
    if (fp_imm_rounding(imm) != FP_BY_FPCR)
        return false;
    if (x->f == FP_HALF)
        return from_half(x, to);
    if (to == FP_HALF)
        return to_half(x);
    unsigned d = x64_fp_def(x);
    x64_fp_begin(x);
    x64_fp_may_trap(x);
    if (x->masks && x->scalar) /* vcvtps2pd, vcvtpd2ps */
        masked(x, packed_evex(x, 0x5a), d, 0, x->r[0]);
    else if (c->host->avx && x->scalar)
        vex_rrr(&c->a, opcode(x, 0x5a), d, x->r[0], x->r[0]);
    else if (x->masks)
        evex_rrr(&c->a, packed_evex(x, 0x5a), 0, d, 0, x->r[0], 0, false, false);
    else
        sse_rr(&c->a, opcode(x, 0x5a), d, x->r[0]);
    x->f = to;
    x->dbl = widen;
    if (!x->masks && x->scalar)
        x64_fp_zero_above(x, d);
    if (!widen)
        x64_fp_check_least(x, false, d);
    x64_fp_check_modes(x, d);
    x64_fp_end(x, d);
    return true;
}

/* ---- Newton steps: 2 - a b, and (3 - a b) / 2 as 1.5 - (a / 2) b, which rounds and overflows the same; a / 2 raises where it
 * is not exact. The sign of an exact zero is the default rounding's. ---- */

static bool step(struct x64_fp *x, bool root)
{
    struct x64_compiler *c = x->c;
    if (!x->masks || !c->config->fpcr_default)
        return false;
    unsigned d = x64_fp_def(x), a = x->r[0];
    uint64_t from = root ? (x->dbl ? 0x3ff8000000000000 : 0x3fc00000) : x->dbl ? 0x4000000000000000 : 0x40000000;
    x64_fp_begin(x);
    nops(&c->a, 5); /* for a jump */
    splat(x, XMM2, from);
    if (root) {
        splat(x, XMM1, x->dbl ? 0x3fe0000000000000 : 0x3f000000);
        x64_fp_compute(x, MUL, XMM1, a, XMM1);
        a = XMM1;
    }
    movaps_rr(&c->a, d, XMM2);
    x64_fp_may_trap(x);
    masked(x, X64_V(PP_66, MAP_0F38, x->dbl, 0xbc), d, a, x->r[1]); /* vfnmadd231 */
    x64_fp_check_least(x, x->dbl, d);
    x64_fp_check_nan(x, d);
    x64_fp_end(x, d);
    return true;
}

static void select_vector(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned b = x64_any_v(c, i->b);
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

/* Operations that follow MXCSR's rounding and find denormal operands. */
static bool follows_fpcr(unsigned op)
{
    switch (op) {
    case IR_FP_RINT: case IR_FP_TOGPR: case IR_FP_TOINT: return false;
    default: return true;
    }
}

static bool emit(struct x64_fp *x)
{
    const struct ir_insn *i = x64_insn(x->c);
    switch (i->op) {
    case IR_FP_ADD: arithmetic(x, ADD, false); return true;
    case IR_FP_SUB: arithmetic(x, SUB, false); return true;
    case IR_FP_MUL:
    case IR_FP_MULX: arithmetic(x, MUL, true); return true;
    case IR_FP_SQRT: square_root(x); return true;
    case IR_FP_MULADD: return muladd(x);
    case IR_FP_RECPS: return step(x, false);
    case IR_FP_RSQRTS: return step(x, true);
    case IR_FP_MAX: return extreme(x, true, false);
    case IR_FP_MIN: return extreme(x, false, false);
    case IR_FP_MAXNM: return extreme(x, true, true);
    case IR_FP_MINNM: return extreme(x, false, true);
    case IR_FP_CMP: compare(x); return true;
    case IR_FP_CMPM: return mask(x);
    case IR_FP_RINT: return to_integral(x);
    case IR_FP_TOGPR: return to_general(x);
    case IR_FP_FROMGPR: return from_general(x);
    case IR_FP_FROMINT: return from_integers(x);
    case IR_FP_TOINT: return to_integers(x);
    case IR_FP_CVT: return convert(x, i->imm);
    case IR_FP_DIV: /* what lies above two singles is 0 / 0 */
        if (!x->masks && !x->scalar && !x->full)
            return false;
        arithmetic(x, DIV, false);
        return true;
    default: return false;
    }
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
    x.masks = c->host->avx512vl;
    if (!c->host->fptraps || (x.f == FP_HALF && i->op != IR_FP_CVT) || (!c->config->fpcr_default && !follows_fpcr(i->op)))
        return false;
    for (unsigned k = 0; k < 3; k++) {
        if (ir_ops[i->op].arg[k] == IR_V128)
            x.r[k] = x.masks && i->op != IR_FP_CMPM ? x64_any_v(c, arg[k]) : x64_use_v(c, arg[k]);
        else if (ir_ops[i->op].arg[k] == IR_I64)
            x.r[k] = x64_use(c, arg[k]);
    }
    c->cc_kept = emit(&x); /* whatever changes the host's flags says so; cold code does not */
    return c->cc_kept;
}
