/*
 * branch.c - branches and exception generation.
 *
 * A block goes on behind a conditional branch (the taken side is a side exit) and, inside the page, at the target of a
 * forward B. MAX_SIDE_EXITS bounds how much cold code that drags in.
 */
#include "cpu/jit/translate/functions.h"

enum { MAX_SIDE_EXITS = 8 };

static void side_exit(struct tr *t)
{
    if (++t->side_exits == MAX_SIDE_EXITS && !t->ended)
        end_direct(t, 4);
}

/* ---- immediate ---- */
void translate_B(struct tr *t, const struct a64_insn *i)
{
    int64_t to = (int64_t)t->page_off + (int64_t)i->imm26 * 4;
    if (to > (int64_t)t->page_off && to < 4096)
        t->next_off = (uint32_t)to;
    else
        end_direct(t, (int64_t)i->imm26 * 4);
}

void translate_BL(struct tr *t, const struct a64_insn *i)
{
    ir_ref back = E0(PC, t->page_off + 4);
    write_reg(t, 30, back);
    end_call(t, (int64_t)i->imm26 * 4, back);
}

void translate_B_cond(struct tr *t, const struct a64_insn *i)
{
    int64_t offset = (int64_t)i->imm19 * 4;
    if (i->cond >= 14) {
        end_direct(t, offset);
        return;
    }
    ir_emit(t->b, IR_EXIT_COND, flags(t), (ir_ref)i->cond, 0, exit_target(t, offset));
    side_exit(t);
}

void translate_CBZ(struct tr *t, const struct a64_insn *i)
{
    E1(EXIT_Z, i->sf ? reg(t, i->rt) : reg_w(t, i->rt), exit_target(t, (int64_t)i->imm19 * 4));
    side_exit(t);
}

void translate_CBNZ(struct tr *t, const struct a64_insn *i)
{
    E1(EXIT_NZ, i->sf ? reg(t, i->rt) : reg_w(t, i->rt), exit_target(t, (int64_t)i->imm19 * 4));
    side_exit(t);
}

static ir_ref tested_bit(struct tr *t, const struct a64_insn *i)
{
    return E2(AND64, reg(t, i->rt), konst(t, BIT(i->b5 << 5 | i->b40)), 0);
}

void translate_TBZ(struct tr *t, const struct a64_insn *i)
{
    E1(EXIT_Z, tested_bit(t, i), exit_target(t, (int64_t)i->imm14 * 4));
    side_exit(t);
}

void translate_TBNZ(struct tr *t, const struct a64_insn *i)
{
    E1(EXIT_NZ, tested_bit(t, i), exit_target(t, (int64_t)i->imm14 * 4));
    side_exit(t);
}

/* ---- register ---- */

/* PSTATE.BTYPE as the branch leaves it (D8.5 "PSTATE.BTYPE"); other instructions clear it when they execute. */
static void set_btype(struct tr *t, unsigned btype)
{
    if (t->mode & CPU_MODE_BTI)
        tr_call(t, HELPER_set_btype, konst(t, btype), 0, 0);
}

static void jump(struct tr *t, ir_ref to, unsigned rn)
{
    set_btype(t, rn == 16 || rn == 17 ? 1 : 3);
    E1(EXIT_INDIRECT, to, IR_JUMP);
    t->ended = true;
}

static void call(struct tr *t, ir_ref to)
{
    ir_ref back = E0(PC, t->page_off + 4);
    write_reg(t, 30, back);
    set_btype(t, 2);
    E2(EXIT_INDIRECT, to, back, IR_JUMP_CALL);
    t->ended = true;
}

static void ret(struct tr *t, ir_ref to)
{
    E1(EXIT_INDIRECT, to, IR_JUMP_RET);
    t->ended = true;
}

void translate_BR(struct tr *t, const struct a64_insn *i)
{
    jump(t, reg(t, i->rn), (unsigned)i->rn);
}

void translate_BLR(struct tr *t, const struct a64_insn *i)
{
    call(t, reg(t, i->rn));
}

