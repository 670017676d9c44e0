/* tree.c - making B-trees ([B-Trees]) from all their records at once. */
#include "apfs/tree.h"
#include "apfs/disk.h"
#include "apfs/object.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* [B-Trees] btree_info_fixed_t; the flags are what each tree's chapter says. */
const struct apfs_tree_kind apfs_tree_omap = {TYPE_OMAP, O_PHYSICAL, BT_PHYSICAL, OMK_BYTES, OMV_BYTES};
const struct apfs_tree_kind apfs_tree_catalog = {TYPE_CATALOG, 0, BT_NOT_ALIGNED, 0, 0};
const struct apfs_tree_kind apfs_tree_extents = {TYPE_EXTENT_REFS, O_PHYSICAL, BT_PHYSICAL | BT_NOT_ALIGNED, 0, 0};
const struct apfs_tree_kind apfs_tree_snapshots = {TYPE_SNAPSHOTS, O_PHYSICAL, BT_PHYSICAL | BT_NOT_ALIGNED, 0, 0};
const struct apfs_tree_kind apfs_tree_free_queue = {TYPE_FREE_QUEUE, O_EPHEMERAL, BT_EPHEMERAL | BT_GHOSTS, 16, 8};

/* --- records --- */

static bool grow(void **p, size_t *room, size_t need, size_t item)
{
    if (need <= *room)
        return true;
    size_t more = MAX(need, MAX(*room * 2, 64));
    void *grown = realloc(*p, more * item);
    if (!grown)
        return false;
    *p = grown;
    *room = more;
    return true;
}

bool apfs_records_add(struct apfs_records *r, const void *key, size_t key_bytes, const void *value, size_t value_bytes, struct pome_error *err)
{
    if (!grow((void **)&r->bytes, &r->room, r->used + key_bytes + value_bytes, 1) ||
        !grow((void **)&r->list, &r->list_room, r->n + 1, sizeof *r->list))
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "APFS: no memory for %zu records", r->n + 1);
    r->list[r->n++] = (struct apfs_record){r->used, (uint16_t)key_bytes, (uint16_t)value_bytes};
    memcpy(r->bytes + r->used, key, key_bytes);
    if (value_bytes)
        memcpy(r->bytes + r->used + key_bytes, value, value_bytes);
    r->used += key_bytes + value_bytes;
    return true;
}

void apfs_records_free(struct apfs_records *r)
{
    free(r->bytes);
    free(r->list);
    *r = (struct apfs_records){0};
}

static int order_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int apfs_order_oid_xid(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
    int o = order_u64(le64_get(a + OMK_OID), le64_get(b + OMK_OID));
    return o ? o : order_u64(le64_get(a + OMK_XID), le64_get(b + OMK_XID));
}

int apfs_order_block(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
    return order_u64(le64_get(a) & KEY_ID_MASK, le64_get(b) & KEY_ID_MASK);
}

/* By id, type, then what the type has: the hash and the name, the name, the place in the file. */
int apfs_order_catalog(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
    uint64_t x = le64_get(a), y = le64_get(b), type = x >> KEY_TYPE_SHIFT;
    int o = order_u64(x & KEY_ID_MASK, y & KEY_ID_MASK);
    o = o ? o : order_u64(type, y >> KEY_TYPE_SHIFT);
    if (o || an <= KEY_HEADER || bn <= KEY_HEADER)
        return o ? o : order_u64(an, bn);
    if (type == REC_FILE_EXTENT && an >= 16 && bn >= 16)
        return order_u64(le64_get(a + KEY_HEADER), le64_get(b + KEY_HEADER));
    size_t text = type == REC_NAME ? NAME_TEXT : KEY_HEADER + 2;
    if (an <= text || bn <= text)
        return order_u64(an, bn);
    if (type == REC_NAME && (o = order_u64(le32_get(a + NAME_HASH) & ~(uint32_t)NAME_LENGTH_MASK, le32_get(b + NAME_HASH) & ~(uint32_t)NAME_LENGTH_MASK)))
        return o;
    o = memcmp(a + text, b + text, MIN(an, bn) - text);
    return o ? o : order_u64(an, bn);
}

struct sorting {
    const struct apfs_records *r;
    apfs_key_order *order;
};

static int by_key(const void *x, const void *y, void *user)
{
    const struct sorting *s = user;
    const struct apfs_record *a = x, *b = y;
    return s->order(s->r->bytes + a->at, a->key, s->r->bytes + b->at, b->key);
}

void apfs_records_sort(struct apfs_records *r, apfs_key_order *order)
{
    struct sorting s = {r, order};
    if (r->n)
        qsort_r(r->list, r->n, sizeof *r->list, by_key, &s);
}

/* --- nodes --- */

enum { TABLE_FIXED = 4, TABLE_VARIABLE = 8, TABLE_SPARE = 16 };

/* The table of contents of a node with n records. One of records of a fixed size is as long as it can ever get; the others have some
 * entries to spare, so that a guest can add records. */
static size_t table_bytes(const struct apfs_tree_kind *k, bool leaf, size_t n)
{
    if (k->key_size)
        return (APFS_BLOCK - BTN_DATA) / (k->key_size + (leaf ? k->value_size : 8) + TABLE_FIXED) * TABLE_FIXED;
    return MAX(TABLE_SPARE, align_up(n + TABLE_SPARE / 2, TABLE_SPARE / 2)) * TABLE_VARIABLE;
}

