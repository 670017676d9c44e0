/* adt.c - reads and edits Apple device trees (see adt.h). */
#include "darwin/adt.h"

#include "base/bits.h"
#include "base/error.h"

enum { NODE_HEAD = 8, PROPERTY_HEAD = 36 };
#define PLACEHOLDER 0x80000000u

/* --- checking --- */

static bool check_property(const uint8_t *p, size_t left, size_t *bytes, struct pome_error *err, size_t at)
{
    uint32_t n = left >= PROPERTY_HEAD ? le32_get(p + 32) & ~PLACEHOLDER : 0;
    *bytes = PROPERTY_HEAD + (size_t)align_up(n, 4);
    if (left < PROPERTY_HEAD || *bytes > left)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "device tree: the property at 0x%zx has %u bytes, %zu are left", at, n, left);
    if (!p[0] || !memchr(p, 0, ADT_NAME_BYTES))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "device tree: the property at 0x%zx has no name of 1 to %d bytes", at, ADT_NAME_BYTES - 1);
    return true;
}

/* Its value ends with a zero. */
static bool is_text(const uint8_t *p)
{
    uint32_t n = le32_get(p + 32) & ~PLACEHOLDER;
    return n && memchr(p + PROPERTY_HEAD, 0, n);
}

static bool check_node(const uint8_t *bytes, size_t n, size_t *at, unsigned depth, struct pome_error *err)
{
    size_t node = *at, step;
    bool named = false;
    if (n - *at < NODE_HEAD)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "device tree: it ends at 0x%zx, where a node begins", n);
    if (depth == ADT_DEPTH_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "device tree: the node at 0x%zx is deeper than %d levels", node, ADT_DEPTH_MAX);
    uint32_t properties = le32_get(bytes + node), children = le32_get(bytes + node + 4);
    *at += NODE_HEAD;
    for (uint32_t i = 0; i < properties; i++, *at += step) {
        if (!check_property(bytes + *at, n - *at, &step, err, *at))
            return false;
        const char *name = (const char *)bytes + *at;
        if (!named && !strcmp(name, "name") && !(named = is_text(bytes + *at)))
            break; /* the first one counts */
    }
    if (!named)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "device tree: the node at 0x%zx has no name", node);
    for (uint32_t i = 0; i < children; i++)
        if (!check_node(bytes, n, at, depth + 1, err))
            return false;
    return true;
}

bool adt_check(const void *bytes, size_t n, size_t *used, struct pome_error *err)
{
    *used = 0;
    if (n > ADT_BYTES_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "device tree: %zu bytes, at most %d are read", n, ADT_BYTES_MAX);
    return check_node(bytes, n, used, 0, err);
}

/* --- reading --- */

static size_t property_bytes(const uint8_t *p)
{
    return PROPERTY_HEAD + (size_t)align_up(le32_get(p + 32) & ~PLACEHOLDER, 4);
}

bool adt_next_property(const struct adt *t, size_t node, size_t *cursor, struct adt_property *p)
{
    /* The cursor holds how many were seen, and in its upper half where the next one begins. */
    size_t seen = *cursor & 0xffffffff, at = *cursor >> 32 ? *cursor >> 32 : node + NODE_HEAD;
    if (node == ADT_NONE || seen == le32_get(t->bytes + node))
        return false;
    const uint8_t *b = t->bytes + at;
    uint32_t n = le32_get(b + 32);
    *p = (struct adt_property){(const char *)b, b + PROPERTY_HEAD, n & ~PLACEHOLDER, n & PLACEHOLDER};
    *cursor = (at + property_bytes(b)) << 32 | (seen + 1);
    return true;
}

static size_t children_at(const struct adt *t, size_t node)
{
    size_t at = node + NODE_HEAD;
    for (uint32_t i = le32_get(t->bytes + node); i--;)
        at += property_bytes(t->bytes + at);
    return at;
}

/* The first byte behind a node and all in it. Its depth was checked. */
static size_t end_of(const struct adt *t, size_t node)
{
    size_t at = children_at(t, node);
    for (uint32_t i = adt_children(t, node); i--;)
        at = end_of(t, at);
    return at;
}

unsigned adt_children(const struct adt *t, size_t node)
{
    return node == ADT_NONE ? 0 : le32_get(t->bytes + node + 4);
}

size_t adt_first_child(const struct adt *t, size_t parent)
{
    return adt_children(t, parent) ? children_at(t, parent) : ADT_NONE;
}

size_t adt_next_child(const struct adt *t, size_t parent, size_t child, unsigned i)
{
    return i + 1 < adt_children(t, parent) ? end_of(t, child) : ADT_NONE;
}

bool adt_get(const struct adt *t, size_t node, const char *name, struct adt_property *p)
{
    for (size_t cursor = 0; adt_next_property(t, node, &cursor, p);)
        if (!strcmp(p->name, name))
            return true;
    return false;
}

const char *adt_name(const struct adt *t, size_t node)
{
    struct adt_property p;
    return adt_get(t, node, "name", &p) ? (const char *)p.value : "";
}

