/* fuzz_macho.c - Mach-O kernels (darwin/macho.h), and where they would be placed (darwin/start.h). */
#include "darwin/start.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything lies in memory, and nothing over another. */
static void check_places(const struct darwin_layout *l)
{
    const struct darwin_range r[] = {l->kernel, l->tree, l->trust_cache, l->ramdisk, l->boot_args, l->screen};
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        if (r[i].gpa < l->ram_gpa || r[i].bytes > l->ram_bytes || r[i].gpa - l->ram_gpa > l->ram_bytes - r[i].bytes)
            abort();
        for (size_t k = 0; k < i; k++)
            if (r[i].gpa < r[k].gpa + r[k].bytes && r[k].gpa < r[i].gpa + r[i].bytes)
                abort();
    }
    if (l->entry_gpa < l->kernel.gpa || l->entry_gpa >= l->kernel.gpa + l->kernel.bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct macho m;
    struct pome_error err;
    struct macho_entry e;
    struct darwin_layout l;
    uint64_t sum = 0;
    unsigned entries = 0;
    if (!macho_read(data, size, &m, &err))
        return 0;
    for (unsigned i = 0; i < m.n_segments; i++) {
        const struct macho_segment *s = &m.segments[i];
        for (uint64_t k = 0; k < s->file_bytes; k += 4096)
            sum += data[s->offset + k];
        if (s->address < m.lowest || s->address + s->memory_bytes > m.end || strlen(s->name) > 16)
            abort();
    }
    for (uint32_t cursor = 0; macho_next_entry(&m, &cursor, &e); entries++)
        sum += strlen(e.name) + data[e.offset + MACHO_HEAD - 1];
    if (entries != m.n_entries)
        abort();
    const struct darwin_parts p = {.ram_gpa = 0x70000000, .ram_bytes = UINT64_C(1) << 30, .kernel = &m, .tree_bytes = 60000, .trust_cache_bytes = sum % 70000, .ramdisk_bytes = 1 << 20};
    if (darwin_plan(&p, &l, &err))
        check_places(&l);
    return 0;
}
