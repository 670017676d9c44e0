/*
 * tree.h - making B-trees ([B-Trees]) from all their records at once.
 *
 * How it works: records are collected in any order and sorted. Leaves are filled one after the other, then the level above them from
 * each node's first key, until a level fits one node with the tree's footer: the root. Nothing is ever split.
 */
#ifndef APFS_TREE_H
#define APFS_TREE_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

struct apfs_record {
    size_t at;             /* in bytes: the key, then the value */
    uint16_t key, value;   /* their sizes */
};

/* A growing list of records. All zero is an empty one. */
struct apfs_records {
    uint8_t *bytes;
    size_t used, room;
    struct apfs_record *list;
    size_t n, list_room;
};

bool apfs_records_add(struct apfs_records *r, const void *key, size_t key_bytes, const void *value, size_t value_bytes, struct pome_error *err);
void apfs_records_free(struct apfs_records *r);

static inline const uint8_t *apfs_record_key(const struct apfs_records *r, size_t i)
{
    return r->bytes + r->list[i].at;
}

/* Smaller than, equal to or greater than 0. */
typedef int apfs_key_order(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes);
apfs_key_order apfs_order_oid_xid, apfs_order_block, apfs_order_catalog;

void apfs_records_sort(struct apfs_records *r, apfs_key_order *order);

/* What distinguishes the trees. */
struct apfs_tree_kind {
    uint32_t subtype, storage;        /* storage: O_PHYSICAL, O_EPHEMERAL or 0 (virtual) */
    uint32_t flags;                   /* BT_... */
    uint32_t key_size, value_size;    /* of every record; 0: they differ */
};
extern const struct apfs_tree_kind apfs_tree_omap, apfs_tree_catalog, apfs_tree_extents, apfs_tree_snapshots, apfs_tree_free_queue;

/* Gives a place and an oid to a node. */
typedef bool apfs_node_place(void *user, uint64_t *oid, uint64_t *block, struct pome_error *err);
typedef bool apfs_node_write(void *user, uint64_t block, const uint8_t *node, struct pome_error *err);

struct apfs_tree_build {
    const struct apfs_tree_kind *kind;
    uint64_t xid;
    apfs_node_place *place;
    apfs_node_write *write;
    void *user;
    uint64_t root, nodes; /* result: the root's oid; how many nodes there are */
};

/* Sorted records. Errors: OUT_OF_MEMORY and what place and write say. */
bool apfs_tree_make(struct apfs_tree_build *b, const struct apfs_records *r, struct pome_error *err);

#endif
