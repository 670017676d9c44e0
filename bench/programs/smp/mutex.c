/* mutex.c - two threads that take turns at one lock, with some work inside and outside. */
#include "../bench.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t shared[64];

static void *work(void *arg)
{
    unsigned n = *(unsigned *)arg;
    uint64_t seed = 73;
    for (unsigned i = 0; i < 200000 * n; i++) {
        uint64_t r = bench_random(&seed);
        pthread_mutex_lock(&lock);
        shared[r & 63] += r >> 40;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

uint64_t bench_run(unsigned n)
{
    pthread_t t[2];
    uint64_t h = 0;
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, work, &n);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    for (unsigned i = 0; i < 64; i++)
        h = bench_mix(h, shared[i]);
    return h;
}
