/* inside.h - what the files of mem/ share. */
#ifndef MEM_INSIDE_H
#define MEM_INSIDE_H

#include "mem/mem.h"

enum { MEM_REGIONS_MAX = 16 };

struct mem_lazy;

struct mem {
    size_t n;
    struct mem_region region[MEM_REGIONS_MAX];
    struct mem_lazy *lazy; /* NULL: all contents are there */
};

bool lazy_is_coming(const struct mem *m); /* some contents are not there yet */
void lazy_end(struct mem *m); /* stops fetching, frees; nobody may touch missing memory any more */

#endif
