/* operands_simd.c - operands and predicates of Advanced SIMD integer instructions, loads and stores of SIMD&FP registers. */
#include "a64/table.h"

/* ---- arrangements ---- */

static bool put_arrangement(struct a64_out *o, unsigned size, unsigned q)
{
    static const char names[10][4] = {"8b", "16b", "4h", "8h", "2s", "4s", "1d", "2d", "?", "1q"};
    a64_put(o, "%s", names[(size << 1 | q) % 10]);
    return true;
}

/* The size that immh's highest one names; 0 is not allocated */
static unsigned shift_size(const struct a64_insn *i)
{
    return i->immh ? 31 - (unsigned)__builtin_clz((unsigned)i->immh) : 0;
}

/* The size that imm5's lowest one names */
static unsigned lane_size(const struct a64_insn *i)
{
    return i->imm5 & 15 ? (unsigned)__builtin_ctz((unsigned)i->imm5) : 0;
}

#define OPERAND(name) bool operand_##name(struct a64_out *o, const struct a64_insn *i, uint64_t pc)

OPERAND(T) { return put_arrangement(o, (unsigned)i->size, (unsigned)i->q); }
OPERAND(Ta) { return put_arrangement(o, (unsigned)i->size + 1, 1); }
OPERAND(Tb) { return put_arrangement(o, 0, (unsigned)i->q); }
OPERAND(Th) { return put_arrangement(o, 1, (unsigned)i->q); }
OPERAND(Ts) { return put_arrangement(o, 2, (unsigned)i->q); }
OPERAND(Tp) { return put_arrangement(o, (unsigned)i->size + 1, (unsigned)i->q); }
OPERAND(Ti) { return put_arrangement(o, shift_size(i), (unsigned)i->q); }
OPERAND(Tiw) { return put_arrangement(o, shift_size(i) + 1, 1); }
OPERAND(Tl) { return put_arrangement(o, lane_size(i), (unsigned)i->q); }

/* ---- scalars and elements ---- */

static const char letters[] = "bhsdq";

static bool put_scalar(struct a64_out *o, unsigned size, int n)
{
    a64_put(o, "%c%d", letters[size % 5], n);
    return true;
}

OPERAND(wd) { return put_scalar(o, (unsigned)i->size + 1, i->rd); }
OPERAND(wn) { return put_scalar(o, (unsigned)i->size + 1, i->rn); }
OPERAND(sdl) { return put_scalar(o, lane_size(i), i->rd); }
OPERAND(sdi) { return put_scalar(o, shift_size(i), i->rd); }
OPERAND(sni) { return put_scalar(o, shift_size(i), i->rn); }
OPERAND(sniw) { return put_scalar(o, shift_size(i) + 1, i->rn); }
OPERAND(sto) { return put_scalar(o, (unsigned)i->opc + 2, i->rt); }
OPERAND(st2o) { return put_scalar(o, (unsigned)i->opc + 2, i->rt2); }

OPERAND(lane5)
{
    a64_put(o, "%c[%d]", letters[lane_size(i)], i->imm5 >> (lane_size(i) + 1));
    return true;
}

OPERAND(lane4)
{
    a64_put(o, "%c[%d]", letters[lane_size(i)], i->imm4 >> lane_size(i));
    return true;
}

static bool put_general(struct a64_out *o, bool wide, int n)
{
    if (n == 31)
        a64_put(o, wide ? "xzr" : "wzr");
    else
        a64_put(o, "%c%d", wide ? 'x' : 'w', n);
    return true;
}

OPERAND(gen5) { return put_general(o, lane_size(i) == 3, i->rn); }
OPERAND(gendq) { return put_general(o, i->q, i->rd); }

OPERAND(elem)
{
    if (i->size == 1)
        a64_put(o, "v%d.h[%d]", i->rm4, i->h << 2 | i->l << 1 | i->m);
    else
        a64_put(o, "v%d.s[%d]", i->m << 4 | i->rm4, i->h << 1 | i->l);
    return true;
}

OPERAND(elem4b)
{
    a64_put(o, "v%d.4b[%d]", i->m << 4 | i->rm4, i->h << 1 | i->l);
    return true;
}

/* ---- immediates ---- */

OPERAND(esize)
{
    a64_put(o, "%d", 8 << i->size);
    return true;
}

OPERAND(shr)
{
    a64_put(o, "%d", (16 << shift_size(i)) - (i->immh << 3 | i->immb));
    return true;
}

OPERAND(shl)
{
    a64_put(o, "%d", (i->immh << 3 | i->immb) - (8 << shift_size(i)));
    return true;
}

static unsigned imm8(const struct a64_insn *i)
{
    return (unsigned)(i->abc << 5 | i->defgh);
}

OPERAND(vimm8)
{
    a64_put(o, "%u", imm8(i));
    return true;
}

