/* set.c - the vCPUs of a machine: creation, threads, start, pause, stop. */
#include "cpu/vcpu.h"
#include "base/error.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static const char *const model_names[CPU_MODEL_COUNT] = {
    [CPU_MODEL_DEFAULT] = "default",
    [CPU_MODEL_APPLE] = "apple",
};

const char *cpu_model_name(enum cpu_model model)
{
    return model < CPU_MODEL_COUNT ? model_names[model] : NULL;
}

bool cpu_model_find(const char *name, enum cpu_model *model)
{
    for (unsigned i = 0; i < CPU_MODEL_COUNT; i++)
        if (!strcmp(name, model_names[i])) {
            *model = i;
            return true;
        }
    return false;
}

/* ---- options ---- */

static unsigned trace_bits(const char *list)
{
    static const struct { const char *name; enum trace bit; } names[] = {
        {"int", TRACE_INT}, {"tlb", TRACE_TLB}, {"code", TRACE_CODE}, {"psci", TRACE_PSCI}, {"block", TRACE_BLOCK}, {"mmio", TRACE_MMIO},
        {"calls", TRACE_CALLS}, {"x64", TRACE_X64},
    };
    unsigned bits = 0;
    for (size_t i = 0; list && i < ARRAY_SIZE(names); i++)
        if (strstr(list, names[i].name))
            bits |= names[i].bit;
    return bits;
}

/* Physical address bits that the memory needs, at least 40 as devices and PCI windows may lie above it. */
static unsigned pa_bits_of(const struct mem *m)
{
    uint64_t top = BIT(40);
    for (size_t i = 0; mem_region(m, i); i++)
        top = MAX(top, mem_region(m, i)->gpa + mem_region(m, i)->bytes);
    static const uint8_t sizes[] = {40, 42, 44, 48};
    unsigned i = 0;
    while (i < 3 && BIT(sizes[i]) < top)
        i++;
    return sizes[i];
}

static bool check_options(const struct cpu_options *o, struct pome_error *err)
{
    if (!o->n_cpus || o->n_cpus > CPU_MAX)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "CPU count: found %u, needed 1 to %u", o->n_cpus, CPU_MAX);
    if (o->model >= CPU_MODEL_COUNT)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "CPU model %d is unknown", (int)o->model);
    if (o->cntfrq_hz > 4000000000u)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "counter frequency: found %llu Hz, limit 4 GHz",
                         (unsigned long long)o->cntfrq_hz);
    return true;
}

/* ---- lines ---- */

static void set_line(struct vcpu *c, uint32_t line, bool level)
{
    if (!level) {
        __atomic_and_fetch(&c->s.lines, ~line, __ATOMIC_SEQ_CST);
        return;
    }
    __atomic_or_fetch(&c->s.lines, line, __ATOMIC_SEQ_CST);
    vcpu_kick(c, CPU_PENDING_IRQ);
}

static void set_irq(void *ctx, unsigned cpu, bool level)
{
    struct cpu_set *set = ctx;
    set_line(set->cpu[cpu], PSTATE_I, level);
}

static void set_fiq(void *ctx, unsigned cpu, bool level)
{
    struct cpu_set *set = ctx;
    set_line(set->cpu[cpu], PSTATE_F, level);
}

struct cpu_irq_port cpu_set_irq_port(struct cpu_set *set)
{
    return (struct cpu_irq_port){.ctx = set, .set_irq = set_irq, .set_fiq = set_fiq};
}

/* ---- creation ---- */

static struct vcpu *vcpu_create(struct cpu_set *set, unsigned id, struct pome_error *err)
{
    struct vcpu *c = aligned_alloc(64, align_up(sizeof *c, 64));
    if (!c) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "cpu %u: no memory", id);
        return NULL;
    }
    memset(c, 0, sizeof *c);
    c->set = set;
    c->id = id;
    c->parked = true;
    c->rng = set->seed * 0x9e3779b97f4a7c15 + id + 1;
    pthread_mutex_init(&c->requests.lock, NULL);
    c->tlb.bits = set->seed ? 4 + set->seed % 7 : 12;
    /* The inline TLB's size is compiled into the code, so it is the same for all vCPUs of a set. */
    if (!tlb_create(c, err)) {
        tlb_destroy(c);
        free(c);
        return NULL;
    }
    vcpu_reset(c);
    return c;
}

