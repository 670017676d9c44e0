/*
 * mem.c - guest physical memory (see mem.h).
 *
 * Each region is one private mapping of the host, followed by an inaccessible range, so that an access that slipped
 * past a check by some bytes faults instead of reaching host data. Pages come into being when the guest touches them.
 */
#include "mem/mem.h"

#include "base/bits.h"
#include "base/error.h"
#include "mem/inside.h"
#include "mem/watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_BYTES  4096
#define GUARD_BYTES (64 * KiB)

struct mem *mem_create(void)
{
    struct mem *m = calloc(1, sizeof *m);
    if (m)
        pthread_mutex_init(&m->watch_lock, NULL);
    return m;
}

void mem_destroy(struct mem *m)
{
    if (!m)
        return;
    lazy_end(m);
    mem_watch_end(m);
    pthread_mutex_destroy(&m->watch_lock);
    for (size_t i = 0; i < m->n; i++)
        munmap(m->region[i].hva, m->region[i].bytes + GUARD_BYTES);
    free(m);
}

static bool check_place(const struct mem *m, uint64_t gpa, uint64_t bytes, struct pome_error *err)
{
    uint64_t end;
    if (gpa % PAGE_BYTES || bytes % PAGE_BYTES || !bytes || add_overflows(gpa, bytes, &end))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "memory at 0x%" PRIx64 " of 0x%" PRIx64 " bytes: needs whole 4 KiB pages", gpa, bytes);
    for (size_t i = 0; i < m->n; i++) {
        const struct mem_region *r = &m->region[i];
        if (gpa < r->gpa + r->bytes && r->gpa < end)
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                             "memory at 0x%" PRIx64 " of 0x%" PRIx64 " bytes overlaps the region at 0x%" PRIx64, gpa,
                             bytes, r->gpa);
    }
    if (m->n == MEM_REGIONS_MAX)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "more than %d memory regions", MEM_REGIONS_MAX);
    return true;
}

static bool add_region(struct mem *m, uint64_t gpa, uint64_t bytes, struct pome_error *err)
{
    if (!check_place(m, gpa, bytes, err))
        return false;
    uint64_t all;
    if (add_overflows(bytes, GUARD_BYTES, &all) || all > SIZE_MAX / 2)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "memory of 0x%" PRIx64 " bytes: too large for this host", bytes);
    uint8_t *hva = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (hva == MAP_FAILED)
        return pome_fail_errno(err, "reserving %" PRIu64 " MiB of guest memory", bytes / MiB);
    if (mprotect(hva, bytes, PROT_READ | PROT_WRITE)) {
        pome_fail_errno(err, "mapping %" PRIu64 " MiB of guest memory", bytes / MiB);
        munmap(hva, all);
        return false;
    }
    madvise(hva, bytes, MADV_HUGEPAGE);
    madvise(hva, bytes, MADV_DONTDUMP);
    m->region[m->n++] = (struct mem_region){ .gpa = gpa, .bytes = bytes, .hva = hva };
    return true;
}

bool mem_add_ram(struct mem *m, uint64_t gpa, uint64_t bytes, struct pome_error *err)
{
    return add_region(m, gpa, bytes, err);
}

bool mem_add_rom(struct mem *m, uint64_t gpa, uint64_t bytes, const void *data, size_t size, struct pome_error *err)
{
    if (size > bytes)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "ROM at 0x%" PRIx64 ": %zu bytes of data, region has 0x%" PRIx64, gpa, size, bytes);
    if (!add_region(m, gpa, bytes, err))
        return false;
    struct mem_region *r = &m->region[m->n - 1];
    if (size)
        memcpy(r->hva, data, size);
    if (mprotect(r->hva, bytes, PROT_READ)) {
        pome_fail_errno(err, "ROM at 0x%" PRIx64, gpa);
        munmap(r->hva, bytes + GUARD_BYTES);
        m->n--;
        return false;
    }
    r->read_only = true;
    return true;
}

const struct mem_region *mem_find(const struct mem *m, uint64_t gpa)
{
    for (size_t i = 0; i < m->n; i++)
        if (gpa - m->region[i].gpa < m->region[i].bytes)
            return &m->region[i];
    return NULL;
}

void *mem_ptr(const struct mem *m, uint64_t gpa, uint64_t bytes, bool write)
{
    const struct mem_region *r = mem_find(m, gpa);
    if (!r || (write && r->read_only))
        return NULL;
    uint64_t offset = gpa - r->gpa;
    return bytes <= r->bytes - offset ? r->hva + offset : NULL;
}

bool mem_read(const struct mem *m, uint64_t gpa, void *to, size_t bytes)
{
    const void *from = mem_ptr(m, gpa, bytes, false);
    if (!from)
        return false;
    memcpy(to, from, bytes);
    return true;
}

bool mem_write(const struct mem *m, uint64_t gpa, const void *from, size_t bytes)
{
    void *to = mem_ptr(m, gpa, bytes, true);
    if (!to)
        return false;
    memcpy(to, from, bytes);
    return true;
}

const struct mem_region *mem_region(const struct mem *m, size_t i)
{
    return i < m->n ? &m->region[i] : NULL;
}

bool mem_rom_write(struct mem *m, uint64_t gpa, const void *from, size_t bytes)
{
    const struct mem_region *r = mem_find(m, gpa);
    uint8_t *to = mem_ptr(m, gpa, bytes, false);
    if (!r || !r->read_only || !to || mprotect(r->hva, r->bytes, PROT_READ | PROT_WRITE))
        return false;
    memcpy(to, from, bytes);
    return !mprotect(r->hva, r->bytes, PROT_READ);
}

uint64_t mem_discard(struct mem *m, void *hva, uint64_t bytes)
{
    uint64_t from = align_up((uintptr_t)hva, 4096), to = align_down((uintptr_t)hva + bytes, 4096);
    if (from >= to || lazy_is_coming(m) || madvise((void *)(uintptr_t)from, to - from, MADV_DONTNEED))
        return 0;
    watch_gone(m, (void *)(uintptr_t)from, to - from);
    return to - from;
}

bool mem_clear(struct mem *m, uint64_t gpa, struct pome_error *err)
{
    const struct mem_region *r = mem_find(m, gpa);
    assert(r && r->gpa == gpa && !r->read_only);
    lazy_end(m);
    bool ok = !madvise(r->hva, r->bytes, MADV_DONTNEED);
    watch_gone(m, r->hva, r->bytes);
    return ok || pome_fail_errno(err, "clearing %" PRIu64 " MiB of guest memory", r->bytes / MiB);
}
