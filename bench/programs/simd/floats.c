/* floats.c - 128-bit vectors of floating-point numbers: add, multiply, divide, compare. */
#include "../bench.h"

typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef int32_t s32x4 __attribute__((vector_size(16)));

uint64_t bench_run(unsigned n)
{
    enum { N = 512 };
    static f32x4 a[N], b[N];
    f64x2 sum = {0, 0};
    uint64_t h = 0;
    for (unsigned i = 0; i < N; i++)
        for (unsigned k = 0; k < 4; k++)
            a[i][k] = (float)(i * 4 + k) / 100, b[i][k] = (float)((i * 7 + k) % 300) / 30 + 0.5f;
    for (unsigned round = 0; round < 1500 * n; round++)
        for (unsigned i = 0; i < N; i++) {
            f32x4 q = a[i] * b[i] + (a[i] - b[i]) * 0.25f;
            s32x4 big = q > 100.0f;
            q = (f32x4)(((s32x4)(q * 0.5f) & big) | ((s32x4)q & ~big));
            a[i] = q * 0.0625f + 1.5f;
            sum += (f64x2){q[0], q[3]};
        }
    for (unsigned i = 0; i < N; i += 16)
        h = bench_mix_double(h, (double)a[i][i / 16 % 4]);
    return bench_mix_double(bench_mix_double(h, sum[0]), sum[1]);
}
