/* dp_imm.c - Data processing: immediate. */
#include "cpu/jit/translate/functions.h"

/* PC-relative addresses; PC counts from the page, so ADRP needs no rounding. */
void translate_ADR(struct tr *t, const struct a64_insn *i)
{
    int64_t offset = (int64_t)i->immhi * 4 + i->immlo;
    write_reg(t, i->rd, E0(PC, (uint64_t)(t->page_off + offset)));
}

void translate_ADRP(struct tr *t, const struct a64_insn *i)
{
    int64_t pages = (int64_t)i->immhi * 4 + i->immlo;
    write_reg(t, i->rd, E0(PC, (uint64_t)(pages * 4096)));
}

static ir_ref imm12(struct tr *t, const struct a64_insn *i)
{
    return konst(t, (uint64_t)i->imm12 << 12 * i->sh);
}

void translate_ADD_imm(struct tr *t, const struct a64_insn *i)
{
    ir_ref v = BY_SF(ADD, reg_sp(t, i->rn), imm12(t, i));
    write_reg_sp(t, i->rd, v);
}

void translate_SUB_imm(struct tr *t, const struct a64_insn *i)
{
    ir_ref v = BY_SF(SUB, reg_sp(t, i->rn), imm12(t, i));
    write_reg_sp(t, i->rd, v);
}

void translate_ADDS_imm(struct tr *t, const struct a64_insn *i)
{
    ir_ref a = reg_sp(t, i->rn), b = imm12(t, i);
    write_reg(t, i->rd, BY_SF(ADD, a, b));
    write_flags(t, BY_SF(FADD, a, b));
}

void translate_SUBS_imm(struct tr *t, const struct a64_insn *i)
{
    ir_ref a = reg_sp(t, i->rn), b = imm12(t, i);
    write_reg(t, i->rd, BY_SF(SUB, a, b));
    write_flags(t, BY_SF(FSUB, a, b));
}

static ir_ref bitmask(struct tr *t, const struct a64_insn *i)
{
    return konst(t, a64_bitmask(i->sf, (unsigned)i->n, (unsigned)i->immr, (unsigned)i->imms));
}

void translate_AND_imm(struct tr *t, const struct a64_insn *i)
{
    write_reg_sp(t, i->rd, BY_SF(AND, reg(t, i->rn), bitmask(t, i)));
}

void translate_ORR_imm(struct tr *t, const struct a64_insn *i)
{
    ir_ref v = bitmask(t, i);
    write_reg_sp(t, i->rd, i->rn == 31 ? v : BY_SF(OR, reg(t, i->rn), v));
}

void translate_EOR_imm(struct tr *t, const struct a64_insn *i)
{
    write_reg_sp(t, i->rd, BY_SF(XOR, reg(t, i->rn), bitmask(t, i)));
}

void translate_ANDS_imm(struct tr *t, const struct a64_insn *i)
{
    ir_ref v = BY_SF(AND, reg(t, i->rn), bitmask(t, i));
    write_reg(t, i->rd, v);
    write_flags(t, BY_SF1(FLOGIC, v));
}

void translate_MOVZ(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rd, konst(t, (uint64_t)i->imm16 << 16 * i->hw));
}

void translate_MOVN(struct tr *t, const struct a64_insn *i)
{
    uint64_t v = ~((uint64_t)i->imm16 << 16 * i->hw);
    write_reg(t, i->rd, konst(t, i->sf ? v : (uint32_t)v));
}

void translate_MOVK(struct tr *t, const struct a64_insn *i)
{
    ir_ref old = i->sf ? reg(t, i->rd) : reg_w(t, i->rd);
    write_reg(t, i->rd, E2(BFI, old, konst(t, (uint64_t)i->imm16), 16u * (unsigned)i->hw | 16 << 8));
}

/* Bit fields. With imms >= immr the field moves down to bit 0, otherwise the low bits move up. */
static unsigned width_of(const struct a64_insn *i)
{
    return (unsigned)(i->imms >= i->immr ? i->imms - i->immr + 1 : i->imms + 1);
}

static unsigned regsize(const struct a64_insn *i)
{
    return i->sf ? 64 : 32;
}

void translate_SBFM(struct tr *t, const struct a64_insn *i)
{
    ir_ref a = reg(t, i->rn), v;
    unsigned size = regsize(i), r = (unsigned)i->immr, width = width_of(i);
    if ((unsigned)i->imms == size - 1) {
        v = BY_SF(SAR, a, konst(t, r));
    } else if (i->imms >= i->immr) {
        v = ir_emit(t->b, i->sf ? IR_SBFX64 : IR_SBFX32, a, 0, 0, r | width << 8);
    } else {
        v = ir_emit(t->b, i->sf ? IR_SBFX64 : IR_SBFX32, a, 0, 0, width << 8);
        v = BY_SF(SHL, v, konst(t, size - r));
    }
    write_reg(t, i->rd, v);
}

void translate_UBFM(struct tr *t, const struct a64_insn *i)
{
    ir_ref a = reg(t, i->rn), v;
    unsigned size = regsize(i), r = (unsigned)i->immr, width = width_of(i);
    if ((unsigned)i->imms == size - 1) {
        v = BY_SF(SHR, a, konst(t, r));
    } else if (i->imms >= i->immr) {
        v = E1(UBFX, a, r | width << 8);
    } else {
        if (i->imms + 1 != i->immr)
            a = E1(UBFX, a, width << 8);
        v = BY_SF(SHL, a, konst(t, size - r));
    }
    write_reg(t, i->rd, v);
}

void translate_BFM(struct tr *t, const struct a64_insn *i)
{
    ir_ref from = reg(t, i->rn), v;
    ir_ref into = i->sf ? reg(t, i->rd) : reg_w(t, i->rd);
    unsigned size = regsize(i), r = (unsigned)i->immr, width = width_of(i);
    if (width == size && i->imms >= i->immr)
        v = i->sf ? from : reg_w(t, i->rn);
    else if (i->imms >= i->immr)
        v = E2(BFI, into, r ? BY_SF(SHR, from, konst(t, r)) : from, width << 8);
    else
        v = E2(BFI, into, from, (size - r) | width << 8);
    write_reg(t, i->rd, v);
}

void translate_EXTR(struct tr *t, const struct a64_insn *i)
{
    ir_ref a = reg(t, i->rn), b = reg(t, i->rm), v;
    if (i->rn == i->rm)
        v = BY_SF(ROR, a, konst(t, (uint64_t)i->imms));
    else
        v = ir_emit(t->b, OP(i->sf, EXTR), a, b, 0, (uint64_t)i->imms);
    write_reg(t, i->rd, v);
}
