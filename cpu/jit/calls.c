/*
 * calls.c - what translated code calls in C, counted (POME_TRACE=calls): helpers, system registers and system instructions,
 * and operations without code of their own. Where a workload's time goes that is in no block. Counts of all vCPUs
 * together; concurrent ones may get lost. Costs nothing when not asked for.
 */
#include "cpu/jit/jit.h"
#include <stdlib.h>

static uint64_t counted[HELPER_COUNT], by_encoding[2][1 << 16], pure[IR_OP_COUNT];

#define HELPER(name, flags, text)                                                                                \
    static uint64_t counting_##name(void *state, uint64_t a, uint64_t b, uint64_t c, uint32_t pc_offset)         \
    {                                                                                                            \
        counted[HELPER_##name]++;                                                                                \
        if (HELPER_##name == HELPER_mrs || HELPER_##name == HELPER_msr || HELPER_##name == HELPER_sys)           \
            by_encoding[HELPER_##name == HELPER_mrs][a & 0xffff]++;                                              \
        return jit_helpers[HELPER_##name](state, a, b, c, pc_offset);                                            \
    }
#include "cpu/jit/helpers.inc"
#undef HELPER

jit_helper_fn *const *calls_count(void)
{
    static jit_helper_fn *const all[HELPER_COUNT] = {
#define HELPER(name, flags, text) [HELPER_##name] = counting_##name,
#include "cpu/jit/helpers.inc"
#undef HELPER
    };
    x64_pure_calls = pure;
    return all;
}

void calls_print(FILE *to)
{
    static const char *const names[HELPER_COUNT] = {
#define HELPER(name, flags, text) [HELPER_##name] = #name,
#include "cpu/jit/helpers.inc"
#undef HELPER
    };
    for (unsigned i = 0; i < HELPER_COUNT; i++)
        if (counted[i])
            fprintf(to, "calls: %12llu %s\n", (unsigned long long)counted[i], names[i]);
    for (unsigned read = 0; read < 2; read++)
        for (unsigned e = 0; e < 1 << 16; e++)
            if (by_encoding[read][e])
                fprintf(to, "calls: %12llu %s S%u_%u_C%u_C%u_%u\n", (unsigned long long)by_encoding[read][e],
                        e >> 14 == 1 ? "sys" : read ? "mrs" : "msr", e >> 14, e >> 11 & 7, e >> 7 & 15, e >> 3 & 15, e & 7);
    for (unsigned i = 0; i < IR_OP_COUNT; i++)
        if (pure[i])
            fprintf(to, "calls: %12llu operation %s\n", (unsigned long long)pure[i], ir_ops[i].name);
}
