/*
 * timer.c - the generic timers of every vCPU (DDI 0487H.a, D11) and the counter they compare with.
 *
 * CNTPCT and CNTVCT are the same (no EL2, no offset): the host's monotonic clock scaled to CNTFRQ, standing still while the
 * set is paused. A timer's output is a level: ENABLE, not IMASK, count >= CVAL. It changes when the registers are written and
 * when the deadline passes. A running vCPU is told of a deadline by the set's timer thread through CPU_PENDING_TIMER; a
 * sleeping one sleeps no longer than that.
 */
#include "cpu/vcpu.h"
#include "base/error.h"
#include <errno.h>
#include <time.h>

enum { PPI_VIRTUAL = 27, PPI_PHYSICAL = 30 };

uint64_t host_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t scale(uint64_t v, uint64_t mul, uint64_t div)
{
    unsigned __int128 r = (unsigned __int128)v * mul / div;
    return r >> 64 ? UINT64_MAX : (uint64_t)r;
}

uint64_t counter_now(const struct cpu_set *set)
{
    uint64_t ns = host_now_ns() - set->count_base_ns;
    return set->o.cntfrq_hz == 1000000000 ? ns : scale(ns, set->o.cntfrq_hz, 1000000000);
}

/* From where the counter began, not from two readings of a clock: whatever the host did in between would be in their difference. */
int64_t counter_offset(const struct cpu_set *set)
{
    return (int64_t)((__int128)(int64_t)set->count_base_ns * set->o.cntfrq_hz / 1000000000);
}

uint64_t counter_to_host_ns(const struct cpu_set *set, uint64_t count)
{
    uint64_t ns = scale(count, 1000000000, set->o.cntfrq_hz), host;
    if (ns < UINT64_MAX && set->o.cntfrq_hz != 1000000000)
        ns++; /* never early */
    return add_overflows(ns, set->count_base_ns, &host) ? UINT64_MAX : host;
}

/* Brings the deadline to the timer thread's notice. */
static void arm(struct vcpu *c, uint64_t deadline_ns)
{
    struct cpu_set *set = c->set;
    if (__atomic_load_n(&c->timer.deadline_ns, __ATOMIC_RELAXED) == deadline_ns)
        return;
    __atomic_store_n(&c->timer.deadline_ns, deadline_ns, __ATOMIC_SEQ_CST);
    if (deadline_ns >= __atomic_load_n(&set->timer_next_ns, __ATOMIC_SEQ_CST))
        return;
    pthread_mutex_lock(&set->timer_lock);
    if (deadline_ns < set->timer_next_ns) {
        __atomic_store_n(&set->timer_next_ns, deadline_ns, __ATOMIC_SEQ_CST);
        pthread_cond_signal(&set->timer_cond);
    }
    pthread_mutex_unlock(&set->timer_lock);
}

void timer_update(struct vcpu *c)
{
    static const struct { enum sysreg ctl, cval; unsigned ppi; } timers[2] = {
        {SR_CNTV_CTL_EL0, SR_CNTV_CVAL_EL0, PPI_VIRTUAL},
        {SR_CNTP_CTL_EL0, SR_CNTP_CVAL_EL0, PPI_PHYSICAL},
    };
    uint64_t now = counter_now(c->set), deadline = UINT64_MAX;
    for (unsigned i = 0; i < 2; i++) {
        bool armed = (c->sr[timers[i].ctl] & 3) == 1;
        bool level = armed && now >= c->sr[timers[i].cval];
        if (armed && !level)
            deadline = MIN(deadline, counter_to_host_ns(c->set, c->sr[timers[i].cval]));
        if (level != c->timer.level[i]) {
            c->timer.level[i] = level;
            c->set->board.ppi_set(c->set->board.ctx, c->id, timers[i].ppi, level);
        }
    }
    arm(c, deadline);
}

/* D11.2.5: EVNTEN; an event each time that a bit of the counter (EVNTI, 256 times slower with EVNTIS) rises, with EVNTDIR falls. */
uint64_t event_stream_after(uint64_t cntkctl, uint64_t count)
{
    if (!(cntkctl & BIT(2)))
        return UINT64_MAX;
    unsigned bit = (unsigned)bits_get(cntkctl, 7, 4) + (cntkctl & BIT(17) ? 8 : 0);
    uint64_t half = BIT(bit), phase = cntkctl & BIT(3) ? 0 : half;
    return count + 2 * half - ((count - phase) & (2 * half - 1));
}

uint64_t event_stream_ns(const struct vcpu *c)
{
    return counter_to_host_ns(c->set, event_stream_after(c->sr[SR_CNTKCTL_EL1], counter_now(c->set)));
}

void timer_reset(struct vcpu *c)
{
    static const unsigned ppi[2] = {PPI_VIRTUAL, PPI_PHYSICAL};
    __atomic_store_n(&c->timer.deadline_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < 2; i++) {
        if (c->timer.level[i])
            c->set->board.ppi_set(c->set->board.ctx, c->id, ppi[i], false);
        c->timer.level[i] = false;
    }
}

static void *timer_main(void *arg)
{
    struct cpu_set *set = arg;
    pthread_mutex_lock(&set->timer_lock);
    while (!set->timer_quit) {
        /* First the promise to look again at any later deadline, then the look. */
        __atomic_store_n(&set->timer_next_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
        uint64_t now = host_now_ns(), next = UINT64_MAX;
        for (unsigned i = 0; i < set->o.n_cpus; i++) {
            struct vcpu *c = set->cpu[i];
            uint64_t d = __atomic_load_n(&c->timer.deadline_ns, __ATOMIC_SEQ_CST);
            if (d > now) {
                next = MIN(next, d);
            } else if (__atomic_compare_exchange_n(&c->timer.deadline_ns, &d, UINT64_MAX, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
                vcpu_kick(c, CPU_PENDING_TIMER);
            }
        }
        uint64_t expected = UINT64_MAX; /* arm() takes the lock to change it, so this cannot miss one */
        __atomic_compare_exchange_n(&set->timer_next_ns, &expected, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        if (next == UINT64_MAX) {
            pthread_cond_wait(&set->timer_cond, &set->timer_lock);
        } else {
            struct timespec t = {.tv_sec = (time_t)(next / 1000000000), .tv_nsec = (long)(next % 1000000000)};
            pthread_cond_timedwait(&set->timer_cond, &set->timer_lock, &t);
        }
    }
    pthread_mutex_unlock(&set->timer_lock);
    return NULL;
}

bool timer_start(struct cpu_set *set, struct pome_error *err)
{
    set->timer_quit = false;
    set->timer_next_ns = UINT64_MAX;
    int e = pthread_create(&set->timer_thread, NULL, timer_main, set);
    if (e) {
        errno = e;
        return pome_fail_errno(err, "timer thread");
    }
    set->timer_running = true;
    return true;
}

void timer_stop(struct cpu_set *set)
{
    if (!set->timer_running)
        return;
    pthread_mutex_lock(&set->timer_lock);
    set->timer_quit = true;
    pthread_cond_signal(&set->timer_cond);
    pthread_mutex_unlock(&set->timer_lock);
    pthread_join(set->timer_thread, NULL);
    set->timer_running = false;
}
