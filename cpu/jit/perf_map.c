/*
 * perf_map.c - names of translated code for `perf` (POME_PERF_MAP=1).
 *
 * perf report takes names of code in anonymous memory from /tmp/perf-PID.map: lines "start size name" (Linux,
 * tools/perf/Documentation/jit-interface.txt). A block's name is the guest's virtual address when it was made, exception
 * level, physical address and number of guest instructions: "el0_400a10_pa_4a5e1a10_n12". A block at a
 * recycled address (the buffer was full) has two lines; perf takes the later one.
 */
#include "cpu/jit/jit.h"
#include <stdlib.h>
#include <unistd.h>

void perf_map_open(struct jit *j)
{
    const char *wanted = getenv("POME_PERF_MAP");
    char path[64];
    size_t bytes;
    if (!wanted || !*wanted || !strcmp(wanted, "0"))
        return;
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    j->perf_map = fopen(path, "we"); /* e: not for children */
    if (!j->perf_map) {
        fprintf(stderr, "pome: POME_PERF_MAP: %s: %m\n", path);
        return;
    }
    uintptr_t stubs = (uintptr_t)x64_code_stubs(j->code, &bytes);
    fprintf(j->perf_map, "%lx %zx pome_stubs\n", (unsigned long)stubs, bytes);
    fflush(j->perf_map);
}

void perf_map_add(struct jit *j, const struct vcpu *c, const struct block *b, unsigned n_guest, size_t bytes)
{
    if (!j->perf_map)
        return;
    fprintf(j->perf_map, "%lx %zx el%u_%llx_pa_%llx_n%u\n", (unsigned long)(uintptr_t)b->entry, bytes, c->el,
            (unsigned long long)c->s.pc, (unsigned long long)b->pa, n_guest);
}

void perf_map_close(struct jit *j)
{
    if (j->perf_map)
        fclose(j->perf_map);
    j->perf_map = NULL;
}
