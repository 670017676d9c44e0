/*
 * compile.c - a block of IR becomes x86-64 code (how: compile.h).
 */
#include "x64/compile.h"
#include <stdlib.h>

/* ---- backward: last uses ---- */

/* Operations nobody would miss: no effect, and the value is not used. */
static bool is_dead(const struct x64_compiler *c, unsigned n)
{
    uint16_t effects = ir_ops[c->ir->insn[n].op].effects;
    return c->value[n].last == 0 && !(effects & ~(IR_EFF_READ | IR_EFF_MARK));
}

static void touch(struct x64_compiler *c, ir_ref ref, unsigned n)
{
    struct x64_value *v = &c->value[ref];
    if (v->last < n)
        v->last = (ir_ref)n;
    v->uses++;
    v->fused = 0;
}

static bool small_shift(const struct x64_compiler *c, ir_ref ref, unsigned op)
{
    const struct ir_insn *i = &c->ir->insn[ref];
    uint64_t n;
    return i->op == op && ir_is_const(c->ir, i->b, &n) && n >= 1 && n <= 3;
}

/* A shift by 1..3 is part of sums (LEA), if nobody else wants it: several arrays with one index. */
static void take_shift(struct x64_compiler *c, const struct ir_insn *user)
{
    if ((user->op == IR_ADD64 && small_shift(c, user->b, IR_SHL64)) || (user->op == IR_ADD32 && small_shift(c, user->b, IR_SHL32)))
        c->value[user->b].takers++;
}

static bool all_take(const struct x64_value *v)
{
    return v->takers && v->takers == v->uses;
}

/* Operations whose only user does their work on the way: AND as TEST (flags.c, emit_exit.c), ZEXT32 as a 32-bit TEST, RBIT and CLZ
 * as TZCNT. Returns the operand of the user that disappears, 0: none. */
static ir_ref fusable(const struct x64_compiler *c, const struct ir_insn *user)
{
    const struct ir_insn *a = &c->ir->insn[user->a];
    bool single = c->value[user->a].uses == 1;
    uint64_t mask;
    switch (user->op) {
    case IR_FLOGIC64: return single && a->op == IR_AND64 ? user->a : 0;
    case IR_FLOGIC32: return single && a->op == IR_AND32 ? user->a : 0;
    case IR_EXIT_NZ: case IR_EXIT_Z: case IR_RAISE_NZ:
        if (!single || (a->op != IR_ZEXT32 && a->op != IR_AND64))
            return 0;
        return a->op == IR_ZEXT32 || (ir_is_const(c->ir, a->b, &mask) && (mask <= INT32_MAX || is_pow2(mask))) ? user->a : 0;
    case IR_CLZ64: return single && a->op == IR_RBIT64 && c->host->bmi1 ? user->a : 0;
    case IR_CLZ32: return single && a->op == IR_RBIT32 && c->host->bmi1 ? user->a : 0;
    }
    return 0;
}

/* Vectors that their only user makes on the way. */
static void fuse_vectors(struct x64_compiler *c, const struct ir_insn *user)
{
    const ir_ref operands[3] = {user->a, user->b, user->c};
    for (unsigned k = 0; k < 3; k++)
        if (operands[k] && c->value[operands[k]].uses == 1 && x64_vec_takes(c, user, operands[k]))
            c->value[operands[k]].fused = 1;
}

/* Does its code work with RDX, and come back? */
static bool uses_rdx(unsigned op)
{
    switch (op) {
    case IR_UMULH: case IR_SMULH: case IR_UDIV64: case IR_UDIV32: case IR_SDIV64: case IR_SDIV32: case IR_CLZ64: case IR_CLZ32:
    case IR_CLS64: case IR_CLS32: case IR_F_FROM_NZCV: case IR_F_TO_NZCV: return true;
    case IR_CRC32: return true; /* a call */
    }
    return op >= IR_FIRST_VEC || ir_ops[op].effects & (IR_EFF_RAISE | IR_EFF_CALL | IR_EFF_EXIT | IR_EFF_FP | IR_EFF_MEM);
}

