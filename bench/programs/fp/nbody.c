/* nbody.c - planets around a sun, double precision. */
#include "../bench.h"
#include <math.h>

struct body {
    double x[3], v[3], mass;
};

static void step(struct body *b, unsigned n, double dt)
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = i + 1; k < n; k++) {
            double d[3], r2 = 0.01;
            for (unsigned a = 0; a < 3; a++)
                d[a] = b[i].x[a] - b[k].x[a], r2 += d[a] * d[a];
            double f = dt / (r2 * sqrt(r2));
            for (unsigned a = 0; a < 3; a++)
                b[i].v[a] -= d[a] * b[k].mass * f, b[k].v[a] += d[a] * b[i].mass * f;
        }
    for (unsigned i = 0; i < n; i++)
        for (unsigned a = 0; a < 3; a++)
            b[i].x[a] += dt * b[i].v[a];
}

uint64_t bench_run(unsigned n)
{
    struct body b[6];
    uint64_t seed = 5, h = 0;
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned a = 0; a < 3; a++)
            b[i].x[a] = (double)(bench_random(&seed) % 1000) / 50, b[i].v[a] = (double)(bench_random(&seed) % 1000) / 900;
        b[i].mass = i ? 0.01 * i : 40;
    }
    for (unsigned i = 0; i < 60000 * n; i++)
        step(b, 6, 0.001);
    for (unsigned i = 0; i < 6; i++)
        h = bench_mix_double(h, b[i].x[i % 3]);
    return h;
}
