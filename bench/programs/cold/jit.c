/* jit.c - writes small functions, makes them visible to instruction fetch, runs each a few times. */
#include "../bench.h"
#include <sys/mman.h>

/* A function of n additions of constants to its argument. */
static size_t write_function(uint32_t *to, unsigned n, uint32_t seed)
{
    uint8_t *p = (uint8_t *)to;
    for (unsigned i = 0; i < n; i++) {
        uint32_t k = (seed = seed * 1664525 + 1013904223) >> 20;
#if defined __aarch64__
        uint32_t add = 0x11000000 | k << 10; /* add w0, w0, #k */
        memcpy(p, &add, 4);
        p += 4;
#else
        *p++ = 0x8d, *p++ = 0x87; /* lea eax, [rdi + k]; mov edi, eax */
        memcpy(p, &k, 4);
        p += 4;
        *p++ = 0x89, *p++ = 0xc7;
#endif
    }
#if defined __aarch64__
    uint32_t ret = 0xd65f03c0;
    memcpy(p, &ret, 4);
    p += 4;
#else
    *p++ = 0xc3;
#endif
    return (size_t)(p - (uint8_t *)to);
}

uint64_t bench_run(unsigned n)
{
    enum { BYTES = 1 << 16, EACH = 512 };
    uint8_t *code = mmap(NULL, BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t x = 1;
    for (unsigned i = 0; i < 3000 * n; i++) {
        uint8_t *at = code + i % (BYTES / EACH) * EACH;
        size_t bytes = write_function((uint32_t *)(void *)at, 10 + i % 40, i);
        __builtin___clear_cache((char *)at, (char *)at + bytes);
        uint32_t (*f)(uint32_t);
        memcpy(&f, &at, sizeof f);
        for (unsigned k = 0; k < 3; k++)
            x = f(x) ^ k;
    }
    munmap(code, BYTES);
    return x;
}
