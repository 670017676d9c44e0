/* inside.h - what the files of mem/ share. */
#ifndef MEM_INSIDE_H
#define MEM_INSIDE_H

#include "mem/mem.h"

#include <pthread.h>

enum { MEM_REGIONS_MAX = 16 };

struct mem_lazy;
struct mem_watch;

struct mem {
    size_t n;
    struct mem_region region[MEM_REGIONS_MAX];
    struct mem_lazy *lazy; /* NULL: all contents are there */
    pthread_mutex_t watch_lock;
    struct mem_watch *watch; /* NULL: nobody asks what is written */
};

bool lazy_is_coming(const struct mem *m); /* some contents are not there yet */
void watch_gone(struct mem *m, const void *hva, uint64_t bytes); /* these have no contents any more */
void lazy_end(struct mem *m); /* stops fetching, frees; nobody may touch missing memory any more */

#endif
