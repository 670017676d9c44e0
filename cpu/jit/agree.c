/*
 * agree.c - guest code run three ways: evaluator, evaluator on optimised IR, host code. All must do the same.
 *
 * Memory is 64 KiB repeated through the whole address space, some pages raise; helpers are functions of their operands. So
 * whatever the code does has one right result, which the evaluator on unoptimised IR gives. Loops run as in a vCPU, block by
 * block, and those that are one as a loop, with TLB lines for the pages they ask for.
 */
#include "cpu/jit/agree.h"
#include "cpu/jit/translate/translate.h"
#include "ir/eval_int.h"
#include "x64/x64.h"
#include <stdio.h>
#include <stdlib.h>

enum { MEMORY_BYTES = 1 << 16, TLB_BITS = 2 };

/* The state and what x64 wants behind it. */
struct guest {
    struct cpu_state s;
    struct x64_tlb_entry *tlb[2];
    uint64_t monitor;
    uint8_t frame[X64_FRAME_BYTES] __attribute__((aligned(16)));
    uint8_t memory[MEMORY_BYTES + 16];
};

static struct ir_block plain, optimised;
static struct {
    struct x64_jump_entry jump[X64_JUMP_LINES];
    struct x64_tlb_entry tlb[1 << TLB_BITS];
} tables;

/* ---- the outside ---- */
static bool raises(uint64_t va)
{
    return (va >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 60 == 3;
}

static uint8_t *at(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset)
{
    struct guest *g = state;
    unsigned bytes = 1u << (memop & IR_MEM_SIZE_MASK);
    if (raises(va) || raises(va + bytes - 1) || (memop & IR_MEM_ALIGNED && va % bytes)) {
        g->s.raised = 1;
        g->s.pc = g->s.pc_page + pc_offset;
        return NULL;
    }
    return g->memory + va % MEMORY_BYTES;
}

static uint64_t load(void *state, uint64_t va, uint32_t memop, uint32_t pc)
{
    uint64_t v = 0;
    const uint8_t *p = at(state, va, memop, pc);
    if (p)
        memcpy(&v, p, 1u << (memop & IR_MEM_SIZE_MASK));
    return v;
}

static void store(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc)
{
    uint8_t *p = at(state, va, memop, pc);
    if (p)
        memcpy(p, &value, 1u << (memop & IR_MEM_SIZE_MASK));
}

static void load128(void *state, uint64_t va, uint32_t memop, uint32_t pc, union ir_value *out)
{
    const uint8_t *p = at(state, va, memop, pc);
    out->d[0] = out->d[1] = 0;
    if (p)
        memcpy(out, p, 1u << (memop & IR_MEM_SIZE_MASK));
}

static void store128(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc)
{
    uint8_t *p = at(state, va, memop, pc);
    if (p)
        memcpy(p, value, 1u << (memop & IR_MEM_SIZE_MASK));
}

static uint64_t atomic(void *state, uint64_t va, uint64_t operand, uint32_t memop, uint32_t pc)
{
    uint64_t old = load(state, va, memop, pc);
    if (!((struct guest *)state)->s.raised)
        store(state, va, ir_rmw_result(memop, old, operand), memop, pc);
    return old;
}

static uint64_t cas(void *state, uint64_t va, uint64_t expected, uint64_t desired, uint32_t memop, uint32_t pc)
{
    uint64_t old = load(state, va, memop, pc);
    if (!((struct guest *)state)->s.raised && old == expected)
        store(state, va, desired, memop, pc);
    return old;
}

static void cas128(void *state, uint64_t va, const union ir_value *expected, const union ir_value *desired, uint32_t memop,
                   uint32_t pc, union ir_value *old)
{
    union ir_value found;
    load128(state, va, memop, pc, &found);
    if (!((struct guest *)state)->s.raised && found.d[0] == expected->d[0] && found.d[1] == expected->d[1])
        store128(state, va, desired, memop, pc);
    *old = found;
}

static uint64_t load_ex(void *state, uint64_t va, uint32_t memop, uint32_t pc)
{
    ((struct guest *)state)->monitor = va;
    return load(state, va, memop, pc);
}

static void load_ex128(void *state, uint64_t va, uint32_t memop, uint32_t pc, union ir_value *out)
{
    ((struct guest *)state)->monitor = va;
    load128(state, va, memop, pc, out);
}

static uint64_t store_ex(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc)
{
    bool lost = ((struct guest *)state)->monitor != va;
    if (!lost)
        store(state, va, value, memop, pc);
    return lost;
}

static uint64_t store_ex128(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc)
{
    bool lost = ((struct guest *)state)->monitor != va;
    if (!lost)
        store128(state, va, value, memop, pc);
    return lost;
}

/* ---- helpers ---- */
static uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
    return (a * 31 + b) * UINT64_C(0x9e3779b97f4a7c15) ^ c;
}

