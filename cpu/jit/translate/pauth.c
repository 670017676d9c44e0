/*
 * pauth.c - pointer authentication in registers.
 *
 * Without FEAT_PAuth the forms in the hint space are NOPs and the others UNDEFINED. Keys: 0 IA, 1 IB, 2 DA, 3 DB.
 */
#include "cpu/jit/translate/functions.h"

/* Xd = helper(Xd, modifier) with key `data * 2 + M`. */
static void sign(struct tr *t, const struct a64_insn *i, enum helper h, unsigned rd, ir_ref modifier, unsigned data)
{
    write_reg(t, rd, tr_call(t, h, reg(t, rd), modifier, konst(t, data * 2 + (unsigned)i->m)));
}

#define WITH_MODIFIER(row, helper, data)                              \
    void translate_##row(struct tr *t, const struct a64_insn *i)      \
    {                                                                 \
        if (t->mode & CPU_MODE_PAUTH)                                 \
            sign(t, i, helper, i->rd, reg_sp(t, i->rn), data);        \
        else                                                          \
            undefined(t, i);                                          \
    }
WITH_MODIFIER(PACI, HELPER_pac, 0)
WITH_MODIFIER(PACD, HELPER_pac, 1)
WITH_MODIFIER(AUTI, HELPER_aut, 0)
WITH_MODIFIER(AUTD, HELPER_aut, 1)

#define ZERO_MODIFIER(row, helper, data)                              \
    void translate_##row(struct tr *t, const struct a64_insn *i)      \
    {                                                                 \
        if (t->mode & CPU_MODE_PAUTH)                                 \
            sign(t, i, helper, i->rd, konst(t, 0), data);             \
        else                                                          \
            undefined(t, i);                                          \
    }
ZERO_MODIFIER(PACIZ, HELPER_pac, 0)
ZERO_MODIFIER(PACDZ, HELPER_pac, 1)
ZERO_MODIFIER(AUTIZ, HELPER_aut, 0)
ZERO_MODIFIER(AUTDZ, HELPER_aut, 1)

#define HINT_FORM(row, helper, rd, modifier)                          \
    void translate_##row(struct tr *t, const struct a64_insn *i)      \
    {                                                                 \
        if (t->mode & CPU_MODE_PAUTH)                                 \
            sign(t, i, helper, rd, modifier, 0);                      \
    }
HINT_FORM(PAC1716, HELPER_pac, 17, reg(t, 16))
HINT_FORM(AUT1716, HELPER_aut, 17, reg(t, 16))
HINT_FORM(PACZ, HELPER_pac, 30, konst(t, 0))
HINT_FORM(AUTZ, HELPER_aut, 30, konst(t, 0))
HINT_FORM(PACSP, HELPER_pac, 30, reg_sp(t, 31))
HINT_FORM(AUTSP, HELPER_aut, 30, reg_sp(t, 31))

void translate_XPACLRI(struct tr *t, const struct a64_insn *i)
{
    if (t->mode & CPU_MODE_PAUTH)
        write_reg(t, 30, tr_call(t, HELPER_xpac, reg(t, 30), konst(t, 0), 0));
}

void translate_XPAC(struct tr *t, const struct a64_insn *i)
{
    if (t->mode & CPU_MODE_PAUTH)
        write_reg(t, i->rd, tr_call(t, HELPER_xpac, reg(t, i->rd), konst(t, (uint64_t)i->m), 0));
    else
        undefined(t, i);
}

void translate_PACGA(struct tr *t, const struct a64_insn *i)
{
    if (t->mode & CPU_MODE_PAUTH)
        write_reg(t, i->rd, tr_call(t, HELPER_pacga, reg(t, i->rn), reg_sp(t, i->rm), 0));
    else
        undefined(t, i);
}
