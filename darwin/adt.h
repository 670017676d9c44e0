/*
 * adt.h - Apple device trees: the flattened form that XNU reads (its pexpert/device_tree.h).
 *
 *     node      u32 number of properties, u32 number of children, the properties, the children
 *     property  char name[32], u32 bytes (bit 31: a placeholder that the boot loader fills), the value, padded to 4
 *
 * Numbers are little-endian. A node's name is its property "name". Nothing holds a total length, so a tree is edited in place: what is
 * behind moves. Nodes are numbers, their offset; an edit leaves those in front of it as they are, and moves those behind it.
 */
#ifndef DARWIN_ADT_H
#define DARWIN_ADT_H

#include <pome/error.h>

#include <stddef.h>

enum { ADT_NAME_BYTES = 32, ADT_DEPTH_MAX = 16, ADT_BYTES_MAX = 4 << 20 };
#define ADT_NONE SIZE_MAX /* no such node */
#define ADT_ROOT ((size_t)0)

struct adt {
    uint8_t *bytes;
    size_t n, room;
    bool failed; /* room was too small for an edit: the tree is whole, but lacks it */
};

struct adt_property {
    const char *name;
    const uint8_t *value;
    size_t bytes;
    bool placeholder;
};

/* Compares the whole tree with its length: counts, lengths, a name in every node, ADT_DEPTH_MAX levels. *used: its length; bytes may follow it.
 * What was found right here can be read with the functions below. Errors: INVALID_DATA. */
bool adt_check(const void *bytes, size_t n, size_t *used, struct pome_error *err);

/* --- reading --- */

const char *adt_name(const struct adt *t, size_t node);
/* "/chosen/memory-map"; "/": the root. ADT_NONE: there is no such node. */
size_t adt_find(const struct adt *t, const char *path);
size_t adt_child(const struct adt *t, size_t parent, const char *name);
/* Children one after the other: the first, the one behind `child` (number i of its parent, from 0). ADT_NONE at the end. */
size_t adt_first_child(const struct adt *t, size_t parent);
size_t adt_next_child(const struct adt *t, size_t parent, size_t child, unsigned i);
unsigned adt_children(const struct adt *t, size_t node);
bool adt_get(const struct adt *t, size_t node, const char *name, struct adt_property *p);
/* Properties one after the other: *cursor begins at 0. False at the end. */
bool adt_next_property(const struct adt *t, size_t node, size_t *cursor, struct adt_property *p);

/* --- editing; a failure is remembered in t->failed, and asked for at the end --- */

/* An empty tree in room bytes: a root of that name. */
void adt_begin(struct adt *t, void *bytes, size_t room, const char *root_name);
/* A new last child; ADT_NONE on failure, which every function here takes and ignores. */
size_t adt_add(struct adt *t, size_t parent, const char *name);
/* The child of that name, made if there is none. */
size_t adt_open(struct adt *t, size_t parent, const char *name);
void adt_remove(struct adt *t, size_t parent, size_t child);
/* Sets a property, a new one behind the others. Names have at most 31 bytes. */
void adt_set(struct adt *t, size_t node, const char *name, const void *value, size_t n);
void adt_set_u32(struct adt *t, size_t node, const char *name, uint32_t value);
void adt_set_u64(struct adt *t, size_t node, const char *name, uint64_t value);
void adt_set_text(struct adt *t, size_t node, const char *name, const char *text);
void adt_set_u64s(struct adt *t, size_t node, const char *name, const uint64_t *values, size_t n);
#define ADT_SET_U64S(t, node, name, ...)                                                                     \
    adt_set_u64s(t, node, name, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / 8)
bool adt_unset(struct adt *t, size_t node, const char *name); /* false: there was none */

#endif
