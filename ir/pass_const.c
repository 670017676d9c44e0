/*
 * pass_const.c - constants folded, and small algebra.
 *
 * How it works
 *   One walk forward. An operation without effects whose operands are all constants is evaluated. Otherwise one of the
 *   rules below may turn it into something simpler, which is always one of: a constant, another value (map), or the same
 *   instruction with another op or swapped operands; nothing is ever inserted. What is left is compared with what was
 *   computed before: an equal operation on equal values, in either order where that does not matter, is the earlier one.
 */
#include "ir/eval_int.h"
#include "ir/pass.h"

static bool known(const struct ir_block *b, ir_ref r, union ir_value *v)
{
    const struct ir_insn *i = &b->insn[r];
    v->d[1] = 0;
    if (i->op == IR_CONST)
        v->u64 = i->imm;
    else if (i->op == IR_FCONST)
        v->u64 = ir_flags_from_nzcv((uint32_t)i->imm << 28);
    else
        return false;
    return true;
}

static bool const_is(const struct ir_block *b, ir_ref r, uint64_t value, uint64_t mask)
{
    return b->insn[r].op == IR_CONST && ((b->insn[r].imm ^ value) & mask) == 0;
}

/* Is the upper half of the value known to be zero? */
static bool upper_zero(const struct ir_block *b, ir_ref r)
{
    const struct ir_insn *i = &b->insn[r];
    switch (i->op) {
    case IR_CONST: return i->imm >> 32 == 0;
    case IR_UBFX: return i->imm >> 8 <= 32;
    case IR_LOAD: return !(i->imm & IR_MEM_SEXT64) && (i->imm & IR_MEM_SIZE_MASK) <= 2;
    case IR_GET32: case IR_ADD32: case IR_SUB32: case IR_ADC32: case IR_SBC32: case IR_MUL32: case IR_UDIV32: case IR_SDIV32:
    case IR_AND32: case IR_OR32: case IR_XOR32: case IR_ANDN32: case IR_NOT32: case IR_NEG32: case IR_SHL32: case IR_SHR32:
    case IR_SAR32: case IR_ROR32: case IR_EXTR32: case IR_SBFX32: case IR_ZEXT8: case IR_ZEXT16: case IR_ZEXT32: case IR_CLZ64:
    case IR_CLZ32: case IR_CLS64: case IR_CLS32: case IR_RBIT32: case IR_BSWAP32: case IR_CRC32: case IR_CRC32C: case IR_COND:
    case IR_F_TO_NZCV: case IR_STOREX: case IR_STOREX128: return true;
    case IR_ATOMIC: case IR_CAS: case IR_LOADX: return !(i->imm & IR_MEM_SEXT64) && (i->imm & IR_MEM_SIZE_MASK) <= 2;
    }
    return false;
}

static void to_const(struct ir_insn *i, uint64_t value)
{
    *i = (struct ir_insn){.op = IR_CONST, .imm = value};
}

/* The value is that of `same`. */
static void to_value(struct ir_fold *f, unsigned n, ir_ref same)
{
    f->map[n] = same;
    f->b->insn[n] = (struct ir_insn){.op = IR_NOP};
}

/* ... of its low half, zero-extended. */
static void to_low_half(struct ir_fold *f, unsigned n, ir_ref same)
{
    if (upper_zero(f->b, same))
        to_value(f, n, same);
    else
        f->b->insn[n] = (struct ir_insn){.op = IR_ZEXT32, .a = same};
}

static bool fold_known(struct ir_fold *f, struct ir_insn *i)
{
    const struct ir_op_info *info = &ir_ops[i->op];
    const ir_ref arg[3] = {i->a, i->b, i->c};
    union ir_value v[3];
    for (unsigned k = 0; k < 3; k++)
        if (!(info->arg[k] == IR_VOID ? (v[k].u64 = 0, true) : known(f->b, arg[k], &v[k])))
            return false;
    uint64_t r = ir_eval_int(i->op, i->imm, v[0].u64, v[1].u64, v[2].u64);
    if (info->result == IR_FLAGS)
        *i = (struct ir_insn){.op = IR_FCONST, .imm = ir_flags_to_nzcv((uint32_t)r) >> 28};
    else
        to_const(i, r);
    return true;
}

