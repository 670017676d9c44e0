/* fp.c - the frame of a floating-point operation: what may raise, and the cold code behind it (how: emit_fp.c). */
#include "x64/fp.h"

uint8_t *x64_fp_jump(struct x64_fp *x, enum x64_cc cc)
{
    struct x64_asm *a = &x->c->a;
    jcc_near(a, cc, a->p + 6);
    return a->p;
}

/* ---- the beginning ---- */

void x64_fp_begin(struct x64_fp *x)
{
    enum { JUMP = 5 };
    struct x64_compiler *c = x->c;
    if (!c->config->fpcr_default) /* MXCSR as it was: what C flushes to zero is not inexact, but the host may have said so */
        stmxcsr(&c->a, x64_frame(c, FRAME_LOCK));
    x64_trap_align(c);
    x->start = c->a.p;
    x->trap = (uint32_t)c->code->n_traps;
    if (!x->masks) /* the first instruction may be shorter than a jump */
        nops(&c->a, JUMP);
}

void x64_fp_may_trap(struct x64_fp *x)
{
    x64_trap_here(x->c, x->start);
}

/* ---- without AVX-512 ---- */

void x64_fp_zero_above(struct x64_fp *x, unsigned d)
{
    struct x64_asm *a = &x->c->a;
    if (width(x) == 64) {
        movq_vv(a, d, d);
    } else if (width(x) == 32) { /* insertps, lanes 1..3 zeroed */
        if (x->c->host->avx)
            vex_rrr(a, OP66_3A(0x21), d, d, d);
        else
            sse_rr(a, OP66_3A(0x21), d, d);
        put8(a, 0x0e);
    }
}

void x64_fp_compute(struct x64_fp *x, unsigned op, unsigned d, unsigned a, unsigned b)
{
    struct x64_compiler *c = x->c;
    if (x->masks) {
        x64_fp_may_trap(x);
        masked(x, packed_evex(x, op), d, a, b);
        return;
    }
    bool partial = !x->scalar && !x->full; /* the lanes above must not raise */
    if (partial) {
        movq_vv(&c->a, XMM1, b);
        movq_vv(&c->a, d, a);
        a = d, b = XMM1;
    } else if (!c->host->avx) {
        movaps_rr(&c->a, d, a);
    }
    x64_fp_may_trap(x);
    if (c->host->avx)
        vex_rrr(&c->a, opcode(x, op), d, a, b);
    else
        sse_rr(&c->a, opcode(x, op), d, b);
    x64_fp_zero_above(x, d);
}

/* ---- checks of results: lanes above the operation's are zero and raise nothing ---- */

static void check(struct x64_fp *x, uint32_t v, unsigned d, const struct x64_mem *m)
{
    struct x64_compiler *c = x->c;
    if (!c->host->avx)
        movaps_rr(&c->a, XMM0, d);
    x64_fp_may_trap(x);
    if (d >= 16 && m)
        evex_rrm(&c->a, v | (uint32_t)x->dbl << 18, 4, XMM0, d, *m);
    else if (d >= 16)
        evex_rrr(&c->a, v | (uint32_t)x->dbl << 18, 0, XMM0, d, d, 0, false, false);
    else if (c->host->avx && m)
        vex_rrm(&c->a, v, XMM0, d, *m);
    else if (c->host->avx)
        vex_rrr(&c->a, v, XMM0, d, d);
    else if (m)
        sse_rm(&c->a, v, XMM0, *m);
    else
        sse_rr(&c->a, v, XMM0, d);
}

void x64_fp_check_least(struct x64_fp *x, bool dbl, unsigned d)
{
    struct x64_mem half = mem_code(dbl ? CODE_HALF_DOUBLE : CODE_HALF_SINGLE);
    struct x64_fp y = {.dbl = dbl, .scalar = x->scalar};
    check(x, opcode(&y, MUL), d, &half);
}

/* Unlike other instructions, MAXxx and comparisons by "less than" find quiet NaNs invalid. The latter, into a mask register, leave the host's
 * multipliers free. */
void x64_fp_check_nan(struct x64_fp *x, unsigned d)
{
    enum { LESS = 1, K = 1 };
    if (!x->masks) {
        check(x, opcode(x, MAX), d, NULL);
        return;
    }
    x64_fp_may_trap(x);
    evex_rrr(&x->c->a, opcode(x, CMP) | (uint32_t)x->dbl << 18, 0, K, d, d, 0, false, false);
    put8(&x->c->a, LESS);
}

void x64_fp_check_modes(struct x64_fp *x, unsigned d)
{
    if (!x->c->config->fpcr_default)
        x64_fp_check_nan(x, d);
}

/* ---- cold code ---- */

static void store_operand(struct x64_compiler *c, enum ir_type type, unsigned slot, unsigned reg)
{
    struct x64_mem at = x64_frame(c, FRAME_ARGS + 16 * (int32_t)slot);
    if (type == IR_V128)
        movups_mr(&c->a, at, reg);
    else if (type == IR_I64)
        mov_mr(&c->a, true, at, reg);
}

/* The host's flags are kept. */
static void cold(struct x64_compiler *c, const struct x64_cold *k)
{
    const struct ir_insn *i = &c->ir->insn[k->n];
    const struct ir_op_info *info = &ir_ops[i->op];
    if (!c->config->fpcr_default)
        ldmxcsr(&c->a, x64_frame(c, FRAME_LOCK));
    put8(&c->a, 0x9c); /* pushfq */
    op_rm(&c->a, false, 0x8f, 0, x64_frame(c, FRAME_FLAGS));
    store_operand(c, info->arg[0], 0, k->reg);
    store_operand(c, info->arg[1], 1, k->reg2);
    store_operand(c, info->arg[2], 2, k->reg3);
    mov_ri(&c->a, RCX, i->op);
    mov_ri(&c->a, RDX, i->imm);
    x64_call_stub(c, STUB_PURE, k->vectors);
    op_rm(&c->a, false, 0xff, 6, x64_frame(c, FRAME_FLAGS));
    put8(&c->a, 0x9d); /* popfq */
    if (info->result == IR_V128)
        movups_rm(&c->a, (unsigned)k->target, x64_frame(c, FRAME_ARGS));
    else
        mov_rm(&c->a, true, (unsigned)k->target, x64_frame(c, FRAME_ARGS));
    jmp_near(&c->a, k->back);
}

void x64_fp_end(struct x64_fp *x, unsigned d)
{
    struct x64_compiler *c = x->c;
    uint32_t traps = (uint32_t)c->code->n_traps;
    if (!x->checked && traps == x->trap)
        return;
    struct x64_cold *k = x64_cold_add(c, cold);
    k->from = x->checked;
    k->trap = x->trap;
    k->trap_end = traps;
    k->reg = (uint8_t)x->r[0];
    k->reg2 = (uint8_t)x->r[1];
    k->reg3 = (uint8_t)x->r[2];
    k->target = d;
    k->n = (ir_ref)c->n;
    k->vectors = x64_vectors_live(c);
    k->back = c->a.p;
}
