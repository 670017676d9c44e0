/*
 * translate.c - what translation costs: translate FILE [OFFSET BYTES]: takes the bytes of a file (a kernel Image) as code, block after
 * block, and prints CPU nanoseconds per guest instruction of each step.
 */
#include "cpu/jit/jit.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum { CODE_BYTES = 256 << 20, MAX_INSNS = 64, DEFAULT_OFFSET = 0x10000, DEFAULT_BYTES = 4 << 20, ROUNDS = 3 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct sums {
    double ns;
    uint64_t guest, ir, bytes, blocks;
};

enum step { TRANSLATE, OPTIMISE, COMPILE, STEPS };

/* Everything up to and with `last`. */
static bool all_blocks(struct x64_code *code, const struct x64_config *config, const uint8_t *p, size_t bytes, enum step last, struct sums *s)
{
    static struct ir_block ir;
    struct x64_block out = {0};
    double begin = now();
    *s = (struct sums){0};
    x64_code_reset(code);
    for (size_t at = 0; at + 4 <= bytes; s->blocks++) {
        unsigned room = (unsigned)MIN((4096 - (at & 4095)) / 4, (bytes - at) / 4);
        translate_block(&ir, (const uint32_t *)(const void *)(p + at), MIN(room, 8u * MAX_INSNS), at & 4095, CPU_MODE_EL1, MAX_INSNS);
        at += 4 * block_words(&ir);
        s->ir += ir.n;
        if (last >= OPTIMISE)
            ir_optimise(&ir);
        if (last >= COMPILE && !x64_compile(code, config, &ir, &out))
            return false;
        s->guest += ir.n_guest;
        s->bytes += out.bytes;
    }
    s->ns = now() - begin;
    return true;
}

int main(int argc, char **argv)
{
    struct pome_error err;
    struct stat st;
    struct sums best[STEPS], s;
    int f = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    size_t offset = argc > 2 ? strtoul(argv[2], NULL, 0) : DEFAULT_OFFSET, bytes = argc > 3 ? strtoul(argv[3], NULL, 0) : DEFAULT_BYTES;
    if (f < 0 || fstat(f, &st) || (size_t)st.st_size < offset + bytes) {
        fprintf(stderr, "usage: translate FILE [OFFSET BYTES]: code from a file of that size\n");
        return 2;
    }
    const uint8_t *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, f, 0);
    struct x64_config config = {0};
    struct x64_code *code = x64_code_create(CODE_BYTES, &err);
    jit_configure(&config, jit_helpers, 12);
    config.share = true;
    if (p == MAP_FAILED || !code || !x64_code_prepare(code, &config, &err)) {
        fprintf(stderr, "translate: %s\n", p == MAP_FAILED ? "cannot map the file" : err.message);
        return 1;
    }
    for (unsigned k = 0; k < ROUNDS; k++)
        for (enum step last = 0; last < STEPS; last++) {
            if (!all_blocks(code, &config, p + offset, bytes, last, &s)) {
                fprintf(stderr, "translate: the code memory is full\n");
                return 1;
            }
            if (!k || s.ns < best[last].ns)
                best[last] = s;
        }
    double n = (double)s.guest;
    printf("translation: %.0f ns per guest instruction (decode and IR %.0f, passes %.0f, host code %.0f); %.1f IR operations, %.0f bytes; "
           "%.1f instructions a block, %llu blocks\n", best[COMPILE].ns / n, best[TRANSLATE].ns / n,
           (best[OPTIMISE].ns - best[TRANSLATE].ns) / n, (best[COMPILE].ns - best[OPTIMISE].ns) / n, (double)s.ir / n,
           (double)best[COMPILE].bytes / n, n / (double)s.blocks, (unsigned long long)s.blocks);
    x64_code_destroy(code);
    return 0;
}
