/*
 * flags_later.c - NZCV is stored only where somebody may look.
 *
 * How it works
 *   Between a SETF and the next one the flags are looked at by side exits, and by accesses that raise. If there is nothing else, and not
 *   much of it, the SETF emits nothing: its operands are kept, and the cold code of those places makes the flags, from the host's own
 *   when they still hold them, else from where the operands are at that moment (x64_cold.flags).
 *
 *   Of a floating-point comparison only the host's own will do. So there the conditional exit that asks has to follow at once, with a
 *   condition that the host has, and nobody else may look.
 */
#include "x64/compile.h"

enum { FAR = 32, FAR_FP = 128, MOST = 5 }; /* a floating-point comparison's operands are not kept */

static bool is_wide(unsigned op)
{
    return op == IR_FSUB64 || op == IR_FADD64 || op == IR_FLOGIC64;
}

static bool is_integer(unsigned op)
{
    return is_wide(op) || op == IR_FSUB32 || op == IR_FADD32 || op == IR_FLOGIC32;
}

static bool can_make(const struct x64_compiler *c, const struct ir_insn *i)
{
    if (i->op == IR_EXIT_NZ || i->op == IR_EXIT_Z || (i->op == IR_EXIT_COND && i->b < 14))
        return !x64_loop_turns(c, ir_exit_offset(i->imm));
    return i->op == IR_LOAD || i->op == IR_LOADV || i->op == IR_STORE || i->op == IR_STOREV;
}

static bool emits(const struct ir_insn *i)
{
    return i->op != IR_NOP && i->op != IR_INSN;
}

/* The first instruction behind n that is more than a mark. */
static unsigned next(const struct x64_compiler *c, unsigned n)
{
    do
        n++;
    while (n < c->ir->n && !emits(&c->ir->insn[n]));
    return n;
}

/* The exit that asks a floating-point comparison's flags, which the SETF at n stores, at once; 0: another does. */
static unsigned exit_of_comparison(const struct x64_compiler *c, unsigned n)
{
    ir_ref f = c->ir->insn[n].a;
    unsigned k = next(c, n);
    const struct ir_insn *i = &c->ir->insn[k];
    bool asks = next(c, f) == n && k < c->ir->n && i->op == IR_EXIT_COND && i->a == f && i->b < 14;
    return asks && x64_fp_compares(c, f) && x64_flags_fp_condition(i->b) ? k : 0;
}

/* The last place before the next SETF where the flags of the one at n are looked at, 0: there is no next one near by, or others look, too. */
static unsigned last_look(const struct x64_compiler *c, unsigned n, unsigned far)
{
    unsigned last = n, looks = 0;
    for (unsigned k = n + 1; k < MIN(c->ir->n, n + far); k++) {
        const struct ir_insn *i = &c->ir->insn[k];
        if (i->op == IR_SETF)
            return last;
        if (i->op == IR_GETF)
            return 0;
        if (!(ir_ops[i->op].effects & (IR_EFF_RAISE | IR_EFF_CALL | IR_EFF_EXIT | IR_EFF_SIDE_EXIT)))
            continue;
        if (!can_make(c, i) || ++looks > MOST)
            return 0;
        last = k;
    }
    return 0;
}

unsigned x64_flags_later(const struct x64_compiler *c, unsigned n)
{
    unsigned op = c->ir->insn[c->ir->insn[n].a].op, asks = op == IR_FP_CMP ? exit_of_comparison(c, n) : 0;
    if (!c->host->later || (!asks && !is_integer(op)))
        return 0;
    unsigned last = last_look(c, n, asks ? FAR_FP : FAR);
    if (asks && last != asks)
        return 0;
    return last ? last + 1 : 0; /* beyond it, so that no result takes an operand's place there */
}

void x64_flags_remember(struct x64_compiler *c, struct x64_cold *k)
{
    const struct ir_insn *f = &c->ir->insn[c->later], *and = &c->ir->insn[f->a];
    if (!c->later || c->n >= c->later_until)
        return;
    k->flags = c->later;
    k->in_host = c->cc == c->later;
    k->form = (uint8_t)c->cc_form;
    assert(k->in_host || f->op != IR_FP_CMP);
    if (k->in_host)
        return;
    bool fused = c->value[f->a].fused;
    k->operand[0] = x64_place(c, fused ? and->a : f->a);
    if (fused || f->b)
        k->operand[1] = x64_place(c, fused ? and->b : f->b);
}

static void load(struct x64_compiler *c, unsigned reg, const struct x64_operand *o, bool w)
{
    if (o->kind == OPERAND_REG)
        mov_rr(&c->a, w, reg, o->reg);
    else if (o->kind == OPERAND_MEM)
        mov_rm(&c->a, w && !o->narrow, reg, o->mem);
    else
        mov_ri(&c->a, reg, o->value);
}

/* The host's flags from the operands. */
static enum x64_form again(struct x64_compiler *c, const struct x64_cold *k)
{
    const struct ir_insn *f = &c->ir->insn[k->flags];
    bool w = is_wide(f->op), two = f->b || c->value[f->a].fused;
    load(c, RAX, &k->operand[0], w);
    if (two)
        load(c, RCX, &k->operand[1], w);
    switch (f->op) {
    case IR_FSUB64: case IR_FSUB32: alu_rr(&c->a, ALU_CMP, w, RAX, RCX); return FORM_SUB;
    case IR_FADD64: case IR_FADD32: alu_rr(&c->a, ALU_ADD, w, RAX, RCX); return FORM_ADD;
    }
    test_rr(&c->a, w, RAX, two ? RCX : RAX);
    return FORM_LOGIC;
}

void x64_flags_cold(struct x64_compiler *c, const struct x64_cold *k)
{
    if (!k->flags)
        return;
    enum x64_form form = k->in_host ? (enum x64_form)k->form : again(c, k);
    if (form >= FORM_FP) {
        x64_flags_fp_word(c, form);
        mov_mr(&c->a, false, x64_state(c, c->config->env.flags_offset), RAX);
        return;
    }
    if (form == FORM_ADD)
        cmc(&c->a);
    else if (form == FORM_LOGIC)
        stc(&c->a);
    lahf(&c->a);
    setcc_r(&c->a, CC_O, RAX);
    mov_mr(&c->a, false, x64_state(c, c->config->env.flags_offset), RAX);
}
