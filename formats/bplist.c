/* bplist.c - a bounds-checked look into a binary property list. */
#include "formats/bplist.h"
#include "base/bits.h"
#include "base/error.h"

#include <string.h>

enum { TRAILER = 32, DEPTH_LIMIT = 128 };

/* Objects that have a count, by the high nibble of their marker: what one item takes. */
static const struct {
    enum bplist_type type;
    uint8_t bytes, references;
} counted[16] = {
    [0x5] = {BPLIST_ASCII, 1, 0},
    [0xa] = {BPLIST_ARRAY, 0, 1},
    [0xc] = {BPLIST_SET, 0, 1}, /* libplist makes an array of it */
    [0xd] = {BPLIST_DICT, 0, 2},
};

static uint64_t big_endian(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

bool bplist_open(const void *bytes, size_t n, struct bplist *b, struct pome_error *err)
{
    const uint8_t *p = bytes;
    if (n < 8 + 1 + TRAILER || memcmp(p, "bplist00", 8))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%zu bytes are not a binary property list", n);
    const uint8_t *t = p + n - TRAILER;
    *b = (struct bplist){.bytes = p, .n = n, .offset_size = t[6], .ref_size = t[7], .count = be64_get(t + 8),
                         .top = be64_get(t + 16), .table = be64_get(t + 24)};
    uint64_t room = n - TRAILER;
    if (!b->offset_size || b->offset_size > 8 || !b->ref_size || b->ref_size > 8 || b->table > room || !b->count ||
        b->count > (room - b->table) / b->offset_size || b->top >= b->count)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "binary property list: its trailer does not fit its %zu bytes", n);
    return true;
}

/* Length of an object: in the low nibble of the marker, or in an integer after it. */
static bool read_count(const struct bplist *b, uint64_t *at, unsigned nibble, uint64_t *count)
{
    *count = nibble;
    if (nibble != 15)
        return true;
    if (*at >= b->table || (b->bytes[*at] & 0xf0) != 0x10)
        return false;
    unsigned n = 1u << (b->bytes[*at] & 15);
    if (n > 8 || b->table - *at - 1 < n)
        return false;
    *count = big_endian(b->bytes + *at + 1, n);
    *at += 1 + n;
    return true;
}

static bool read_integer(const struct bplist *b, uint64_t at, unsigned nibble, struct bplist_object *o)
{
    unsigned n = nibble > 4 ? 0 : 1u << nibble;
    if (!n || b->table - at < n)
        return false;
    const uint8_t *p = b->bytes + at;
    if (n >= 8 && (n == 16 ? big_endian(p, 8) != 0 : p[0] & 0x80)) /* below zero, or too large: 8 and 16 bytes are signed, fewer are not */
        return true;
    o->type = BPLIST_INTEGER;
    o->integer = n == 16 ? big_endian(p + 8, 8) : big_endian(p, n);
    return true;
}

bool bplist_object(const struct bplist *b, uint64_t i, struct bplist_object *o)
{
    uint64_t count;
    *o = (struct bplist_object){0};
    if (i >= b->count)
        return false;
    uint64_t at = big_endian(b->bytes + b->table + i * b->offset_size, b->offset_size);
    if (at < 8 || at >= b->table)
        return false;
    unsigned marker = b->bytes[at++], nibble = marker & 15;
    if (marker >> 4 == 1)
        return read_integer(b, at, nibble, o);
    unsigned unit = counted[marker >> 4].bytes + counted[marker >> 4].references * b->ref_size;
    if (!unit)
        return true;
    if (!read_count(b, &at, nibble, &count) || count > (b->table - at) / unit)
        return false;
    o->type = counted[marker >> 4].type;
    o->count = count;
    o->data = b->bytes + at;
    return true;
}

uint64_t bplist_reference(const struct bplist *b, const struct bplist_object *o, uint64_t k)
{
    return big_endian(o->data + k * b->ref_size, b->ref_size);
}

bool bplist_get(const struct bplist *b, const struct bplist_object *dict, const char *key, struct bplist_object *value)
{
    size_t n = strlen(key);
    if (dict->type != BPLIST_DICT)
        return false;
    for (uint64_t i = 0; i < dict->count; i++) {
        struct bplist_object k;
        if (bplist_object(b, bplist_reference(b, dict, i), &k) && k.type == BPLIST_ASCII && k.count == n && !memcmp(k.data, key, n))
            return bplist_object(b, bplist_reference(b, dict, dict->count + i), value);
    }
    return false;
}

/* ASCII without NUL: libplist ends the process at other keys. */
static bool keys_are_text(const struct bplist *b, const struct bplist_object *dict)
{
    for (uint64_t i = 0; i < dict->count; i++) {
        struct bplist_object k;
        if (!bplist_object(b, bplist_reference(b, dict, i), &k) || k.type != BPLIST_ASCII || memchr(k.data, 0, (size_t)k.count))
            return false;
    }
    return true;
}

bool bplist_is_small(const struct bplist *b, unsigned max_depth, unsigned max_nodes)
{
    struct {
        struct bplist_object o;
        uint64_t next, end;
    } stack[DEPTH_LIMIT];
    unsigned depth = 0, nodes = 0;
    uint64_t index = b->top;
    for (;;) {
        struct bplist_object o;
        if (++nodes > max_nodes || !bplist_object(b, index, &o))
            return false;
        if (o.type == BPLIST_ARRAY || o.type == BPLIST_SET || o.type == BPLIST_DICT) {
            if (depth == max_depth || depth == DEPTH_LIMIT || (o.type == BPLIST_DICT && !keys_are_text(b, &o)))
                return false;
            stack[depth].o = o;
            stack[depth].next = 0;
            stack[depth++].end = o.type == BPLIST_DICT ? 2 * o.count : o.count;
        }
        while (depth && stack[depth - 1].next == stack[depth - 1].end)
            depth--;
        if (!depth)
            return true;
        index = bplist_reference(b, &stack[depth - 1].o, stack[depth - 1].next++);
    }
}
