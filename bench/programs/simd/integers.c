/* integers.c - 128-bit vectors of integers: add, multiply, shift, compare, choose, widen. */
#include "../bench.h"

typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));
typedef int32_t s32x4 __attribute__((vector_size(16)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));

uint64_t bench_run(unsigned n)
{
    static u8x16 in[256];
    uint64_t seed = 23, h = 0;
    u32x4 sum = {0}, hash = {1, 2, 3, 4};
    u16x8 wide = {0};
    for (unsigned i = 0; i < 256; i++)
        for (unsigned k = 0; k < 16; k++)
            in[i][k] = (uint8_t)(bench_random(&seed) >> 30);
    for (unsigned round = 0; round < 12000 * n; round++)
        for (unsigned i = 0; i < 256; i += 2) {
            u8x16 a = in[i], b = in[i + 1];
            u8x16 more = (u8x16)(a > b);
            u8x16 best = (a & more) | (b & ~more);
            hash = (hash ^ (u32x4)best) * 16777619u;
            hash ^= hash >> 13;
            sum += (u32x4)((s32x4)hash >> 5) + (hash << 3);
            wide += (u16x8)best >> 3;
        }
    for (unsigned k = 0; k < 4; k++)
        h = bench_mix(bench_mix(h, sum[k]), wide[2 * k]);
    return h;
}
