/*
 * pass_regs.c - guest registers are read once and written once.
 *
 * How it works
 *   Walks the block forward with, for every 4 bytes of guest state, the GET or SET that last touched them ("owner").
 *   A GET of exactly what its owner holds becomes the owner's value. A SET that overwrites all of an earlier SET with
 *   nothing in between that could look deletes the earlier one.
 *   Instead of clearing tables at barriers, an owner counts only if it is younger than the last barrier of its kind.
 */
#include "ir/ir.h"
#include "ir/pass.h"

/* By operation: granules that it moves, whether it is a SET, and what kind of thing is moved (integers of both widths are one kind). */
struct move {
    uint8_t granules, kind;
    bool is_set;
};
static const struct move moves[IR_OP_COUNT] = {
    [IR_GET64] = {2, IR_I64, false}, [IR_GET32] = {1, IR_I64, false}, [IR_GETV] = {4, IR_V128, false}, [IR_GETF] = {1, IR_FLAGS, false},
    [IR_SET64] = {2, IR_I64, true}, [IR_SET32] = {1, IR_I64, true}, [IR_SETV] = {4, IR_V128, true}, [IR_SETF] = {1, IR_FLAGS, true},
};

static bool covers(const ir_ref *table, const struct ir_insn *i, ir_ref who)
{
    const ir_ref *at = table + i->imm / 4;
    switch (moves[i->op].granules) {
    case 2: return at[0] == who && at[1] == who;
    case 4: return at[0] == who && at[1] == who && at[2] == who && at[3] == who;
    default: return at[0] == who;
    }
}

static void claim(ir_ref *table, const struct ir_insn *i, ir_ref who)
{
    for (unsigned g = 0; g < moves[i->op].granules; g++)
        table[i->imm / 4 + g] = who;
}

static bool fresh(const struct ir_regs *r, ir_ref who)
{
    const struct ir_insn *o = &r->b->insn[who];
    if (who == 0 || who <= r->stale_all)
        return false;
    if (moves[o->op].kind != IR_I64 || o->imm < IR_STATE_X_BYTES)
        return true;
    return who > r->stale_other && (moves[o->op].granules != 1 || who > r->stale_32);
}

/* The instruction whose value all bytes of i's place hold, 0 if none is known. */
static ir_ref find_owner(const struct ir_regs *r, const struct ir_insn *i)
{
    ir_ref who = r->owner[i->imm / 4];
    const struct ir_insn *o = &r->b->insn[who];
    return o->imm == i->imm && moves[o->op].kind == moves[i->op].kind && moves[o->op].granules >= moves[i->op].granules && fresh(r, who) &&
                   covers(r->owner, i, who) ? who : 0;
}

static void visit_get(struct ir_regs *r, struct ir_insn *i, ir_ref n)
{
    ir_ref who = find_owner(r, i);
    if (who) {
        const struct ir_insn *o = &r->b->insn[who];
        ir_ref value = moves[o->op].is_set ? o->a : who;
        if (i->op == IR_GET32 && o->op != IR_GET32) { /* the low half of what is there */
            *i = (struct ir_insn){.op = IR_ZEXT32, .a = value};
        } else {
            r->map[n] = value;
            i->op = IR_NOP;
        }
        return;
    }
    for (unsigned g = 0; g < moves[i->op].granules; g++)
        if (r->set[i->imm / 4 + g] > r->observed)
            r->observed = n; /* reads part of an earlier SET */
    claim(r->owner, i, n);
}

static void visit_set(struct ir_regs *r, struct ir_insn *i, ir_ref n)
{
    ir_ref who = find_owner(r, i);
    const struct ir_insn *o = &r->b->insn[who];
    if (who && moves[o->op].granules == moves[i->op].granules && (moves[o->op].is_set ? o->a : who) == i->a) {
        *i = (struct ir_insn){.op = IR_NOP}; /* it holds that value */
        return;
    }
    ir_ref old = r->set[i->imm / 4];
    struct ir_insn *dead = &r->b->insn[old];
    bool seen = old <= r->observed || (dead->op == IR_SET32 && old <= r->stale_32);
    if (!seen && dead->imm == i->imm && moves[dead->op].granules <= moves[i->op].granules && covers(r->set, dead, old))
        *dead = (struct ir_insn){.op = IR_NOP};
    claim(r->owner, i, n);
    claim(r->set, i, n);
}

static void visit_barrier(struct ir_regs *r, const struct ir_insn *i, ir_ref n, uint16_t effects)
{
    if (effects & (IR_EFF_RAISE | IR_EFF_CALL | IR_EFF_EXIT | IR_EFF_SIDE_EXIT))
        r->observed = n;
    if (effects & IR_EFF_FP)
        r->stale_32 = n;
    if (effects & IR_EFF_CALL) {
        r->stale_other = n;
        if (i->imm & IR_CALL_REGS)
            r->stale_all = n;
    }
}

void ir_regs_begin(struct ir_regs *r, struct ir_block *b, ir_ref *map)
{
    r->b = b;
    r->map = map;
    memset(r->owner, 0, sizeof r->owner);
    memset(r->set, 0, sizeof r->set);
    r->stale_all = r->stale_other = r->stale_32 = r->observed = 0;
}

void ir_regs_visit(struct ir_regs *r, unsigned n)
{
    struct ir_insn *i = &r->b->insn[n];
    uint16_t effects = ir_ops[i->op].effects;
    if (effects & (IR_EFF_READ | IR_EFF_WRITE)) {
        if (i->op == IR_PC || i->imm > IR_REGS_LIMIT - 16)
            return;
        if (effects & IR_EFF_READ)
            visit_get(r, i, (ir_ref)n);
        else
            visit_set(r, i, (ir_ref)n);
        return;
    }
    visit_barrier(r, i, (ir_ref)n, effects);
}