static void init_locks(struct cpu_set *set)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&set->lock, NULL);
    pthread_mutex_init(&set->timer_lock, NULL);
    pthread_cond_init(&set->changed, NULL);
    pthread_cond_init(&set->timer_cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* Random keys and identity, as a machine's firmware draws them at power-on. */
static void begin_session(struct cpu_set *set)
{
    if (getrandom(&set->session, sizeof set->session, 0) != sizeof set->session)
        set->session.key = host_now_ns(); /* a kernel without: what guests sign is secret from nobody but themselves */
}

void cpu_set_boot_session(struct cpu_set *set, const uint8_t uuid[16])
{
    memcpy(set->session.uuid, uuid, 16);
}

struct cpu_set *cpu_set_create(const struct cpu_options *options, struct pome_error *err)
{
    if (!check_options(options, err))
        return NULL;
    struct cpu_set *set = calloc(1, sizeof *set);
    if (set)
        set->cpu = calloc(options->n_cpus, sizeof *set->cpu);
    if (!set || !set->cpu) {
        free(set);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for %u CPUs", options->n_cpus);
        return NULL;
    }
    const char *seed = getenv("POME_RANDOM_SEED");
    set->o = *options;
    set->board = *options->board;
    set->o.board = &set->board;
    if (!set->o.cntfrq_hz)
        set->o.cntfrq_hz = 1000000000;
    set->trace = trace_bits(getenv("POME_TRACE"));
    set->seed = seed ? strtoull(seed, NULL, 0) : 0;
    set->pa_bits = pa_bits_of(set->o.mem);
    set->host_cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    set->count_base_ns = host_now_ns();
    set->timer_next_ns = UINT64_MAX;
    init_locks(set);
    begin_session(set);
    for (unsigned i = 0; i < set->o.n_cpus; i++)
        if (!(set->cpu[i] = vcpu_create(set, i, err)))
            goto fail;
    if (!(set->jit = jit_create(set, err)))
        goto fail;
    return set;
fail:
    cpu_set_destroy(set);
    return NULL;
}

void cpu_set_destroy(struct cpu_set *set)
{
    if (!set)
        return;
    jit_destroy(set->jit);
    for (unsigned i = 0; i < set->o.n_cpus && set->cpu[i]; i++) {
        tlb_destroy(set->cpu[i]);
        pthread_mutex_destroy(&set->cpu[i]->requests.lock);
        free(set->cpu[i]);
    }
    free(set->cpu);
    pthread_cond_destroy(&set->changed);
    pthread_cond_destroy(&set->timer_cond);
    pthread_mutex_destroy(&set->lock);
    pthread_mutex_destroy(&set->timer_lock);
    free(set);
}

void cpu_power_on(struct cpu_set *set, unsigned cpu, uint64_t pc, uint64_t x0)
{
    struct vcpu *c = set->cpu[cpu];
    c->on_pc = pc;
    c->on_x0 = x0;
    atomic_store(&c->power, CPU_ON_PENDING);
}

/* ---- running ---- */

void vcpu_note(struct vcpu *c, const char *format, ...)
{
    enum { NOTES_MAX = 32 }; /* then silence: the guest may cause them at will */
    char text[160];
    va_list ap;
    if (!c->set->board.note || c->n_notes >= NOTES_MAX)
        return;
    c->n_notes++;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    c->set->board.note(c->set->board.ctx, c->id, text);
}

static void power_up(struct vcpu *c)
{
    vcpu_reset(c);
    c->s.pc = c->on_pc;
    c->s.x[0] = c->on_x0;
    c->sr[SR_RVBAR_EL1] = c->on_pc;
    atomic_store(&c->power, CPU_ON);
    vcpu_note(c, "CPU %u starts at %#llx", c->id, (unsigned long long)c->on_pc);
}

static void *vcpu_main(void *arg)
{
    struct vcpu *c = arg;
    struct cpu_set *set = c->set;
    vcpu_unpark(c);
    while (!atomic_load(&set->stop)) {
        switch (atomic_load(&c->power)) {
        case CPU_ON_PENDING:
            power_up(c);
            break;
        case CPU_ON:
            jit_run(c);
            break;
        default:
            __atomic_store_n(&c->s.pending, 0, __ATOMIC_SEQ_CST);
            /* between clearing and sleeping: whoever changes power or stop kicks afterwards */
            if (atomic_load(&c->power) == CPU_OFF && !atomic_load(&set->stop))
                vcpu_sleep(c, UINT64_MAX);
        }
    }
    atomic_store(&c->parked, true);
    pthread_mutex_lock(&set->lock);
    set->n_running--;
    pthread_cond_broadcast(&set->changed);
    pthread_mutex_unlock(&set->lock);
    return NULL;
}

bool cpu_set_start(struct cpu_set *set, struct pome_error *err)
{
    set->ended = false;
    atomic_store(&set->stop, false);
    if (!timer_start(set, err))
        return false;
    for (unsigned i = 0; i < set->o.n_cpus; i++) {
        struct vcpu *c = set->cpu[i];
        pthread_mutex_lock(&set->lock);
        set->n_running++;
        pthread_mutex_unlock(&set->lock);
        int e = pthread_create(&c->thread, NULL, vcpu_main, c);
        if (e) {
            set->n_running--;
            cpu_set_stop(set);
            cpu_set_join(set, NULL);
            errno = e;
            return pome_fail_errno(err, "thread of cpu %u", i);
        }
        c->started = true;
    }
    return true;
}

void cpu_set_stop(struct cpu_set *set)
{
    atomic_store(&set->stop, true);
    for (unsigned i = 0; i < set->o.n_cpus; i++)
        vcpu_kick(set->cpu[i], CPU_PENDING_STOP);
    pthread_mutex_lock(&set->lock);
    pthread_cond_broadcast(&set->changed);
    pthread_mutex_unlock(&set->lock);
}

enum cpu_end cpu_set_join(struct cpu_set *set, struct pome_error *err)
{
    for (unsigned i = 0; i < set->o.n_cpus; i++)
        if (set->cpu[i]->started) {
            pthread_join(set->cpu[i]->thread, NULL);
            set->cpu[i]->started = false;
        }
    timer_stop(set);
    if (err && set->ended && set->end == CPU_END_ERROR)
        *err = set->error;
    return set->ended ? set->end : CPU_END_STOPPED;
}

void cpu_set_reset(struct cpu_set *set)
{
    begin_session(set);
    jit_reset(set->jit);
    for (unsigned i = 0; i < set->o.n_cpus; i++) {
        struct vcpu *c = set->cpu[i];
        c->power = CPU_OFF;
        c->s.lines = 0;
        c->requests.n = 0;
        atomic_store(&c->requests.done, atomic_load(&c->requests.asked));
        vcpu_reset(c);
    }
    set->count_base_ns = host_now_ns();
}

void cpu_set_pause(struct cpu_set *set)
{
    if (set->paused)
        return;
    world_stop(set, NULL);
    set->paused = true;
    set->paused_at_ns = host_now_ns();
}

void cpu_set_resume(struct cpu_set *set)
{
    if (!set->paused)
        return;
    set->paused = false;
    set->count_base_ns += host_now_ns() - set->paused_at_ns;
    for (unsigned i = 0; i < set->o.n_cpus; i++)
        vcpu_kick(set->cpu[i], CPU_PENDING_TIMER);
    world_resume(set, NULL);
}

bool cpu_set_is_ending(struct cpu_set *set)
{
    pthread_mutex_lock(&set->lock);
    bool ending = set->ended || atomic_load(&set->stop);
    pthread_mutex_unlock(&set->lock);
    return ending;
}