OPERAND(vimm64)
{
    uint64_t v = 0;
    for (unsigned k = 0; k < 8; k++)
        v |= imm8(i) >> k & 1 ? UINT64_C(0xff) << 8 * k : 0;
    a64_put(o, "%#016llx", (unsigned long long)v);
    return true;
}

/* VFPExpandImm: +-(16 + fraction) / 16 * 2^(-3..4) */
OPERAND(vfimm)
{
    unsigned v = imm8(i);
    int exponent = (int)((v >> 4 & 7) ^ 4) - 3;
    double x = (16 + (v & 15)) / 16.0 * (exponent < 0 ? 1.0 / (1 << -exponent) : 1 << exponent);
    a64_put(o, "%.8f", v & 0x80 ? -x : x);
    return true;
}

/* ---- addresses ---- */

static bool put_offset(struct a64_out *o, int v)
{
    a64_put(o, "%d", v);
    return v != 0;
}

OPERAND(imm7o) { return put_offset(o, i->imm7 * (4 << (i->opc & 3))); }

static bool put_register_offset(struct a64_out *o, const struct a64_insn *i, int size)
{
    put_general(o, i->option & 1, i->rm);
    if (i->option != 3)
        a64_put(o, ", %s", i->option == 2 ? "uxtw" : i->option == 6 ? "sxtw" : "sxtx");
    else if (i->s)
        a64_put(o, ", lsl");
    if (i->s)
        a64_put(o, " #%d", size);
    return true;
}

OPERAND(regoffv) { return put_register_offset(o, i, i->size); }
OPERAND(regoffq) { return put_register_offset(o, i, 4); }

/* ---- lists ---- */

static bool put_list(struct a64_out *o, int first, unsigned n, const char *arrangement)
{
    for (unsigned k = 0; k < n; k++)
        a64_put(o, "%sv%d.%s", k ? ", " : "", (first + (int)k) % 32, arrangement);
    return true;
}

OPERAND(tblist)
{
    a64_put(o, "{ ");
    put_list(o, i->rn, (unsigned)i->len + 1, "16b");
    a64_put(o, " }");
    return true;
}

static bool put_registers(struct a64_out *o, const struct a64_insn *i, unsigned n)
{
    char text[8];
    struct a64_out arrangement = {text, text + sizeof text - 1};
    put_arrangement(&arrangement, (unsigned)i->size, (unsigned)i->q);
    return put_list(o, i->rt, n, text);
}

OPERAND(list1) { return put_registers(o, i, 1); }
OPERAND(list2) { return put_registers(o, i, 2); }
OPERAND(list3) { return put_registers(o, i, 3); }
OPERAND(list4) { return put_registers(o, i, 4); }

/* LD1..4 of one lane: element size */
static unsigned single_scale(const struct a64_insn *i)
{
    return i->opc == 2 && i->size == 1 ? 3 : (unsigned)i->opc;
}

static bool put_lanes(struct a64_out *o, const struct a64_insn *i, unsigned n)
{
    const char letter[2] = {letters[single_scale(i)], 0};
    return put_list(o, i->rt, n, letter);
}

OPERAND(slist1) { return put_lanes(o, i, 1); }
OPERAND(slist2) { return put_lanes(o, i, 2); }
OPERAND(slist3) { return put_lanes(o, i, 3); }
OPERAND(slist4) { return put_lanes(o, i, 4); }

OPERAND(slane)
{
    a64_put(o, "%d", (i->q << 3 | i->s << 2 | i->size) >> single_scale(i));
    return true;
}

static bool put_step(struct a64_out *o, const struct a64_insn *i, unsigned bytes)
{
    if (i->rm != 31)
        return put_general(o, true, i->rm);
    a64_put(o, "#%u", bytes);
    return true;
}

OPERAND(post1) { return put_step(o, i, 8u << i->q); }
OPERAND(post2) { return put_step(o, i, 16u << i->q); }
OPERAND(post3) { return put_step(o, i, 24u << i->q); }
OPERAND(post4) { return put_step(o, i, 32u << i->q); }
OPERAND(spost1) { return put_step(o, i, 1u << single_scale(i)); }
OPERAND(spost2) { return put_step(o, i, 2u << single_scale(i)); }
OPERAND(spost3) { return put_step(o, i, 3u << single_scale(i)); }
OPERAND(spost4) { return put_step(o, i, 4u << single_scale(i)); }
OPERAND(rpost1) { return put_step(o, i, 1u << i->size); }
OPERAND(rpost2) { return put_step(o, i, 2u << i->size); }
OPERAND(rpost3) { return put_step(o, i, 3u << i->size); }
OPERAND(rpost4) { return put_step(o, i, 4u << i->size); }

/* ---- predicates ---- */

bool predicate_lane_ok(const struct a64_insn *i)
{
    switch (i->opc) {
    case 0: return true;
    case 1: return !(i->size & 1);
    case 2: return i->size == 0 || (i->size == 1 && !i->s);
    default: return false;
    }
}
