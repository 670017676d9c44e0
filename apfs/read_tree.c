/*
 * read_tree.c - looking things up in B-trees ([B-Trees], [Object Maps]) of a container that may be hostile.
 *
 * A node is looked at once, when it is read: table, keys and values must lie in it. A child's level is its parent's less one, so no walk
 * can go in circles, and a cursor visits at most as many nodes as the container has blocks.
 */
#include "apfs/object.h"
#include "apfs/reader.h"
#include "base/bits.h"
#include "base/error.h"

#include <string.h>

bool reader_object(struct apfs *a, uint64_t block, uint32_t type, uint8_t bytes[APFS_BLOCK], struct pome_error *err)
{
    if (!block || block >= a->blocks)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: an object of type %u in block %llu of %llu", type, (unsigned long long)block,
                         (unsigned long long)a->blocks);
    if (!a->read(a->user, block * APFS_BLOCK, bytes, APFS_BLOCK, err))
        return false;
    if (!apfs_object_intact(bytes, APFS_BLOCK))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the checksum of block %llu is wrong", (unsigned long long)block);
    uint32_t found = le32_get(bytes + O_TYPE) & O_TYPE_MASK;
    bool node = (type == TYPE_TREE || type == TYPE_NODE) && (found == TYPE_TREE || found == TYPE_NODE);
    if (found != type && !node)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: block %llu has an object of type %u, needed %u", (unsigned long long)block, found, type);
    return true;
}

/* --- nodes --- */

/* fixed: key and value sizes of the tree when its records have them. */
static bool node_read(struct apfs *a, uint64_t block, uint32_t subtype, unsigned key_size, unsigned value_size, struct reader_node *n,
                      struct pome_error *err)
{
    const uint8_t *b = n->bytes;
    if (!reader_object(a, block, TYPE_NODE, n->bytes, err))
        return false;
    unsigned flags = le16_get(b + BTN_FLAGS), table = le16_get(b + BTN_TABLE_OFFSET), table_bytes = le16_get(b + BTN_TABLE_BYTES);
    uint32_t count = le32_get(b + BTN_KEYS);
    n->leaf = flags & BTN_LEAF;
    n->level = le16_get(b + BTN_LEVEL);
    n->key_size = flags & BTN_FIXED ? key_size : 0;
    n->value_size = n->leaf ? value_size : 8;
    n->toc = BTN_DATA + table;
    n->keys = n->toc + table_bytes;
    n->free = n->keys + le16_get(b + BTN_FREE_OFFSET);
    n->values_end = APFS_BLOCK - (flags & BTN_ROOT ? BT_BYTES : 0);
    bool fits = n->free <= n->values_end && count <= table_bytes / (flags & BTN_FIXED ? 4u : 8u);
    if (le32_get(b + O_SUBTYPE) != subtype || !fits || n->leaf != !n->level || n->level >= LEVELS_MAX || (flags & BTN_FIXED && !key_size) ||
        flags & (BTN_HASHED | BTN_NO_HEADER))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the tree node in block %llu is damaged (subtype %u, flags %x, level %u, %u keys)",
                         (unsigned long long)block, le32_get(b + O_SUBTYPE), flags, n->level, count);
    n->n = count;
    return true;
}

static bool node_record(const struct reader_node *n, unsigned i, struct reader_record *r)
{
    const uint8_t *t = n->bytes + n->toc + i * (n->key_size ? 4 : 8);
    if (i >= n->n)
        return false;
    unsigned key = n->keys + le16_get(t), value = le16_get(t + (n->key_size ? 2 : 4));
    r->key_bytes = n->key_size ? n->key_size : le16_get(t + 2);
    r->value_bytes = n->key_size ? n->value_size : le16_get(t + 6);
    if (value > n->values_end || r->value_bytes > value || key + r->key_bytes > APFS_BLOCK || r->key_bytes < KEY_HEADER)
        return false;
    r->key = n->bytes + key;
    r->value = n->bytes + n->values_end - value;
    return true;
}

