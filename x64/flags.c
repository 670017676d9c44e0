/*
 * flags.c - N, Z, C, V on the host's flags.
 *
 * How it works
 *   FLAGS of an addition, subtraction or logical result are not computed where they are defined but where they are wanted,
 *   from operands that are kept alive until then; usually the host's flags still hold them from the arithmetic itself.
 *   All other FLAGS (GET, CCMP, ADC, from a register, of floating point) are words (ir.h) in a register, made by LAHF and
 *   SETO and turned back by ADD AL, 127 and SAHF.
 *
 *   The host's carry after a subtraction is Arm's inverted, after an addition it is Arm's, after a logical operation it
 *   is 0 where Arm's (0) would need 1: FORM_SUB, FORM_ADD, FORM_LOGIC. CMC and STC turn the latter two into FORM_SUB.
 *
 *   A floating-point comparison is done where it is defined, since it may set FPSR, with the operands in the order in which the
 *   condition that asks first is one of the host's; and again for other conditions (FORM_FP, ...).
 */
#include "x64/compile.h"

static void compare(struct x64_compiler *c, const struct ir_insn *i, bool w)
{
    struct x64_operand b = x64_operand(c, i->b, w);
    c->cc_form = FORM_SUB;
    if (b.kind == OPERAND_IMM) {
        struct x64_operand m = x64_operand(c, i->a, w);
        if (m.kind == OPERAND_MEM) {
            alu_mi(&c->a, ALU_CMP, w, m.mem, b.imm);
            return;
        }
    }
    unsigned a = x64_use(c, i->a);
    if (b.kind == OPERAND_IMM && b.imm == 0)
        test_rr(&c->a, w, a, a); /* clears CF and OF as CMP with 0 does */
    else if (b.kind == OPERAND_IMM)
        alu_ri(&c->a, ALU_CMP, w, a, b.imm);
    else if (b.kind == OPERAND_MEM)
        alu_rm(&c->a, ALU_CMP, w, a, b.mem);
    else
        alu_rr(&c->a, ALU_CMP, w, a, b.reg);
}

static void add(struct x64_compiler *c, const struct ir_insn *i, bool w)
{
    struct x64_operand b = x64_operand(c, i->b, w);
    x64_load_into(c, i->a, RAX);
    if (b.kind == OPERAND_IMM)
        alu_ri(&c->a, ALU_ADD, w, RAX, b.imm);
    else if (b.kind == OPERAND_MEM)
        alu_rm(&c->a, ALU_ADD, w, RAX, b.mem);
    else
        alu_rr(&c->a, ALU_ADD, w, RAX, b.reg);
    c->cc_form = FORM_ADD;
}

static void logic(struct x64_compiler *c, const struct ir_insn *i, bool w)
{
    c->cc_form = FORM_LOGIC;
    if (!c->value[i->a].fused) {
        unsigned a = x64_use(c, i->a);
        test_rr(&c->a, w, a, a);
        return;
    }
    const struct ir_insn *and = &c->ir->insn[i->a];
    unsigned a = x64_use(c, and->a);
    int32_t imm;
    if (x64_imm32(c, and->b, w, &imm))
        test_ri(&c->a, w, a, imm);
    else
        test_rr(&c->a, w, a, x64_use(c, and->b));
}

/* ---- floating-point comparisons ---- */

static void fp_compare(struct x64_compiler *c, ir_ref f, enum x64_form form)
{
    const struct ir_insn *i = &c->ir->insn[f];
    unsigned a = x64_any_v(c, i->a), b = x64_any_v(c, i->b);
    if (form == FORM_FP_SWAPPED)
        x64_fp_compare(c, f, b, a);
    else
        x64_fp_compare(c, f, a, b);
    c->cc = f, c->cc_form = form;
}

/* In which form the condition is one of the host's; the others are "equal" and "unequal". Unordered is C and V on Arm, CF, ZF and PF
 * on the host. */
static const struct {
    uint8_t form, cc;
} fp_conditions[14] = {
    {FORM_FP_UNEQUAL, CC_E}, {FORM_FP_UNEQUAL, CC_NE}, {FORM_FP_SWAPPED, CC_BE}, {FORM_FP_SWAPPED, CC_A},
    {FORM_FP_SWAPPED, CC_A}, {FORM_FP_SWAPPED, CC_BE}, {FORM_FP, CC_P},          {FORM_FP, CC_NP},
    {FORM_FP_SWAPPED, CC_B}, {FORM_FP_SWAPPED, CC_AE}, {FORM_FP, CC_AE},         {FORM_FP, CC_B},
    {FORM_FP, CC_A},         {FORM_FP, CC_BE},
};

