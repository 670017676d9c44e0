/*
 * lazy.h - memory whose contents come when it is first touched (userfaultfd(2), for faults of this process's own code).
 *
 * How it works. Pages of a region are missing at first. Whoever touches one, a vCPU in the middle of translated code as well as a device, stops in the kernel
 * until a thread of ours has put the chunk around it there. Another thread fetches the pages that are going to be wanted soon, and, once nobody has waited for a chunk for a moment, all in order, so that
 * after a while everything is there, and the region is memory like any other.
 *
 * The kernel itself does not wait: a system call that is given missing memory fails with EFAULT. So what is given to system calls is
 * touched before: mem_touch, which virtq_pop does for every buffer.
 */
#ifndef MEM_LAZY_H
#define MEM_LAZY_H

#include "mem/mem.h"

enum { MEM_LAZY_WORKERS = 2 };

struct mem_source {
    size_t chunk_bytes; /* a power of two, at least 4096 */
    bool (*is_zero)(void *ctx, size_t chunk); /* then it is not fetched */
    /* Puts a chunk's bytes to `to`. `worker` 0 or 1: no two calls at once have the same. False: it cannot be had; the guest gets zeros, and must not
     * go on, which is for this function to see to. */
    bool (*fill)(void *ctx, unsigned worker, size_t chunk, uint8_t *to);
    void (*release)(void *ctx); /* called last, on a thread of ours, when all is there or the memory goes away */
    void *ctx;
    /* What is going to be wanted soon comes before all else, page by page (4096 bytes): the i-th part, at most chunk_bytes, to `to`, and *pages says which;
     * numbers may be wrong. Returns how many; 0: there are no more. NULL: nothing is known. */
    size_t (*first)(void *ctx, unsigned worker, size_t i, const uint32_t **pages, uint8_t *to);
};

/* From now on the RAM at gpa (where a region begins), which was not touched yet, is what the source says. Before anything runs. On failure
 * (NOT_SUPPORTED: the host does not offer it) release is not called. */
bool mem_lazy_start(struct mem *m, uint64_t gpa, const struct mem_source *source, struct pome_error *err);

/* Waits until all memory is there. */
void mem_settle(struct mem *m);

/* Makes sure that a system call can be given these bytes, which lie in one region. Any thread. */
void mem_touch(const struct mem *m, const void *hva, uint64_t bytes);

#endif
