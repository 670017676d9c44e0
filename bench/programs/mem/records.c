/* records.c - fields of structures, in order and by index. */
#include "../bench.h"

struct record {
    uint32_t id, group, score, seen;
    uint64_t when, total;
    int16_t delta[4];
    uint8_t flags[8];
};

uint64_t bench_run(unsigned n)
{
    enum { N = 40000 };
    struct record *r = calloc(N, sizeof *r);
    uint64_t seed = 67, h = 0;
    for (unsigned i = 0; i < N; i++)
        r[i] = (struct record){.id = i, .group = (uint32_t)(bench_random(&seed) % N), .score = (uint32_t)seed & 1023};
    for (unsigned round = 0; round < 25 * n; round++)
        for (unsigned i = 0; i < N; i++) {
            struct record *x = &r[i], *g = &r[x->group];
            x->total += x->score + (uint64_t)x->delta[round & 3];
            x->when = g->when + round;
            g->seen++;
            g->delta[i & 3] = (int16_t)(g->delta[i & 3] + (int)x->flags[i & 7] - 1);
            x->flags[round & 7] ^= (uint8_t)g->score;
        }
    for (unsigned i = 0; i < N; i++)
        h = bench_mix(bench_mix(h, r[i].total), r[i].when + r[i].seen);
    free(r);
    return h;
}
