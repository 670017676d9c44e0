/* describe_darwin.c - facts about Darwin kernels and Apple device trees. */
#include "base/error.h"
#include "darwin/adt.h"
#include "darwin/macho.h"
#include "formats/guid.h"
#include "formats/image4_file.h"
#include "restore/inspect.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL_MAX (UINT64_C(1) << 30)

/* --- kernels --- */

static void tell_segments(struct facts *f, const struct macho *m)
{
    fact_list(f, "segments", "Segments");
    for (unsigned i = 0; i < m->n_segments; i++) {
        const struct macho_segment *s = &m->segments[i];
        const char protection[] = {s->protection & 1 ? 'r' : '-', s->protection & 2 ? 'w' : '-', s->protection & 4 ? 'x' : '-', 0};
        fact_dict(f, s->name, NULL);
        fact_text(f, "name", "Name", s->name);
        fact_hex(f, "address", "Address", s->address);
        fact_size(f, "memory_bytes", "Memory", s->memory_bytes);
        fact_size(f, "file_bytes", "In the file", s->file_bytes);
        fact_text(f, "protection", "Protection", protection);
        fact_end(f);
    }
    fact_end(f);
}

static void tell_entries(struct facts *f, const struct macho *m)
{
    struct macho_entry e;
    if (!m->n_entries)
        return;
    fact_number(f, "members_count", "Members", m->n_entries);
    f->detail++;
    fact_list(f, "members", "Members");
    for (uint32_t cursor = 0; macho_next_entry(m, &cursor, &e);) {
        fact_dict(f, e.name, NULL);
        fact_text(f, "name", "Name", e.name);
        fact_hex(f, "address", "Address", e.address);
        fact_end(f);
    }
    fact_end(f);
    f->detail--;
}

static bool tell_kernel(struct facts *f, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    struct macho m;
    char uuid[GUID_TEXT];
    if (!macho_read(bytes, n, &m, err))
        return false;
    fact_dict(f, "kernel", "Darwin kernel");
    fact_text(f, "file_type", "File type", macho_type_name(m.file_type));
    fact_text(f, "cpu", "CPU", macho_cpu_name(m.cpu_subtype));
    if (m.has_uuid) {
        guid_text_raw(m.uuid, uuid);
        fact_text(f, "uuid", "UUID", uuid);
    }
    fact_hex(f, "address", "Linked at", m.header);
    if (m.has_entry)
        fact_hex(f, "entry", "Entry", m.entry);
    fact_size(f, "memory_bytes", "Memory", m.end - m.lowest);
    tell_segments(f, &m);
    tell_entries(f, &m);
    fact_end(f);
    return true;
}

/* --- device trees --- */

/* Printable, and ended by its only zero. */
static bool is_text(const struct adt_property *p)
{
    if (p->bytes < 2 || p->value[p->bytes - 1])
        return false;
    for (size_t i = 0; i + 1 < p->bytes; i++)
        if (!isprint(p->value[i]))
            return false;
    return true;
}

static uint64_t number_of(const struct adt_property *p)
{
    uint64_t v = 0;
    for (size_t i = p->bytes; i--;)
        v = v << 8 | p->value[i];
    return v;
}

static void tell_property(struct facts *f, const struct adt_property *p)
{
    if (is_text(p))
        fact_text(f, p->name, NULL, (const char *)p->value);
    else if (p->bytes == 4 || p->bytes == 8)
        fact_hex(f, p->name, NULL, number_of(p));
    else
        fact_data(f, p->name, NULL, p->value, p->bytes);
}

/* Properties as keys, children as groups of their name; depth was checked. */
static void tell_node(struct facts *f, const struct adt *t, size_t node)
{
    struct adt_property p;
    fact_dict(f, adt_name(t, node), NULL);
    for (size_t cursor = 0; !f->stopped && adt_next_property(t, node, &cursor, &p);)
        if (strcmp(p.name, "name"))
            tell_property(f, &p);
    size_t child = adt_first_child(t, node);
    for (unsigned i = 0; child != ADT_NONE && !f->stopped; child = adt_next_child(t, node, child, i++))
        tell_node(f, t, child);
    fact_end(f);
}

static unsigned count_nodes(const struct adt *t, size_t node)
{
    unsigned n = 1;
    size_t child = adt_first_child(t, node);
    for (unsigned i = 0; child != ADT_NONE; child = adt_next_child(t, node, child, i++))
        n += count_nodes(t, child);
    return n;
}

static void tell_tree(struct facts *f, uint8_t *bytes, size_t n)
{
    const struct adt t = {.bytes = bytes, .n = n, .room = n};
    struct adt_property p;
    fact_number(f, "nodes", "Nodes", count_nodes(&t, ADT_ROOT));
    if (adt_get(&t, ADT_ROOT, "compatible", &p) && p.bytes && !p.value[p.bytes - 1])
        fact_text(f, "compatible", "Compatible", (const char *)p.value);
    f->detail++;
    fact_dict(f, "device_tree", "Device tree");
    tell_node(f, &t, ADT_ROOT);
    fact_end(f);
    f->detail--;
}

bool describe_darwin(struct source *s, struct facts *f, struct pome_error *err)
{
    uint8_t *bytes;
    size_t n, used;
    bool ok = image4_read_content(s, KERNEL_MAX, &bytes, &n, err);
    if (ok && macho_is(bytes, n))
        ok = tell_kernel(f, bytes, n, err);
    else if (ok && n && adt_check(bytes, n, &used, NULL))
        tell_tree(f, bytes, used);
    free(bytes);
    return ok;
}