static enum x64_cc fp_condition(struct x64_compiler *c, ir_ref f, unsigned cond)
{
    enum x64_form form = fp_conditions[cond].form;
    if (c->cc == f && c->cc_form == form)
        return fp_conditions[cond].cc;
    if (form != FORM_FP_UNEQUAL) {
        fp_compare(c, f, form);
        return fp_conditions[cond].cc;
    }
    if (c->cc != f || (c->cc_form != FORM_FP && c->cc_form != FORM_FP_SWAPPED))
        fp_compare(c, f, FORM_FP);
    setcc_r(&c->a, CC_NE, RAX);
    setcc_r(&c->a, CC_P, RCX);
    alu_rr(&c->a, ALU_OR, false, RAX, RCX); /* the upper bits do not count */
    test_ri8(&c->a, RAX, 1);
    c->cc = f, c->cc_form = FORM_FP_UNEQUAL;
    return fp_conditions[cond].cc;
}

bool x64_flags_fp_condition(unsigned cond)
{
    return fp_conditions[cond].form != FORM_FP_UNEQUAL;
}

void x64_flags_fp_word(struct x64_compiler *c, enum x64_form form)
{
    lahf(&c->a);
    movzx_ah(&c->a, RAX);
    lea(&c->a, true, RCX, mem_code(form == FORM_FP ? CODE_FP_FLAGS : CODE_FP_FLAGS_SWAPPED));
    mov_load_zx(&c->a, 1, RAX, mem_indexed(RCX, RAX, 1, 0));
}

/* The word in EAX; the host's flags stay as they are. RCX is lost. */
static void fp_word(struct x64_compiler *c, ir_ref f)
{
    if (c->cc != f || (c->cc_form != FORM_FP && c->cc_form != FORM_FP_SWAPPED))
        fp_compare(c, f, FORM_FP);
    x64_flags_fp_word(c, c->cc_form);
}

/* What the first condition on the comparison, if it is near, would like. */
static enum x64_form fp_form_wanted(const struct x64_compiler *c)
{
    enum { FAR = 16 };
    for (unsigned n = c->n + 1; n < MIN(c->n + FAR, c->ir->n); n++) {
        const struct ir_insn *i = &c->ir->insn[n];
        unsigned cond = i->op == IR_EXIT_COND ? i->b : (unsigned)i->imm;
        bool asks = i->op == IR_EXIT_COND || i->op == IR_COND || i->op == IR_SELECT || i->op == IR_V_SELECT || i->op == IR_FSELECT;
        if (asks && i->a == c->n && cond < 14)
            return fp_conditions[cond].form == FORM_FP_SWAPPED ? FORM_FP_SWAPPED : FORM_FP;
    }
    return FORM_FP;
}

void x64_flags_fp(struct x64_compiler *c)
{
    fp_compare(c, (ir_ref)c->n, fp_form_wanted(c));
    c->cc_kept = true;
}

static bool is_fp(const struct x64_compiler *c, ir_ref f)
{
    return c->ir->insn[f].op == IR_FP_CMP && x64_fp_compares(c, f);
}

/* ---- all ---- */

static void from_word(struct x64_compiler *c, ir_ref f)
{
    x64_load_into(c, f, RAX);
    add_al(&c->a, 127);
    sahf(&c->a);
    c->cc_form = FORM_SUB;
}

/* Makes the host flags hold f, in the form that is cheapest. */
static void load(struct x64_compiler *c, ir_ref f)
{
    const struct ir_insn *i = &c->ir->insn[f];
    if (c->cc == f && c->cc_form < FORM_FP)
        return;
    if (is_fp(c, f)) {
        fp_word(c, f);
        add_al(&c->a, 127);
        sahf(&c->a);
        c->cc = f, c->cc_form = FORM_SUB;
        return;
    }
    switch (i->op) {
    case IR_FSUB64: case IR_FSUB32: compare(c, i, i->op == IR_FSUB64); break;
    case IR_FADD64: case IR_FADD32: add(c, i, i->op == IR_FADD64); break;
    case IR_FLOGIC64: case IR_FLOGIC32: logic(c, i, i->op == IR_FLOGIC64); break;
    default: from_word(c, f); break;
    }
    c->cc = f;
}

void x64_flags_carry(struct x64_compiler *c, ir_ref f, enum x64_form form)
{
    load(c, f);
    if (c->cc_form == FORM_LOGIC && form == FORM_ADD)
        clc(&c->a);
    else if (c->cc_form == FORM_LOGIC)
        stc(&c->a);
    else if (c->cc_form != form)
        cmc(&c->a);
    c->cc_form = form;
}

void x64_flags_uniform(struct x64_compiler *c, ir_ref f)
{
    x64_flags_carry(c, f, FORM_SUB);
}

enum x64_cc x64_flags_cond(struct x64_compiler *c, ir_ref f, unsigned cond)
{
    static const uint8_t cc[14] = {CC_E, CC_NE, CC_AE, CC_B, CC_S, CC_NS, CC_O, CC_NO, CC_A, CC_BE, CC_GE, CC_L, CC_G, CC_LE};
    bool carry = cond == 2 || cond == 3 || cond == 8 || cond == 9;
    assert(cond < 14);
    if (is_fp(c, f))
        return fp_condition(c, f, cond);
    if (carry)
        x64_flags_uniform(c, f);
    else
        load(c, f);
    return cc[cond];
}

