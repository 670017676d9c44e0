/* ring.c - one thread writes, the other reads, through a ring with acquire and release; who must wait gives up its turn. */
#include "../bench.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { SIZE = 1024 };
static uint64_t ring[SIZE];
static _Atomic unsigned head, tail;

static void *producer(void *arg)
{
    unsigned n = *(unsigned *)arg;
    uint64_t seed = 79;
    for (unsigned i = 0; i < n; i++) {
        while (i - atomic_load_explicit(&tail, memory_order_acquire) == SIZE)
            sched_yield();
        ring[i % SIZE] = bench_random(&seed);
        atomic_store_explicit(&head, i + 1, memory_order_release);
    }
    return NULL;
}

uint64_t bench_run(unsigned n)
{
    pthread_t t;
    uint64_t h = 0;
    n *= 1000000;
    pthread_create(&t, NULL, producer, &n);
    for (unsigned i = 0; i < n; i++) {
        while (atomic_load_explicit(&head, memory_order_acquire) == i)
            sched_yield();
        h = bench_mix(h, ring[i % SIZE]);
        atomic_store_explicit(&tail, i + 1, memory_order_release);
    }
    pthread_join(t, NULL);
    return h;
}
