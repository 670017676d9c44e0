/* loops.c - plain loops that the compiler makes vectors of. */
#include "../bench.h"
#pragma GCC optimize("O3")

enum { N = 4096 };
static uint8_t image[N], other[N];
static int16_t wave[N], filtered[N];
static float x[N], y[N];

static unsigned difference(const uint8_t *a, const uint8_t *b)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < N; i++)
        sum += (unsigned)abs(a[i] - b[i]);
    return sum;
}

static void filter(int16_t *to, const int16_t *from)
{
    for (unsigned i = 0; i < N - 4; i++)
        to[i] = (int16_t)((from[i] * 3 + from[i + 1] * 7 + from[i + 2] * 7 + from[i + 3] * 3) >> 5);
}

static void saxpy(float *to, const float *from, float k)
{
    for (unsigned i = 0; i < N; i++)
        to[i] += from[i] * k;
}

uint64_t bench_run(unsigned n)
{
    uint64_t seed = 31, h = 0;
    for (unsigned i = 0; i < N; i++) {
        image[i] = (uint8_t)bench_random(&seed), other[i] = (uint8_t)(seed >> 8);
        wave[i] = (int16_t)(seed >> 20), x[i] = (float)(seed >> 40 & 1023), y[i] = (float)i;
    }
    for (unsigned round = 0; round < 6000 * n; round++) {
        h = bench_mix(h, difference(image, other));
        filter(filtered, wave);
        wave[round % N] ^= filtered[round * 5 % (N - 4)];
        saxpy(y, x, 0.001f);
        image[round % N]++;
    }
    return bench_mix_double(h, (double)y[N / 3]);
}
