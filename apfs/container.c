/*
 * container.c - making a container ([Container]).
 *
 * From the first block on: superblock; checkpoint descriptor area; checkpoint data area; bitmaps of the internal pool; the internal pool;
 * then, as they come, contents of files, and last the trees and superblocks of the volumes and the container's object map.
 */
#include "apfs/maker.h"
#include "apfs/object.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    unsigned role;
    const char *name;
} roles[] = {
    {APFS_NONE, "none"},       {APFS_SYSTEM, "System"},       {APFS_USER, "User"}, {APFS_RECOVERY, "Recovery"}, {APFS_VM, "VM"},
    {APFS_PREBOOT, "Preboot"}, {APFS_INSTALLER, "Installer"}, {APFS_DATA, "Data"}, {APFS_UPDATE, "Update"},     {APFS_XART, "xART"},
    {APFS_HARDWARE, "Hardware"},
};

const char *apfs_role_name(unsigned role)
{
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
        if (roles[i].role == role)
            return roles[i].name;
    return "unknown";
}

/* --- the checkpoint areas --- */

/* Their sizes in blocks for containers of so many blocks and more: base + step for every `per` blocks. The format leaves them open; those of large
 * containers are near what Apple's formatter makes, small ones get enough that no object behind them has a block number below OID_FIRST,
 * which as an oid is reserved. */
static const struct area_size {
    uint64_t from;
    uint32_t base, step, per;
} data_sizes[] = {
    {0, OID_FIRST, 0, 1}, {262144, 1248, 256, 65536}, {1048576, 4112, 256, 131072}, {4063232, 10000, 256, 131072}, {13107200, 27672, 0, 1},
}, desc_sizes[] = {{0, 8, 0, 1}, {131072, 12, 0, 1}, {262144, 20, 60, 23 * 131072}, {13107200, 280, 0, 1}};

static uint32_t area_blocks(const struct area_size *sizes, size_t n, uint64_t blocks)
{
    const struct area_size *s = sizes;
    for (size_t i = 0; i < n && sizes[i].from <= blocks; i++)
        s = &sizes[i];
    return s->base + (uint32_t)((blocks - s->from) / s->per) * s->step;
}

static uint32_t desc_blocks(uint64_t blocks)
{
    return area_blocks(desc_sizes, ARRAY_SIZE(desc_sizes), blocks);
}

static uint32_t data_blocks(uint64_t blocks)
{
    return area_blocks(data_sizes, ARRAY_SIZE(data_sizes), blocks);
}

enum { DESC_BASE = 1 };

/* Ephemeral objects: in memory while the container is mounted, in the data area between. */
enum ephemeral { REAPER, SPACEMAN, POOL_QUEUE, MAIN_QUEUE, EPHEMERALS };
static const struct {
    uint32_t type, subtype;
} ephemerals[EPHEMERALS] = {
    [REAPER] = {TYPE_REAPER, 0},
    [SPACEMAN] = {TYPE_SPACEMAN, 0},
    [POOL_QUEUE] = {TYPE_TREE, TYPE_FREE_QUEUE},
    [MAIN_QUEUE] = {TYPE_TREE, TYPE_FREE_QUEUE},
};

/* --- beginning --- */

struct apfs_maker *apfs_make_begin(const struct apfs_container_spec *spec, apfs_write_fn *write, void *user, struct pome_error *err)
{
    struct spaceman s;
    if (spec->bytes < APFS_BYTES_MIN || spec->bytes > APFS_BYTES_MAX) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "an APFS container of %llu MiB: needed %llu MiB to %llu TiB", (unsigned long long)(spec->bytes / MiB),
                  (unsigned long long)(APFS_BYTES_MIN / MiB), (unsigned long long)(APFS_BYTES_MAX >> 40));
        return NULL;
    }
    struct apfs_maker *m = calloc(1, sizeof *m);
    if (!m) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for an APFS container");
        return NULL;
    }
    *m = (struct apfs_maker){.spec = *spec, .write = write, .user = user, .blocks = spec->bytes / APFS_BLOCK, .next_oid = OID_FIRST + EPHEMERALS};
    snprintf(m->maker, sizeof m->maker, "%s", spec->maker ? spec->maker : "pome");
    spaceman_plan(m->blocks, DESC_BASE + desc_blocks(m->blocks) + data_blocks(m->blocks), &s);
    m->top = s.ip_base + s.ip_blocks;
    return m;
}

void apfs_make_free(struct apfs_maker *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        volume_free(m->volumes[i]);
    apfs_records_free(&m->omap);
    free(m);
}

bool maker_blocks(struct apfs_maker *m, uint64_t n, uint64_t *first, struct pome_error *err)
{
    if (n > m->blocks - m->top)
        return pome_fail(err, POME_ERROR_OUT_OF_DISK_SPACE, "the APFS container of %llu MiB is full", (unsigned long long)(m->spec.bytes / MiB));
    *first = m->top;
    m->top += n;
    return true;
}

bool maker_write(struct apfs_maker *m, uint64_t block, const void *bytes, size_t n, struct pome_error *err)
{
    return m->write(m->user, block * APFS_BLOCK, bytes, n, err);
}

