/*
 * simd_load.c - loads and stores of SIMD&FP registers: one register, pairs, literals.
 *
 * All accesses that may raise come before the first write of a register or of the base.
 */
#include "cpu/jit/translate/simd.h"

/* Rt of 1 << size bytes at va */
static void transfer(struct tr *t, const struct a64_insn *i, bool load, unsigned size, ir_ref va)
{
    if (load)
        write_vreg(t, i->rt, E1(LOADV, va, memop(t, size, 0)));
    else
        E2(STOREV, va, vreg(t, i->rt), memop(t, size, 0));
}

/* [Xn + offset] */
static void at_offset(struct tr *t, const struct a64_insn *i, bool load, unsigned size, int64_t offset)
{
    if (fp_trapped(t, i))
        return;
    transfer(t, i, load, size, plus(t, base_reg(t, i->rn), offset));
}

/* [Xn], #imm9 and [Xn, #imm9]! */
static void indexed(struct tr *t, const struct a64_insn *i, bool load, unsigned size, bool before)
{
    if (fp_trapped(t, i))
        return;
    ir_ref base = base_reg(t, i->rn), moved = plus(t, base, i->imm9);
    transfer(t, i, load, size, before ? moved : base);
    write_reg_sp(t, i->rn, moved);
}

/* [Xn, Xm or extended Wm, scaled if S] */
static void by_register(struct tr *t, const struct a64_insn *i, bool load, unsigned size)
{
    if (fp_trapped(t, i))
        return;
    ir_ref base = base_reg(t, i->rn), offset = reg(t, i->rm);
    if (i->option == 2)
        offset = E1(ZEXT32, offset, 0);
    else if (i->option == 6)
        offset = E1(SEXT32, offset, 0);
    if (i->s && size)
        offset = E2(SHL64, offset, konst(t, size), 0);
    transfer(t, i, load, size, E2(ADD64, base, offset, 0));
}

/* Every form of one register, for B H S D by the field and for Q */
#define FORMS(name, load)                                                                                    \
    TRANSLATE(name##R_v_uimm) { at_offset(t, i, load, i->size, (int64_t)i->imm12 << i->size); }              \
    TRANSLATE(name##R_q_uimm) { at_offset(t, i, load, 4, (int64_t)i->imm12 << 4); }                          \
    TRANSLATE(name##UR_v) { at_offset(t, i, load, i->size, i->imm9); }                                       \
    TRANSLATE(name##UR_q) { at_offset(t, i, load, 4, i->imm9); }                                             \
    TRANSLATE(name##R_v_post) { indexed(t, i, load, i->size, false); }                                       \
    TRANSLATE(name##R_q_post) { indexed(t, i, load, 4, false); }                                             \
    TRANSLATE(name##R_v_pre) { indexed(t, i, load, i->size, true); }                                         \
    TRANSLATE(name##R_q_pre) { indexed(t, i, load, 4, true); }                                               \
    TRANSLATE(name##R_v_reg) { by_register(t, i, load, i->size); }                                           \
    TRANSLATE(name##R_q_reg) { by_register(t, i, load, 4); }
FORMS(LD, true)
FORMS(ST, false)

TRANSLATE(LDR_lit_v)
{
    if (fp_trapped(t, i))
        return;
    ir_ref va = E0(PC, (uint64_t)((int64_t)t->page_off + (int64_t)i->imm19 * 4));
    transfer(t, i, true, (unsigned)i->opc + 2, va);
}

/* ---- pairs ---- */

enum index { OFFSET, PRE, POST };

static void pair(struct tr *t, const struct a64_insn *i, bool load, enum index index)
{
    if (fp_trapped(t, i))
        return;
    unsigned size = (unsigned)i->opc + 2;
    ir_ref base = base_reg(t, i->rn), moved = plus(t, base, (int64_t)i->imm7 * (1 << size));
    ir_ref va = index == POST ? base : moved, va2 = plus(t, va, 1 << size);
    if (load) {
        ir_ref first = E1(LOADV, va, memop(t, size, 0)), second = E1(LOADV, va2, memop(t, size, 0));
        write_vreg(t, i->rt, first);
        write_vreg(t, i->rt2, second);
    } else {
        E2(STOREV, va, vreg(t, i->rt), memop(t, size, 0));
        E2(STOREV, va2, vreg(t, i->rt2), memop(t, size, 0));
    }
    if (index != OFFSET)
        write_reg_sp(t, i->rn, moved);
}

TRANSLATE(LDP_v_off) { pair(t, i, true, OFFSET); }
TRANSLATE(LDP_v_pre) { pair(t, i, true, PRE); }
TRANSLATE(LDP_v_post) { pair(t, i, true, POST); }
TRANSLATE(LDNP_v) { pair(t, i, true, OFFSET); }
TRANSLATE(STP_v_off) { pair(t, i, false, OFFSET); }
TRANSLATE(STP_v_pre) { pair(t, i, false, PRE); }
TRANSLATE(STP_v_post) { pair(t, i, false, POST); }
TRANSLATE(STNP_v) { pair(t, i, false, OFFSET); }
