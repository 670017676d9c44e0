/* busy.h - threads that share nothing. */
#include <pthread.h>

struct busy {
    unsigned n;
    uint64_t result;
};

static void *busy(void *arg)
{
    struct busy *b = arg;
    uint64_t seed = 71, h = 0;
    static __thread uint32_t table[4096];
    for (unsigned i = 0; i < 6000000 * b->n; i++) {
        uint64_t r = bench_random(&seed);
        table[r & 4095] += (uint32_t)(r >> 32);
        h += table[r >> 20 & 4095];
    }
    b->result = h;
    return NULL;
}

static inline uint64_t bench_busy(unsigned n, unsigned threads)
{
    pthread_t t[2];
    struct busy b[2] = {{n, 0}, {n, 0}};
    for (unsigned i = 0; i < threads; i++)
        pthread_create(&t[i], NULL, busy, &b[i]);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    return b[0].result;
}
