/*
 * sha512_ce.c - the SHA-512 block function with the instructions of FEAT_SHA512 (DDI 0487: SHA512H, SHA512H2, SHA512SU0,
 * SHA512SU1). The only file compiled for that feature; sha384.c calls it when the CPU announces it.
 *
 * A step does two rounds. The state is four pairs ab, cd, ef, gh; SHA512H wants the pairs that straddle them (fg, de),
 * which EXT makes. New ab comes out of SHA512H2; new ef is cd plus what SHA512H gave.
 */
#pragma GCC target("arch=armv8.2-a+sha3")
#include <arm_neon.h>

#include "firmware/fw.h"

void fw_sha512_blocks_ce(uint64_t state[8], const uint8_t *data, size_t n_blocks, const uint64_t constants[80]);

/* Byte-wise LD1: the only vector load that may be unaligned while the MMU is off. */
static inline uint64x2_t load(const uint8_t *p)
{
    uint8x16_t v;
    __asm__("ld1 {%0.16b}, [%1]" : "=w"(v) : "r"(p), "m"(*(const uint8_t(*)[16])p));
    return vreinterpretq_u64_u8(vrev64q_u8(v));
}

void fw_sha512_blocks_ce(uint64_t state[8], const uint8_t *data, size_t n_blocks, const uint64_t constants[80])
{
    uint64x2_t ab = vld1q_u64(state), cd = vld1q_u64(state + 2), ef = vld1q_u64(state + 4), gh = vld1q_u64(state + 6);
    for (; n_blocks; n_blocks--, data += 128) {
        uint64x2_t w[8], ab0 = ab, cd0 = cd, ef0 = ef, gh0 = gh;
        for (int i = 0; i < 8; i++)
            w[i] = load(data + i * 16);
#pragma GCC unroll 40
        for (int t = 0; t < 40; t++) {
            uint64x2_t kw = vaddq_u64(w[t % 8], vld1q_u64(constants + t * 2));
            uint64x2_t sum = vaddq_u64(gh, vextq_u64(kw, kw, 1));
            uint64x2_t half = vsha512hq_u64(sum, vextq_u64(ef, gh, 1), vextq_u64(cd, ef, 1));
            gh = ef;
            ef = vaddq_u64(cd, half);
            uint64x2_t next = vsha512h2q_u64(half, cd, ab);
            cd = ab;
            ab = next;
            if (t < 32)
                w[t % 8] = vsha512su1q_u64(vsha512su0q_u64(w[t % 8], w[(t + 1) % 8]), w[(t + 7) % 8],
                                           vextq_u64(w[(t + 4) % 8], w[(t + 5) % 8], 1));
        }
        ab = vaddq_u64(ab, ab0), cd = vaddq_u64(cd, cd0), ef = vaddq_u64(ef, ef0), gh = vaddq_u64(gh, gh0);
    }
    vst1q_u64(state, ab), vst1q_u64(state + 2, cd), vst1q_u64(state + 4, ef), vst1q_u64(state + 6, gh);
}