void translate_RET(struct tr *t, const struct a64_insn *i)
{
    ret(t, reg(t, i->rn));
}

static void eret(struct tr *t, const struct a64_insn *i, unsigned kind)
{
    if (!(t->mode & CPU_MODE_EL1)) {
        undefined(t, i);
        return;
    }
    tr_call(t, HELPER_eret, konst(t, kind), 0, 0);
    end_block(t);
}

void translate_ERET(struct tr *t, const struct a64_insn *i)
{
    eret(t, i, 0);
}

/* Debug state does not exist here. */
void translate_DRPS(struct tr *t, const struct a64_insn *i)
{
    undefined(t, i);
}

/* ---- with pointer authentication: key IA or IB by M ---- */
static bool no_pauth(struct tr *t, const struct a64_insn *i)
{
    if (t->mode & CPU_MODE_PAUTH)
        return false;
    undefined(t, i);
    return true;
}

static ir_ref authenticated(struct tr *t, const struct a64_insn *i, ir_ref pointer, ir_ref modifier)
{
    return tr_call(t, HELPER_aut_use, pointer, modifier, konst(t, (uint64_t)i->m));
}

void translate_BRAZ(struct tr *t, const struct a64_insn *i)
{
    if (!no_pauth(t, i))
        jump(t, authenticated(t, i, reg(t, i->rn), konst(t, 0)), (unsigned)i->rn);
}

void translate_BLRAZ(struct tr *t, const struct a64_insn *i)
{
    if (!no_pauth(t, i))
        call(t, authenticated(t, i, reg(t, i->rn), konst(t, 0)));
}

void translate_BRA(struct tr *t, const struct a64_insn *i)
{
    if (!no_pauth(t, i))
        jump(t, authenticated(t, i, reg(t, i->rn), reg_sp(t, i->rd)), (unsigned)i->rn);
}

void translate_BLRA(struct tr *t, const struct a64_insn *i)
{
    if (!no_pauth(t, i))
        call(t, authenticated(t, i, reg(t, i->rn), reg_sp(t, i->rd)));
}

void translate_RETA(struct tr *t, const struct a64_insn *i)
{
    if (!no_pauth(t, i))
        ret(t, authenticated(t, i, reg(t, 30), reg_sp(t, 31)));
}

void translate_ERETA(struct tr *t, const struct a64_insn *i)
{
    if (!no_pauth(t, i))
        eret(t, i, 1 + (unsigned)i->m);
}

/* ---- exceptions ---- */
static void raise_with_imm(struct tr *t, const struct a64_insn *i, enum helper h)
{
    tr_call(t, h, konst(t, (uint64_t)i->imm16), 0, 0);
    end_block(t);
}

void translate_UDF(struct tr *t, const struct a64_insn *i)
{
    undefined(t, i);
}

void translate_SVC(struct tr *t, const struct a64_insn *i)
{
    raise_with_imm(t, i, HELPER_svc);
}

void translate_HVC(struct tr *t, const struct a64_insn *i)
{
    if (t->mode & CPU_MODE_EL1)
        raise_with_imm(t, i, HELPER_hvc);
    else
        undefined(t, i);
}

void translate_SMC(struct tr *t, const struct a64_insn *i)
{
    if (t->mode & CPU_MODE_EL1)
        raise_with_imm(t, i, HELPER_smc);
    else
        undefined(t, i);
}

void translate_BRK(struct tr *t, const struct a64_insn *i)
{
    raise_with_imm(t, i, HELPER_brk);
}

void translate_HLT(struct tr *t, const struct a64_insn *i)
{
    raise_with_imm(t, i, HELPER_hlt);
}

void translate_DCPS1(struct tr *t, const struct a64_insn *i)
{
    undefined(t, i);
}

void translate_DCPS2(struct tr *t, const struct a64_insn *i)
{
    undefined(t, i);
}

void translate_DCPS3(struct tr *t, const struct a64_insn *i)
{
    undefined(t, i);
}