/* Neutral and absorbing right operands. */
static bool fold_right(struct ir_fold *f, struct ir_insn *i, unsigned n)
{
    const struct ir_block *b = f->b;
    ir_ref a = i->a, r = i->b;
    if (b->insn[r].op != IR_CONST)
        return false;
    if (b->insn[a].op == IR_PC && (i->op == IR_ADD64 || i->op == IR_SUB64)) { /* ADRP and ADD */
        uint64_t k = b->insn[r].imm;
        *i = (struct ir_insn){.op = IR_PC, .imm = b->insn[a].imm + (i->op == IR_ADD64 ? k : 0 - k)};
        return true;
    }
    switch (i->op) {
    case IR_ADD64: case IR_SUB64: case IR_XOR64: case IR_OR64: case IR_ANDN64:
    case IR_SHL64: case IR_SHR64: case IR_SAR64: case IR_ROR64:
        if (const_is(b, r, 0, ~UINT64_C(0)))
            return to_value(f, n, a), true;
        break;
    case IR_ADD32: case IR_SUB32: case IR_XOR32: case IR_OR32: case IR_ANDN32:
    case IR_SHL32: case IR_SHR32: case IR_SAR32: case IR_ROR32:
        if (const_is(b, r, 0, 0xffffffff))
            return to_low_half(f, n, a), true;
        break;
    case IR_AND64:
        if (const_is(b, r, ~UINT64_C(0), ~UINT64_C(0)))
            return to_value(f, n, a), true;
        if (const_is(b, r, 0, ~UINT64_C(0)))
            return to_const(i, 0), true;
        if (const_is(b, r, 0xffffffff, ~UINT64_C(0)))
            return to_low_half(f, n, a), true;
        break;
    case IR_AND32:
        if (const_is(b, r, 0xffffffff, 0xffffffff))
            return to_low_half(f, n, a), true;
        if (const_is(b, r, 0, 0xffffffff))
            return to_const(i, 0), true;
        break;
    case IR_MUL64:
        if (const_is(b, r, 1, ~UINT64_C(0)))
            return to_value(f, n, a), true;
        break;
    }
    return false;
}

static bool fold_same(struct ir_fold *f, struct ir_insn *i, unsigned n)
{
    if (i->a != i->b)
        return false;
    switch (i->op) {
    case IR_AND64: case IR_OR64: return to_value(f, n, i->a), true;
    case IR_AND32: case IR_OR32: return to_low_half(f, n, i->a), true;
    case IR_XOR64: case IR_XOR32: case IR_SUB64: case IR_SUB32: return to_const(i, 0), true;
    }
    return false;
}

static bool fold_extension(struct ir_fold *f, struct ir_insn *i, unsigned n)
{
    switch (i->op) {
    case IR_ZEXT32:
        if (!upper_zero(f->b, i->a))
            return false;
        to_value(f, n, i->a);
        return true;
    case IR_UBFX:
        if (i->imm == 64 << 8)
            return to_value(f, n, i->a), true;
        if (i->imm == 32 << 8)
            return to_low_half(f, n, i->a), true;
        i->op = i->imm == 8 << 8 ? IR_ZEXT8 : i->imm == 16 << 8 ? IR_ZEXT16 : IR_UBFX;
        break;
    case IR_SBFX64:
        i->op = i->imm == 8 << 8 ? IR_SEXT8 : i->imm == 16 << 8 ? IR_SEXT16 : i->imm == 32 << 8 ? IR_SEXT32 : IR_SBFX64;
        break;
    }
    if (i->op == IR_ZEXT8 || i->op == IR_ZEXT16 || i->op == IR_SEXT8 || i->op == IR_SEXT16 || i->op == IR_SEXT32)
        i->imm = 0;
    return false;
}

static bool fold_choice(struct ir_fold *f, struct ir_insn *i, unsigned n)
{
    union ir_value v;
    bool left;
    if (i->op == IR_SELNZ && known(f->b, i->a, &v))
        left = v.u64 != 0;
    else if ((i->op == IR_SELECT || i->op == IR_FSELECT) && (known(f->b, i->a, &v) || i->imm >= 14))
        left = i->imm >= 14 || ir_cond_holds((unsigned)i->imm, (uint32_t)v.u64);
    else if ((i->op == IR_SELNZ || i->op == IR_SELECT || i->op == IR_FSELECT) && i->b == i->c)
        left = true;
    else
        return false;
    to_value(f, n, left ? i->b : i->c);
    return true;
}

/* What is zero already is not made so. */
static bool fold_cut(struct ir_fold *f, const struct ir_insn *i, unsigned n)
{
    if (!ir_zero_above(f->b, i->a, i->op == IR_VZERO64 ? 3 : i->imm & 3))
        return false;
    to_value(f, n, i->a);
    return true;
}

