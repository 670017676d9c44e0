/* recent.c - see recent.h. */
#include "save/recent.h"

#include "base/bits.h"
#include "base/error.h"

#include <stdlib.h>

enum { RECENT_VERSION = 2, PAGE = 4096, PAGES_MAX = 16384 };
enum { NEVER, AT_ONCE, THEN };
static const char list_name[] = "recent", memory_name[] = "recent/memory";

struct used {
    const struct mem_region *ram;
    uint8_t *seen; /* by page: NEVER, or when it comes */
    uint8_t when;
    size_t n;
};

static void use(void *ctx, const uint8_t *hva)
{
    struct used *u = ctx;
    uint64_t at = (uint64_t)(uintptr_t)hva - (uintptr_t)u->ram->hva;
    if (at >= u->ram->bytes || u->seen[at / PAGE] || u->n == PAGES_MAX)
        return;
    u->seen[at / PAGE] = u->when;
    u->n++;
}

static const struct mem_region *ram_of(const struct mem *m)
{
    const struct mem_region *r;
    for (size_t i = 0; (r = mem_region(m, i)) && r->read_only; i++)
        ;
    return r;
}

static bool write_used(struct save_writer *w, const struct used *u, struct pome_error *err)
{
    uint8_t *list = malloc(4 * u->n), *pages = malloc(u->n * PAGE);
    const struct save_memory m = {.bytes = u->n * PAGE, .from = pages};
    bool ok = (list && pages) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save the machine");
    size_t n = 0;
    for (uint8_t when = AT_ONCE; ok && when <= THEN; when++)
        for (size_t i = 0; i < u->ram->bytes / PAGE; i++)
            if (u->seen[i] == when) {
                le32_put(list + 4 * n, (uint32_t)i);
                memcpy(pages + PAGE * n++, u->ram->hva + i * PAGE, PAGE);
            }
    ok = ok && save_writer_section(w, list_name, RECENT_VERSION, list, 4 * u->n, err) && save_writer_memory(w, memory_name, &m, NULL, err);
    free(list);
    free(pages);
    return ok;
}

bool recent_write(struct save_writer *w, const struct save_subject *s, struct pome_error *err)
{
    struct used u = {.ram = ram_of(machine_mem(s->machine)), .when = AT_ONCE};
    if (!u.ram)
        return true;
    u.seen = calloc((size_t)(u.ram->bytes / PAGE), sizeof *u.seen);
    bool ok = u.seen || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to save the machine");
    for (unsigned i = 0; ok && i < cpu_set_count(s->cpus); i++)
        cpu_recent_pages(s->cpus, i, use, &u);
    u.when = THEN;
    if (ok)
        cpu_known_pages(s->cpus, use, &u);
    ok = ok && (!u.n || write_used(w, &u, err));
    free(u.seen);
    return ok;
}

void recent_read(const struct save_reader *r, struct recent *out)
{
    const struct save_section *list = save_reader_find(r, list_name), *memory = save_reader_find(r, memory_name);
    uint8_t *bytes = list && memory && list->version == RECENT_VERSION ? save_reader_bytes(r, list, NULL) : NULL;
    *out = (struct recent){0};
    if (!bytes || !save_reader_chunks(r, memory, &out->chunks, NULL)) {
        free(bytes);
        return;
    }
    const size_t n = (size_t)(list->blob.plain / 4);
    out->page = out->chunks.bytes == n * (uint64_t)PAGE ? malloc(n * sizeof *out->page) : NULL;
    for (size_t i = 0; out->page && i < n; i++)
        out->page[i] = le32_get(bytes + 4 * i);
    free(bytes);
    if (!out->page)
        recent_free(out);
}

void recent_free(struct recent *r)
{
    save_chunks_free(&r->chunks);
    free(r->page);
    *r = (struct recent){0};
}

size_t recent_pages(const struct recent *r, const struct save_reader *file, struct sealer *s, size_t i, const uint32_t **pages, uint8_t *to)
{
    if (i >= r->chunks.n_chunks || !save_reader_chunk(file, s, &r->chunks, i, to, NULL))
        return 0;
    const uint64_t first = (uint64_t)i * (SAVE_CHUNK_BYTES / PAGE);
    *pages = r->page + first;
    return (size_t)MIN((uint64_t)SAVE_CHUNK_BYTES / PAGE, r->chunks.bytes / PAGE - first);
}
