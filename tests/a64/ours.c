/* ours.c - runs a case through the translator: memory is the case's window, nothing else exists. */
#include "cpu/jit/translate/translate.h"
#include "ir/eval_int.h"
#include "tests/a64/case.h"
#include <stdio.h>
#include <stdlib.h>

const char *const executor_names[EXECUTORS] = {"evaluator", "optimised", "compiled"};

/* One run at a time. */
static struct {
    struct our_run run;
    uint64_t window_va;
    uint8_t *window;
    bool monitor;
    uint64_t monitor_va;
    uint64_t code_va; /* literals are read from the case's own words */
    const struct test_case *c;
    unsigned fault_at; /* this access raises, counted from 1; 0: none */
} now;

/* ---- memory ---- */
static void raise(void *state)
{
    ((struct cpu_state *)state)->raised = 1;
}

/* The bytes of an access, or NULL: it left the window or is misaligned. Atomics count as needing alignment. */
static uint8_t *at(void *state, uint64_t va, unsigned bytes, uint32_t memop)
{
    unsigned alignment = memop & IR_MEM_ALIGNED ? bytes : 1;
    if (!now.run.n_accesses++) {
        now.run.first = va;
        now.run.alignment = alignment;
    }
    uint64_t offset = va - now.window_va, code_offset = va - now.code_va;
    if (code_offset < 4 * now.c->n_words && now.run.n_accesses != now.fault_at)
        return (uint8_t *)(uintptr_t)now.c->word + code_offset;
    if (offset > WINDOW_BYTES - bytes || va % alignment || now.run.n_accesses == now.fault_at) {
        now.run.outside = true;
        raise(state);
        return NULL;
    }
    return now.window + offset;
}

static unsigned size_of(uint32_t memop)
{
    return 1u << (memop & IR_MEM_SIZE_MASK);
}

static uint64_t load(void *state, uint64_t va, uint32_t memop, uint32_t pc)
{
    uint64_t v = 0;
    const uint8_t *p = at(state, va, size_of(memop), memop);
    if (p)
        memcpy(&v, p, size_of(memop));
    return v;
}

static void store(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc)
{
    uint8_t *p = at(state, va, size_of(memop), memop);
    if (p)
        memcpy(p, &value, size_of(memop));
}

static void load128(void *state, uint64_t va, uint32_t memop, uint32_t pc, union ir_value *out)
{
    const uint8_t *p = at(state, va, size_of(memop), memop);
    out->d[0] = out->d[1] = 0;
    if (p)
        memcpy(out, p, size_of(memop));
}

static void store128(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc)
{
    uint8_t *p = at(state, va, size_of(memop), memop);
    if (p)
        memcpy(p, value, size_of(memop));
}

static uint64_t atomic(void *state, uint64_t va, uint64_t operand, uint32_t memop, uint32_t pc)
{
    unsigned bytes = size_of(memop);
    uint64_t old = 0, fresh;
    uint8_t *p = at(state, va, bytes, memop);
    if (!p)
        return 0;
    memcpy(&old, p, bytes);
    fresh = ir_rmw_result(memop, old, operand);
    memcpy(p, &fresh, bytes);
    return old;
}

static uint64_t cas(void *state, uint64_t va, uint64_t expected, uint64_t desired, uint32_t memop, uint32_t pc)
{
    unsigned bytes = size_of(memop);
    uint64_t old = 0;
    uint8_t *p = at(state, va, bytes, memop);
    if (!p)
        return 0;
    memcpy(&old, p, bytes);
    if (old == (expected & ones(8 * bytes)))
        memcpy(p, &desired, bytes);
    return old;
}

static void cas128(void *state, uint64_t va, const union ir_value *expected, const union ir_value *desired,
                   uint32_t memop, uint32_t pc, union ir_value *old)
{
    uint8_t *p = at(state, va, 16, memop);
    old->d[0] = old->d[1] = 0;
    if (!p)
        return;
    union ir_value wanted = *expected;
    memcpy(old, p, 16);
    if (!memcmp(old, &wanted, 16))
        memcpy(p, desired, 16);
}

static uint64_t load_ex(void *state, uint64_t va, uint32_t memop, uint32_t pc)
{
    now.monitor = true;
    now.monitor_va = va;
    return load(state, va, memop, pc);
}

static void load_ex128(void *state, uint64_t va, uint32_t memop, uint32_t pc, union ir_value *out)
{
    now.monitor = true;
    now.monitor_va = va;
    load128(state, va, memop, pc, out);
}

static bool monitor_lost(void *state, uint64_t va, uint32_t memop)
{
    bool kept = now.monitor && now.monitor_va == va;
    now.monitor = false;
    return !at(state, va, size_of(memop), memop) || !kept;
}

static uint64_t store_ex(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc)
{
    if (monitor_lost(state, va, memop))
        return 1;
    store(state, va, value, memop, pc);
    return 0;
}

static uint64_t store_ex128(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc)
{
    if (monitor_lost(state, va, memop))
        return 1;
    store128(state, va, value, memop, pc);
    return 0;
}

/* ---- helpers: what a user program can do ---- */
static uint64_t helper_raise(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    now.run.raised = true;
    raise(state);
    return 0;
}

