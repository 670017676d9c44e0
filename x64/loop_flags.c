/*
 * loop_flags.c - NZCV that a loop's last comparison sets is not stored in every turn.
 *
 * How it works
 *   While the next turn has not set the flags itself, somebody may look at them: whoever leaves, or raises. They can be told from guest
 *   registers: the comparison's operands were constants or are what some guest register had at the top of the turn, plus
 *   a constant. So cold code makes the flags (x64_loop_flags_store), and the loop has nothing to do.
 *   That holds for the first turn, too, because a loop is entered by the same jump back of the ordinary translation (cpu/jit/blocks.c), which
 *   is why it must be the only one.
 *
 *   Not done when something between the top and the first comparison changes such a register by other than constants, looks at the
 *   flags, or has no cold code to speak of (atomics).
 */
#include "x64/compile.h"

enum { REGS = IR_STATE_X_BYTES / 8 };

static bool wide(const struct ir_insn *f)
{
    return f->op == IR_FSUB64 || f->op == IR_FADD64 || f->op == IR_FLOGIC64;
}

static bool is_integer(const struct ir_insn *f)
{
    return wide(f) || f->op == IR_FSUB32 || f->op == IR_FADD32 || f->op == IR_FLOGIC32;
}

static bool is_get(const struct x64_compiler *c, ir_ref ref, unsigned reg)
{
    return c->ir->insn[ref].op == IR_GET64 && c->ir->insn[ref].imm == 8 * reg;
}

/* What the value is a constant away from, and how far. Where 32 bits count, sums of 32 bits will do. */
static ir_ref base_of(const struct x64_compiler *c, ir_ref ref, bool w, int64_t *offset)
{
    uint32_t by = 0;
    uint64_t k;
    for (const struct ir_insn *i = &c->ir->insn[ref]; !w; i = &c->ir->insn[ref = i->a]) {
        if ((i->op == IR_ADD32 || i->op == IR_SUB32) && ir_is_const(c->ir, i->b, &k))
            by += (uint32_t)(i->op == IR_ADD32 ? k : 0 - k);
        else if (i->op != IR_ZEXT32)
            break;
    }
    ref = x64_base_of(c->ir, ref, offset);
    *offset = w ? *offset : (int32_t)(by + (uint32_t)*offset);
    return ref;
}

/* a - b as what is added to a register. */
static int64_t apart(int64_t a, int64_t b, bool w)
{
    return w ? a - b : (int32_t)((uint32_t)a - (uint32_t)b);
}

/* The operand as a register at the end of a turn, plus something. */
static bool describe(const struct x64_compiler *c, ir_ref ref, bool w, const ir_ref *now, struct x64_loop_operand *o)
{
    int64_t a, b;
    uint64_t k;
    if (ir_is_const(c->ir, ref, &k)) {
        *o = (struct x64_loop_operand){.reg = NO_REG, .add = (int64_t)k};
        return !w || (int64_t)k == (int32_t)k;
    }
    ir_ref base = base_of(c, ref, w, &a);
    for (unsigned reg = 0; reg < REGS; reg++) {
        b = 0;
        ir_ref other = now[reg] ? base_of(c, now[reg], w, &b) : 0;
        bool same = now[reg] ? now[reg] == ref || (base && other == base) : base && is_get(c, base, reg);
        *o = (struct x64_loop_operand){.reg = (uint8_t)reg, .add = now[reg] == ref ? 0 : apart(a, b, w)};
        if (same)
            return o->add == (int32_t)o->add;
    }
    return false;
}

/* May somebody look at the state here? */
static bool is_site(const struct ir_insn *i)
{
    return ir_ops[i->op].effects & (IR_EFF_RAISE | IR_EFF_CALL | IR_EFF_SIDE_EXIT | IR_EFF_EXIT);
}

static bool is_plain(const struct ir_insn *i)
{
    return i->op == IR_LOAD || i->op == IR_LOADV || i->op == IR_STORE || i->op == IR_STOREV || i->op == IR_EXIT_NZ || i->op == IR_EXIT_Z ||
           (i->op == IR_EXIT_COND && i->b < 14);
}