/* The last record whose key is not behind `key`; -1: all are. */
static int last_not_behind(const struct reader_node *n, const uint8_t *key, size_t bytes, apfs_key_order *order)
{
    int low = -1, high = (int)n->n - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        struct reader_record r;
        if (node_record(n, (unsigned)middle, &r) && order(r.key, r.key_bytes, key, bytes) <= 0)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* --- object maps --- */

bool reader_omap(struct apfs *a, uint64_t block, uint64_t oid, uint64_t *found, struct pome_error *err)
{
    uint8_t key[OMK_BYTES];
    struct reader_node n;
    struct reader_record r;
    le64_put(key + OMK_OID, oid);
    le64_put(key + OMK_XID, a->xid);
    for (unsigned level = LEVELS_MAX;; block = le64_get(r.value)) {
        if (!node_read(a, block, TYPE_OMAP, OMK_BYTES, OMV_BYTES, &n, err))
            return false;
        int i = last_not_behind(&n, key, sizeof key, apfs_order_oid_xid);
        if (n.level >= level)
            return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: an object map's node in block %llu has level %u below level %u",
                             (unsigned long long)block, n.level, level);
        level = n.level;
        if (i < 0 || !node_record(&n, (unsigned)i, &r) || r.key_bytes < OMK_BYTES || r.value_bytes < (n.leaf ? OMV_BYTES : 8))
            break;
        if (!n.leaf)
            continue;
        if (le64_get(r.key + OMK_OID) != oid || le32_get(r.value + OMV_FLAGS) & OMV_DELETED)
            break;
        *found = le64_get(r.value + OMV_BLOCK);
        return true;
    }
    return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: object %llu is in no object map", (unsigned long long)oid);
}

/* --- the catalog --- */

static bool enter(struct reader_cursor *c, uint64_t oid, struct pome_error *err)
{
    uint64_t block;
    struct reader_node *n = &c->nodes[c->depth];
    if (++c->visited > c->a->blocks)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the catalog of volume %s has more nodes than the container has blocks", c->v->info.name);
    if (!reader_omap(c->a, c->v->omap_tree, oid, &block, err) || !node_read(c->a, block, TYPE_CATALOG, 0, 0, n, err))
        return false;
    if (c->depth && n->level + 1 != n[-1].level)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the catalog of volume %s has a node of level %u below one of level %u", c->v->info.name,
                         n->level, n[-1].level);
    return true;
}

static bool child(const struct reader_cursor *c, uint64_t *oid, struct pome_error *err)
{
    struct reader_record r;
    if (!node_record(&c->nodes[c->depth], c->index[c->depth], &r) || r.value_bytes < 8)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the catalog of volume %s has a damaged index node", c->v->info.name);
    *oid = le64_get(r.value);
    return true;
}

bool reader_get(const struct reader_cursor *c, struct reader_record *r)
{
    return node_record(&c->nodes[c->depth], c->index[c->depth], r);
}

/* When the cursor is behind the last record of its leaf: to the first of the next one. */
static bool settle(struct reader_cursor *c, bool *found, struct pome_error *err)
{
    uint64_t oid = 0;
    *found = false;
    while (c->index[c->depth] >= c->nodes[c->depth].n) {
        if (!c->depth)
            return true;
        c->depth--;
        c->index[c->depth]++;
    }
    while (!c->nodes[c->depth].leaf) {
        if (!child(c, &oid, err))
            return false;
        c->depth++;
        c->index[c->depth] = 0;
        if (!enter(c, oid, err))
            return false;
        if (!c->nodes[c->depth].n)
            return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the catalog of volume %s has an empty node", c->v->info.name);
    }
    *found = true;
    return true;
}

bool reader_seek(struct reader_cursor *c, struct apfs *a, const struct reader_volume *v, const uint8_t *key, size_t n, bool before, bool *found,
                 struct pome_error *err)
{
    uint64_t oid = v->catalog;
    c->a = a;
    c->v = v;
    c->depth = 0;
    c->visited = 0;
    for (;; c->depth++) {
        if (!enter(c, oid, err))
            return false;
        const struct reader_node *node = &c->nodes[c->depth];
        struct reader_record r;
        int i = last_not_behind(node, key, n, apfs_order_catalog);
        if (node->leaf) {
            bool equal = i >= 0 && node_record(node, (unsigned)i, &r) && !apfs_order_catalog(r.key, r.key_bytes, key, n);
            c->index[c->depth] = before || equal ? (unsigned)MAX(i, 0) : (unsigned)(i + 1);
            *found = i >= 0;
            return before || settle(c, found, err);
        }
        c->index[c->depth] = (unsigned)MAX(i, 0);
        if (!child(c, &oid, err))
            return false;
    }
}

bool reader_next(struct reader_cursor *c, bool *found, struct pome_error *err)
{
    c->index[c->depth]++;
    return settle(c, found, err);
}
