/* fft.c - a complex transform and back, double precision. */
#include "../bench.h"

enum { BITS = 11, N = 1 << BITS };

struct complex_ {
    double re, im;
};

/* Roots of unity by repeated halving of the angle, so that no libm is compared. */
static void roots(struct complex_ *w)
{
    struct complex_ half[BITS];
    half[0] = (struct complex_){-1, 0};
    for (unsigned k = 1; k < BITS; k++) {
        double c = half[k - 1].re;
        half[k].re = k == 1 ? 0 : __builtin_sqrt((1 + c) / 2);
        half[k].im = __builtin_sqrt((1 - c) / 2);
    }
    for (unsigned i = 0; i < N / 2; i++) {
        w[i] = (struct complex_){1, 0};
        for (unsigned k = 1; k < BITS; k++)
            if (i >> (BITS - 1 - k) & 1)
                w[i] = (struct complex_){w[i].re * half[k].re - w[i].im * half[k].im, w[i].re * half[k].im + w[i].im * half[k].re};
    }
}

static void transform(struct complex_ *x, const struct complex_ *w, double sign)
{
    for (unsigned i = 0, k = 0; i < N; i++) {
        if (i < k) {
            struct complex_ t = x[i];
            x[i] = x[k], x[k] = t;
        }
        unsigned bit = N >> 1;
        for (; k & bit; bit >>= 1)
            k ^= bit;
        k |= bit;
    }
    for (unsigned size = 2; size <= N; size *= 2)
        for (unsigned at = 0; at < N; at += size)
            for (unsigned i = 0; i < size / 2; i++) {
                struct complex_ *a = &x[at + i], *b = a + size / 2, r = w[i * (N / size)];
                r.im *= sign;
                struct complex_ t = {b->re * r.re - b->im * r.im, b->re * r.im + b->im * r.re};
                *b = (struct complex_){a->re - t.re, a->im - t.im};
                *a = (struct complex_){a->re + t.re, a->im + t.im};
            }
}

uint64_t bench_run(unsigned n)
{
    static struct complex_ x[N], w[N / 2];
    uint64_t seed = 11, h = 0;
    roots(w);
    for (unsigned i = 0; i < N; i++)
        x[i] = (struct complex_){(double)(bench_random(&seed) % 1000) / 999, 0};
    for (unsigned i = 0; i < 100 * n; i++) {
        transform(x, w, 1);
        transform(x, w, -1);
        for (unsigned k = 0; k < N; k++)
            x[k].re /= N, x[k].im /= N;
    }
    for (unsigned k = 0; k < N; k += 64)
        h = bench_mix(h, (uint64_t)(int64_t)(x[k].re * 1e9));
    return h;
}