/* Permutations undone: reversed twice; halves taken from what was put together of them. */
static bool fold_order(struct ir_fold *f, const struct ir_insn *i, unsigned n)
{
    const struct ir_insn *a = &f->b->insn[i->a], *b = &f->b->insn[i->b];
    if (i->op == IR_VREV && a->op == IR_VREV && a->imm == i->imm)
        return to_value(f, n, a->a), true;
    if (i->op == IR_VREV || i->imm != 3 || a->op != IR_VZIP1 || b->op != IR_VZIP2 || a->imm != 3 || b->imm != 3 || a->a != b->a || a->b != b->b)
        return false;
    to_value(f, n, i->op == IR_VZIP1 ? a->a : a->b);
    return true;
}

/* What one shift leaves of a vector's elements is put beside what the other does: a rotation. */
static bool fold_rotation(struct ir_fold *f, struct ir_insn *i)
{
    const struct ir_block *b = f->b;
    const struct ir_insn *left = &b->insn[i->a], *right = &b->insn[i->b];
    unsigned size, n;
    if (i->op == IR_VSLI) {
        right = left;
        size = i->imm & 3, n = (unsigned)(i->imm >> 2);
    } else {
        if (left->op != IR_VSHL)
            right = left, left = &b->insn[i->b];
        size = left->imm & 3, n = (unsigned)(left->imm >> 2);
        if (left->op != IR_VSHL || left->a != right->a || (i->op == IR_VADD && i->imm != size))
            return false;
    }
    if (right->op != IR_VSHR || right->imm != (size | (uint64_t)((8u << size) - n) << 2) || (i->op == IR_VSLI && right->a != i->b))
        return false;
    *i = (struct ir_insn){.op = IR_VROL, .a = right->a, .imm = size | (uint64_t)n << 2};
    return true;
}

static bool is_round_without_key(const struct ir_block *b, ir_ref v)
{
    unsigned op = b->insn[v].op;
    return (op == IR_VAESENC || op == IR_VAESENCL || op == IR_VAESDEC || op == IR_VAESDECL) && ir_is_zero(b, b->insn[v].b);
}

/* What is added to the result of a round of AES was its key. If the result is wanted, too, there are two rounds instead of one and a sum, but
 * they do not wait for each other. */
static bool fold_key(struct ir_fold *f, struct ir_insn *i)
{
    bool left = is_round_without_key(f->b, i->a);
    const struct ir_insn *round = &f->b->insn[left ? i->a : i->b];
    if (!left && !is_round_without_key(f->b, i->b))
        return false;
    *i = (struct ir_insn){.op = round->op, .a = round->a, .b = left ? i->b : i->a};
    return true;
}

static bool fold_zero(struct ir_fold *f, const struct ir_insn *i, unsigned n)
{
    bool left = ir_is_zero(f->b, i->a);
    if (!left && !ir_is_zero(f->b, i->b))
        return false;
    to_value(f, n, left ? i->b : i->a);
    return true;
}

static bool fold_lanes(struct ir_fold *f, struct ir_insn *i, unsigned n)
{
    switch (i->op) {
    case IR_VZERO64: case IR_VKEEP: return fold_cut(f, i, n);
    case IR_VREV: case IR_VZIP1: case IR_VZIP2: return fold_order(f, i, n);
    case IR_VXOR: return fold_zero(f, i, n) || fold_key(f, i) || fold_rotation(f, i);
    case IR_VORR: return fold_zero(f, i, n) || fold_rotation(f, i);
    default: return fold_rotation(f, i);
    }
}

/* A side exit that is known to be taken ends the block; one known not to be goes away. */
static bool fold_exit(struct ir_fold *f, struct ir_insn *i, unsigned n)
{
    union ir_value v;
    bool taken;
    if (i->op == IR_EXIT_COND && (i->b >= 14 || known(f->b, i->a, &v)))
        taken = i->b >= 14 || ir_cond_holds(i->b, (uint32_t)v.u64);
    else if ((i->op == IR_EXIT_NZ || i->op == IR_EXIT_Z) && known(f->b, i->a, &v))
        taken = (v.u64 != 0) == (i->op == IR_EXIT_NZ);
    else
        return false;
    *i = (struct ir_insn){.op = taken ? IR_EXIT_DIRECT : IR_NOP, .imm = taken ? i->imm : 0};
    if (taken)
        f->b->n = n + 1;
    return true;
}

/* Which rules an operation may meet: most operations meet none. */
enum { KNOWN = 1, RIGHT = 2, SAME = 4, EXTENSION = 8, CHOICE = 16, EXIT = 32, ONCE = 64, LANES = 128, EITHER = 256 };

#define COMMUTES(op)                                                                                                      \
    ((op) == IR_ADD64 || (op) == IR_ADD32 || (op) == IR_MUL64 || (op) == IR_MUL32 || (op) == IR_AND64 || (op) == IR_AND32 || \
     (op) == IR_OR64 || (op) == IR_OR32 || (op) == IR_XOR64 || (op) == IR_XOR32 || (op) == IR_FADD64 || (op) == IR_FADD32 || \
     (op) == IR_UMULH || (op) == IR_SMULH)
