/* agree.h - does the engine do with some guest code what the evaluator says? For the self test and fuzzing; one thread at a time. */
#ifndef CPU_JIT_AGREE_H
#define CPU_JIT_AGREE_H

#include "cpu/state.h"
#include <stdio.h>

struct agree_code {
    const uint32_t *words;
    unsigned n;
    uint32_t page_offset, mode;
    uint64_t seed; /* of registers and memory */
};

/* false: why, in words. */
bool engine_agrees(const struct agree_code *code, char *why, size_t size);
/* The same of a loop: code that ends with a jump to its beginning while register `counter`, which nothing else changes, is not zero after it
 * was decremented, and makes no calls. */
bool engine_loop_agrees(const struct agree_code *code, unsigned counter, unsigned turns, char *why, size_t size);
/* Runs straight code (as host code where the host can) on the state. */
void engine_run(const uint32_t *words, unsigned n, struct cpu_state *s);
/* The IR of the last code, as translated and optimised. */
void engine_print(FILE *to);

#endif
