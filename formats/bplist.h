/*
 * bplist.h - a bounds-checked look into a binary property list ("bplist00").
 *
 * For the small fixed lists of a bundle, and to refuse hostile lists before libplist sees them (its tree is as
 * deep and as large as the list says). Never copies, never allocates.
 */
#ifndef FORMATS_BPLIST_H
#define FORMATS_BPLIST_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

struct bplist {
    const uint8_t *bytes;
    size_t n;
    uint64_t count, top, table;    /* objects, index of the first one, offset of the offset table */
    uint8_t offset_size, ref_size; /* bytes */
};

enum bplist_type { BPLIST_OTHER, BPLIST_INTEGER, BPLIST_ASCII, BPLIST_ARRAY, BPLIST_SET, BPLIST_DICT };

struct bplist_object {
    enum bplist_type type;
    uint64_t count;      /* items, pairs, or characters */
    const uint8_t *data; /* characters, or references */
    uint64_t integer;    /* INTEGER; ones below zero are OTHER */
};

/* Checks header and trailer. Errors: INVALID_DATA. */
bool bplist_open(const void *bytes, size_t n, struct bplist *b, struct pome_error *err);

/* Object number i. False when i or its bytes are outside the list. */
bool bplist_object(const struct bplist *b, uint64_t i, struct bplist_object *o);

/* Index in the list of the k-th reference of an array, set or dict (dict: keys 0..count-1, values count..2*count-1). */
uint64_t bplist_reference(const struct bplist *b, const struct bplist_object *o, uint64_t k);

/* The value of an ASCII key in a dict. */
bool bplist_get(const struct bplist *b, const struct bplist_object *dict, const char *key, struct bplist_object *value);

/* True when the list is a tree of at most max_depth levels and max_nodes nodes, shared objects counted each time, and the keys of its dicts
 * are text. */
bool bplist_is_small(const struct bplist *b, unsigned max_depth, unsigned max_nodes);

#endif