static void find_last_uses(struct x64_compiler *c)
{
    const struct ir_block *b = c->ir;
    unsigned rdx_until = b->n;
    c->touches_vectors = false;
    if (c->loop.flags)
        touch(c, c->loop.flags, b->n - 1);
    for (unsigned n = b->n - 1; n >= 1; n--) {
        const struct ir_insn *i = &b->insn[n];
        if (i->op == IR_NOP || i->op == IR_INSN || is_dead(c, n))
            continue;
        if (uses_rdx(i->op))
            rdx_until = n;
        else
            c->value[n].rdx_until = (ir_ref)rdx_until;
        c->touches_vectors |= (i->op == IR_GETV) | (i->op == IR_SETV);
        if (all_take(&c->value[n]))
            c->value[n].fused = 1;
        /* operands of what is recomputed at its uses live as long as it does */
        unsigned until = x64_flags_lazy(c, (ir_ref)n) || c->value[n].fused ? MAX(c->value[n].last, n) : n;
        if (c->value[n].group)
            touch(c, x64_group_of(c, n)->base, n);
        else if (i->a)
            touch(c, i->a, until);
        if (i->b && i->op != IR_EXIT_COND)
            touch(c, i->b, until);
        if (i->c)
            touch(c, i->c, until);
        if (i->op == IR_SETF && (c->value[n].offset = (int32_t)x64_flags_later(c, n)))
            touch(c, i->a, (unsigned)c->value[n].offset);
        if ((i->op == IR_SET64 && x64_pin(c, i->imm) != NO_REG) || (i->op == IR_SETV && x64_pin_v(c, i->imm) != NO_REG))
            x64_pin_target(c, n);
        take_shift(c, i);
        ir_ref vanishes = fusable(c, i);
        if (vanishes)
            c->value[vanishes].fused = 1;
        if (i->op >= IR_FIRST_VEC && i->op < IR_FIRST_FP)
            fuse_vectors(c, i);
    }
}

/* ---- forward ---- */

struct x64_cold *x64_cold_add(struct x64_compiler *c, void (*emit)(struct x64_compiler *, const struct x64_cold *))
{
    assert(c->n_cold < c->max_cold);
    struct x64_cold *k = &c->cold[c->n_cold++];
    *k = (struct x64_cold){.emit = emit, .pc_off = c->pc_off, .n = (ir_ref)c->n};
    x64_flags_remember(c, k);
    return k;
}

/* Whose operation it is, by the first column that fits. A table, since every branch here is taken once an operation and seldom the
 * way it was taken before. */
#define EMITTER(effects)                                                                    \
    ((effects) & (IR_EFF_EXIT | IR_EFF_SIDE_EXIT)             ? x64_emit_exit              \
     : (effects) & IR_EFF_MEM                                 ? x64_emit_mem               \
     : (effects) & (IR_EFF_READ | IR_EFF_WRITE | IR_EFF_CALL) ? x64_emit_state             \
                                                              : x64_emit_int)
