/* operands_base.c - operands and predicates of the base instructions. */
#include "a64/table.h"

static bool put_target(struct a64_out *o, int64_t offset, uint64_t pc)
{
    if (pc)
        a64_put(o, "0x%llx", (unsigned long long)(pc + (uint64_t)offset));
    else
        a64_put(o, "#%lld", (long long)offset);
    return true;
}

bool operand_label26(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_target(o, (int64_t)i->imm26 * 4, pc);
}

bool operand_label19(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_target(o, (int64_t)i->imm19 * 4, pc);
}

bool operand_label14(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_target(o, (int64_t)i->imm14 * 4, pc);
}

bool operand_adr(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_target(o, (int64_t)i->immhi * 4 + i->immlo, pc);
}

bool operand_adrp(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_target(o, ((int64_t)i->immhi * 4 + i->immlo) * 4096, pc & ~UINT64_C(4095));
}

static const char cond_names[16][3] = {"eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc",
                                       "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"};

bool operand_cond(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%s", cond_names[i->cond & 15]);
    return true;
}

bool operand_invcond(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%s", cond_names[(i->cond ^ 1) & 15]);
    return true;
}

bool operand_shift(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    static const char names[4][4] = {"lsl", "lsr", "asr", "ror"};
    a64_put(o, "%s", names[i->shift & 3]);
    return i->shift != 0;
}

static const char extend_names[8][5] = {"uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"};

static void put_index_register(struct a64_out *o, const struct a64_insn *i, bool wide)
{
    if (i->rm == 31)
        a64_put(o, wide ? "xzr" : "wzr");
    else
        a64_put(o, "%c%u", wide ? 'x' : 'w', (unsigned)i->rm);
}

/* UXTX (UXTW for W registers) prints as LSL when Rd or Rn is SP. */
bool operand_extended(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    bool sets_flags = i->word >> 29 & 1;
    bool has_sp = i->rn == 31 || (i->rd == 31 && !sets_flags);
    put_index_register(o, i, i->sf && (i->option & 3) == 3);
    if (has_sp && i->option == (i->sf ? 3 : 2)) {
        if (i->imm3)
            a64_put(o, ", lsl #%d", i->imm3);
        return true;
    }
    a64_put(o, ", %s", extend_names[i->option & 7]);
    if (i->imm3)
        a64_put(o, " #%d", i->imm3);
    return true;
}

bool operand_memext(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    unsigned scale = i->word >> 30; /* size; PRFM's is 3 and not a field */
    put_index_register(o, i, i->option & 1);
    if (i->option == 3) {
        if (i->s)
            a64_put(o, ", lsl #%u", scale);
        return true;
    }
    a64_put(o, ", %s", extend_names[i->option & 7]);
    if (i->s)
        a64_put(o, " #%u", scale);
    return true;
}

bool operand_bfxwidth(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%d", i->imms - i->immr + 1);
    return true;
}

bool operand_bfilsb(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%d", -i->immr & (i->sf ? 63 : 31));
    return true;
}

bool operand_imm16x(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%#x", (unsigned)i->imm16);
    return i->imm16 != 0;
}

bool operand_hint(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%d", i->crm << 3 | i->op2);
    return true;
}

bool operand_barrier(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    static const char names[16][6] = {"", "oshld", "oshst", "osh", "", "nshld", "nshst", "nsh",
                                      "", "ishld", "ishst", "ish", "", "ld", "st", "sy"};
    if (names[i->crm & 15][0])
        a64_put(o, "%s", names[i->crm & 15]);
    else
        a64_put(o, "#%d", i->crm);
    return true;
}

bool operand_pstatefield(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    static const struct {
        uint8_t op1, op2;
        const char *name;
    } fields[] = {
        {0, 3, "UAO"}, {0, 4, "PAN"}, {0, 5, "SPSel"}, {3, 1, "SSBS"}, {3, 2, "DIT"}, {3, 6, "DAIFSet"}, {3, 7, "DAIFClr"},
    };
    for (unsigned k = 0; k < ARRAY_SIZE(fields); k++)
        if (fields[k].op1 == i->op1 && fields[k].op2 == i->op2)
            a64_put(o, "%s", fields[k].name);
    return true;
}

bool operand_sysreg(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "S%d_%d_C%d_C%d_%d", 2 + i->o0, i->op1, i->crn, i->crm, i->op2);
    return true;
}

static bool put_x_or_w(struct a64_out *o, bool wide, unsigned n)
{
    if (n == 31)
        a64_put(o, wide ? "xzr" : "wzr");
    else
        a64_put(o, "%c%u", wide ? 'x' : 'w', n);
    return true;
}