/* Everything but the operands: the comparison, or 0. */
static ir_ref find_flags(struct x64_compiler *c, ir_ref *now)
{
    struct x64_loop *l = &c->loop;
    unsigned edge = 0;
    l->first_setf = l->last_setf = 0;
    for (unsigned n = 1; n + 1 < c->ir->n; n++) {
        const struct ir_insn *i = &c->ir->insn[n];
        unsigned reg = (unsigned)MIN(i->imm / 8, (uint64_t)REGS);
        if (edge || i->op == IR_GETF || (is_site(i) && !is_plain(i)) ||
            (reg < REGS && (i->op == IR_SET32 || (i->op == IR_GET64 && now[reg]))))
            return 0;
        if (i->op == IR_SET64 && reg < REGS)
            now[reg] = i->a;
        if (i->op == IR_SETF) {
            l->first_setf = l->first_setf ? l->first_setf : n;
            l->last_setf = n;
        } else if (ir_ops[i->op].effects & IR_EFF_SIDE_EXIT && x64_loop_turns(c, ir_exit_offset(i->imm))) {
            edge = n;
        }
    }
    if (!edge || !l->last_setf)
        return 0;
    for (unsigned n = l->last_setf + 1; n < edge; n++)
        if (is_site(&c->ir->insn[n]))
            return 0;
    const struct ir_insn *i = &c->ir->insn[edge];
    return i->op == IR_EXIT_COND && i->a == c->ir->insn[l->last_setf].a && is_integer(&c->ir->insn[i->a]) ? i->a : 0;
}

/* What the register has become since the top before instruction n; false: other than by a constant. */
static bool moved(const struct x64_compiler *c, unsigned reg, unsigned n, bool w, int64_t *by)
{
    *by = 0;
    while (n-- > 1) {
        const struct ir_insn *i = &c->ir->insn[n];
        if (i->op != IR_SET64 || i->imm != 8 * reg)
            continue;
        ir_ref base = base_of(c, i->a, w, by);
        return base && is_get(c, base, reg) && *by == (int32_t)*by;
    }
    return true;
}

static bool can_tell(const struct x64_compiler *c, const struct x64_loop_operand *o, bool w)
{
    int64_t by;
    for (unsigned n = 1; o->reg != NO_REG && n < c->loop.first_setf; n++)
        if (is_site(&c->ir->insn[n]) && (!moved(c, o->reg, n, w, &by) || apart(o->add, by, w) != (int32_t)apart(o->add, by, w)))
            return false;
    return true;
}

void x64_loop_flags_plan(struct x64_compiler *c)
{
    struct x64_loop *l = &c->loop;
    ir_ref now[REGS] = {0};
    ir_ref f = find_flags(c, now);
    const struct ir_insn *i = &c->ir->insn[f];
    l->flags = 0;
    bool w = wide(i);
    if (!f || !describe(c, i->a, w, now, &l->operand[0]) || !can_tell(c, &l->operand[0], w))
        return;
    if (i->b && (!describe(c, i->b, w, now, &l->operand[1]) || !can_tell(c, &l->operand[1], w)))
        return;
    l->flags = f;
}

static void load(struct x64_compiler *c, const struct x64_loop_operand *o, unsigned site, bool w, unsigned to)
{
    int64_t by = 0;
    if (o->reg == NO_REG) {
        mov_ri(&c->a, to, (uint64_t)o->add);
        return;
    }
    moved(c, o->reg, site, w, &by);
    unsigned pin = x64_pin(c, 8u * o->reg);
    if (pin == NO_REG)
        mov_rm(&c->a, true, to, x64_state(c, 8u * o->reg));
    lea(&c->a, true, to, mem_at(pin == NO_REG ? to : pin, (int32_t)apart(o->add, by, w)));
}

void x64_loop_flags_store(struct x64_compiler *c, unsigned site)
{
    const struct x64_loop *l = &c->loop;
    const struct ir_insn *f = &c->ir->insn[l->flags];
    bool w = wide(f);
    if (!l->on || !l->flags || site > l->first_setf)
        return;
    load(c, &l->operand[0], site, w, RAX);
    if (f->b)
        load(c, &l->operand[1], site, w, RCX);
    switch (f->op) {
    case IR_FSUB64: case IR_FSUB32: alu_rr(&c->a, ALU_CMP, w, RAX, RCX); break;
    case IR_FADD64: case IR_FADD32: alu_rr(&c->a, ALU_ADD, w, RAX, RCX), cmc(&c->a); break;
    default: test_rr(&c->a, w, RAX, RAX), stc(&c->a); break;
    }
    lahf(&c->a);
    setcc_r(&c->a, CC_O, RAX);
    mov_mr(&c->a, false, x64_state(c, c->config->env.flags_offset), RAX);
}
