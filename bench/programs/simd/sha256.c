/* sha256.c - SHA-256 with the CPU's instructions. native: -msha -msse4.1 */
#include "../bench.h"

static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#if defined __aarch64__
#pragma GCC target("+crypto")
#include <arm_neon.h>
static void compress(uint32_t state[8], const uint32_t m[16])
{
    uint32x4_t a = vld1q_u32(state), e = vld1q_u32(state + 4), w[4], a0 = a, e0 = e;
    for (unsigned i = 0; i < 4; i++)
        w[i] = vld1q_u32(m + 4 * i);
    for (unsigned i = 0; i < 16; i++) {
        uint32x4_t t = vaddq_u32(w[i & 3], vld1q_u32(k + 4 * i)), before = a;
        if (i < 12)
            w[i & 3] = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3], w[(i + 3) & 3]);
        a = vsha256hq_u32(a, e, t);
        e = vsha256h2q_u32(e, before, t);
    }
    vst1q_u32(state, vaddq_u32(a, a0));
    vst1q_u32(state + 4, vaddq_u32(e, e0));
}
#else
#include <immintrin.h>
static void compress(uint32_t state[8], const uint32_t m[16])
{
    __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)state), hgfe = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    __m128i t = _mm_shuffle_epi32(dcba, 0xb1), u = _mm_shuffle_epi32(hgfe, 0x1b), w[4];
    __m128i abef = _mm_alignr_epi8(t, u, 8), cdgh = _mm_blend_epi16(u, t, 0xf0), abef0 = abef, cdgh0 = cdgh;
    for (unsigned i = 0; i < 4; i++)
        w[i] = _mm_loadu_si128((const __m128i *)(const void *)(m + 4 * i));
    for (unsigned i = 0; i < 16; i++) {
        __m128i x = _mm_add_epi32(w[i & 3], _mm_loadu_si128((const __m128i *)(const void *)(k + 4 * i)));
        if (i < 12)
            w[i & 3] = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]),
                                                          _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4)), w[(i + 3) & 3]);
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, x);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(x, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef0);
    cdgh = _mm_add_epi32(cdgh, cdgh0);
    t = _mm_shuffle_epi32(abef, 0x1b);
    u = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(t, u, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(u, t, 8));
}
#endif

uint64_t bench_run(unsigned n)
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}, m[16];
    uint64_t seed = 47, h = 0;
    for (unsigned i = 0; i < 16; i++)
        m[i] = (uint32_t)bench_random(&seed);
    for (unsigned i = 0; i < 400000 * n; i++) {
        m[i & 15] ^= state[3];
        compress(state, m);
    }
    for (unsigned i = 0; i < 8; i++)
        h = bench_mix(h, state[i]);
    return h;
}
