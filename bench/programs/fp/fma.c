/* fma.c - polynomials by fused multiply-add, double and single precision. native: -mfma */
#include "../bench.h"

uint64_t bench_run(unsigned n)
{
    uint64_t h = 0;
    double sum = 0;
    float small = 0;
    for (unsigned i = 0; i < 1500000 * n; i++) {
        double x = (double)(i % 1000) / 1000;
        double p = __builtin_fma(__builtin_fma(__builtin_fma(__builtin_fma(0.0083, x, -0.1666), x, 0.5), x, -1), x, 1);
        float f = (float)x;
        sum = __builtin_fma(p, 0.25, sum);
        small = __builtin_fmaf(__builtin_fmaf(f, 0.5f, 0.125f), f, small * 0.5f);
    }
    return bench_mix_double(bench_mix_double(h, sum), (double)small);
}