static size_t child_named(const struct adt *t, size_t parent, const char *name, size_t n)
{
    size_t child = adt_first_child(t, parent);
    for (unsigned i = 0; child != ADT_NONE; child = adt_next_child(t, parent, child, i++)) {
        const char *is = adt_name(t, child);
        if (strlen(is) == n && !memcmp(is, name, n))
            return child;
    }
    return ADT_NONE;
}

size_t adt_child(const struct adt *t, size_t parent, const char *name)
{
    return child_named(t, parent, name, strlen(name));
}

size_t adt_find(const struct adt *t, const char *path)
{
    size_t node = ADT_ROOT;
    while (node != ADT_NONE && *path) {
        size_t n = 0;
        while (*path == '/')
            path++;
        while (path[n] && path[n] != '/')
            n++;
        if (n)
            node = child_named(t, node, path, n);
        path += n;
    }
    return node;
}

/* --- editing --- */

/* Makes `now` bytes of the `before` bytes at `at`. The new ones are zero. */
static bool resize(struct adt *t, size_t at, size_t before, size_t now)
{
    if (now > before && now - before > t->room - t->n) {
        t->failed = true;
        return false;
    }
    memmove(t->bytes + at + now, t->bytes + at + before, t->n - at - before);
    memset(t->bytes + at, 0, now);
    t->n = t->n - before + now;
    return true;
}

static void count(struct adt *t, size_t at, int more)
{
    le32_put(t->bytes + at, le32_get(t->bytes + at) + (uint32_t)more);
}

void adt_begin(struct adt *t, void *bytes, size_t room, const char *root_name)
{
    assert(room >= NODE_HEAD + PROPERTY_HEAD + ADT_NAME_BYTES);
    *t = (struct adt){.bytes = bytes, .room = room};
    if (resize(t, 0, 0, NODE_HEAD))
        adt_set_text(t, ADT_ROOT, "name", root_name);
}

size_t adt_add(struct adt *t, size_t parent, const char *name)
{
    size_t named = NODE_HEAD + PROPERTY_HEAD + (size_t)align_up(strlen(name) + 1, 4);
    if (parent == ADT_NONE)
        return ADT_NONE;
    size_t at = end_of(t, parent);
    if (named > t->room - t->n) { /* a node without a name is never there */
        t->failed = true;
        return ADT_NONE;
    }
    resize(t, at, 0, NODE_HEAD);
    count(t, parent + 4, 1);
    adt_set_text(t, at, "name", name);
    return at;
}

size_t adt_open(struct adt *t, size_t parent, const char *name)
{
    size_t child = adt_child(t, parent, name);
    return child != ADT_NONE ? child : adt_add(t, parent, name);
}

void adt_remove(struct adt *t, size_t parent, size_t child)
{
    if (child == ADT_NONE)
        return;
    resize(t, child, end_of(t, child) - child, 0);
    count(t, parent + 4, -1);
}

void adt_set(struct adt *t, size_t node, const char *name, const void *value, size_t n)
{
    struct adt_property old;
    if (node == ADT_NONE)
        return;
    bool there = adt_get(t, node, name, &old);
    size_t at = there ? (size_t)((const uint8_t *)old.name - t->bytes) : children_at(t, node);
    size_t before = there ? property_bytes(t->bytes + at) : 0, name_bytes = strlen(name);
    assert(name_bytes && name_bytes < ADT_NAME_BYTES);
    if (n > ADT_BYTES_MAX || !resize(t, at, before, PROPERTY_HEAD + (size_t)align_up(n, 4))) {
        t->failed = true;
        return;
    }
    memcpy(t->bytes + at, name, name_bytes);
    le32_put(t->bytes + at + 32, (uint32_t)n);
    memcpy(t->bytes + at + PROPERTY_HEAD, value, n);
    if (!there)
        count(t, node, 1);
}

void adt_set_u32(struct adt *t, size_t node, const char *name, uint32_t value)
{
    uint8_t le[4];
    le32_put(le, value);
    adt_set(t, node, name, le, sizeof le);
}

void adt_set_u64s(struct adt *t, size_t node, const char *name, const uint64_t *values, size_t n)
{
    uint8_t le[8 * 8];
    assert(n <= 8);
    for (size_t i = 0; i < n; i++)
        le64_put(le + 8 * i, values[i]);
    adt_set(t, node, name, le, 8 * n);
}

void adt_set_u64(struct adt *t, size_t node, const char *name, uint64_t value)
{
    adt_set_u64s(t, node, name, &value, 1);
}

void adt_set_text(struct adt *t, size_t node, const char *name, const char *text)
{
    adt_set(t, node, name, text, strlen(text) + 1);
}

bool adt_unset(struct adt *t, size_t node, const char *name)
{
    struct adt_property p;
    if (!adt_get(t, node, name, &p))
        return false;
    size_t at = (size_t)((const uint8_t *)p.name - t->bytes);
    resize(t, at, property_bytes(t->bytes + at), 0);
    count(t, node, -1);
    return true;
}
