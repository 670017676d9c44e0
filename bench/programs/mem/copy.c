/* copy.c - memcpy, memmove, memset: small ones, and ones larger than the caches. */
#include "../bench.h"

uint64_t bench_run(unsigned n)
{
    enum { BIG = 8 << 20 };
    uint8_t *a = malloc(BIG), *b = malloc(BIG);
    uint64_t seed = 59, h = 0;
    memset(a, 1, BIG);
    for (unsigned round = 0; round < 12 * n; round++) {
        memcpy(b, a, BIG);
        memmove(a + 4097, a, BIG - 4097);
        memset(b + round * 4096, (int)round, BIG / 2);
        for (unsigned i = 0; i < 150000; i++) {
            uint64_t r = bench_random(&seed);
            memcpy(a + (r & 0xffff), b + (r >> 20 & 0xffff), r >> 40 & 255);
        }
    }
    for (unsigned i = 0; i < BIG; i += 1021)
        h = bench_mix(h, a[i]);
    free(a);
    free(b);
    return h;
}
