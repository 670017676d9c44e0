/*
 * run.c - the run loop of a vCPU, and the life of the translator.
 *
 * How it works
 *   jit_run repeats: pending work, waiting, interrupts, then translated code from pc until it comes back. Code is found in
 *   the jump table of the context (virtual address), else through the instruction-side translation and the block cache
 *   (physical address and mode), else it is made.
 *
 *   Safe point: between two rounds of this loop a vCPU is in no translated code and holds no lock. There it serves requests
 *   and parks when the world is to stop.
 *
 *   Most of what leaves a block needs nothing of that: system calls, returns from exceptions, writes of system registers, code that is
 *   not in the jump table yet. For those translated code asks jit_next where to go on, and stays (POME_X64_WITHOUT=stay: it does not).
 *   A vCPU in there is at a safe point in so far as nothing it returns to depends on code that was: so the code buffer may be emptied there, too.
 */
#include "cpu/jit/jit.h"
#include "base/spin.h"
#include "base/error.h"
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

enum {
    CODE_BYTES = 128 << 20,
    CACHE_BYTES = 96 << 20, /* of kept translations: a boot is 25 MB */
    MAX_INSNS = 64,
    HOT_TURNS = 12,
    SPINS_BEFORE_SLEEP = 20,
    SPIN_NS = 20000,        /* before a sleep, */
    SHORT_SLEEP_NS = 60000, /* if the last one was over so soon: a futex wake-up costs more */
    WFE_SLEEP_NS = 100000, /* WFE may wait for a store to a watched location, which nobody reports: never sleep long */
};

/* ---- life ---- */

static unsigned number(const char *name, unsigned normal)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 0) : normal;
}

static bool use_evaluator(void)
{
    const char *engine = getenv("POME_ENGINE");
    return engine && !strcmp(engine, "eval");
}

/* What code reads and writes most, measured over a boot and programs of several kinds: bench/RESULTS.md. */
static const uint8_t pinned[] = {CPU_X(0), CPU_X(1), CPU_X(2), CPU_X(19), CPU_X(3), CPU_X(30), CPU_SP};

/* Compilers begin with V0..V7 and V16, and use V8..V15 where calls are. */
static const uint8_t pinned_v[] = {0,  1,  2,  3,  4,  5,  6,  7,  16, 17, 18, 19, 8,  9, 10, 11,
                                   20, 21, 22, 23, 24, 25, 12, 13, 26, 27, 28, 29, 30, 31, 14, 15};

void jit_configure(struct x64_config *k, jit_helper_fn *const *helper, unsigned tlb_bits)
{
    k->env = (struct ir_env){
        .pc_page_offset = offsetof(struct cpu_state, pc_page), .pc_offset = offsetof(struct cpu_state, pc),
        .flags_offset = offsetof(struct cpu_state, flags), .raised_offset = offsetof(struct cpu_state, raised),
        .fpcr_offset = offsetof(struct cpu_state, fpcr), .fpsr_offset = offsetof(struct cpu_state, fpsr),
        .helper = helper, .n_helpers = HELPER_COUNT,
    };
    k->next = jit_next;
    access_env(&k->env);
    atomic_env(&k->env);
    k->state_bias = CPU_STATE_BIAS;
    memcpy(k->pin, pinned, sizeof pinned);
    k->n_pins = ARRAY_SIZE(pinned);
    k->frame_offset = offsetof(struct vcpu, frame) - offsetof(struct vcpu, s);
    k->v_offset = offsetof(struct cpu_state, v);
    memcpy(k->v_pin, pinned_v, sizeof pinned_v);
    k->n_v_pins = ARRAY_SIZE(pinned_v);
    k->pending_offset = offsetof(struct cpu_state, pending);
    k->tlb_offset[0] = offsetof(struct cpu_state, tlb[0]);
    k->tlb_offset[1] = offsetof(struct cpu_state, tlb[1]);
    k->monitor_offset = offsetof(struct vcpu, monitor) - offsetof(struct vcpu, s);
    k->tlb_bits = tlb_bits;
}

