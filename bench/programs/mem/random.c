/* random.c - updates at random places of 16 MiB. */
#include "../bench.h"

uint64_t bench_run(unsigned n)
{
    enum { WORDS = 1 << 21 };
    uint64_t *t = calloc(WORDS, sizeof *t), seed = 61, h = 0;
    for (unsigned i = 0; i < 5000000 * n; i++) {
        uint64_t r = bench_random(&seed);
        t[r & (WORDS - 1)] += r >> 7;
    }
    for (unsigned i = 0; i < WORDS; i += 64)
        h = bench_mix(h, t[i]);
    free(t);
    return h;
}
