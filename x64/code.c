/*
 * code.c - code memory, linking, running.
 *
 * One piece of shared memory is mapped twice: writable here, executable there (W^X; no mprotect while others run). It is
 * anonymous (not a memfd) because `perf` takes names from /tmp/perf-PID.map only for such memory. Everything is named by its
 * offset. Links are displacements that lie in an aligned 8 bytes, changed by one store, which other threads' instruction
 * fetch sees whole (Intel SDM vol. 3, 9.1.3 asks for more in general; such a store of a direct branch's displacement that
 * leads to valid code both before and after is what every translator relies on).
 */
#include "base/error.h"
#include "x64/traps.h"
#include <stdlib.h>
#include <sys/mman.h>

enum { MAX_CODE = 1 << 30, STUB_BYTES = 64 * 1024 };

static bool map_twice(struct x64_code *c, struct pome_error *err)
{
    void *rw = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rw == MAP_FAILED)
        return pome_fail_errno(err, "code memory: %zu bytes", c->size);
    void *rx = mremap(rw, 0, c->size, MREMAP_MAYMOVE); /* an old size of 0: the same pages once more */
    if (rx == MAP_FAILED || mprotect(rx, c->size, PROT_READ | PROT_EXEC)) {
        pome_fail_errno(err, "code memory: %zu bytes, executable", c->size);
        if (rx != MAP_FAILED)
            munmap(rx, c->size);
        munmap(rw, c->size);
        return false;
    }
    c->rw = rw;
    c->rx = rx;
    return true;
}

/* Pages come by the piece: a fault for each costs several times as much. Older kernels know no such advice: then by faults. */
void x64_code_populate(struct x64_code *c, size_t end)
{
    enum { PIECE = 256 * 1024 };
    if (end <= c->populated)
        return;
    size_t from = c->populated, to = MIN(align_up(end, PIECE), c->size);
    madvise(c->rw + from, to - from, MADV_POPULATE_WRITE);
    madvise(c->rx + from, to - from, MADV_POPULATE_READ);
    c->populated = to;
}

struct x64_code *x64_code_create(size_t bytes, struct pome_error *err)
{
    struct x64_code *c = calloc(1, sizeof *c);
    if (!c) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "code memory: out of memory");
        return NULL;
    }
    c->size = MIN(MAX(align_up(bytes, 4096), (uint64_t)4 * STUB_BYTES), (uint64_t)MAX_CODE);
    c->max_patches = c->size / 32; /* an exit with its cold code is longer than that */
    c->patches = malloc(c->max_patches * sizeof *c->patches);
    c->max_traps = c->size / 32;
    c->traps = malloc(c->max_traps * sizeof *c->traps);
    c->compiler = calloc(1, sizeof *c->compiler);
    if (c->compiler) {
        c->compiler->max_cold = 2 * IR_MAX_INSNS;
        c->compiler->cold = malloc(c->compiler->max_cold * sizeof *c->compiler->cold);
    }
    if (!c->patches || !c->traps || !c->compiler || !c->compiler->cold)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "code memory: out of memory");
    else if (map_twice(c, err))
        return c;
    x64_code_destroy(c);
    return NULL;
}

void x64_code_destroy(struct x64_code *c)
{
    if (!c)
        return;
    if (c->rw) {
        munmap(c->rw, c->size);
        munmap(c->rx, c->size);
    }
    if (c->compiler)
        free(c->compiler->cold);
    free(c->compiler);
    free(c->patches);
    free(c->traps);
    free(c);
}

size_t x64_code_used(const struct x64_code *c)
{
    return c->used;
}

size_t x64_code_size(const struct x64_code *c)
{
    return c->size;
}

uint64_t x64_code_trapped(const struct x64_code *c)
{
    return c->trapped;
}

const void *x64_code_stubs(const struct x64_code *c, size_t *bytes)
{
    *bytes = c->reset_to;
    return c->rx;
}

void x64_code_reset(struct x64_code *c)
{
    c->used = c->reset_to;
    c->n_patches = 0;
    c->n_traps = 0;
}

bool x64_code_prepare(struct x64_code *c, const struct x64_config *config, struct pome_error *err)
{
    if (!x64_host_supported(err))
        return false;
    x64_traps_install();
    c->n_patches = c->n_traps = 0;
    return x64_stubs_make(c, config);
}

static const struct x64_patch *find_patch(const struct x64_code *c, uint32_t patch)
{
    size_t low = 0, high = c->n_patches;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->patches[mid].patch < patch)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->n_patches && c->patches[low].patch == patch ? &c->patches[low] : NULL;
}

void x64_link(struct x64_code *c, uint32_t patch, const void *entry)
{
    const struct x64_patch *p = find_patch(c, patch);
    assert(p);
    size_t to = entry ? (size_t)((const uint8_t *)entry - c->rx) : p->unlinked;
    typedef uint32_t __attribute__((aligned(1), may_alias)) rel32;
    *(volatile rel32 *)(c->rw + patch) = (uint32_t)(to - patch - 4);
}

enum x64_exit x64_run(struct x64_code *c, void *state, const void *entry, uint32_t *link_patch)
{
    uint64_t (*enter)(void *state_, const void *entry_);
    memcpy(&enter, &c->enter, sizeof enter);
    struct x64_code *outer = x64_running;
    x64_running = c;
    uint64_t r = enter(state, entry);
    x64_running = outer;
    *link_patch = (uint32_t)(r >> 32);
    return (enum x64_exit)(uint32_t)r;
}

void x64_dump(const struct x64_code *c, const struct x64_block *b, FILE *to)
{
    const uint8_t *p = b->entry;
    fprintf(to, "code %p, %u bytes, %u links:\n", b->entry, b->bytes, b->n_links);
    for (unsigned i = 0; i < b->bytes; i++)
        fprintf(to, "%02x%s", p[i], i % 32 == 31 || i == b->bytes - 1 ? "\n" : "");
}
