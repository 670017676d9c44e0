/*
 * atomics.c - exclusives, compare and swap, atomic memory operations.
 *
 * All of them want alignment to the whole access (pairs: to twice the register), without FEAT_LSE2.
 */
#include "cpu/jit/translate/functions.h"

static uint64_t atomic_memop(struct tr *t, unsigned size, bool acquire, bool release)
{
    return memop(t, size, IR_MEM_ALIGNED | (acquire ? IR_MEM_ACQUIRE : 0) | (release ? IR_MEM_RELEASE : 0));
}

/* Register n cut to an access of 1 << size bytes. */
static ir_ref reg_sized(struct tr *t, unsigned n, unsigned size)
{
    switch (size) {
    case 0: return E1(ZEXT8, reg(t, n), 0);
    case 1: return E1(ZEXT16, reg(t, n), 0);
    case 2: return reg_w(t, n);
    default: return reg(t, n);
    }
}

/* Two W registers as one doubleword, two X registers as one vector: the first at the lower address. */
static ir_ref pair_of_w(struct tr *t, unsigned lo, unsigned hi)
{
    return E2(BFI, reg_w(t, lo), reg(t, hi), 32 | 32 << 8);
}

static ir_ref pair_of_x(struct tr *t, unsigned lo, unsigned hi)
{
    return E2(VFROM64X2, reg(t, lo), reg(t, hi), 0);
}

static void write_pair_of_w(struct tr *t, unsigned lo, unsigned hi, ir_ref v)
{
    write_reg(t, lo, E1(ZEXT32, v, 0));
    write_reg(t, hi, E2(SHR64, v, konst(t, 32), 0));
}

static void write_pair_of_x(struct tr *t, unsigned lo, unsigned hi, ir_ref v)
{
    ir_ref low = E1(VLANE, v, 0 << 2 | 3), high = E1(VLANE, v, 1 << 2 | 3);
    write_reg(t, lo, low);
    write_reg(t, hi, high);
}

/* ---- exclusives ---- */
static void load_exclusive(struct tr *t, const struct a64_insn *i, bool acquire)
{
    write_reg(t, i->rt, E1(LOADX, base_reg(t, i->rn), atomic_memop(t, (unsigned)i->size, acquire, false)));
}

static void store_exclusive(struct tr *t, const struct a64_insn *i, bool release)
{
    unsigned size = (unsigned)i->size;
    ir_ref v = reg_sized(t, i->rt, size);
    write_reg(t, i->rs, E2(STOREX, base_reg(t, i->rn), v, atomic_memop(t, size, false, release)));
}

static void load_exclusive_pair(struct tr *t, const struct a64_insn *i, bool acquire)
{
    ir_ref va = base_reg(t, i->rn);
    if (i->sf)
        write_pair_of_x(t, i->rt, i->rt2, E1(LOADX128, va, atomic_memop(t, 4, acquire, false)));
    else
        write_pair_of_w(t, i->rt, i->rt2, E1(LOADX, va, atomic_memop(t, 3, acquire, false)));
}

static void store_exclusive_pair(struct tr *t, const struct a64_insn *i, bool release)
{
    ir_ref va = base_reg(t, i->rn), status;
    if (i->sf)
        status = E2(STOREX128, va, pair_of_x(t, i->rt, i->rt2), atomic_memop(t, 4, false, release));
    else
        status = E2(STOREX, va, pair_of_w(t, i->rt, i->rt2), atomic_memop(t, 3, false, release));
    write_reg(t, i->rs, status);
}

#define EXCLUSIVE(row, what, ordered)                                \
    void translate_##row(struct tr *t, const struct a64_insn *i)     \
    {                                                                \
        what(t, i, ordered);                                         \
    }
EXCLUSIVE(LDXR, load_exclusive, false)
EXCLUSIVE(LDAXR, load_exclusive, true)
EXCLUSIVE(STXR, store_exclusive, false)
EXCLUSIVE(STLXR, store_exclusive, true)
EXCLUSIVE(LDXP, load_exclusive_pair, false)
EXCLUSIVE(LDAXP, load_exclusive_pair, true)
EXCLUSIVE(STXP, store_exclusive_pair, false)
EXCLUSIVE(STLXP, store_exclusive_pair, true)

/* ---- compare and swap ---- */
void translate_CAS(struct tr *t, const struct a64_insn *i)
{
    unsigned size = (unsigned)i->size;
    ir_ref va = base_reg(t, i->rn), expected = reg_sized(t, i->rs, size), desired = reg_sized(t, i->rt, size);
    write_reg(t, i->rs, E3(CAS, va, expected, desired, atomic_memop(t, size, i->a, i->r)));
}

void translate_CASP(struct tr *t, const struct a64_insn *i)
{
    unsigned s = (unsigned)i->rs, d = (unsigned)i->rt;
    ir_ref va = base_reg(t, i->rn);
    if (i->sf) {
        ir_ref expected = pair_of_x(t, s, s + 1), desired = pair_of_x(t, d, d + 1);
        write_pair_of_x(t, s, s + 1, E3(CAS128, va, expected, desired, atomic_memop(t, 4, i->a, i->r)));
    } else {
        ir_ref expected = pair_of_w(t, s, s + 1), desired = pair_of_w(t, d, d + 1);
        write_pair_of_w(t, s, s + 1, E3(CAS, va, expected, desired, atomic_memop(t, 3, i->a, i->r)));
    }
}

/* ---- atomic memory operations ---- */
static void atomic(struct tr *t, const struct a64_insn *i, enum ir_rmw rmw)
{
    unsigned size = (unsigned)i->size;
    ir_ref va = base_reg(t, i->rn), operand = reg_sized(t, i->rs, size);
    uint64_t op = atomic_memop(t, size, i->a, i->r) | (uint64_t)rmw << IR_MEM_RMW_SHIFT;
    write_reg(t, i->rt, E2(ATOMIC, va, operand, op));
}

#define ATOMIC(row, rmw)                                             \
    void translate_##row(struct tr *t, const struct a64_insn *i)     \
    {                                                                \
        atomic(t, i, IR_RMW_##rmw);                                  \
    }
ATOMIC(LDADD, ADD)
ATOMIC(LDCLR, CLR)
ATOMIC(LDEOR, EOR)
ATOMIC(LDSET, SET)
ATOMIC(LDSMAX, SMAX)
ATOMIC(LDSMIN, SMIN)
ATOMIC(LDUMAX, UMAX)
ATOMIC(LDUMIN, UMIN)
ATOMIC(SWP, SWP)