/* Switches of the engine in the environment: other values, other code. */
static uint64_t environment_identity(void)
{
    static const char *const harmless[] = {"POME_HOME=", "POME_CACHE=", "POME_PERF_MAP=", "POME_TEST_", "POME_CODE_MIB=", "POME_COLD=", "POME_BENCH_"};
    extern char **environ;
    uint64_t h = 0;
    for (char **e = environ; e && *e; e++) {
        bool counts = !strncmp(*e, "POME_", 5);
        for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
            counts &= strncmp(*e, harmless[i], strlen(harmless[i])) != 0;
        uint64_t one = 1;
        for (const char *p = *e; counts && *p; p++)
            one = (one ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
        h += counts ? one : 0; /* in any order */
    }
    return h;
}

/* On the opener's thread. */
static void cache_note(void *ctx, const char *text)
{
    const struct cpu_board *b = &((struct cpu_set *)ctx)->board;
    if (b->note)
        b->note(b->ctx, 0, text);
}

static void *open_cache(void *arg)
{
    struct jit *j = arg;
    j->cache = cache_open(&j->cache_options);
    return NULL;
}

struct cache *jit_cache(struct jit *j)
{
    if (j->cache_comes)
        pthread_join(j->cache_opener, NULL);
    j->cache_comes = false;
    return j->cache;
}

/* POME_CACHE=file or off says what the options do not. */
static void keep_translations(struct jit *j)
{
    const char *named = getenv("POME_CACHE"), *path = j->set->o.cache_path ? j->set->o.cache_path : named;
    bool traced = j->set->trace & (TRACE_X64 | TRACE_BLOCK | TRACE_CALLS), random = j->set->seed;
    if (!path)
        path = "on";
    if (!strcmp(path, "off") || traced || random)
        return;
    if (strcmp(path, "on") && !(j->cache_path = strdup(path)))
        return;
    j->cache_options = (struct cache_options){
        .path = j->cache_path,
        .identity = x64_move_identity(j->code, &j->config) + environment_identity() * 31 + j->max_insns,
        .max_bytes = CACHE_BYTES, .note = cache_note, .note_ctx = j->set,
    };
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* signals are for the program's own threads */
    j->cache_comes = !pthread_create(&j->cache_opener, NULL, open_cache, j);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!j->cache_comes)
        open_cache(j);
}

struct jit *jit_create(struct cpu_set *set, struct pome_error *err)
{
    struct jit *j = calloc(1, sizeof *j);
    if (!j) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the translator");
        return NULL;
    }
    j->set = set;
    j->eval = use_evaluator();
    j->no_chain = number("POME_NOCHAIN", 0);
    j->max_insns = MAX(1u, number("POME_MAX_INSNS", MAX_INSNS));
    j->hot = set->seed ? 1 : HOT_TURNS;
    j->loops = !x64_without("loop");
    pthread_mutex_init(&j->lock, NULL);
    const struct tlb *t = &set->cpu[0]->tlb;
    jit_configure(&j->config, set->trace & TRACE_CALLS ? calls_count() : jit_helpers, t->bits);
    for (unsigned i = 0; i < set->o.n_cpus; i++)
        if (!(set->cpu[i]->ir = malloc(sizeof *set->cpu[i]->ir)) || !(set->cpu[i]->cold = cold_places())) {
            pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the translator");
            goto fail;
        }
    if (j->eval)
        return j;
    j->cold = cold_create();
    if (!x64_host_supported(err))
        goto fail;
    size_t bytes = set->o.code_bytes ? set->o.code_bytes : CODE_BYTES;
    j->code = x64_code_create(number("POME_CODE_MIB", (unsigned)(bytes >> 20)) * (size_t)MiB, err);
    if (!j->code || !x64_code_prepare(j->code, &j->config, err))
        goto fail;
    perf_map_open(j);
    keep_translations(j);
    return j;
fail:
    jit_destroy(j);
    return NULL;
}

