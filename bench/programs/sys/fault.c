/* fault.c - mmap, first touch, mprotect, munmap. */
#include "../bench.h"
#include <sys/mman.h>

uint64_t bench_run(unsigned n)
{
    uint64_t h = 0;
    enum { PAGES = 128 };
    for (unsigned i = 0; i < 120 * n; i++) {
        uint8_t *p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (unsigned k = 0; k < PAGES; k++)
            p[k * 4096 + k] = (uint8_t)(i + k);
        mprotect(p, PAGES * 2048, PROT_READ);
        for (unsigned k = 0; k < PAGES; k++)
            h += p[k * 4096 + k];
        munmap(p, PAGES * 4096);
    }
    return h;
}
