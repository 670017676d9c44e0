/*
 * load_store.c - loads and stores of general registers.
 *
 * Registers, the written-back base among them, are SET after the last access: an access that faults leaves the
 * instruction undone.
 */
#include "cpu/jit/translate/functions.h"

static ir_ref load(struct tr *t, ir_ref va, unsigned size, unsigned flags_)
{
    return E1(LOAD, va, memop(t, size, flags_));
}

/* The three kinds of single accesses; `flags_` beside size and sign. */
static void str(struct tr *t, const struct a64_insn *i, ir_ref va, unsigned flags_)
{
    E2(STORE, va, reg(t, i->rt), memop(t, (unsigned)i->size, flags_));
}

static void ldr(struct tr *t, const struct a64_insn *i, ir_ref va, unsigned flags_)
{
    write_reg(t, i->rt, load(t, va, (unsigned)i->size, flags_));
}

static void ldrs(struct tr *t, const struct a64_insn *i, ir_ref va, unsigned flags_)
{
    ldr(t, i, va, flags_ | (i->wf ? IR_MEM_SEXT32 : IR_MEM_SEXT64));
}

typedef void access_fn(struct tr *t, const struct a64_insn *i, ir_ref va, unsigned flags_);

/* ---- addressing modes ---- */
static void unscaled(struct tr *t, const struct a64_insn *i, access_fn *access)
{
    access(t, i, address(t, i->rn, i->imm9), 0);
}

static void unsigned_imm(struct tr *t, const struct a64_insn *i, access_fn *access)
{
    access(t, i, address(t, i->rn, (int64_t)i->imm12 << i->size), 0);
}

static void post_index(struct tr *t, const struct a64_insn *i, access_fn *access)
{
    ir_ref base = base_reg(t, i->rn);
    access(t, i, base, 0);
    write_reg_sp(t, i->rn, plus(t, base, i->imm9));
}

static void pre_index(struct tr *t, const struct a64_insn *i, access_fn *access)
{
    ir_ref va = address(t, i->rn, i->imm9);
    access(t, i, va, 0);
    write_reg_sp(t, i->rn, va);
}

static void unprivileged(struct tr *t, const struct a64_insn *i, access_fn *access)
{
    access(t, i, address(t, i->rn, i->imm9), t->mode & CPU_MODE_EL1 ? IR_MEM_UNPRIV : 0);
}

static void register_offset(struct tr *t, const struct a64_insn *i, access_fn *access)
{
    ir_ref base = base_reg(t, i->rn), offset = extend(t, reg(t, i->rm), (unsigned)i->option);
    if (i->s && i->size)
        offset = E2(SHL64, offset, konst(t, (uint64_t)i->size), 0);
    access(t, i, E2(ADD64, base, offset, 0), 0);
}

#define ACCESS(row, mode, access)                                    \
    void translate_##row(struct tr *t, const struct a64_insn *i)     \
    {                                                                \
        mode(t, i, access);                                          \
    }
ACCESS(STUR,  unscaled, str)
ACCESS(LDUR,  unscaled, ldr)
ACCESS(LDURS, unscaled, ldrs)
ACCESS(STR_post,  post_index, str)
ACCESS(LDR_post,  post_index, ldr)
ACCESS(LDRS_post, post_index, ldrs)
ACCESS(STR_pre,  pre_index, str)
ACCESS(LDR_pre,  pre_index, ldr)
ACCESS(LDRS_pre, pre_index, ldrs)
ACCESS(STTR,  unprivileged, str)
ACCESS(LDTR,  unprivileged, ldr)
ACCESS(LDTRS, unprivileged, ldrs)
ACCESS(STR_reg,  register_offset, str)
ACCESS(LDR_reg,  register_offset, ldr)
ACCESS(LDRS_reg, register_offset, ldrs)
ACCESS(STR_imm,  unsigned_imm, str)
ACCESS(LDR_imm,  unsigned_imm, ldr)
ACCESS(LDRS_imm, unsigned_imm, ldrs)

/* ---- literal ---- */
static ir_ref literal(struct tr *t, const struct a64_insn *i)
{
    return E0(PC, (uint64_t)((int64_t)t->page_off + (int64_t)i->imm19 * 4));
}

void translate_LDR_lit(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rt, load(t, literal(t, i), 2 + (unsigned)i->sf, 0));
}

void translate_LDRSW_lit(struct tr *t, const struct a64_insn *i)
{
    write_reg(t, i->rt, load(t, literal(t, i), 2, IR_MEM_SEXT64));
}

/* ---- prefetch: nothing ---- */
#define PREFETCH(row)                                             \
    void translate_##row(struct tr *t, const struct a64_insn *i) \
    {                                                             \
    }
PREFETCH(PRFM_lit)
PREFETCH(PRFM_imm)
PREFETCH(PRFM_reg)
PREFETCH(PRFUM)