/* --- finishing --- */

static bool place_physical(void *user, uint64_t *oid, uint64_t *block, struct pome_error *err)
{
    bool ok = maker_blocks(user, 1, block, err);
    *oid = *block;
    return ok;
}

static bool write_node(void *user, uint64_t block, const uint8_t *node, struct pome_error *err)
{
    return maker_write(user, block, node, APFS_BLOCK, err);
}

/* The container's object map: where each volume's superblock is. */
static bool write_omap(struct apfs_maker *m, uint64_t *block, struct pome_error *err)
{
    uint8_t omap[APFS_BLOCK] = {0};
    struct apfs_tree_build b = {.kind = &apfs_tree_omap, .xid = MAKE_XID, .place = place_physical, .write = write_node, .user = m};
    apfs_records_sort(&m->omap, apfs_order_oid_xid);
    if (!maker_blocks(m, 1, block, err) || !apfs_tree_make(&b, &m->omap, err))
        return false;
    le32_put(omap + OM_FLAGS, OM_MANUAL);
    le32_put(omap + OM_TREE_TYPE, TYPE_TREE | O_PHYSICAL);
    le32_put(omap + OM_SNAPSHOT_TREE_TYPE, TYPE_TREE | O_PHYSICAL);
    le64_put(omap + OM_TREE, b.root);
    apfs_object_seal(omap, sizeof omap, *block, MAKE_XID, TYPE_OMAP | O_PHYSICAL, 0);
    return maker_write(m, *block, omap, sizeof omap, err);
}

static bool write_volumes(struct apfs_maker *m, struct pome_error *err)
{
    for (size_t i = 0; i < m->n; i++) {
        uint8_t key[OMK_BYTES], value[OMV_BYTES] = {0};
        uint64_t block;
        if (!volume_finish(m->volumes[i], i, &block, err))
            return false;
        le64_put(key + OMK_OID, m->volumes[i]->oid);
        le64_put(key + OMK_XID, MAKE_XID);
        le32_put(value + OMV_SIZE, APFS_BLOCK);
        le64_put(value + OMV_BLOCK, block);
        if (!apfs_records_add(&m->omap, key, sizeof key, value, sizeof value, err))
            return false;
    }
    return true;
}

/* An ephemeral object's oid and place, as apfs_tree_make wants them: a free queue is one node. */
struct queue {
    struct apfs_maker *m;
    uint64_t oid, block;
};

static bool place_queue(void *user, uint64_t *oid, uint64_t *block, struct pome_error *err)
{
    const struct queue *q = user;
    *oid = q->oid;
    *block = q->block;
    return true;
}

static bool write_queue_node(void *user, uint64_t block, const uint8_t *node, struct pome_error *err)
{
    const struct queue *q = user;
    return maker_write(q->m, block, node, APFS_BLOCK, err);
}

static bool write_queue(struct apfs_maker *m, enum ephemeral which, uint64_t block, struct pome_error *err)
{
    struct queue q = {m, OID_FIRST + which, block};
    struct apfs_tree_build b = {.kind = &apfs_tree_free_queue, .xid = MAKE_XID, .place = place_queue, .write = write_queue_node, .user = &q};
    return apfs_tree_make(&b, &(struct apfs_records){0}, err);
}

static bool write_reaper(struct apfs_maker *m, uint64_t block, struct pome_error *err)
{
    uint8_t r[APFS_BLOCK] = {0};
    le64_put(r + NR_NEXT_ID, 1);
    le32_put(r + NR_FLAGS, NR_BHM);
    le32_put(r + NR_STATE_SIZE, APFS_BLOCK - NR_BYTES);
    apfs_object_seal(r, sizeof r, OID_FIRST + REAPER, MAKE_XID, TYPE_REAPER | O_EPHEMERAL, 0);
    return maker_write(m, block, r, sizeof r, err);
}

static bool write_ephemerals(struct apfs_maker *m, const struct spaceman *s, const uint64_t at[EPHEMERALS], struct pome_error *err)
{
    uint8_t *o = calloc(1, s->bytes);
    if (!o)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the space manager");
    bool ok = spaceman_write(m, s, OID_FIRST + POOL_QUEUE, OID_FIRST + MAIN_QUEUE, o, err);
    if (ok) {
        apfs_object_seal(o, s->bytes, OID_FIRST + SPACEMAN, MAKE_XID, TYPE_SPACEMAN | O_EPHEMERAL, 0);
        ok = maker_write(m, at[SPACEMAN], o, s->bytes, err);
    }
    free(o);
    return ok && write_reaper(m, at[REAPER], err) && write_queue(m, POOL_QUEUE, at[POOL_QUEUE], err) && write_queue(m, MAIN_QUEUE, at[MAIN_QUEUE], err);
}