static uint64_t helper_next(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    struct cpu_state *s = state;
    s->pc = s->pc_page + pc_offset + 4;
    return 0;
}

static uint64_t helper_msr(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    struct cpu_state *s = state;
    if (a != (3 << 14 | 3 << 11 | 4 << 7 | 4 << 3 | 0))
        return helper_raise(state, a, b, c, pc_offset);
    s->fpcr = (uint32_t)b;
    return helper_next(state, a, b, c, pc_offset);
}

static uint64_t helper_nothing(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    return 0;
}

static uint64_t (*const helpers[HELPER_COUNT])(void *, uint64_t, uint64_t, uint64_t, uint32_t) = {
#define HELPER(name, flags, text) [HELPER_##name] = helper_raise,
#include "cpu/jit/helpers.inc"
#undef HELPER
    [HELPER_msr] = helper_msr,   [HELPER_isb] = helper_next,    [HELPER_yield] = helper_next,
    [HELPER_wfe] = helper_next,  [HELPER_sev] = helper_nothing, [HELPER_clrex] = helper_nothing,
    [HELPER_dsb] = helper_nothing, [HELPER_set_btype] = helper_nothing,
};

const struct ir_env our_env = {
    .pc_page_offset = offsetof(struct cpu_state, pc_page),
    .pc_offset = offsetof(struct cpu_state, pc),
    .flags_offset = offsetof(struct cpu_state, flags),
    .raised_offset = offsetof(struct cpu_state, raised),
    .fpcr_offset = offsetof(struct cpu_state, fpcr),
    .fpsr_offset = offsetof(struct cpu_state, fpsr),
    .load = load, .store = store, .load128 = load128, .store128 = store128,
    .atomic = atomic, .cas = cas, .cas128 = cas128,
    .load_ex = load_ex, .load_ex128 = load_ex128, .store_ex = store_ex, .store_ex128 = store_ex128,
    .helper = helpers, .n_helpers = HELPER_COUNT,
};

/* ---- a run ---- */
static void enter(struct cpu_state *s, const struct registers *in, uint64_t pc)
{
    memset(s, 0, sizeof *s);
    memcpy(s->x, in->x, sizeof s->x);
    memcpy(s->v, in->v, sizeof s->v);
    s->sp = in->sp;
    s->flags = ir_flags_from_nzcv((uint32_t)in->nzcv);
    s->fpcr = (uint32_t)in->fpcr;
    s->fpsr = (uint32_t)in->fpsr;
    s->pc = pc;
    s->pc_page = align_down(pc, 4096);
}

static void leave(const struct cpu_state *s, struct registers *out, uint64_t fall)
{
    memcpy(out->x, s->x, sizeof s->x);
    memcpy(out->v, s->v, sizeof s->v);
    out->sp = s->sp;
    out->nzcv = ir_flags_to_nzcv(s->flags);
    out->fpcr = s->fpcr;
    out->fpsr = s->fpsr;
    out->taken = s->pc != fall;
    out->done = 1;
}

static void translate(const struct test_case *c, unsigned n, bool optimise, struct ir_block *b)
{
    uint32_t off = (uint32_t)(code_address(n) + WORDS_OFFSET) & 4095;
    char text[256];
    translate_block(b, c->word, c->n_words, off, 0, c->n_words);
    if (optimise)
        ir_optimise(b);
    if (!ir_verify(b, text, sizeof text)) {
        fprintf(stderr, "%s: invalid IR: %s\n", a64_name(c->op), text);
        ir_print(b, stderr);
        abort();
    }
}

/* Compiled code may go to memory without asking us, so the window lies in a page of its own, at its offset in there. */
struct our_run run_ours_faulting(const struct test_case *c, unsigned n, enum executor e, unsigned fault_at,
                                 struct record *out)
{
    static struct ir_block b;
    static union {
        struct cpu_state s;
        uint8_t bytes[sizeof(struct cpu_state) + COMPILED_TAIL_BYTES]; /* the tail is compiled.c's */
    } u;
    static uint8_t page[4096] __attribute__((aligned(4096)));
    uint64_t pc = code_address(n) + WORDS_OFFSET;
    memset(&now, 0, sizeof now);
    now.fault_at = fault_at;
    now.code_va = pc;
    now.c = c;
    now.window_va = window_address(n);
    now.window = page + (now.window_va & 4095);
    memcpy(now.window, c->window, WINDOW_BYTES);
    enter(&u.s, &c->in, pc);
    translate(c, n, e != EVALUATOR, &b);
    if (e == COMPILED)
        run_compiled(&u.s, &b, &our_env, align_down(now.window_va, 4096), page, n & 1 && !fault_at);
    else
        ir_eval(&b, &u.s, &our_env);
    leave(&u.s, &out->regs, pc + 4 * c->n_words);
    memcpy(out->window, now.window, WINDOW_BYTES);
    return now.run;
}

struct our_run run_ours(const struct test_case *c, unsigned n, enum executor e, struct record *out)
{
    return run_ours_faulting(c, n, e, 0, out);
}

bool executor_exists(enum executor e)
{
    return e != COMPILED || can_compile(&our_env);
}

void print_ir(const struct test_case *c, unsigned n)
{
    static struct ir_block b;
    translate(c, n, false, &b);
    ir_print(&b, stdout);
}
