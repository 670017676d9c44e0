/* fuzz_adt.c - Apple device trees: checked, walked, and completed as a boot loader does (darwin/adt.h, darwin/start.h). */
#include "darwin/start.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 16384 };

static uint64_t walk(const struct adt *t, size_t node)
{
    uint64_t sum = strlen(adt_name(t, node));
    struct adt_property p;
    for (size_t cursor = 0; adt_next_property(t, node, &cursor, &p);)
        for (size_t i = 0; i < p.bytes; i++)
            sum += p.value[i];
    size_t child = adt_first_child(t, node);
    for (unsigned i = 0; child != ADT_NONE; child = adt_next_child(t, node, child, i++))
        sum += walk(t, child);
    return sum;
}

static void must_be_whole(const struct adt *t)
{
    struct pome_error err;
    size_t used;
    if (!adt_check(t->bytes, t->n, &used, &err) || used != t->n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[MOST + 4096 + 64];
    struct pome_error err;
    size_t used;
    if (size > MOST || !adt_check(data, size, &used, &err))
        return 0;
    const struct darwin_layout l = {.ram_gpa = 0x70000000, .ram_bytes = 1 << 30, .tree = {0x71000000, 1}, .boot_args = {0x72000000, 1}};
    const struct darwin_chosen c = {.layout = &l, .seed = "seed", .seed_bytes = 4, .firmware = "pome", .ecid = 1};
    struct adt t = {.bytes = bytes, .n = used, .room = used + darwin_fill_bytes(&c)};
    memcpy(bytes, data, used);
    walk(&t, ADT_ROOT);
    size_t first = adt_first_child(&t, ADT_ROOT);
    if (first != ADT_NONE && used % 3 == 0)
        adt_remove(&t, ADT_ROOT, first);
    must_be_whole(&t);
    darwin_fill_cpus(&t, 2, 24000000, &err);
    must_be_whole(&t);
    darwin_fill(&t, &c);
    must_be_whole(&t);
    walk(&t, ADT_ROOT);
    return 0;
}
