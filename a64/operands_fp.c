/* operands_fp.c - operands and predicates of floating-point instructions. */
#include "a64/table.h"

#define TEXT(name, value)                                                               \
    bool operand_##name(struct a64_out *o, const struct a64_insn *i, uint64_t pc)       \
    {                                                                                   \
        a64_put(o, "%s", (value));                                                      \
        return true;                                                                    \
    }
#define NUMBER(name, value)                                                             \
    bool operand_##name(struct a64_out *o, const struct a64_insn *i, uint64_t pc)       \
    {                                                                                   \
        a64_put(o, "%u", (unsigned)(value));                                            \
        return true;                                                                    \
    }
#define SCALAR(name, letter, number)                                                    \
    bool operand_##name(struct a64_out *o, const struct a64_insn *i, uint64_t pc)       \
    {                                                                                   \
        a64_put(o, "%c%u", (letter), (unsigned)(number));                               \
        return true;                                                                    \
    }

/* log2 of the bytes of an element from the leading one of immh */
static unsigned fix_size(const struct a64_insn *i)
{
    return i->immh >= 8 ? 3 : i->immh >= 4 ? 2 : 1;
}

static const char *fix_arrangement(const struct a64_insn *i)
{
    static const char names[4][2][3] = {{"", ""}, {"4h", "8h"}, {"2s", "4s"}, {"2d", "2d"}};
    return names[fix_size(i)][i->q & 1];
}

TEXT(Tf, i->sz ? "2d" : i->q ? "4s" : "2s")
TEXT(Thh, i->q ? "4h" : "2h")
TEXT(Twide, i->sz ? "2d" : "4s")
TEXT(Tnarrow, i->sz ? (i->q ? "4s" : "2s") : i->q ? "8h" : "4h")
TEXT(Tpair, i->sz ? "2d" : "2s")
TEXT(Tfix, fix_arrangement(i))

SCALAR(fd, "sd"[i->sz & 1], i->rd)
SCALAR(fn, "sd"[i->sz & 1], i->rn)
SCALAR(fm, "sd"[i->sz & 1], i->rm)
SCALAR(fixd, "bhsd"[fix_size(i)], i->rd)
SCALAR(fixn, "bhsd"[fix_size(i)], i->rn)

NUMBER(gfbits, 64 - i->scale)
NUMBER(vfbits, (16u << fix_size(i)) - (unsigned)(i->immh << 3 | i->immb))
NUMBER(hl, i->h << 1 | i->l)

bool operand_felem(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "v%d.%c[%d]", i->rm, "sd"[i->sz & 1], i->sz ? i->h : i->h << 1 | i->l);
    return true;
}

bool operand_helem(struct a64_out *o, const struct a64_insn *i, uint64_t pc)
{
    a64_put(o, "v%d.h[%d]", i->rm4, i->h << 2 | i->l << 1 | i->m);
    return true;
}
