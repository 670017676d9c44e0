/* aes.c - AES-128 in counter mode with the CPU's AES instructions. native: -maes -mssse3 */
#include "../bench.h"
#if defined __aarch64__
#pragma GCC target("+crypto")
#include <arm_neon.h>
typedef uint8x16_t block;
static block round_(block x, block k) { return veorq_u8(vaesmcq_u8(vaeseq_u8(x, vdupq_n_u8(0))), k); }
static block last(block x, block k) { return veorq_u8(vaeseq_u8(x, vdupq_n_u8(0)), k); }
static block exclusive_or(block a, block b) { return veorq_u8(a, b); }
#else
#include <immintrin.h>
typedef __m128i block;
static block round_(block x, block k) { return _mm_aesenc_si128(x, k); }
static block last(block x, block k) { return _mm_aesenclast_si128(x, k); }
static block exclusive_or(block a, block b) { return _mm_xor_si128(a, b); }
#endif

uint64_t bench_run(unsigned n)
{
    uint64_t seed = 43, counter[2] = {0}, h = 0, out[2];
    block key[11], sum, x, c;
    for (unsigned i = 0; i < 11; i++) {
        uint64_t k[2] = {bench_random(&seed), bench_random(&seed)};
        memcpy(&key[i], k, 16);
    }
    memset(&sum, 0, sizeof sum);
    for (unsigned i = 0; i < 1500000 * n; i++) {
        counter[0] = i;
        memcpy(&c, counter, 16);
        x = exclusive_or(c, key[0]);
        for (unsigned r = 1; r < 10; r++)
            x = round_(x, key[r]);
        sum = exclusive_or(round_(sum, key[3]), last(x, key[10]));
    }
    memcpy(out, &sum, 16);
    return bench_mix(bench_mix(h, out[0]), out[1]);
}
