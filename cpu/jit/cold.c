/*
 * cold.c - code that comes for the first time is evaluated, not compiled.
 *
 * How it works
 *   To compile an instruction costs several times as much as to decode and evaluate it once. So where there is no translation, visits are
 *   counted, and what comes once more than FIRST_VISITS times is compiled: with more of them scripts and a boot lose what programs that run
 *   once gain (bench/RESULTS.md). User code in a page where translations were dropped because their guest code had changed is what
 *   a JIT writes, and has to come REWRITTEN_VISITS times: as often as compiling costs more than evaluating, so that whatever
 *   comes then, it has cost at most twice what the better choice would have. (Kernels patch single words; their code runs on as before.)
 *
 *   Each vCPU remembers the IR of a few of the last such blocks with the words it was made of, and takes it again only if memory
 *   still holds these words. So maintenance of the instruction cache need not know of it.
 *
 *   The counts are bytes in a table, found by a digest of address, mode and the first words: code that is written over older code begins
 *   anew. Two that share a byte become hot earlier, and so does what differs only later; when a sixteenth of the table is in use
 *   all begins anew. Nothing of that does harm.
 *
 *   The state between two evaluated blocks is that at a block's exit, complete; jit_next and jit_run look for interrupts, requests
 *   and the end there as they do between translations.
 *
 *   POME_COLD=n: n visits for all code; 0: none.
 */
#include "cpu/jit/jit.h"
#include <stdlib.h>

enum {
    FIRST_VISITS = 1,
    REWRITTEN_VISITS = 4,
    COLD_INSNS = 16, /* a block that is evaluated is often left in its middle: what lies behind was decoded for nothing */
    COUNT_BITS = 18,
    FULL = (1 << COUNT_BITS) / 16,
};

/* What a vCPU evaluated lately: IR and the words it was made of, which say whether it is still right. */
enum { COLD_PLACES = 64, COLD_WORDS = 2 * COLD_INSNS, COLD_OPS = 128 };
struct cold_ir {
    uint64_t pa;
    uint32_t mode;
    unsigned n_words; /* 0: nothing here */
    uint32_t words[COLD_WORDS];
    uint64_t ir[(offsetof(struct ir_block, insn) + COLD_OPS * sizeof(struct ir_insn)) / 8]; /* the beginning of a struct ir_block */
};

struct cold_ir *cold_places(void)
{
    return calloc(COLD_PLACES, sizeof(struct cold_ir));
}

struct cold {
    unsigned visits, rewritten;
    unsigned used; /* counts that are not 0 */
    uint8_t count[1 << COUNT_BITS];
};

struct cold *cold_create(void)
{
    const char *text = getenv("POME_COLD");
    unsigned named = text ? (unsigned)MIN(strtoul(text, NULL, 0), (unsigned long)UINT8_MAX) : 0;
    struct cold *k = text && !named ? NULL : calloc(1, sizeof *k); /* without memory everything is compiled */
    if (k) {
        k->visits = text ? named : FIRST_VISITS;
        k->rewritten = text ? named : REWRITTEN_VISITS;
    }
    return k;
}

static uint8_t *count_of(struct cold *k, const struct fetched *at)
{
    uint64_t words = (at->pa & 4095) == 4092 ? le32_get(at->code) : le64_get(at->code);
    uint64_t digest = (at->pa | (uint64_t)at->mode << 48) * UINT64_C(0x9e3779b97f4a7c15) ^ words * UINT64_C(0xd6e8feb86659fd93);
    digest *= UINT64_C(0xff51afd7ed558ccd);
    return &k->count[digest >> (64 - COUNT_BITS)];
}

unsigned cold_visit(struct cold *k, const struct fetched *at, bool rewritten)
{
    if (!k)
        return 0;
    uint8_t *count = count_of(k, at);
    if (*count >= (rewritten ? k->rewritten : k->visits))
        return 0;
    if (!*count && ++k->used > FULL) { /* mostly of code that is long gone */
        memset(k->count, 0, sizeof k->count);
        k->used = 1;
    }
    return ++*count;
}

/* The vCPU's place for it, with the IR of this code or that of other code. */
static struct cold_ir *place_of(struct vcpu *c, const struct fetched *at)
{
    return &c->cold[(at->pa >> 2 ^ at->pa >> 12) & (COLD_PLACES - 1)];
}

static bool is_of(const struct cold_ir *k, const struct fetched *at)
{
    return k->n_words && k->pa == at->pa && k->mode == at->mode && !memcmp(k->words, at->code, k->n_words * 4);
}

static void remember(struct cold_ir *k, const struct fetched *at, const uint32_t *words, const struct ir_block *ir)
{
    k->n_words = 0;
    if (ir->n > COLD_OPS)
        return;
    k->pa = at->pa;
    k->mode = at->mode;
    k->n_words = block_words(ir);
    memcpy(k->words, words, k->n_words * 4);
    memcpy(k->ir, ir, offsetof(struct ir_block, insn) + ir->n * sizeof ir->insn[0]);
}

static const struct ir_block *decode(struct vcpu *c, const struct fetched *at)
{
    uint32_t words[COLD_WORDS];
    unsigned max = MIN(c->set->jit->max_insns, (unsigned)COLD_INSNS), n = MIN((unsigned)(4096 - (at->pa & 4095)) / 4, (unsigned)COLD_WORDS);
    memcpy(words, at->code, n * 4); /* the guest may write to it meanwhile */
    translate_block(c->ir, words, n, at->pa & 4095, at->mode, max);
    c->stats.cold_insns += c->ir->n_guest;
    remember(place_of(c, at), at, words, c->ir);
    return c->ir;
}

void cold_run(struct vcpu *c, const struct fetched *at)
{
    const struct cold_ir *k = place_of(c, at);
    const struct ir_block *ir = is_of(k, at) ? (const struct ir_block *)(const void *)k->ir : decode(c, at);
    c->stats.cold_blocks++;
    c->s.raised = 0;
    c->s.pc_page = c->s.pc & ~UINT64_C(4095);
    if (ir_eval(ir, &c->s, &c->set->jit->config.env) == IR_LEFT_PC)
        c->s.pc = canonical_pc(c, c->s.pc);
}
