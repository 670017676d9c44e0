/* fp.c - checks of floating-point modes and results, and the cold code behind them (how: emit_fp.c). */
#include "x64/fp.h"

/* ---- jumps to the cold code ---- */

uint8_t *x64_fp_jump(struct x64_fp *x, enum x64_cc cc)
{
    struct x64_asm *a = &x->c->a;
    jcc_near(a, cc, a->p + 6);
    return a->p;
}

void x64_fp_modes(struct x64_fp *x)
{
    struct x64_compiler *c = x->c;
    if (c->config->fpcr_default)
        return;
    op_rm(&c->a, false, 0xf7, 0, x64_state(c, c->config->env.fpcr_offset)); /* test dword, imm32 */
    put32(&c->a, 3u << FPCR_RMODE_SHIFT | FPCR_FZ);
    x->moded = x64_fp_jump(x, CC_NE);
}

void x64_fp_keep(struct x64_fp *x)
{
    op_rm(&x->c->a, false, 0x0fae, 3, x64_frame(FRAME_LOCK)); /* stmxcsr */
    x->restore = true;
}

void x64_fp_restore(struct x64_compiler *c)
{
    op_rm(&c->a, false, 0x0fae, 2, x64_frame(FRAME_LOCK)); /* ldmxcsr */
}

unsigned x64_fp_operand(struct x64_fp *x, unsigned k, unsigned scratch)
{
    if (x->scalar || x->full)
        return x->r[k];
    movq_vv(&x->c->a, scratch, x->r[k]);
    return scratch;
}

/* The upper bits of the exponent in EAX, shifted so that the sign is gone: 0xff000000 or 0xffe00000 and up are not finite. */
void x64_fp_check_scalar(struct x64_fp *x, bool dbl, bool normal)
{
    struct x64_asm *a = &x->c->a;
    uint32_t least = dbl ? 2u << 21 : 2u << 24, limit = dbl ? 0xffe00000 : 0xff000000;
    movd_rv(a, dbl, RAX, XMM0);
    if (dbl)
        shift_ri(a, SH_SHR, true, RAX, 32);
    if (normal) {
        lea(a, false, RAX, mem_indexed(RAX, RAX, 0, -(int32_t)least));
        limit -= least;
    } else {
        alu_rr(a, ALU_ADD, false, RAX, RAX);
    }
    alu_ri(a, ALU_CMP, false, RAX, (int32_t)limit);
    x->checked = x64_fp_jump(x, CC_AE);
}

/* The same for all lanes; the cold code finds the mask of bad 32-bit lanes in EAX. */
void x64_fp_check_vector(struct x64_fp *x, bool dbl, bool full, bool normal)
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
    x->checked = x64_fp_jump(x, CC_NE);
}

/* No lane of a op b may be unordered. */
void x64_fp_check_ordered(struct x64_fp *x, unsigned a, unsigned b)
{
    struct x64_compiler *c = x->c;
    if (x->scalar) {
        sse_rr(&c->a, X64_V(x->dbl ? PP_66 : PP_NONE, MAP_0F, 0, 0x2e), a, b); /* ucomiss, ucomisd */
        x->checked = x64_fp_jump(x, CC_P);
        return;
    }
    op3_imm(c, packed(x, CMP), XMM1, a, b, 3); /* unordered */
    movmskps(c, RAX, XMM1);
    if (x->full)
        test_rr(&c->a, false, RAX, RAX);
    else
        test_ri(&c->a, false, RAX, 3);
    x->checked = x64_fp_jump(x, CC_NE);
}

/* No NaN, no infinity, in one instruction. Leaves no mask of bad lanes: for operations that are not forgiven. */
static void check_class(struct x64_fp *x)
{
    struct x64_asm *a = &x->c->a;
    enum { QNAN = 0x01, PLUS_INF = 0x08, MINUS_INF = 0x10, SNAN = 0x80, K1 = 1 };
    evex_rrr(a, X64_V(PP_66, MAP_0F3A, x->dbl, x->scalar ? 0x67 : 0x66), 0, K1, 0, XMM0, 0, false, false); /* vfpclassxx */
    put8(a, QNAN | SNAN | PLUS_INF | MINUS_INF);
    vex_rrr(a, X64_V(PP_66, MAP_0F, 0, 0x98), K1, 0, K1); /* kortestb */
    x->checked = x64_fp_jump(x, CC_NE);
}

