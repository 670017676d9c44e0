/*
 * plist.h - property lists, XML and binary, through libplist. The only file that knows libplist is plist.c.
 *
 * Reading: input is capped in size, depth and nodes before libplist sees it. Nodes returned are borrowed from
 * the root; pl_free() frees the root only. Any function takes NULL or a node of another type and answers "not there".
 */
#ifndef FORMATS_PLIST_H
#define FORMATS_PLIST_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum { PLIST_MAX_BYTES = 16 << 20, PLIST_MAX_DEPTH = 32, PLIST_MAX_NODES = 1 << 20 };

struct pl; /* a node */

/* Parses n bytes. `what` names them in messages. NULL and INVALID_DATA when they are not a property list. */
struct pl *pl_parse(const void *bytes, size_t n, const char *what, struct pome_error *err);
void pl_free(struct pl *root);

bool pl_is_dict(const struct pl *node);
bool pl_is_array(const struct pl *node);

/* NULL when there is no such key. A path of keys, for nested dicts: pl_get(root, "Info"), then pl_get(info, "Path"). */
struct pl *pl_get(const struct pl *dict, const char *key);
size_t pl_count(const struct pl *array);
struct pl *pl_item(const struct pl *array, size_t i);

/* Calls each for every pair, in the list's order, until it returns false. Returns false when it did. */
bool pl_walk(const struct pl *dict, bool (*each)(void *user, const char *key, struct pl *value), void *user);

const char *pl_text(const struct pl *node); /* NULL when it is not a string */
const uint8_t *pl_data(const struct pl *node, size_t *n);
bool pl_integer(const struct pl *node, uint64_t *value);
bool pl_negative(const struct pl *node, uint64_t *below_zero); /* an integer below zero, and how far; pl_integer gives 2^64 less that */
bool pl_boolean(const struct pl *node, bool *value);
bool pl_real(const struct pl *node, double *value);

/* --- building: a node given to pl_set or pl_append belongs to the container ------------------------------------------ */

struct pl *pl_new_dict(void);
struct pl *pl_new_array(void);
struct pl *pl_new_text(const char *text);
struct pl *pl_new_data(const void *bytes, size_t n);
struct pl *pl_new_integer(uint64_t value);
struct pl *pl_new_boolean(bool value);
void pl_set(struct pl *dict, const char *key, struct pl *value);
void pl_append(struct pl *array, struct pl *value);

/* XML text, NUL-terminated, to be freed with free(). NULL when there is no memory. */
char *pl_write_xml(const struct pl *root, size_t *n);

#endif