void jit_destroy(struct jit *j)
{
    if (!j)
        return;
    perf_map_close(j);
    cache_close(jit_cache(j));
    free(j->cache_path);
    if (j->set->trace & TRACE_CALLS)
        calls_print(stderr);
    blocks_forget(j);
    free(j->made);
    free(j->made_at);
    free(j->alone);
    free(j->cold);
    for (unsigned i = 0; i < j->set->o.n_cpus; i++) {
        free(j->set->cpu[i]->ir);
        j->set->cpu[i]->ir = NULL;
        free(j->set->cpu[i]->cold);
        j->set->cpu[i]->cold = NULL;
    }
    if (j->code)
        x64_code_destroy(j->code);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

void jit_reset(struct jit *j)
{
    blocks_forget(j);
}

/* ---- instruction cache maintenance ---- */

static void forget_code(struct vcpu *c, const struct tlbi *t)
{
    tlb_invalidate(c, t);
    requests_broadcast(c, t);
}

/* Nobody finds dropped blocks any more; who is inside leaves at the next safe point, which DSB waits for. Their memory
 * stays until then, so the pointers are good. */
static void code_changed(struct vcpu *c, const struct dropped *d)
{
    if (d->n > DROPPED_MAX)
        forget_code(c, &(struct tlbi){.kind = TLBI_CODE});
    else
        for (unsigned i = 0; i < d->n; i++)
            forget_code(c, &(struct tlbi){.kind = TLBI_ONE_CODE, .va = d->block[i]->pa & 4095, .code = d->block[i]->entry});
}

void jit_check_page(struct vcpu *c, uint64_t pa)
{
    struct jit *j = c->set->jit;
    struct dropped d = {0};
    pthread_mutex_lock(&j->lock);
    blocks_check_page(c, pa, &d);
    pthread_mutex_unlock(&j->lock);
    code_changed(c, &d);
}

void jit_check_all(struct vcpu *c)
{
    struct jit *j = c->set->jit;
    struct dropped d = {0};
    pthread_mutex_lock(&j->lock);
    blocks_check_all(c, &d);
    pthread_mutex_unlock(&j->lock);
    code_changed(c, &d);
}

/* No room: empty the buffer with everybody at a safe point. */
static void start_again(struct vcpu *c)
{
    struct cpu_set *set = c->set;
    uint64_t begin = host_now_ns();
    world_stop(set, c);
    blocks_forget(set->jit);
    for (unsigned i = 0; i < set->o.n_cpus; i++)
        tlb_flush_code(set->cpu[i]);
    c->stats.code_resets++;
    c->stats.longest_pause_ns = MAX(c->stats.longest_pause_ns, host_now_ns() - begin);
    world_resume(set, c);
}

/* ---- finding code ---- */

static const void *jump_find(const struct vcpu *c, uint64_t pc)
{
    const struct x64_jump_entry *entry = (const struct x64_jump_entry *)c->s.tlb[0] - X64_JUMP_LINES;
    unsigned index = x64_jump_line(pc);
    for (unsigned k = 0; k < 2; k++)
        if (entry[index ^ k].va == pc)
            return entry[index ^ k].code;
    return NULL;
}

bool jit_fetch(struct vcpu *c, uint64_t pc, struct fetched *at)
{
    struct mmu_fault f = {.fsc = FSC_EXTERNAL};
    if (pc & 3) {
        raise_sync(c, EC_PC_ALIGN, 0, pc);
        c->s.far_el1 = pc;
        return false;
    }
    bool tag = c->sr[SR_TCR_EL1] >> (pc >> 55 & 1 ? 52 : 51) & 1 && pc != (uint64_t)sext(pc, 56); /* TBID: data may have one, code may not */
    const struct tlb2_entry *e = tag ? NULL : tlb_lookup(c, pc, TLB_FETCH, false, &f);
    if (tag)
        f.fsc = FSC_TRANSLATION;
    if (!e || !e->hva) {
        raise_fault(c, &f, pc, 0, true, pc);
        return false;
    }
    at->mode = c->s.mode;
    if ((at->mode & CPU_MODE_PAUTH) && (e->prot & MMU_GUARDED))
        at->mode |= CPU_MODE_BTI;
    at->pa = tlb2_pa(e) | (pc & 4095);
    at->code = e->hva + (pc & 4095);
    return true;
}

/* The translation for pc, made if need be; NULL: ask again, as an exception was raised, the buffer was emptied, or the code is cold and ran. */
static const void *code_at(struct vcpu *c, uint64_t pc, uint32_t link_patch)
{
    struct jit *j = c->set->jit;
    struct fetched at;
    c->stats.lookups++;
    if (!jit_fetch(c, pc, &at))
        return NULL;
    pthread_mutex_lock(&j->lock);
    bool alone = link_patch && blocks_leave_alone(j, link_patch);
    at.mode |= alone ? CPU_MODE_ALONE : 0;
    struct block *b = block_find(j, at.pa, at.mode);
    bool rewritten = !b && !(at.mode & CPU_MODE_EL1) && blocks_change(j, at.pa);
    unsigned visit = b || alone ? 0 : cold_visit(j->cold, &at, rewritten);
    if (visit == 1)
        b = block_reuse(c, at.pa, at.mode, at.code);
    if (visit && !b) {
        pthread_mutex_unlock(&j->lock);
        cold_run(c, &at);
        return NULL;
    }
    if (!b)
        b = block_make(c, at.pa, at.mode, at.code);
    if (b && link_patch && !j->no_chain)
        blocks_link(j, c, link_patch, b, at.code);
    if (b && !alone && tlb_jump_new_page(c, pc)) /* a new process finds what others made of the program */
        blocks_announce(c, pc, at.pa, at.mode);
    pthread_mutex_unlock(&j->lock);
    if (!b) {
        start_again(c);
        return NULL;
    }
    if (!alone) /* only this exit wants it */
        tlb_jump_insert(c, pc, b->entry);
    return b->entry;
}

/* ---- waiting ---- */

static bool line_up(const struct vcpu *c)
{
    return __atomic_load_n(&c->s.lines, __ATOMIC_SEQ_CST) != 0;
}

/* Two vCPUs that wake each other all the time: worth a look around, when each has a host core. */
static bool spin(struct vcpu *c, uint64_t until)
{
    if (!c->sleeps_short || c->set->o.n_cpus > c->set->host_cpus)
        return false;
    until = MIN(until, host_now_ns() + SPIN_NS);
    while (!__atomic_load_n(&c->s.pending, __ATOMIC_RELAXED)) {
        if (host_now_ns() >= until)
            return false;
        for (unsigned i = 0; i < 20; i++)
            spin_pause();
    }
    return true;
}

static void sleep_for_interrupt(struct vcpu *c)
{
    uint64_t timer = __atomic_load_n(&c->timer.deadline_ns, __ATOMIC_SEQ_CST);
    uint64_t until = MIN(timer, c->wait_until == UINT64_MAX ? UINT64_MAX : counter_to_host_ns(c->set, c->wait_until));
    uint64_t start = host_now_ns();
    c->stats.wfi++;
    if (!spin(c, until) && !vcpu_sleep(c, until))
        timer_update(c);
    c->sleeps_short = host_now_ns() - start < SHORT_SLEEP_NS;
    if (c->wait_until != UINT64_MAX && counter_now(c->set) >= c->wait_until)
        c->wait = WAIT_NONE;
}

/* XNU's locks count on an event stream of a microsecond: there the host's other threads get their turn, but nobody sleeps. */
static void wait_for_event(struct vcpu *c)
{
    uint64_t now = host_now_ns(), until = MIN(now + WFE_SLEEP_NS, event_stream_ns(c));
    c->wait = WAIT_NONE; /* WFE may end for any reason */
    if (atomic_exchange(&c->event, false)) {
        c->idle_spins = 0;
    } else if (++c->idle_spins < SPINS_BEFORE_SLEEP || until < now + SPIN_NS) {
        sched_yield();
    } else {
        c->idle_spins = 0;
        vcpu_sleep(c, until);
    }
}

/* VCPU_WFK: like an event register that only VCPU_KICK sets. */
static void wait_for_kick(struct vcpu *c)
{
    if (atomic_exchange(&c->kicked, false))
        c->wait = WAIT_NONE;
    else
        sleep_for_interrupt(c);
}

/* SYSTEM_SUSPEND ends as a start does, on the vCPU's own thread. */
static void wake_from_suspension(struct vcpu *c)
{
    c->wait = WAIT_NONE;
    atomic_store(&c->power, CPU_ON_PENDING);
}

static void do_wait(struct vcpu *c)
{
    bool interrupt = line_up(c);
    if (interrupt && c->wait == WAIT_SUSPENDED)
        wake_from_suspension(c);
    else if (interrupt && c->wait != WAIT_KICK)
        c->wait = WAIT_NONE;
    else if (c->wait == WAIT_EVENT)
        wait_for_event(c);
    else if (c->wait == WAIT_KICK || c->wait == WAIT_KICK_OR_INTERRUPT)
        wait_for_kick(c);
    else
        sleep_for_interrupt(c);
}

/* ---- the loop ---- */

/* false: leave the loop */
static bool safe_point(struct vcpu *c)
{
    uint32_t pending = __atomic_exchange_n(&c->s.pending, 0, __ATOMIC_SEQ_CST);
    if (pending & CPU_PENDING_STOP) {
        vcpu_park(c);
        vcpu_unpark(c);
    }
    if (atomic_load(&c->set->stop))
        return false;
    requests_serve(c);
    if (pending & CPU_PENDING_TIMER)
        timer_update(c);
    return true;
}

static enum x64_exit run_code(struct vcpu *c, const void *entry, uint32_t *patch)
{
    struct jit *j = c->set->jit;
    *patch = 0;
    c->s.raised = 0;
    c->s.pc_page = c->s.pc & ~UINT64_C(4095);
    if (!j->eval)
        return x64_run(j->code, &c->s, entry, patch);
    return ir_eval(entry, &c->s, &j->config.env) == IR_LEFT_PC ? X64_EXIT_PC : X64_EXIT_STATE;
}

/* Something is to be done before the next instruction that only jit_run does. */
static bool must_leave(const struct vcpu *c)
{
    return __atomic_load_n(&c->s.pending, __ATOMIC_RELAXED) || c->wait || c->il || (c->sr[SR_MDSCR_EL1] && debug_active(c)) ||
           atomic_load_explicit(&c->power, memory_order_relaxed) != CPU_ON;
}

struct x64_next jit_next(void *state, uint64_t how)
{
    struct vcpu *c = vcpu_of(state);
    struct x64_next next = {.keep = (uint32_t)how == X64_EXIT_PC};
    uint32_t patch = (uint32_t)(how >> 32);
    if (next.keep)
        c->s.pc = canonical_pc(c, c->s.pc);
    while (!next.entry && !must_leave(c)) {
        if (line_up(c) && take_interrupt(c))
            next.keep = patch = 0;
        c->s.raised = 0;
        next.entry = patch ? NULL : jump_find(c, c->s.pc);
        if (!next.entry && !(next.entry = code_at(c, c->s.pc, patch)))
            next.keep = patch = 0;
    }
    c->s.pc_page = c->s.pc & ~UINT64_C(4095);
    return next;
}

static void count_exit(struct vcpu *c, enum x64_exit why)
{
    switch (why) {
    case X64_EXIT_PC: c->stats.exits_pc++; break;
    case X64_EXIT_STATE: c->stats.exits_state++; break;
    case X64_EXIT_PENDING: c->stats.exits_pending++; break;
    }
}

void jit_run(struct vcpu *c)
{
    uint32_t patch = 0;
    x64_traps_unblock(); /* whatever mask the embedding program gave its threads */
    vcpu_kick(c, CPU_PENDING_STOP | CPU_PENDING_TIMER | CPU_PENDING_REQUESTS);
    while (atomic_load_explicit(&c->power, memory_order_relaxed) == CPU_ON) {
        if (__atomic_load_n(&c->s.pending, __ATOMIC_RELAXED)) {
            patch = 0; /* what happens here may change mappings */
            if (!safe_point(c))
                return;
        }
        if (c->wait) {
            do_wait(c);
            continue;
        }
        if (line_up(c) && take_interrupt(c))
            patch = 0;
        if (c->il) {
            raise_sync(c, EC_ILLEGAL, 0, c->s.pc);
            continue;
        }
        if (c->sr[SR_MDSCR_EL1] && debug_active(c)) {
            jit_step(c);
            patch = 0;
            continue;
        }
        const void *entry = patch ? NULL : jump_find(c, c->s.pc);
        if (!entry && !(entry = code_at(c, c->s.pc, patch)))  {
            patch = 0;
            continue;
        }
        enum x64_exit why = run_code(c, entry, &patch);
        if (why == X64_EXIT_PC)
            c->s.pc = canonical_pc(c, c->s.pc);
        count_exit(c, why);
    }
}