void x64_fp_check(struct x64_fp *x, enum x64_fp_check kind)
{
    if (kind == CHECK_NAN)
        x64_fp_check_ordered(x, XMM0, XMM0);
    else if (kind == CHECK_FINITE && x->c->host->avx512vl)
        check_class(x);
    else if (kind != CHECK_NOTHING && x->scalar)
        x64_fp_check_scalar(x, x->dbl, kind == CHECK_NORMAL);
    else if (kind != CHECK_NOTHING)
        x64_fp_check_vector(x, x->dbl, x->full, kind == CHECK_NORMAL);
}

/* ---- cold code ---- */

/* Ways in: `from`, or `from2` if there are both, because FPCR has a mode; else because the result did not pass. */

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
        is_zero(c, dbl, k->reg3);
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
        zero_lanes(c, dbl, XMM2, sum ? k->reg3 : k->reg2);
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

static void land(struct x64_compiler *c, uint8_t *from)
{
    le32_put(from - 4, (uint32_t)(c->a.p - from));
}

static void forgive(struct x64_compiler *c, const struct x64_cold *k, const struct ir_insn *i)
{
    bool dbl = fp_imm_format(i->imm) == FP_DOUBLE;
    unsigned lanes = fp_imm_lanes(i->imm);
    if (!forgives(i->op))
        return;
    if (lanes == 1)
        forgive_scalar(c, k, i->op, dbl);
    else
        forgive_vector(c, k, i->op, dbl, lanes * fp_bits(fp_imm_format(i->imm)) == 128);
}

static void cold(struct x64_compiler *c, const struct x64_cold *k)
{
    const struct ir_insn *i = &c->ir->insn[k->n];
    const struct ir_op_info *info = &ir_ops[i->op];
    if (k->checked)
        forgive(c, k, i);
    if (k->restore)
        x64_fp_restore(c);
    if (k->from2)
        land(c, k->from2);
    store_operand(c, info->arg[0], 0, k->reg);
    store_operand(c, info->arg[1], 1, k->reg2);
    store_operand(c, info->arg[2], 2, k->reg3);
    mov_ri(&c->a, RCX, i->op);
    mov_ri(&c->a, RDX, i->imm);
    call_near(&c->a, c->code->stub[STUB_PURE][k->vectors]);
    if (info->result == IR_V128)
        movups_rm(&c->a, XMM0, x64_frame(FRAME_ARGS));
    else
        mov_rm(&c->a, true, RAX, x64_frame(FRAME_ARGS));
    jmp_near(&c->a, k->back);
}

/* The point where all ways meet, with the result in XMM0 or RAX. */
static void join(struct x64_fp *x)
{
    struct x64_compiler *c = x->c;
    if (!x->checked && !x->moded)
        return;
    struct x64_cold *k = x64_cold_add(c, cold);
    k->from = x->checked ? x->checked : x->moded;
    k->from2 = x->checked ? x->moded : NULL;
    k->checked = x->checked;
    k->restore = x->restore;
    k->reg = (uint8_t)x->r[0];
    k->reg2 = (uint8_t)x->r[1];
    k->reg3 = (uint8_t)x->r[2];
    k->n = (ir_ref)c->n;
    k->vectors = x64_vectors_live(c);
    k->back = c->a.p;
}

/* From XMM0 into the result's register, zero above `bits` bits. */
void x64_fp_deliver(struct x64_fp *x, unsigned bits)
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

void x64_fp_deliver_general(struct x64_fp *x)
{
    join(x);
    mov_rr(&x->c->a, true, x64_def(x->c), RAX);
}
