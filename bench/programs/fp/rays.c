/* rays.c - spheres looked at, single precision: square roots, divisions, comparisons, conversions. */
#include "../bench.h"
#include <math.h>

struct v3 {
    float x, y, z;
};

static float dot(struct v3 a, struct v3 b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static struct v3 unit(struct v3 a)
{
    float l = 1 / sqrtf(dot(a, a));
    return (struct v3){a.x * l, a.y * l, a.z * l};
}

uint64_t bench_run(unsigned n)
{
    enum { SPHERES = 12 };
    struct {
        struct v3 at;
        float r;
    } s[SPHERES];
    uint64_t seed = 17, h = 0;
    for (unsigned i = 0; i < SPHERES; i++) {
        s[i].at.x = (float)(int)(bench_random(&seed) % 200) / 20 - 5;
        s[i].at.y = (float)(int)(bench_random(&seed) % 200) / 20 - 5;
        s[i].at.z = (float)(bench_random(&seed) % 100) / 10 + 6;
        s[i].r = (float)(bench_random(&seed) % 100) / 100 + 0.5f;
    }
    for (unsigned y = 0; y < 240 * n; y++)
        for (unsigned x = 0; x < 320; x++) {
            struct v3 d = unit((struct v3){(float)x / 160 - 1, (float)(y % 240) / 120 - 1, 1});
            float best = 1e9f;
            unsigned who = 0;
            for (unsigned i = 0; i < SPHERES; i++) {
                float b = dot(s[i].at, d), c = dot(s[i].at, s[i].at) - s[i].r * s[i].r, q = b * b - c;
                if (q > 0 && b - sqrtf(q) > 0 && b - sqrtf(q) < best)
                    best = b - sqrtf(q), who = i + 1;
            }
            if (who)
                h = bench_mix(h, (uint64_t)(int)(best * 4096.0f) + who);
        }
    return h;
}