/* The word of the host's flags, in EAX. */
static void to_word(struct x64_compiler *c)
{
    lahf(&c->a);
    setcc_r(&c->a, CC_O, RAX);
}

void x64_flags_define(struct x64_compiler *c)
{
    unsigned d = x64_def(c);
    c->cc = (ir_ref)c->n;
    x64_flags_uniform(c, c->cc);
    to_word(c);
    mov_rr(&c->a, false, d, RAX);
    c->cc_kept = true;
}

void x64_flags_keep(struct x64_compiler *c, ir_ref f)
{
    x64_flags_uniform(c, f);
    to_word(c);
    mov_rr(&c->a, false, x64_bind_new(c, f), RAX);
}

unsigned x64_flags_word(struct x64_compiler *c, ir_ref f)
{
    const struct ir_insn *i = &c->ir->insn[f];
    const struct x64_value *v = &c->value[f];
    if (v->reg != NO_REG || v->slot || v->home || i->op == IR_FCONST || !x64_flags_lazy(c, f))
        return x64_use(c, f);
    x64_flags_word_in_rax(c, f);
    unsigned r = x64_bind_new(c, f);
    mov_rr(&c->a, false, r, RAX);
    return r;
}

void x64_flags_word_in_rax(struct x64_compiler *c, ir_ref f)
{
    const struct x64_value *v = &c->value[f];
    bool lazy = x64_flags_lazy(c, f) && c->ir->insn[f].op != IR_FCONST;
    if (c->cc != f && (!lazy || v->reg != NO_REG || v->slot)) {
        x64_load_into(c, f, RAX);
        return;
    }
    if (is_fp(c, f)) {
        fp_word(c, f);
        return;
    }
    x64_flags_uniform(c, f);
    to_word(c);
}

/* The FLAGS operation near the current instruction that its host instruction computes on the way; 0: none. */
static ir_ref follower(const struct x64_compiler *c, enum x64_form form, bool w)
{
    const struct ir_insn *i = x64_insn(c);
    unsigned first = c->n > 2 ? c->n - 2 : 1, last = MIN(c->n + 3, c->ir->n - 1);
    for (unsigned n = first; n <= last; n++) {
        const struct ir_insn *f = &c->ir->insn[n];
        if (c->value[n].last <= c->n)
            continue;
        if (form == FORM_SUB && f->op == (w ? IR_FSUB64 : IR_FSUB32) && f->a == i->a && f->b == i->b)
            return (ir_ref)n;
        if (form == FORM_ADD && f->op == (w ? IR_FADD64 : IR_FADD32) && f->a == i->a && f->b == i->b)
            return (ir_ref)n;
        if (form == FORM_LOGIC && f->op == (w ? IR_FLOGIC64 : IR_FLOGIC32) && f->a == c->n)
            return (ir_ref)n;
    }
    return 0;
}

void x64_flags_follow(struct x64_compiler *c, enum x64_form form, bool w)
{
    c->cc = follower(c, form, w);
    c->cc_form = form;
    c->cc_kept = true;
}

bool x64_flags_wanted(const struct x64_compiler *c)
{
    unsigned op = x64_insn(c)->op;
    return follower(c, op == IR_ADD64 || op == IR_ADD32 ? FORM_ADD : FORM_SUB, op == IR_ADD64 || op == IR_SUB64) != 0;
}

unsigned x64_flags_registers(const struct x64_compiler *c, ir_ref f)
{
    const struct ir_insn *i = &c->ir->insn[f];
    int32_t imm;
    if (i->op == IR_FCONST)
        return 0;
    if (!x64_flags_lazy(c, f))
        return !x64_in_pin(c, f);
    if (i->op == IR_FP_CMP)
        return 0;
    if (c->value[i->a].fused)
        i = &c->ir->insn[i->a];
    return !x64_in_pin(c, i->a) + (i->b && !x64_imm32(c, i->b, true, &imm) && !x64_in_pin(c, i->b));
}

void x64_flags_prepare(struct x64_compiler *c, ir_ref f)
{
    const struct ir_insn *i = &c->ir->insn[f];
    if (!x64_flags_lazy(c, f) || i->op == IR_FCONST)
        return;
    if (i->op == IR_FP_CMP) {
        x64_any_v(c, i->a);
        x64_any_v(c, i->b);
        return;
    }
    if (c->value[i->a].fused)
        i = &c->ir->insn[i->a];
    int32_t imm;
    bool w = i->op == IR_FSUB64 || i->op == IR_FADD64 || i->op == IR_AND64;
    x64_use(c, i->a);
    if (i->b && !x64_imm32(c, i->b, w, &imm))
        x64_use(c, i->b);
}
