/*
 * mem.h - guest physical memory: a few regions of host memory at guest physical addresses (gpa).
 *
 * Regions are added before any vCPU or device runs and never change afterwards, so lookups take no lock. The
 * contents change under every reader's feet: whoever parses guest memory copies first, then checks.
 */
#ifndef MEM_MEM_H
#define MEM_MEM_H

#include <pome/error.h>
#include <stddef.h>

struct mem_region {
    uint64_t gpa, bytes;
    uint8_t *hva;
    bool read_only; /* guest stores are refused; a boot ROM */
};

struct mem;

struct mem *mem_create(void);
void mem_destroy(struct mem *m); /* unmaps everything; NULL allowed */

/* Adds zeroed memory at gpa, allocated on demand by the host (MAP_NORESERVE), with an inaccessible guard page range
 * after it. gpa and bytes: multiples of 4096; no overlap with an earlier region. */
bool mem_add_ram(struct mem *m, uint64_t gpa, uint64_t bytes, struct pome_error *err);
/* The same, initialised with `size` bytes of data and read-only for the guest. */
bool mem_add_rom(struct mem *m, uint64_t gpa, uint64_t bytes, const void *data, size_t size, struct pome_error *err);

/* Changes a ROM's bytes from the host's side; with no vCPU or device running. false: the range is not in one ROM. */
bool mem_rom_write(struct mem *m, uint64_t gpa, const void *from, size_t bytes);

/* The RAM at gpa (where a region begins) reads as zeros again and occupies nothing; with no vCPU or device running. */
bool mem_clear(struct mem *m, uint64_t gpa, struct pome_error *err);

/* Gives the whole pages in [hva, hva+bytes), which lies in one region of RAM, back to the host: they read as zeros then. Any thread, at any time.
 * Returns how many bytes that are; 0 while contents still come (mem/lazy.h). */
uint64_t mem_discard(struct mem *m, void *hva, uint64_t bytes);

/* The region that holds gpa, or NULL. */
const struct mem_region *mem_find(const struct mem *m, uint64_t gpa);

/* Host address of [gpa, gpa+bytes), or NULL when any byte of it is outside one region. `write`: NULL for ROM too. */
void *mem_ptr(const struct mem *m, uint64_t gpa, uint64_t bytes, bool write);

/* Copies; false (nothing copied) when the range is not memory. */
bool mem_read(const struct mem *m, uint64_t gpa, void *to, size_t bytes);
bool mem_write(const struct mem *m, uint64_t gpa, const void *from, size_t bytes);

/* Region i, or NULL past the last: for listing. */
const struct mem_region *mem_region(const struct mem *m, size_t i);

#endif