static bool write_checkpoint_map(struct apfs_maker *m, const struct spaceman *s, const uint64_t at[EPHEMERALS], struct pome_error *err)
{
    uint8_t map[APFS_BLOCK] = {0};
    le32_put(map + CPM_FLAGS, CPM_LAST);
    le32_put(map + CPM_COUNT, EPHEMERALS);
    for (int i = 0; i < EPHEMERALS; i++) {
        uint8_t *e = map + CPM_MAP + i * CPM_ENTRY;
        le32_put(e + CPE_TYPE, ephemerals[i].type | O_EPHEMERAL);
        le32_put(e + CPE_SUBTYPE, ephemerals[i].subtype);
        le32_put(e + CPE_SIZE, i == SPACEMAN ? (uint32_t)s->bytes : APFS_BLOCK);
        le64_put(e + CPE_OID, OID_FIRST + (uint64_t)i);
        le64_put(e + CPE_BLOCK, at[i]);
    }
    apfs_object_seal(map, sizeof map, DESC_BASE, MAKE_XID, TYPE_CHECKPOINT_MAP | O_PHYSICAL, 0);
    return maker_write(m, DESC_BASE, map, sizeof map, err);
}

/* [Container] nx_ephemeral_info: version 1, at most 4 structures for each volume, at least so many blocks. */
static uint64_t ephemeral_info(const struct apfs_maker *m)
{
    uint64_t least = m->blocks < 128 * MiB / APFS_BLOCK ? spaceman_main_queue_limit(m->blocks) : 8;
    return least << 32 | 4 << 16 | 1;
}

/* [Container] nx_max_file_systems: one volume for every 512 MiB. Apple's iBootSystemContainer of 500 MiB has four: it is made with the limit raised to
 * what the superblock has room for, and so is every container here that has more volumes than the rule gives. */
uint32_t container_max_volumes(uint64_t blocks)
{
    return (uint32_t)MIN(NX_VOLUMES_MAX, (blocks * APFS_BLOCK + 512 * MiB - 1) / (512 * MiB));
}

static uint32_t max_volumes(const struct apfs_maker *m)
{
    uint32_t n = container_max_volumes(m->blocks);
    return m->n > n ? NX_VOLUMES_MAX : n;
}

static void fill_superblock(const struct apfs_maker *m, uint32_t ephemeral_blocks, uint64_t omap, uint8_t *nx)
{
    le32_put(nx + NX_MAGIC, NX_MAGIC_VALUE);
    le32_put(nx + NX_BLOCK_SIZE, APFS_BLOCK);
    le64_put(nx + NX_BLOCKS, m->blocks);
    le64_put(nx + NX_INCOMPATIBLE, NX_VERSION_2);
    memcpy(nx + NX_UUID, m->spec.uuid, APFS_UUID);
    le64_put(nx + NX_NEXT_OID, m->next_oid);
    le64_put(nx + NX_NEXT_XID, MAKE_XID + 1);
    le32_put(nx + NX_DESC_BLOCKS, desc_blocks(m->blocks));
    le64_put(nx + NX_DESC_BASE, DESC_BASE);
    le32_put(nx + NX_DESC_NEXT, 2); /* of the descriptor area the map and the superblock are in use */
    le32_put(nx + NX_DESC_LEN, 2);
    le32_put(nx + NX_DATA_BLOCKS, data_blocks(m->blocks));
    le64_put(nx + NX_DATA_BASE, DESC_BASE + desc_blocks(m->blocks));
    le32_put(nx + NX_DATA_NEXT, ephemeral_blocks);
    le32_put(nx + NX_DATA_LEN, ephemeral_blocks);
    le64_put(nx + NX_SPACEMAN, OID_FIRST + SPACEMAN);
    le64_put(nx + NX_REAPER, OID_FIRST + REAPER);
    le64_put(nx + NX_OMAP, omap);
    le32_put(nx + NX_MAX_VOLUMES, max_volumes(m));
    for (size_t i = 0; i < m->n; i++)
        le64_put(nx + NX_VOLUMES + 8 * i, m->volumes[i]->oid);
    le64_put(nx + NX_EPHEMERAL_INFO, ephemeral_info(m));
    apfs_object_seal(nx, APFS_BLOCK, OID_NX, MAKE_XID, TYPE_NX | O_EPHEMERAL, 0);
}

bool apfs_make_finish(struct apfs_maker *m, struct pome_error *err)
{
    uint8_t nx[APFS_BLOCK] = {0};
    struct spaceman s;
    uint64_t omap = 0, at[EPHEMERALS], data = DESC_BASE + desc_blocks(m->blocks);
    spaceman_plan(m->blocks, data + data_blocks(m->blocks), &s);
    at[REAPER] = data;
    at[SPACEMAN] = data + 1;
    at[POOL_QUEUE] = at[SPACEMAN] + s.bytes / APFS_BLOCK;
    at[MAIN_QUEUE] = at[POOL_QUEUE] + 1;
    if (!write_volumes(m, err) || !write_omap(m, &omap, err) || !write_ephemerals(m, &s, at, err) || !write_checkpoint_map(m, &s, at, err))
        return false;
    fill_superblock(m, (uint32_t)(at[MAIN_QUEUE] + 1 - data), omap, nx);
    return maker_write(m, DESC_BASE + 1, nx, sizeof nx, err) && maker_write(m, 0, nx, sizeof nx, err);
}