/* How many records from `from` on fit a node. */
static size_t fit(const struct apfs_tree_kind *k, const struct apfs_records *r, size_t from, unsigned level, bool root)
{
    size_t room = APFS_BLOCK - BTN_DATA - (root ? BT_BYTES : 0), used = 0, n = 0;
    while (from + n < r->n) {
        used += (size_t)r->list[from + n].key + r->list[from + n].value;
        if (used + table_bytes(k, !level, n + 1) > room)
            break;
        n++;
    }
    return n;
}

static void fill_node(uint8_t node[APFS_BLOCK], const struct apfs_tree_kind *k, const struct apfs_records *r, size_t from, size_t n, unsigned level, bool root)
{
    size_t table = table_bytes(k, !level, n), end = APFS_BLOCK - (root ? BT_BYTES : 0), keys = 0, values = 0;
    uint8_t *toc = node + BTN_DATA, *key_area = toc + table;
    memset(node, 0, APFS_BLOCK);
    for (size_t i = 0; i < n; i++) {
        const struct apfs_record *rec = &r->list[from + i];
        memcpy(key_area + keys, r->bytes + rec->at, rec->key);
        values += rec->value;
        memcpy(node + end - values, r->bytes + rec->at + rec->key, rec->value);
        if (k->key_size) {
            le16_put(toc + i * TABLE_FIXED, (uint16_t)keys);
            le16_put(toc + i * TABLE_FIXED + 2, (uint16_t)values);
        } else {
            le16_put(toc + i * TABLE_VARIABLE, (uint16_t)keys);
            le16_put(toc + i * TABLE_VARIABLE + 2, rec->key);
            le16_put(toc + i * TABLE_VARIABLE + 4, (uint16_t)values);
            le16_put(toc + i * TABLE_VARIABLE + 6, rec->value);
        }
        keys += rec->key;
    }
    le16_put(node + BTN_FLAGS, (uint16_t)((root ? BTN_ROOT : 0) | (level ? 0 : BTN_LEAF) | (k->key_size ? BTN_FIXED : 0)));
    le16_put(node + BTN_LEVEL, (uint16_t)level);
    le32_put(node + BTN_KEYS, (uint32_t)n);
    le16_put(node + BTN_TABLE_BYTES, (uint16_t)table);
    le16_put(node + BTN_FREE_OFFSET, (uint16_t)keys);
    le16_put(node + BTN_FREE_BYTES, (uint16_t)(end - BTN_DATA - table - keys - values));
    le16_put(node + BTN_KEY_FREE, BTN_NONE);
    le16_put(node + BTN_VALUE_FREE, BTN_NONE);
}

static void fill_info(uint8_t *info, const struct apfs_tree_kind *k, const struct apfs_records *leaves, uint64_t nodes)
{
    uint32_t key = k->key_size, value = k->value_size;
    for (size_t i = 0; i < leaves->n; i++) {
        key = MAX(key, leaves->list[i].key);
        value = MAX(value, leaves->list[i].value);
    }
    le32_put(info + BT_FLAGS, k->flags);
    le32_put(info + BT_NODE_SIZE, APFS_BLOCK);
    le32_put(info + BT_KEY_SIZE, k->key_size);
    le32_put(info + BT_VALUE_SIZE, k->value_size);
    le32_put(info + BT_LONGEST_KEY, key);
    le32_put(info + BT_LONGEST_VALUE, value);
    le64_put(info + BT_KEYS, leaves->n);
    le64_put(info + BT_NODES, nodes);
}

static bool put_node(struct apfs_tree_build *b, uint8_t *node, bool root, uint64_t *oid, struct pome_error *err)
{
    uint64_t block;
    if (!b->place(b->user, oid, &block, err))
        return false;
    apfs_object_seal(node, APFS_BLOCK, *oid, b->xid, (root ? TYPE_TREE : TYPE_NODE) | b->kind->storage, b->kind->subtype);
    return b->write(b->user, block, node, err);
}

/* One level of nodes; `above` gets their first keys. */
static bool make_level(struct apfs_tree_build *b, const struct apfs_records *r, unsigned level, struct apfs_records *above, struct pome_error *err)
{
    uint8_t node[APFS_BLOCK], child[8];
    uint64_t oid;
    for (size_t i = 0, n; i < r->n; i += n) {
        n = fit(b->kind, r, i, level, false);
        if (!n)
            return pome_fail(err, POME_ERROR_INTERNAL, "APFS: a record of %u bytes fits no node", r->list[i].key + r->list[i].value);
        fill_node(node, b->kind, r, i, n, level, false);
        if (!put_node(b, node, false, &oid, err))
            return false;
        le64_put(child, oid);
        if (!apfs_records_add(above, r->bytes + r->list[i].at, r->list[i].key, child, sizeof child, err))
            return false;
        b->nodes++;
    }
    return true;
}

bool apfs_tree_make(struct apfs_tree_build *b, const struct apfs_records *leaves, struct pome_error *err)
{
    struct apfs_records level_records = {0};
    const struct apfs_records *r = leaves;
    unsigned level = 0;
    uint8_t node[APFS_BLOCK];
    bool ok = true;
    b->nodes = 0;
    for (; ok && fit(b->kind, r, 0, level, true) < r->n; level++) {
        struct apfs_records above = {0};
        ok = make_level(b, r, level, &above, err);
        apfs_records_free(&level_records);
        level_records = above;
        r = &level_records;
    }
    if (ok) {
        fill_node(node, b->kind, r, 0, r->n, level, true);
        fill_info(node + APFS_BLOCK - BT_BYTES, b->kind, leaves, ++b->nodes);
        ok = put_node(b, node, true, &b->root, err);
    }
    apfs_records_free(&level_records);
    return ok;
}
