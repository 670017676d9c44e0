/*
 * watch.h - what is written to RAM, by anybody: vCPUs, devices, system calls that read into it.
 *
 * How it works. The kernel write-protects pages by userfaultfd(2) in its asynchronous form (Linux 6.7: UFFD_FEATURE_WP_ASYNC): who writes to one is delayed by a
 * fault of less than a microsecond, once, and nobody of ours has to answer. PAGEMAP_SCAN tells the pages written to and protects them again in one step, so that no write is missed between the
 * two. What never had contents is not protected and is told when it gets some. What is given back to the host (mem_discard) no longer has contents, which the kernel does not
 * tell: mem.c does.
 *
 * A device that writes around the page tables (O_DIRECT) is told with the beginning of its write, not the end: whoever does that touches what came afterwards (backend/disk.c).
 */
#ifndef MEM_WATCH_H
#define MEM_WATCH_H

#include "mem/mem.h"

enum { MEM_WATCH_BYTES = 65536 }; /* the grain */

/* From now on. All contents are fetched first (mem_settle). One watch at a time. Errors: NOT_SUPPORTED: the host does not offer it. */
bool mem_watch_begin(struct mem *m, struct pome_error *err);

/* Sets changed[i] for each MEM_WATCH_BYTES of the RAM at gpa (where a region begins) that were written to since the last time; the first time: that have contents. */
bool mem_watch_take(struct mem *m, uint64_t gpa, uint8_t *changed, struct pome_error *err);

void mem_watch_end(struct mem *m); /* also without a watch */

#endif
