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

bool operand_extend(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    static const char names[8][5] = {"uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"};
    a64_put(o, "%s", names[i->option & 7]);
    return true;
}

bool operand_extreg(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    bool wide = (i->option & 3) == 3;
    if (i->rm == 31)
        a64_put(o, wide ? "xzr" : "wzr");
    else
        a64_put(o, "%c%u", wide ? 'x' : 'w', (unsigned)i->rm);
    return true;
}

bool operand_bitmask(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    uint64_t v = a64_bitmask(i->sf, i->n, i->immr, i->imms);
    a64_put(o, "#0x%llx", (unsigned long long)v);
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