static uint64_t helper_quiet(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    struct guest *g = state;
    g->s.pc = g->s.pc_page + pc_offset + 4;
    return mix(a, b, c);
}

static uint64_t helper_raising(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    struct guest *g = state;
    g->s.pc = g->s.pc_page + pc_offset + 4;
    g->s.raised = mix(a, b, c) >> 61 == 1;
    return mix(a, b, c);
}

/* May change every register, and does. */
static uint64_t helper_regs(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    struct guest *g = state;
    g->s.x[mix(a, b, c) % 31] ^= a;
    g->s.v[mix(b, c, a) % 32].d[1] += b;
    g->s.flags = ir_flags_from_nzcv((uint32_t)mix(a, c, b) & 0xf0000000);
    return helper_quiet(state, a, b, c, pc_offset);
}

static uint64_t helper_regs_raising(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)
{
    helper_regs(state, a, b, c, pc_offset);
    return helper_raising(state, a, b, c, pc_offset);
}

static uint64_t (*const helpers[HELPER_COUNT])(void *, uint64_t, uint64_t, uint64_t, uint32_t) = {
#define HELPER(name, flags, text)                                                                                    \
    [HELPER_##name] = (flags) & IR_CALL_REGS ? ((flags) & IR_CALL_RAISES ? helper_regs_raising : helper_regs)       \
                                             : ((flags) & IR_CALL_RAISES ? helper_raising : helper_quiet),
#include "cpu/jit/helpers.inc"
#undef HELPER
};

static void prepare(void *state, uint64_t va, uint32_t memop, uint32_t pc)
{
    struct guest *g = state;
    uint64_t page = va & ~UINT64_C(4095);
    (void)pc;
    if (raises(va) || g->monitor == page)
        return; /* one page is a device, so to speak */
    struct x64_tlb_entry *line = &tables.tlb[va >> 12 & ones(TLB_BITS)];
    *line = (struct x64_tlb_entry){.tag_read = page, .tag_write = memop & IR_MEM_PREPARE_WRITE ? page : x64_tlb_empty(va >> 12 & ones(TLB_BITS), TLB_BITS),
                                   .addend = (uint64_t)(uintptr_t)(g->memory + page % MEMORY_BYTES) - page};
}

static const struct ir_env env = {
    .pc_page_offset = offsetof(struct cpu_state, pc_page), .pc_offset = offsetof(struct cpu_state, pc),
    .flags_offset = offsetof(struct cpu_state, flags), .raised_offset = offsetof(struct cpu_state, raised),
    .fpcr_offset = offsetof(struct cpu_state, fpcr), .fpsr_offset = offsetof(struct cpu_state, fpsr),
    .load = load, .store = store, .load128 = load128, .store128 = store128, .atomic = atomic, .cas = cas, .cas128 = cas128,
    .load_ex = load_ex, .load_ex128 = load_ex128, .store_ex = store_ex, .store_ex128 = store_ex128,
    .prepare = prepare, .helper = helpers, .n_helpers = HELPER_COUNT,
};

/* ---- executors ---- */
static struct x64_config config = { /* .env is set in compiler(): clang wants constants here */
    .state_bias = CPU_STATE_BIAS, .pin = {CPU_X(0), CPU_X(1), CPU_X(2), CPU_X(3), CPU_SP, CPU_X(30)}, .n_pins = 6,
    .frame_offset = offsetof(struct guest, frame), .pending_offset = offsetof(struct cpu_state, pending),
    .tlb_offset = {offsetof(struct guest, tlb[0]), offsetof(struct guest, tlb[1])}, .tlb_bits = TLB_BITS,
};

static void clear_tlb(void)
{
    for (unsigned k = 0; k < ARRAY_SIZE(tables.tlb); k++)
        tables.tlb[k] = (struct x64_tlb_entry){.tag_read = x64_tlb_empty(k, TLB_BITS), .tag_write = x64_tlb_empty(k, TLB_BITS)};
}

static struct x64_code *compiler(void)
{
    static struct x64_code *code;
    if (code)
        return code;
    struct pome_error err;
    config.env = env;
    if (!x64_host_supported(&err) || !(code = x64_code_create(4 * MiB, &err)) || !x64_code_prepare(code, &config, &err))
        return NULL;
    for (unsigned k = 0; k < ARRAY_SIZE(tables.jump); k++)
        tables.jump[k] = (struct x64_jump_entry){.va = x64_jump_empty(k)};
    return code;
}

/* Was the block left for one without shared look-ups? */
static bool left_alone(const struct x64_block *b, enum x64_exit how, uint32_t link)
{
    for (unsigned i = 0; how == X64_EXIT_PC && link && i < b->n_links; i++)
        if (b->link[i].patch == link)
            return b->link[i].alone;
    return false;
}

/* alone: without shared look-ups; then whether the rest is to be done so. */
static bool run_optimised(struct guest *g, uint32_t mode, enum x64_exit *how, bool *alone)
{
    struct x64_code *code = compiler();
    struct x64_block out;
    uint32_t link;
    if (!code)
        return false;
    config.loop = mode & CPU_MODE_LOOP;
    config.align_check = mode & CPU_MODE_ALIGN;
    config.share = !*alone;
    if (!x64_compile(code, &config, &optimised, &out)) {
        x64_code_reset(code);
        if (!x64_compile(code, &config, &optimised, &out))
            return false;
    }
    g->tlb[0] = g->tlb[1] = tables.tlb;
    *how = x64_run(code, g, out.entry, &link);
    *alone = left_alone(&out, *how, link);
    return true;
}

/* The block in `optimised`, and what it left to be done without shared look-ups. */
static bool run_compiled(struct guest *g, const struct agree_code *code)
{
    enum x64_exit how;
    bool alone = false;
    clear_tlb(); /* one input, one result, whatever ran before */
    if (!run_optimised(g, code->mode, &how, &alone))
        return false;
    if (alone) {
        uint32_t off = (uint32_t)(g->s.pc & 4095), at_word = (off - code->page_offset) / 4;
        translate_block(&optimised, code->words + at_word, code->n - at_word, off, code->mode, code->n);
        ir_optimise(&optimised);
        return run_optimised(g, code->mode, &how, &alone) && !alone;
    }
    return true;
}

static void fill(struct guest *g, uint64_t seed, uint32_t page_off)
{
    uint64_t v = seed | 1;
    memset(g, 0, sizeof *g);
    for (size_t k = 0; k + 8 <= offsetof(struct cpu_state, pc); k += 8) {
        v = mix(v, k, v >> 7);
        uint64_t shorter = v >> (v & 1 ? v >> 58 : 0);
        memcpy((uint8_t *)&g->s + k, &shorter, 8);
    }
    for (unsigned k = 0; k < 64; k++)
        g->s.v[k / 2].d[k & 1] = v = mix(v, k, v >> 9);
    for (unsigned k = 0; k < MEMORY_BYTES; k += 8)
        le64_put(g->memory + k, v = mix(v, k, v >> 11));
    g->s.flags = ir_flags_from_nzcv((uint32_t)v & 0xf0000000);
    g->s.fpcr = v & 1 ? (uint32_t)(v >> 1) & 0x07c80000 : 0;
    g->s.pc_page = UINT64_C(0xffff800010000000);
    g->s.pc = g->s.pc_page + page_off;
}

static bool valid(const struct ir_block *b, const char *when, char *why, size_t size)
{
    char text[200];
    if (ir_verify(b, text, sizeof text))
        return true;
    snprintf(why, size, "%s: %s", when, text);
    return false;
}

/* Everything but where x64 moved pc_page to, and bits of the flags word that mean nothing. */
static bool same(struct guest *a, struct guest *b, const char *which, char *why, size_t size)
{
    b->s.pc_page = a->s.pc_page;
    a->s.flags = ir_flags_from_nzcv(ir_flags_to_nzcv(a->s.flags));
    b->s.flags = ir_flags_from_nzcv(ir_flags_to_nzcv(b->s.flags));
    if (!memcmp(&a->s, &b->s, offsetof(struct guest, tlb)) && !memcmp(a->memory, b->memory, sizeof a->memory))
        return true;
    int n = snprintf(why, size, "%s code differs from the evaluator:", which);
    for (size_t k = 0; k < sizeof a->s && n >= 0 && (size_t)n < size; k += 8)
        if (memcmp((const uint8_t *)&a->s + k, (const uint8_t *)&b->s + k, 8))
            n += snprintf(why + n, size - (size_t)n, " state + %#zx: %016llx, not %016llx;", k,
                          (unsigned long long)le64_get((const uint8_t *)&b->s + k),
                          (unsigned long long)le64_get((const uint8_t *)&a->s + k));
    return false;
}

bool engine_agrees(const struct agree_code *code, char *why, size_t size)
{
    static struct guest first, second;
    translate_block(&plain, code->words, code->n, code->page_offset, code->mode, code->n);
    if (!valid(&plain, "translated", why, size))
        return false;
    optimised = plain;
    ir_optimise(&optimised);
    if (!valid(&optimised, "optimised", why, size))
        return false;
    fill(&first, code->seed, code->page_offset);
    ir_eval(&plain, &first, &env);
    fill(&second, code->seed, code->page_offset);
    ir_eval(&optimised, &second, &env);
    if (!same(&first, &second, "optimised", why, size))
        return false;
    fill(&second, code->seed, code->page_offset);
    return !run_compiled(&second, code) || same(&first, &second, "compiled", why, size);
}

/* ---- loops ---- */

enum { MOST_BLOCKS = 2000 };

/* One block at pc; false: it raised, or (compiled) there is no compiler. turned: the block before was the same; alone: it was left so. */
static bool step(struct guest *g, const struct agree_code *code, bool compiled, bool turned, bool *alone)
{
    uint32_t off = (uint32_t)(g->s.pc & 4095), at_word = (off - code->page_offset) / 4;
    enum x64_exit how = X64_EXIT_PC;
    translate_block(&plain, code->words + at_word, code->n - at_word, off, code->mode, code->n);
    if (!compiled)
        return ir_eval(&plain, g, &env) == IR_LEFT_PC;
    optimised = plain;
    bool loop = turned && !*alone && ir_loop_cut(&optimised);
    if (!loop)
        optimised = plain;
    ir_optimise(&optimised);
    bool run = run_optimised(g, code->mode | (loop ? CPU_MODE_LOOP : 0), &how, alone);
    g->s.pending = 0;
    return run && how != X64_EXIT_STATE;
}

/* Until pc is elsewhere. */
static void run_blocks(struct guest *g, const struct agree_code *code, bool compiled)
{
    uint64_t begin = g->s.pc_page + code->page_offset;
    uint64_t last = 0;
    bool alone = false;
    for (unsigned n = 0; n < MOST_BLOCKS && g->s.pc - begin < 4 * code->n; n++) {
        uint64_t pc = g->s.pc;
        if (!step(g, code, compiled, pc == last, &alone))
            return;
        last = pc;
    }
}

bool engine_loop_agrees(const struct agree_code *code, unsigned counter, unsigned turns, char *why, size_t size)
{
    static struct guest guest[2];
    if (!compiler())
        return true;
    clear_tlb();
    for (unsigned k = 0; k < 2; k++) {
        struct guest *g = &guest[k];
        fill(g, code->seed, code->page_offset);
        g->s.x[counter] = turns;
        g->s.pending = k && code->seed % 4 == 0;
        g->monitor = code->seed << 12;
        run_blocks(g, code, k);
    }
    guest[0].s.raised = guest[1].s.raised = 0;
    return same(&guest[0], &guest[1], "compiled", why, size);
}

void engine_run(const uint32_t *words, unsigned n, struct cpu_state *s)
{
    static struct guest g;
    translate_block(&plain, words, n, 0, CPU_MODE_EL1, n);
    optimised = plain;
    ir_optimise(&optimised);
    fill(&g, 0, 0);
    g.s = *s;
    if (!run_compiled(&g, &(struct agree_code){words, n, 0, CPU_MODE_EL1, 0}))
        ir_eval(&plain, &g, &env);
    *s = g.s;
}

void engine_print(FILE *to)
{
    ir_print(&plain, to);
    ir_print(&optimised, to);
}
