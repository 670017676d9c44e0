/*
 * translate.c - the vocabulary of the translate functions, and the loop that turns guest code into a block.
 *
 * How it works
 *   translate_block decodes one instruction after the other and calls translate_<ROW>. The dispatch array is made from
 *   the table, so a row without its function does not link. An instruction may end the block (t->ended), or redirect
 *   where translation goes on (t->next_off: an unconditional forward branch inside the page is followed). If the IR
 *   buffer fills up, the block is made again with half as many guest instructions.
 */
#include "cpu/jit/translate/functions.h"
#include <stdatomic.h>
#include <stdio.h>

__attribute__((unused)) static void translate_todo(struct tr *t, const struct a64_insn *i)
{
    static _Atomic bool seen[A64_OP_COUNT];
    if (!atomic_exchange(&seen[i->op], true)) {
        char text[128];
        a64_print(i, 0, text, sizeof text);
        fprintf(stderr, "pome: not implemented: %s (%s, %08x): raising UNDEFINED\n", text, a64_name(i->op), i->word);
    }
    undefined(t, i);
}

static translate_fn *const dispatch[A64_OP_COUNT] = {
    [A64_UNALLOCATED] = undefined,
#define A64(name, pattern, form, feature, section, condition) [A64_##name] = translate_##name,
#define A64_TODO(name, pattern, form, feature, section, condition) [A64_##name] = translate_todo,
#include "a64/a64.inc"
#undef A64
#undef A64_TODO
};

static const uint32_t helper_flags[HELPER_COUNT] = {
#define HELPER(name, flags, text) [HELPER_##name] = (flags),
#include "cpu/jit/helpers.inc"
#undef HELPER
};

ir_ref konst(struct tr *t, uint64_t v)
{
    return ir_const(t->b, v);
}

ir_ref reg(struct tr *t, unsigned n)
{
    return n == 31 ? konst(t, 0) : E0(GET64, CPU_X(n));
}

ir_ref reg_w(struct tr *t, unsigned n)
{
    return n == 31 ? konst(t, 0) : E1(ZEXT32, E0(GET64, CPU_X(n)), 0);
}

ir_ref reg_sp(struct tr *t, unsigned n)
{
    return E0(GET64, n == 31 ? CPU_SP : CPU_X(n));
}

void write_reg(struct tr *t, unsigned n, ir_ref v)
{
    if (n != 31)
        E1(SET64, v, CPU_X(n));
}

/* Is v a multiple of 16 because SP was one, or by itself? */
static bool stays_aligned(const struct tr *t, ir_ref v)
{
    const struct ir_insn *i = &t->b->insn[v], *a = &t->b->insn[i->a];
    uint64_t k;
    if (!t->sp_is_aligned || (i->op != IR_ADD64 && i->op != IR_SUB64))
        return i->op == IR_AND64 && ir_is_const(t->b, i->b, &k) && k % 16 == 0;
    return a->op == IR_GET64 && a->imm == CPU_SP && ir_is_const(t->b, i->b, &k) && k % 16 == 0;
}

void write_reg_sp(struct tr *t, unsigned n, ir_ref v)
{
    if (n == 31)
        t->sp_is_aligned = stays_aligned(t, v);
    E1(SET64, v, n == 31 ? CPU_SP : CPU_X(n));
}

ir_ref vreg(struct tr *t, unsigned n)
{
    return E0(GETV, CPU_V(n));
}

void write_vreg(struct tr *t, unsigned n, ir_ref v)
{
    E1(SETV, v, CPU_V(n));
}

ir_ref flags(struct tr *t)
{
    return E0(GETF, CPU_FLAGS);
}

void write_flags(struct tr *t, ir_ref f)
{
    E1(SETF, f, CPU_FLAGS);
}

ir_ref tr_call(struct tr *t, enum helper h, ir_ref a, ir_ref b, ir_ref c)
{
    if (helper_flags[h] & IR_CALL_REGS)
        t->sp_is_aligned = false;
    return E3(CALL, a, b, c, (uint32_t)h | helper_flags[h]);
}

