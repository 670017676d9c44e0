/*
 * simd_structs_test.c - loads and stores of structures do the same in wide chunks as element by element, which is how they
 * are translated when alignment is checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/jit/translate/translate.h"

enum { BASE = 0x1000, BYTES = 256 };

static uint8_t memory[BYTES];
static unsigned widest; /* access, log2 */

static uint8_t *at(uint64_t va, uint32_t memop)
{
    unsigned log2 = memop & IR_MEM_SIZE_MASK;
    assert_in_range(va, BASE, BASE + BYTES - (1u << log2));
    widest = MAX(widest, log2);
    return memory + (va - BASE);
}

static uint64_t load(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset)
{
    uint64_t v = 0;
    memcpy(&v, at(va, memop), (size_t)1 << (memop & 3));
    return v;
}

static void store(void *state, uint64_t va, uint64_t value, uint32_t memop, uint32_t pc_offset)
{
    memcpy(at(va, memop), &value, (size_t)1 << (memop & 3));
}

static void load128(void *state, uint64_t va, uint32_t memop, uint32_t pc_offset, union ir_value *out)
{
    *out = (union ir_value){.d = {0, 0}};
    memcpy(out, at(va, memop), (size_t)1 << (memop & IR_MEM_SIZE_MASK));
}

static void store128(void *state, uint64_t va, const union ir_value *value, uint32_t memop, uint32_t pc_offset)
{
    memcpy(at(va, memop), value, (size_t)1 << (memop & IR_MEM_SIZE_MASK));
}

static const struct ir_env env = {
    .pc_page_offset = offsetof(struct cpu_state, pc_page), .pc_offset = offsetof(struct cpu_state, pc),
    .flags_offset = offsetof(struct cpu_state, flags), .raised_offset = offsetof(struct cpu_state, raised),
    .fpcr_offset = offsetof(struct cpu_state, fpcr), .fpsr_offset = offsetof(struct cpu_state, fpsr),
    .load = load, .store = store, .load128 = load128, .store128 = store128,
};

static void run(uint32_t word, uint32_t mode, struct cpu_state *s)
{
    static struct ir_block b;
    char message[200];
    translate_block(&b, &word, 1, 0, mode, 1);
    assert_true(ir_verify(&b, message, sizeof message));
    memset(s, 0, sizeof *s);
    for (unsigned k = 0; k < sizeof s->v; k++)
        ((uint8_t *)s->v)[k] = (uint8_t)(k * 37 + 11);
    for (unsigned k = 0; k < BYTES; k++)
        memory[k] = (uint8_t)(k * 101 + 3);
    for (unsigned k = 0; k < 31; k++)
        s->x[k] = s->sp = BASE + 64;
    widest = 0;
    ir_eval(&b, s, &env);
}

static uint64_t rng(void *ctx)
{
    uint64_t *s = ctx;
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void chunks_are_elements(void **state)
{
    uint64_t seed = 99;
    for (unsigned op = A64_ST1_1; op <= A64_LD4R_post; op++) {
        for (unsigned k = 0; k < 100; k++) {
            static struct cpu_state one, two;
            static uint8_t after[BYTES];
            struct a64_insn i;
            uint32_t word = a64_random((enum a64_op)op, rng, &seed);
            a64_decode(word, &i);
            run(word, 0, &one);
            memcpy(after, memory, BYTES);
            run(word, CPU_MODE_ALIGN, &two);
            assert_memory_equal(one.v, two.v, sizeof one.v);
            assert_memory_equal(one.x, two.x, sizeof one.x);
            assert_int_equal(one.sp, two.sp);
            assert_memory_equal(after, memory, BYTES);
            if (op < A64_ST1_lane) /* whole registers */
                assert_int_equal(widest, i.size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chunks_are_elements)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