#define FOLDS(op, effects) \
    ((effects) == IR_EFF_PURE && (int)(op) < (int)IR_FIRST_VEC && (op) != IR_CONST && (op) != IR_FCONST)
#define VECTOR(op, effects) \
    ((effects) == IR_EFF_PURE && (int)(op) >= (int)IR_FIRST_VEC && (int)(op) < (int)IR_FIRST_FP && (op) != IR_VCONST)
const uint16_t ir_fold_rules[IR_OP_COUNT] = {
#define IR(name, result, a_, b_, c_, effects_)                                                                      \
    [IR_##name] = (FOLDS(IR_##name, effects_) ? KNOWN : 0) |                                                        \
                  (FOLDS(IR_##name, effects_) && (b_) == IR_I64 ? RIGHT | SAME : 0) |                               \
                  (FOLDS(IR_##name, effects_) && (b_) == IR_VOID ? EXTENSION : 0) |                                 \
                  (IR_##name == IR_SELNZ || IR_##name == IR_SELECT || IR_##name == IR_FSELECT ? CHOICE : 0) |       \
                  ((effects_) & IR_EFF_SIDE_EXIT ? EXIT : 0) |                                                      \
                  (IR_##name == IR_VZERO64 || IR_##name == IR_VKEEP || IR_##name == IR_VREV || IR_##name == IR_VZIP1 || \
                   IR_##name == IR_VZIP2 || IR_##name == IR_VSLI || IR_##name == IR_VORR || IR_##name == IR_VXOR || \
                   IR_##name == IR_VADD ? LANES : 0) |                                                              \
                  (FOLDS(IR_##name, effects_) || VECTOR(IR_##name, effects_) || IR_##name == IR_CONST || IR_##name == IR_PC ? ONCE : 0) | \
                  (COMMUTES(IR_##name) ? EITHER : 0),
#include "ir/ops.inc"
#undef IR
};

/* ---- what was computed before ---- */

static bool equal(const struct ir_insn *i, const struct ir_insn *old, bool either)
{
    bool same = (old->a == i->a && old->b == i->b) || (either && old->a == i->b && old->b == i->a);
    return same && old->op == i->op && old->c == i->c && old->imm == i->imm;
}

/* An operation without effects that is equal to an earlier one is that one. The table forgets: of those with one hash, all but the last ones. */
static ir_ref seen_before(struct ir_fold *f, const struct ir_insn *i, unsigned n)
{
    const struct ir_insn *insn = f->b->insn;
    bool either = ir_fold_rules[i->op] & EITHER;
    ir_ref a = either ? MIN(i->a, i->b) : i->a, b = either ? MAX(i->a, i->b) : i->b;
    uint64_t h = i->imm * 31 + i->op * UINT64_C(0x9e3779b97f4a7c15) + a * UINT64_C(0xbf58476d1ce4e5b9) + b * UINT64_C(0x94d049bb133111eb) + i->c;
    ir_ref *line = f->seen[(h ^ h >> 29) * UINT64_C(0xd6e8feb86659fd93) >> (64 - IR_FOLD_SEEN_BITS)];
    for (unsigned k = 0; k < IR_FOLD_SEEN_WAYS && line[k]; k++)
        if (equal(i, &insn[line[k]], either))
            return line[k];
    memmove(line + 1, line, (IR_FOLD_SEEN_WAYS - 1) * sizeof *line);
    line[0] = (ir_ref)n;
    return 0;
}

void ir_fold_begin(struct ir_fold *f, struct ir_block *b, ir_ref *map)
{
    f->b = b;
    f->map = map;
    memset(f->seen, 0, sizeof f->seen);
}

void ir_fold_visit(struct ir_fold *f, unsigned n)
{
    struct ir_block *b = f->b;
    struct ir_insn *i = &b->insn[n];
    uint16_t may = ir_fold_rules[i->op];
    if (may & EITHER && b->insn[i->a].op == IR_CONST && b->insn[i->b].op != IR_CONST) {
        ir_ref t = i->a;
        i->a = i->b, i->b = t;
    }
    if ((may & KNOWN && fold_known(f, i)) || (may & RIGHT && fold_right(f, i, n)) || (may & SAME && fold_same(f, i, n)) ||
        (may & EXTENSION && fold_extension(f, i, n)) || (may & CHOICE && fold_choice(f, i, n)) || (may & LANES && fold_lanes(f, i, n)))
        return;
    if (may & EXIT)
        fold_exit(f, i, n);
    ir_ref same = may & ONCE ? seen_before(f, i, n) : 0;
    if (same)
        to_value(f, n, same);
}
