/*
 * world.c - sleeping, waking, parking, and stopping the world.
 *
 * A vCPU is parked when it certainly runs no guest code and touches none of the tables that others change with the world
 * stopped. It leaves that state only by vcpu_unpark, which waits while somebody has the world. The order "store parked,
 * then look at world_taken" here and "store world_taken, then look at parked" there makes one of the two see the other.
 */
#include "cpu/vcpu.h"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void vcpu_kick(struct vcpu *c, uint32_t pending)
{
    __atomic_fetch_or(&c->s.pending, pending, __ATOMIC_SEQ_CST);
    if (atomic_load(&c->sleeping))
        syscall(SYS_futex, &c->s.pending, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void vcpu_park(struct vcpu *c)
{
    atomic_store(&c->parked, true);
    if (!atomic_load(&c->set->world_taken))
        return;
    pthread_mutex_lock(&c->set->lock);
    pthread_cond_broadcast(&c->set->changed);
    pthread_mutex_unlock(&c->set->lock);
}

void vcpu_unpark(struct vcpu *c)
{
    struct cpu_set *set = c->set;
    for (;;) {
        atomic_store(&c->parked, false);
        if (!atomic_load(&set->world_taken))
            break;
        vcpu_park(c);
        pthread_mutex_lock(&set->lock);
        while (atomic_load(&set->world_taken) && !atomic_load(&set->stop))
            pthread_cond_wait(&set->changed, &set->lock);
        pthread_mutex_unlock(&set->lock);
        if (atomic_load(&set->stop))
            return; /* stays parked; the caller leaves */
    }
    requests_serve(c);
}

bool vcpu_sleep(struct vcpu *c, uint64_t until_ns)
{
    struct timespec t = {.tv_sec = (time_t)(until_ns / 1000000000), .tv_nsec = (long)(until_ns % 1000000000)};
    vcpu_park(c);
    atomic_store(&c->sleeping, true);
    bool timed_out = false;
    while (!__atomic_load_n(&c->s.pending, __ATOMIC_SEQ_CST) && !timed_out) {
        /* FUTEX_WAIT_BITSET takes an absolute time of the monotonic clock */
        syscall(SYS_futex, &c->s.pending, FUTEX_WAIT_BITSET_PRIVATE, 0, until_ns == UINT64_MAX ? NULL : &t, NULL,
                FUTEX_BITSET_MATCH_ANY);
        timed_out = until_ns != UINT64_MAX && host_now_ns() >= until_ns;
    }
    atomic_store(&c->sleeping, false);
    vcpu_unpark(c);
    return !timed_out;
}

static bool all_parked(struct cpu_set *set, const struct vcpu *but)
{
    for (unsigned i = 0; i < set->o.n_cpus; i++)
        if (set->cpu[i] != but && !atomic_load(&set->cpu[i]->parked))
            return false;
    return true;
}

/* c: NULL for a thread that is no vCPU */
void world_stop(struct cpu_set *set, struct vcpu *c)
{
    if (c)
        atomic_store(&c->parked, true);
    pthread_mutex_lock(&set->lock);
    pthread_cond_broadcast(&set->changed);
    while (atomic_load(&set->world_taken))
        pthread_cond_wait(&set->changed, &set->lock);
    atomic_store(&set->world_taken, true);
    for (unsigned i = 0; i < set->o.n_cpus; i++)
        if (set->cpu[i] != c)
            vcpu_kick(set->cpu[i], CPU_PENDING_STOP);
    while (!all_parked(set, c))
        pthread_cond_wait(&set->changed, &set->lock);
    pthread_mutex_unlock(&set->lock);
}

void world_resume(struct cpu_set *set, struct vcpu *c)
{
    pthread_mutex_lock(&set->lock);
    atomic_store(&set->world_taken, false);
    pthread_cond_broadcast(&set->changed);
    pthread_mutex_unlock(&set->lock);
    if (c)
        vcpu_unpark(c);
}

void set_end(struct vcpu *c, enum cpu_end why, const struct pome_error *err)
{
    struct cpu_set *set = c->set;
    pthread_mutex_lock(&set->lock);
    bool first = !set->ended && !atomic_load(&set->stop);
    if (first) {
        set->ended = true;
        set->end = why;
        if (err)
            set->error = *err;
    }
    pthread_mutex_unlock(&set->lock);
    cpu_set_stop(set);
    if (first && set->o.ended)
        set->o.ended(set->o.ended_ctx, c->id, why, err);
}
