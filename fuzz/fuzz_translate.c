/*
 * fuzz_translate.c - any 32-bit words as guest code: decode, print, translate, optimise, compile; three executors agree.
 *
 * Input: a byte of translation mode, a byte for the page offset, eight of a seed for registers, then code: words, or (odd
 * seed) seeds of random instructions of random rows. Memory is 64 KiB repeated through the whole
 * address space, some pages raise; helpers are functions of their operands. So whatever the code does has one right result,
 * which the evaluator on unoptimised IR gives (cpu/jit/agree.c).
 */
#include "a64/a64.h"
#include "cpu/jit/agree.h"
#include <stdlib.h>

enum { MAX_WORDS = 64 };

static uint64_t rng(void *ctx)
{
    uint64_t *s = ctx;
    return *s = (*s * 31 + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ *s >> 13;
}

static uint32_t guest_word(uint32_t raw, bool of_a_row)
{
    uint64_t seed = raw;
    enum a64_op op = 1 + (enum a64_op)(rng(&seed) % (A64_OP_COUNT - 1));
    return of_a_row && !a64_is_todo(op) ? a64_random(op, rng, &seed) : raw;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t words[MAX_WORDS];
    if (size < 14)
        return 0;
    uint32_t mode = le16_get(data) & 255, off = (uint32_t)le16_get(data) >> 8 << 2;
    uint64_t seed = le64_get(data + 2);
    unsigned n = (unsigned)MIN((size - 10) / 4, MAX_WORDS);
    for (unsigned k = 0; k < n; k++) {
        struct a64_insn i;
        char text[128];
        words[k] = guest_word(le32_get(data + 10 + 4 * k), seed & 1);
        a64_decode(words[k], &i);
        a64_print(&i, 0x1000, text, sizeof text);
    }
    char why[1000];
    if (!engine_agrees(&(struct agree_code){words, n, off, mode, seed}, why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        engine_print(stderr);
        abort();
    }
    return 0;
}