/* ---- pairs ---- */
static void stp(struct tr *t, const struct a64_insn *i, ir_ref va)
{
    unsigned size = 2 + (unsigned)i->sf;
    E2(STORE, va, reg(t, i->rt), memop(t, size, 0));
    E2(STORE, plus(t, va, 1 << size), reg(t, i->rt2), memop(t, size, 0));
}

static void load_pair(struct tr *t, const struct a64_insn *i, ir_ref va, unsigned size, unsigned flags_)
{
    ir_ref first = load(t, va, size, flags_);
    ir_ref second = load(t, plus(t, va, 1 << size), size, flags_);
    write_reg(t, i->rt, first);
    write_reg(t, i->rt2, second);
}

static void ldp(struct tr *t, const struct a64_insn *i, ir_ref va)
{
    load_pair(t, i, va, 2 + (unsigned)i->sf, 0);
}

static void ldpsw(struct tr *t, const struct a64_insn *i, ir_ref va)
{
    load_pair(t, i, va, 2, IR_MEM_SEXT64);
}

static int64_t pair_offset(const struct a64_insn *i)
{
    return (int64_t)i->imm7 * (i->sf ? 8 : 4);
}

#define PAIR(row, access)                                             \
    void translate_##row(struct tr *t, const struct a64_insn *i)      \
    {                                                                 \
        access(t, i, address(t, i->rn, pair_offset(i)));              \
    }
#define PAIR_POST(row, access)                                        \
    void translate_##row(struct tr *t, const struct a64_insn *i)      \
    {                                                                 \
        ir_ref base = base_reg(t, i->rn);                             \
        access(t, i, base);                                           \
        write_reg_sp(t, i->rn, plus(t, base, pair_offset(i)));        \
    }
#define PAIR_PRE(row, access)                                         \
    void translate_##row(struct tr *t, const struct a64_insn *i)      \
    {                                                                 \
        ir_ref va = address(t, i->rn, pair_offset(i));                \
        access(t, i, va);                                             \
        write_reg_sp(t, i->rn, va);                                   \
    }
PAIR(STNP, stp)
PAIR(LDNP, ldp)
PAIR(STP, stp)
PAIR(LDP, ldp)
PAIR(LDPSW, ldpsw)
PAIR_POST(STP_post, stp)
PAIR_POST(LDP_post, ldp)
PAIR_POST(LDPSW_post, ldpsw)
PAIR_PRE(STP_pre, stp)
PAIR_PRE(LDP_pre, ldp)
PAIR_PRE(LDPSW_pre, ldpsw)

/* ---- with pointer authentication: key DA or DB by M, modifier 0 ---- */
static ir_ref authenticated_address(struct tr *t, const struct a64_insn *i)
{
    int64_t offset = sext((uint64_t)i->s << 9 | ((uint64_t)i->imm9 & 511), 10) * 8;
    ir_ref base = tr_call(t, HELPER_aut_use, base_reg(t, i->rn), konst(t, 0), konst(t, 2 + (uint64_t)i->m));
    return plus(t, base, offset);
}

void translate_LDRA(struct tr *t, const struct a64_insn *i)
{
    if (t->mode & CPU_MODE_PAUTH)
        write_reg(t, i->rt, load(t, authenticated_address(t, i), 3, 0));
    else
        undefined(t, i);
}

void translate_LDRA_pre(struct tr *t, const struct a64_insn *i)
{
    if (!(t->mode & CPU_MODE_PAUTH)) {
        undefined(t, i);
        return;
    }
    ir_ref va = authenticated_address(t, i);
    write_reg(t, i->rt, load(t, va, 3, 0));
    write_reg_sp(t, i->rn, va);
}

/* ---- ordered ---- */
static void load_acquire(struct tr *t, const struct a64_insn *i, int64_t offset)
{
    ldr(t, i, address(t, i->rn, offset), IR_MEM_ACQUIRE | IR_MEM_ALIGNED);
}

static void store_release(struct tr *t, const struct a64_insn *i, int64_t offset)
{
    str(t, i, address(t, i->rn, offset), IR_MEM_RELEASE | IR_MEM_ALIGNED);
}

void translate_LDAR(struct tr *t, const struct a64_insn *i)
{
    load_acquire(t, i, 0);
}

void translate_LDLAR(struct tr *t, const struct a64_insn *i)
{
    load_acquire(t, i, 0);
}

void translate_LDAPR(struct tr *t, const struct a64_insn *i)
{
    load_acquire(t, i, 0);
}

void translate_STLR(struct tr *t, const struct a64_insn *i)
{
    store_release(t, i, 0);
}

void translate_STLLR(struct tr *t, const struct a64_insn *i)
{
    store_release(t, i, 0);
}

void translate_LDAPUR(struct tr *t, const struct a64_insn *i)
{
    load_acquire(t, i, i->imm9);
}

void translate_LDAPURS(struct tr *t, const struct a64_insn *i)
{
    ldrs(t, i, address(t, i->rn, i->imm9), IR_MEM_ACQUIRE | IR_MEM_ALIGNED);
}

void translate_STLUR(struct tr *t, const struct a64_insn *i)
{
    store_release(t, i, i->imm9);
}