bool operand_tbreg(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_x_or_w(o, i->b5, (unsigned)i->rt);
}

bool operand_tbit(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%d", i->b5 << 5 | i->b40);
    return true;
}

bool operand_Rts(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_x_or_w(o, !i->wf, (unsigned)i->rt);
}

bool operand_bh(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    static const char names[4][2] = {"b", "h", "", ""};
    a64_put(o, "%s", names[i->size & 3]);
    return true;
}

bool operand_bhw(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%c", "bhw?"[i->size & 3]);
    return true;
}

bool operand_bhwx(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%c", "bhwx"[i->size & 3]);
    return true;
}

bool operand_ar(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "%s%s", i->a ? "a" : "", i->r ? "l" : "");
    return true;
}

static bool put_offset(struct a64_out *o, int64_t v)
{
    a64_put(o, "%lld", (long long)v);
    return v != 0;
}

bool operand_imm7s(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_offset(o, (int64_t)i->imm7 * (i->sf ? 8 : 4));
}

bool operand_imm12s(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_offset(o, (int64_t)i->imm12 << i->size);
}

bool operand_imm10x8(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    return put_offset(o, sext((uint64_t)i->s << 9 | ((uint64_t)i->imm9 & 511), 10) * 8);
}

bool operand_prfop(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    static const char types[4][4] = {"pld", "pli", "pst", ""};
    unsigned type = (unsigned)i->prfop >> 3, level = (unsigned)i->prfop >> 1 & 3;
    if (type == 3 || level == 3)
        a64_put(o, "#%d", i->prfop);
    else
        a64_put(o, "%sl%u%s", types[type], level + 1, i->prfop & 1 ? "strm" : "keep");
    return true;
}

bool operand_bitmask(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    uint64_t v = a64_bitmask(i->sf, i->n, i->immr, i->imms);
    a64_put(o, "#0x%llx", (unsigned long long)v);
    return true;
}

bool operand_bitmaskdec(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    uint64_t v = a64_bitmask(i->sf, (unsigned)i->n, (unsigned)i->immr, (unsigned)i->imms);
    a64_put(o, "%lld", i->sf ? (long long)v : (long long)(int32_t)v);
    return true;
}

static uint64_t movwide_value(const struct a64_insn *i)
{
    return (uint64_t)i->imm16 << 16 * i->hw;
}

/* As LLVM prints "mov": signed in the register's width. */
bool operand_movwide(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    uint64_t v = movwide_value(i);
    bool inverted = (i->word >> 29 & 3) == 0; /* MOVN */
    if (inverted)
        v = ~v;
    a64_put(o, "#%lld", i->sf ? (long long)v : (long long)(int32_t)v);
    return true;
}

bool predicate_bitmask_ok(const struct a64_insn *i)
{
    return a64_bitmask(i->sf, i->n, i->immr, i->imms) != 0;
}

static bool is_movz(uint64_t v)
{
    for (unsigned hw = 0; hw < 4; hw++)
        if (!(v & ~(UINT64_C(0xffff) << 16 * hw)))
            return true;
    return false;
}

bool predicate_mov_bitmask(const struct a64_insn *i)
{
    uint64_t v = a64_bitmask(i->sf, i->n, i->immr, i->imms), width = ones(i->sf ? 64 : 32);
    return !is_movz(v) && !is_movz(~v & width);
}

/* Table "DecodeBitMasks" of the manual (J1.3, aarch64/instrs/integer/bitmasks). */
uint64_t a64_bitmask(bool sf, unsigned n, unsigned immr, unsigned imms)
{
    unsigned combined = n << 6 | (~imms & 0x3f);
    if (combined < 2 || (!sf && n))
        return 0;
    unsigned len = 31 - (unsigned)__builtin_clz(combined), esize = 1u << len;
    unsigned s = imms & (esize - 1), r = immr & (esize - 1);
    if (s == esize - 1)
        return 0;
    uint64_t welem = ones(s + 1), element = welem;
    if (r)
        element = (welem >> r | welem << (esize - r)) & ones(esize);
    uint64_t v = 0;
    for (unsigned k = 0; k < 64; k += esize)
        v |= element << k;
    return sf ? v : v & ones(32);
}

/* VFPExpandImm for 64 bits: exact in a double for every imm8. */
bool operand_fimm8(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    unsigned v = (unsigned)i->imm8, e = (v >> 4 & 7) ^ 4;
    double value = (double)(16 + (v & 15)) / 16;
    for (int k = (int)e - 3; k > 0; k--)
        value *= 2;
    for (int k = (int)e - 3; k < 0; k++)
        value /= 2;
    a64_put(o, "#%.8f", v & 0x80 ? -value : value);
    return true;
}
