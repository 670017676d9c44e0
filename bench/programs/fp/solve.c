/* solve.c - linear equations: LU with pivoting, row by row, and the residual. */
#include "../bench.h"
#include <math.h>

enum { N = 120 };

uint64_t bench_run(unsigned n)
{
    static double a[N][N], x[N];
    uint64_t seed = 3, h = 0;
    for (unsigned round = 0; round < 20 * n; round++) {
        for (unsigned i = 0; i < N; i++) {
            x[i] = (double)i;
            for (unsigned k = 0; k < N; k++)
                a[i][k] = (double)(int64_t)(bench_random(&seed) % 2001) / 1000 - 1;
        }
        for (unsigned p = 0; p < N; p++) {
            unsigned best = p;
            for (unsigned i = p + 1; i < N; i++)
                if (fabs(a[i][p]) > fabs(a[best][p]))
                    best = i;
            for (unsigned k = 0; k < N; k++) {
                double t = a[p][k];
                a[p][k] = a[best][k], a[best][k] = t;
            }
            double t = x[p];
            x[p] = x[best], x[best] = t;
            for (unsigned i = p + 1; i < N; i++) {
                double f = a[i][p] / a[p][p];
                for (unsigned k = p; k < N; k++)
                    a[i][k] -= f * a[p][k];
                x[i] -= f * x[p];
            }
        }
        for (unsigned i = N; i-- > 0;) {
            for (unsigned k = i + 1; k < N; k++)
                x[i] -= a[i][k] * x[k];
            x[i] /= a[i][i];
        }
        h = bench_mix_double(h, x[round % N]);
    }
    return h;
}
