/*
 * requests.c - maintenance that one vCPU asks of the others: TLBI and IC in the inner shareable domain.
 *
 * The issuer puts the operation into the queue of every other vCPU and goes on; its DSB waits until each has executed it or
 * is parked. A parked vCPU runs no guest code and serves its queue after it leaves the parked state and before it runs any
 * (vcpu_unpark), so "parked" counts as done. While waiting, a vCPU serves its own queue, so two that wait for each other
 * make progress.
 */
#include "cpu/vcpu.h"
#include "base/spin.h"
#include <sched.h>

/* Its sequence number; *running: it will have to be waited for. */
static uint64_t ask(struct vcpu *to, const struct tlbi *t, bool *running)
{
    struct requests *q = &to->requests;
    pthread_mutex_lock(&q->lock);
    if (q->n < REQUESTS_MAX)
        q->q[q->n++] = *t;
    else
        q->q[0] = (struct tlbi){.kind = TLBI_ALL}; /* one that contains them all */
    uint64_t seq = atomic_fetch_add(&q->asked, 1) + 1;
    pthread_mutex_unlock(&q->lock);
    /* A parked vCPU looks at its queue after it stored parked = false (vcpu_unpark), which comes after this look at it: no need
     * to wake a sleeping one. A kernel that patches its own code asks tens of thousands of times. */
    *running = !atomic_load(&to->parked);
    if (*running)
        vcpu_kick(to, CPU_PENDING_REQUESTS);
    return seq;
}

void requests_broadcast(struct vcpu *c, const struct tlbi *t)
{
    for (unsigned i = 0; i < c->set->o.n_cpus; i++)
        if (i != c->id) {
            bool running;
            c->sent[i] = ask(c->set->cpu[i], t, &running);
            c->s.must_sync |= running;
        }
}

bool requests_serve(struct vcpu *c)
{
    struct requests *q = &c->requests;
    struct tlbi copy[REQUESTS_MAX];
    if (atomic_load(&q->asked) == atomic_load(&q->done))
        return false;
    pthread_mutex_lock(&q->lock);
    unsigned n = q->n;
    memcpy(copy, q->q, n * sizeof *copy);
    q->n = 0;
    uint64_t seq = atomic_load(&q->asked);
    pthread_mutex_unlock(&q->lock);
    for (unsigned i = 0; i < n; i++)
        tlb_invalidate(c, &copy[i]);
    atomic_store(&q->done, seq);
    return true;
}

bool requests_wait(struct vcpu *c)
{
    bool served = false;
    if (!c->s.must_sync)
        return false;
    c->s.must_sync = 0;
    for (unsigned i = 0; i < c->set->o.n_cpus; i++) {
        struct vcpu *to = c->set->cpu[i];
        for (unsigned spins = 0; i != c->id; spins++) {
            if (atomic_load(&to->requests.done) >= c->sent[i] || atomic_load(&to->parked))
                break;
            served |= requests_serve(c);
            if (spins > 100)
                sched_yield();
            else
                spin_pause();
        }
    }
    return served;
}