void undefined(struct tr *t, const struct a64_insn *i)
{
    tr_call(t, HELPER_undefined, konst(t, i->word), 0, 0);
    end_block(t);
}

bool fp_trapped(struct tr *t, const struct a64_insn *i)
{
    if (!(t->mode & CPU_MODE_FP_TRAP))
        return false;
    tr_call(t, HELPER_fp_trap, konst(t, i->word), 0, 0);
    end_block(t);
    return true;
}

ir_ref base_reg(struct tr *t, unsigned n)
{
    ir_ref base = reg_sp(t, n);
    if (n == 31 && t->mode & CPU_MODE_SP_ALIGN && !t->sp_is_aligned) {
        E1(RAISE_NZ, E2(AND64, base, konst(t, 15), 0), HELPER_sp_align);
        t->sp_is_aligned = true;
    }
    return base;
}

ir_ref extend(struct tr *t, ir_ref v, unsigned option)
{
    static const uint16_t ops[8] = {IR_ZEXT8, IR_ZEXT16, IR_ZEXT32, 0, IR_SEXT8, IR_SEXT16, IR_SEXT32, 0};
    return ops[option] ? ir_emit(t->b, ops[option], v, 0, 0, 0) : v;
}

ir_ref address(struct tr *t, unsigned rn, int64_t offset)
{
    ir_ref base = base_reg(t, rn);
    return offset ? E2(ADD64, base, konst(t, (uint64_t)offset), 0) : base;
}

ir_ref plus(struct tr *t, ir_ref a, int64_t offset)
{
    return offset ? E2(ADD64, a, konst(t, (uint64_t)offset), 0) : a;
}

void end_block(struct tr *t)
{
    E0(EXIT_STATE, 0);
    t->ended = true;
}

/* Bit 62 is no part of the offset: see IR_EXIT_IS_CALL. */
uint64_t exit_target(struct tr *t, int64_t offset_from_insn)
{
    return (uint64_t)((int64_t)t->page_off + offset_from_insn) & ~IR_EXIT_IS_CALL;
}

void end_direct(struct tr *t, int64_t offset_from_insn)
{
    E0(EXIT_DIRECT, exit_target(t, offset_from_insn));
    t->ended = true;
}

void end_call(struct tr *t, int64_t offset_from_insn, ir_ref return_address)
{
    E1(EXIT_DIRECT, return_address, exit_target(t, offset_from_insn) | IR_EXIT_IS_CALL);
    t->ended = true;
}

uint64_t memop(struct tr *t, unsigned log2_bytes, unsigned flags_)
{
    return log2_bytes | flags_ | (t->mode & CPU_MODE_ALIGN ? IR_MEM_ALIGNED : 0);
}

/* One attempt with at most max_insns. */
static void translate_some(struct tr *t, const uint32_t *code, unsigned n_words, uint32_t page_off, unsigned max_insns)
{
    ir_block_init(t->b, (uint16_t)page_off);
    t->ended = false;
    t->side_exits = 0;
    t->sp_is_aligned = false;
    t->next_off = page_off;
    for (unsigned n = 0; !t->ended && !t->b->full; n++) {
        uint32_t index = (t->next_off - page_off) / 4;
        if (n == max_insns || t->next_off < page_off || index >= n_words) {
            E0(EXIT_DIRECT, t->next_off);
            return;
        }
        struct a64_insn i;
        t->page_off = t->next_off;
        t->next_off += 4;
        a64_decode(code[index], &i);
        E0(INSN, t->page_off);
        t->b->n_guest++;
        dispatch[i.op](t, &i);
    }
}

void translate_block(struct ir_block *b, const uint32_t *code, unsigned n_words, uint32_t page_off, uint32_t mode,
                     unsigned max_insns)
{
    struct tr t = {.b = b, .mode = mode};
    do {
        translate_some(&t, code, n_words, page_off, max_insns);
        max_insns /= 2;
    } while (b->full && max_insns);
    assert(!b->full); /* no instruction is larger than IR_MAX_INSNS */
}