static bool (*const emitters[IR_OP_COUNT])(struct x64_compiler *c) = {
#define IR(name, result, a, b, c, effects)                                                  \
    [IR_##name] = (int)IR_##name >= (int)IR_FIRST_FP ? x64_emit_fp : (int)IR_##name >= (int)IR_FIRST_VEC ? x64_emit_vec : EMITTER(effects),
#include "ir/ops.inc"
#undef IR
};

static bool emit(struct x64_compiler *c)
{
    const struct ir_insn *i = x64_insn(c);
    uint16_t effects = ir_ops[i->op].effects;
    if (c->value[c->n].fused) { /* its user does it */
        c->cc_kept = true;
        return true;
    }
    if (effects & IR_EFF_FP)
        x64_home_lost(c, c->config->env.fpsr_offset, 4, 0); /* it changes what an earlier GET may count on */
    return emitters[i->op](c);
}

/* Room for the worst operation, and for the cold code that waits. */
static bool has_room(const struct x64_compiler *c)
{
    size_t at = (size_t)(c->a.p - c->code->rw);
    return at + 2 * X64_OP_BYTES + (size_t)c->n_cold * 192 < c->code->size && c->code->n_patches < c->code->max_patches;
}

static void vectors_absent(struct x64_compiler *c, const struct x64_cold *k)
{
    x64_call_stub(c, STUB_GET_V, false);
    jmp_near(&c->a, k->back);
}

/* The pinned vector registers (regs.c) are loaded from here on. */
static void get_vectors(struct x64_compiler *c)
{
    if (!c->code->pins.v_hosts || !c->touches_vectors)
        return;
    alu_mi(&c->a, ALU_CMP, false, x64_frame(c, FRAME_V_HERE), 0);
    jcc_near(&c->a, CC_E, c->a.p + 6);
    struct x64_cold *k = x64_cold_add(c, vectors_absent);
    k->from = k->back = c->a.p;
}

static bool emit_all(struct x64_compiler *c)
{
    get_vectors(c);
    if (c->loop.on)
        x64_loop_begin(c);
    for (c->n = 1; c->n < c->ir->n; c->n++) {
        unsigned op = c->ir->insn[c->n].op;
        if (op == IR_NOP)
            continue;
        if (op == IR_INSN) {
            c->pc_off = (uint32_t)c->ir->insn[c->n].imm;
            continue;
        }
        if (is_dead(c, c->n))
            continue; /* its operands do not know it */
        if (!has_room(c) || c->failed)
            return false;
        uint8_t *start = c->a.p;
        c->cc_kept = false;
        if (!emit(c))
            x64_emit_pure_call(c);
        if (!c->cc_kept)
            x64_flags_lost(c);
        x64_op_end(c);
        assert(c->a.p - start <= X64_OP_BYTES);
    }
    for (unsigned i = 0; i < c->n_cold; i++) {
        const struct x64_cold *k = &c->cold[i];
        if (!has_room(c))
            return false;
        if (k->from)
            le32_put(k->from - 4, (uint32_t)(c->a.p - k->from));
        x64_traps_land(c, k);
        c->pc_off = k->pc_off;
        c->later = 0;
        k->emit(c, k);
    }
    return !c->failed;
}

/* POME_RANDOM_SEED: registers are chosen at random, the same way for the same seed. */
static uint64_t random_seed(void)
{
    const char *seed = getenv("POME_RANDOM_SEED");
    return seed ? strtoull(seed, NULL, 0) * 0x9e3779b97f4a7c15 + 1 : 0;
}

bool x64_compile(struct x64_code *code, const struct x64_config *config, const struct ir_block *ir, struct x64_block *out)
{
    struct x64_compiler *c = code->compiler;
    if (!c->host) {
        c->host = x64_host();
        c->random = random_seed();
    }
    size_t patches_before = code->n_patches, traps_before = code->n_traps;
    c->code = code;
    c->config = config;
    c->ir = ir;
    c->out = out;
    c->pc_off = ir->page_offset;
    c->cc = c->later = 0;
    c->failed = false;
    c->n_cold = 0;
    c->pins = code->pins;
    for (unsigned n = 0; n < ir->n; n++)
        c->value[n] = (struct x64_value){.reg = NO_REG, .target = NO_REG};
    x64_loop_plan(c);
    x64_groups_find(c);
    x64_loop_groups(c);
    x64_regs_init(c);
    find_last_uses(c);
    size_t start = align_up(code->used, 16);
    out->entry = code->rx + start;
    out->n_links = 0;
    c->a = (struct x64_asm){.p = code->rw + start, .base = code->rw, .start = code->rw + start, .refs = c->refs};
    x64_code_populate(code, start + 4096);
    if (start + 4 * X64_OP_BYTES > code->size || !emit_all(c)) {
        code->n_patches = patches_before;
        code->n_traps = traps_before;
        return false;
    }
    code->used = (size_t)(c->a.p - code->rw);
    out->bytes = (uint32_t)(code->used - start);
    return true;
}
