/*
 * grow.c - an existing container gets more room ([Container], [Space Manager]).
 *
 * How it works. The internal pool, where the bitmaps are, is too small for more chunks: a new one is made at the beginning of the new room, with
 * bitmaps that have the old pool free and the new one in use. Then comes one more checkpoint, behind the last one in both areas, with the
 * ephemeral objects and a superblock that says the new size. Until that superblock is there nothing that the old one says was
 * touched. Block 0, the copy of the newest, is last.
 *
 * Missing on purpose: containers with anything in memory but what a new one has (queues of freed blocks, a reaper at work, a space manager
 * of the newer form): those that macOS wrote to. They are refused, as nothing here can test what it would do to them.
 */
#include "apfs/maker.h"
#include "apfs/object.h"
#include "apfs/reader.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { OBJECTS_MAX = 4 };

struct grow {
    struct apfs a; /* read, user, blocks: before */
    apfs_write_fn *write;
    apfs_sync_fn *sync;
    uint64_t blocks, xid; /* afterwards */
    uint8_t nx[APFS_BLOCK], map[APFS_BLOCK];
    uint8_t old[APFS_BLOCK];  /* the first block of the space manager */
    uint64_t cabs_or_cibs;    /* where their addresses are: the block they are in, times its size, and the place in it */
    struct spaceman plan;
    uint64_t free, bitmaps;   /* counted and written so far */
    uint64_t *chunks;         /* the bitmap of each old chunk; 0: it is free */
};

static bool not_ours(struct pome_error *err, const char *what)
{
    return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "APFS: the container was changed by other software since it was made (%s): only that can grow it", what);
}

static bool read_block(struct grow *g, uint64_t block, uint8_t *bytes, struct pome_error *err)
{
    if (block >= g->a.blocks)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: block %llu of %llu", (unsigned long long)block, (unsigned long long)g->a.blocks);
    return g->a.read(g->a.user, block * APFS_BLOCK, bytes, APFS_BLOCK, err);
}

static bool write_block(struct grow *g, uint64_t block, const uint8_t *bytes, struct pome_error *err)
{
    return g->write(g->a.user, block * APFS_BLOCK, bytes, APFS_BLOCK, err);
}

/* --- what is there --- */

static uint8_t *entry(struct grow *g, uint32_t i)
{
    return g->map + CPM_MAP + i * CPM_ENTRY;
}

static bool check_object(struct grow *g, const uint8_t *e, struct pome_error *err)
{
    uint8_t o[APFS_BLOCK];
    uint32_t type = le32_get(e + CPE_TYPE) & O_TYPE_MASK;
    if (!read_block(g, le64_get(e + CPE_BLOCK), o, err))
        return false;
    if (type == TYPE_SPACEMAN) {
        memcpy(g->old, o, sizeof o);
        return true;
    }
    if (le32_get(e + CPE_SIZE) != APFS_BLOCK || !apfs_object_intact(o, sizeof o))
        return not_ours(err, "an object in memory");
    if (type == TYPE_REAPER)
        return true;
    if (type != TYPE_TREE || le32_get(e + CPE_SUBTYPE) != TYPE_FREE_QUEUE)
        return not_ours(err, "more objects in memory");
    return !le64_get(o + APFS_BLOCK - BT_BYTES + BT_KEYS) || not_ours(err, "blocks that are to be freed");
}

static bool check_spaceman(struct grow *g, struct pome_error *err)
{
    const uint8_t *s = g->old, *d = s + SM_DEVICE;
    struct spaceman was;
    spaceman_plan(g->a.blocks, 0, &was);
    if (le32_get(s + SM_FLAGS) || le32_get(s + SM_CHUNK_BLOCKS) != CHUNK_BLOCKS || le32_get(s + SM_CIB_CHUNKS) != CIB_CHUNKS ||
        le32_get(s + SM_CAB_CIBS) != CAB_CIBS || le64_get(s + SM_QUEUES + SMQ_COUNT) || le64_get(s + SM_QUEUES + SM_QUEUE_BYTES + SMQ_COUNT))
        return not_ours(err, "another kind of space manager");
    if (le64_get(d + SMD_BLOCKS) != g->a.blocks || le64_get(d + SMD_CHUNKS) != was.chunks || le32_get(d + SMD_CIBS) != was.cibs ||
        le32_get(d + SMD_CABS) != was.cabs || le32_get(d + SMD_ADDRESSES) != was.addresses || le64_get(s + SM_IP_BLOCKS) != was.ip_blocks ||
        le32_get(s + SM_IP_BM_BLOCKS) != was.ip_bm_blocks)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the space manager is not the one of %llu blocks", (unsigned long long)g->a.blocks);
    return true;
}

static bool open_checkpoint(struct grow *g, struct pome_error *err)
{
    const uint8_t *nx = g->nx;
    uint64_t at = le64_get(nx + NX_DESC_BASE) + le32_get(nx + NX_DESC_INDEX);
    uint32_t seen = 0;
    if (le32_get(nx + NX_DESC_LEN) != 2 || !reader_object(&g->a, at, TYPE_CHECKPOINT_MAP, g->map, err))
        return not_ours(err, "a checkpoint of several blocks");
    if (le32_get(g->map + CPM_COUNT) != OBJECTS_MAX)
        return not_ours(err, "other objects in memory");
    for (uint32_t i = 0; i < OBJECTS_MAX; i++) {
        uint32_t type = le32_get(entry(g, i) + CPE_TYPE) & O_TYPE_MASK;
        if (!check_object(g, entry(g, i), err))
            return false;
        if (type == TYPE_SPACEMAN)
            g->cabs_or_cibs = le64_get(entry(g, i) + CPE_BLOCK);
        seen += type == TYPE_SPACEMAN ? 1 : type == TYPE_REAPER ? 16 : 256;
    }
    return (seen == 1 + 16 + 2 * 256 || not_ours(err, "other objects in memory")) && check_spaceman(g, err);
}

/* The k-th address in the space manager. */
static bool address(struct grow *g, uint64_t k, uint64_t *block, struct pome_error *err)
{
    uint8_t bytes[APFS_BLOCK];
    uint64_t at = le32_get(g->old + SM_DEVICE + SMD_ADDRESSES) + 8 * k;
    if (!read_block(g, g->cabs_or_cibs + at / APFS_BLOCK, bytes, err))
        return false;
    *block = le64_get(bytes + at % APFS_BLOCK);
    return true;
}

static bool cib_address(struct grow *g, uint64_t cib, uint64_t *block, struct pome_error *err)
{
    uint8_t cab[APFS_BLOCK];
    if (!le32_get(g->old + SM_DEVICE + SMD_CABS))
        return address(g, cib, block, err);
    if (!address(g, cib / CAB_CIBS, block, err) || !reader_object(&g->a, *block, TYPE_CAB, cab, err))
        return false;
    *block = le64_get(cab + CIB_CHUNK + 8 * (cib % CAB_CIBS));
    return true;
}

static bool read_chunks(struct grow *g, struct pome_error *err)
{
    uint64_t n = le64_get(g->old + SM_DEVICE + SMD_CHUNKS), block;
    uint8_t cib[APFS_BLOCK];
    g->chunks = calloc(n, sizeof *g->chunks);
    if (!g->chunks)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for %llu chunks of an APFS container", (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++) {
        if (i % CIB_CHUNKS == 0 && (!cib_address(g, i / CIB_CHUNKS, &block, err) || !reader_object(&g->a, block, TYPE_CIB, cib, err)))
            return false;
        g->chunks[i] = le64_get(cib + CIB_CHUNK + i % CIB_CHUNKS * CIB_CHUNK_BYTES + CI_BITMAP);
    }
    return true;
}

/* --- the new pool: chunk-info blocks, address blocks, bitmaps --- */

static uint64_t first_cab(const struct grow *g)
{
    return g->plan.ip_base + g->plan.cibs;
}

static uint64_t first_bitmap(const struct grow *g)
{
    return first_cab(g) + g->plan.cabs;
}

/* Those blocks of [from, from + n) that lie in the chunk. */
static void mark(uint8_t *bitmap, uint64_t chunk, uint64_t from, uint64_t n, bool used)
{
    uint64_t first = chunk * CHUNK_BLOCKS, at = MAX(from, first), end = MIN(from + n, first + CHUNK_BLOCKS);
    for (; at < end; at++) {
        uint8_t bit = (uint8_t)BIT((at - first) % 8);
        uint8_t *byte = &bitmap[(at - first) / 8];
        *byte = (uint8_t)(used ? *byte | bit : *byte & ~bit);
    }
}

static bool write_chunk(struct grow *g, uint64_t chunk, uint8_t *ci, struct pome_error *err)
{
    uint8_t bitmap[APFS_BLOCK] = {0};
    uint64_t first = chunk * CHUNK_BLOCKS, n = MIN(g->blocks - first, CHUNK_BLOCKS), used = 0;
    if (chunk < le64_get(g->old + SM_DEVICE + SMD_CHUNKS) && g->chunks[chunk] && !read_block(g, g->chunks[chunk], bitmap, err))
        return false;
    mark(bitmap, chunk, le64_get(g->old + SM_IP_BM_BASE), le32_get(g->old + SM_IP_BM_BLOCKS), false);
    mark(bitmap, chunk, le64_get(g->old + SM_IP_BASE), le64_get(g->old + SM_IP_BLOCKS), false);
    mark(bitmap, chunk, g->plan.ip_bm_base, g->plan.ip_bm_blocks + g->plan.ip_blocks, true);
    for (size_t i = 0; i < sizeof bitmap; i += 8)
        used += (uint64_t)__builtin_popcountll(le64_get(bitmap + i));
    if (used > n)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: the bitmap of chunk %llu has blocks behind the end", (unsigned long long)chunk);
    le64_put(ci + CI_XID, g->xid);
    le64_put(ci + CI_FIRST, first);
    le32_put(ci + CI_BLOCKS, (uint32_t)n);
    le32_put(ci + CI_FREE, (uint32_t)(n - used));
    g->free += n - used;
    if (!used)
        return true;
    uint64_t block = first_bitmap(g) + g->bitmaps++;
    le64_put(ci + CI_BITMAP, block);
    return write_block(g, block, bitmap, err);
}

static bool write_cib(struct grow *g, uint32_t index, struct pome_error *err)
{
    uint8_t cib[APFS_BLOCK] = {0};
    uint64_t first = (uint64_t)index * CIB_CHUNKS, n = MIN(g->plan.chunks - first, CIB_CHUNKS), block = g->plan.ip_base + index;
    le32_put(cib + CIB_INDEX, index);
    le32_put(cib + CIB_COUNT, (uint32_t)n);
    for (uint64_t i = 0; i < n; i++)
        if (!write_chunk(g, first + i, cib + CIB_CHUNK + i * CIB_CHUNK_BYTES, err))
            return false;
    apfs_object_seal(cib, sizeof cib, block, g->xid, TYPE_CIB | O_PHYSICAL, 0);
    return write_block(g, block, cib, err);
}

static bool write_cab(struct grow *g, uint32_t index, struct pome_error *err)
{
    uint8_t cab[APFS_BLOCK] = {0};
    uint32_t first = index * CAB_CIBS, n = MIN(g->plan.cibs - first, CAB_CIBS);
    le32_put(cab + CIB_INDEX, index);
    le32_put(cab + CIB_COUNT, n);
    for (uint32_t i = 0; i < n; i++)
        le64_put(cab + CIB_CHUNK + 8 * i, g->plan.ip_base + first + i);
    apfs_object_seal(cab, sizeof cab, first_cab(g) + index, g->xid, TYPE_CAB | O_PHYSICAL, 0);
    return write_block(g, first_cab(g) + index, cab, err);
}

static bool write_pool(struct grow *g, struct pome_error *err)
{
    for (uint32_t i = 0; i < g->plan.cibs; i++)
        if (!write_cib(g, i, err))
            return false;
    for (uint32_t i = 0; i < g->plan.cabs; i++)
        if (!write_cab(g, i, err))
            return false;
    uint64_t used = g->plan.cibs + g->plan.cabs + g->bitmaps;
    for (uint32_t i = 0; i < g->plan.ip_bm_size; i++) {
        uint8_t bitmap[APFS_BLOCK] = {0};
        uint64_t n = MIN(used, CHUNK_BLOCKS);
        spaceman_set_ones(bitmap, n);
        used -= n;
        if (!write_block(g, g->plan.ip_bm_base + i, bitmap, err))
            return false;
    }
    return true;
}

/* --- the checkpoint --- */

static bool write_spaceman(struct grow *g, uint64_t oid, uint64_t block, struct pome_error *err)
{
    const struct spaceman_content c = {.blocks = g->blocks, .free = g->free, .first_cib = g->plan.ip_base, .first_cab = first_cab(g), .xid = g->xid,
                                       .pool_queue = le64_get(g->old + SM_QUEUES + SMQ_TREE),
                                       .main_queue = le64_get(g->old + SM_QUEUES + SM_QUEUE_BYTES + SMQ_TREE)};
    uint8_t *o = calloc(1, g->plan.bytes);
    if (!o)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the space manager");
    spaceman_fill(&g->plan, &c, o);
    apfs_object_seal(o, g->plan.bytes, oid, g->xid, TYPE_SPACEMAN | O_EPHEMERAL, 0);
    bool ok = g->write(g->a.user, block * APFS_BLOCK, o, g->plan.bytes, err);
    free(o);
    return ok;
}

static bool copy_object(struct grow *g, const uint8_t *e, uint64_t block, struct pome_error *err)
{
    uint8_t o[APFS_BLOCK];
    if (!read_block(g, le64_get(e + CPE_BLOCK), o, err))
        return false;
    apfs_object_seal(o, sizeof o, le64_get(e + CPE_OID), g->xid, le32_get(o + O_TYPE), le32_get(o + O_SUBTYPE));
    return write_block(g, block, o, err);
}

/* All objects go behind those of the last checkpoint; *n blocks. */
static bool write_objects(struct grow *g, uint32_t *n, struct pome_error *err)
{
    uint64_t base = le64_get(g->nx + NX_DATA_BASE);
    uint32_t at = le32_get(g->nx + NX_DATA_NEXT), room = le32_get(g->nx + NX_DATA_BLOCKS), need = OBJECTS_MAX - 1 + (uint32_t)(g->plan.bytes / APFS_BLOCK);
    if (need > room || base >= g->a.blocks || room > g->a.blocks - base)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: a checkpoint area of %u blocks", room);
    if (at > room - need)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "APFS: the container was grown too often: its checkpoint area would begin anew");
    for (uint32_t i = 0; i < OBJECTS_MAX; i++) {
        uint8_t *e = entry(g, i);
        bool manager = (le32_get(e + CPE_TYPE) & O_TYPE_MASK) == TYPE_SPACEMAN;
        if (!(manager ? write_spaceman(g, le64_get(e + CPE_OID), base + at, err) : copy_object(g, e, base + at, err)))
            return false;
        le64_put(e + CPE_BLOCK, base + at);
        le32_put(e + CPE_SIZE, manager ? (uint32_t)g->plan.bytes : APFS_BLOCK);
        at += manager ? (uint32_t)(g->plan.bytes / APFS_BLOCK) : 1;
    }
    *n = need;
    return true;
}

static uint32_t volumes_end(const uint8_t *nx)
{
    uint32_t n = NX_VOLUMES_MAX;
    while (n && !le64_get(nx + NX_VOLUMES + 8 * (n - 1)))
        n--;
    return n;
}

static bool write_checkpoint(struct grow *g, struct pome_error *err)
{
    uint8_t *nx = g->nx;
    uint64_t base = le64_get(nx + NX_DESC_BASE);
    uint32_t room = le32_get(nx + NX_DESC_BLOCKS), at = le32_get(nx + NX_DESC_NEXT), data = le32_get(nx + NX_DATA_NEXT), n = 0;
    if (base >= g->a.blocks || room > g->a.blocks - base)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "APFS: %u checkpoint blocks from block %llu on", room, (unsigned long long)base);
    if (room < 4 || room % 2 || at % 2 || at >= room)
        return not_ours(err, "another checkpoint area");
    if (!write_objects(g, &n, err))
        return false;
    apfs_object_seal(g->map, sizeof g->map, base + at, g->xid, TYPE_CHECKPOINT_MAP | O_PHYSICAL, 0);
    le64_put(nx + NX_BLOCKS, g->blocks);
    le64_put(nx + NX_NEXT_XID, g->xid + 1);
    le32_put(nx + NX_DESC_INDEX, at);
    le32_put(nx + NX_DESC_NEXT, (at + 2) % room);
    le32_put(nx + NX_DATA_INDEX, data);
    le32_put(nx + NX_DATA_LEN, n);
    le32_put(nx + NX_DATA_NEXT, data + n);
    if (volumes_end(nx) <= container_max_volumes(g->blocks))
        le32_put(nx + NX_MAX_VOLUMES, container_max_volumes(g->blocks));
    apfs_object_seal(nx, APFS_BLOCK, OID_NX, g->xid, TYPE_NX | O_EPHEMERAL, 0);
    return write_block(g, base + at, g->map, err) && g->sync(g->a.user, err) && write_block(g, base + at + 1, nx, err) && g->sync(g->a.user, err);
}

static bool plan(struct grow *g, uint64_t bytes, struct pome_error *err)
{
    g->blocks = bytes / APFS_BLOCK;
    g->xid = le64_get(g->nx + NX_NEXT_XID);
    if (g->blocks < g->a.blocks)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "APFS: a container of %llu blocks cannot shrink to %llu", (unsigned long long)g->a.blocks,
                         (unsigned long long)g->blocks);
    spaceman_plan(g->blocks, g->a.blocks, &g->plan);
    if (g->plan.ip_base + g->plan.ip_blocks > g->blocks)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "APFS: %llu KiB more are too little for the new bitmaps, needed %llu KiB",
                         (unsigned long long)(g->blocks - g->a.blocks) * (APFS_BLOCK / KiB),
                         (unsigned long long)(g->plan.ip_base + g->plan.ip_blocks - g->a.blocks) * (APFS_BLOCK / KiB));
    return true;
}

/* Block 0 is a copy of the newest superblock; when the last growing was cut off before it, it is not. */
static bool copy_to_front(struct grow *g, struct pome_error *err)
{
    return write_block(g, 0, g->nx, err) && g->sync(g->a.user, err);
}

bool apfs_grow(uint64_t bytes, apfs_read_fn *read, apfs_write_fn *write, apfs_sync_fn *sync, void *user, struct pome_error *err)
{
    if (bytes < APFS_BYTES_MIN || bytes > APFS_BYTES_MAX)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "an APFS container of %llu MiB", (unsigned long long)(bytes / MiB));
    struct grow *g = calloc(1, sizeof *g);
    if (!g)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to grow an APFS container");
    g->a = (struct apfs){.read = read, .user = user};
    g->write = write;
    g->sync = sync;
    bool ok = reader_superblock(&g->a, bytes, g->nx, err);
    if (ok && g->a.blocks != bytes / APFS_BLOCK)
        ok = plan(g, bytes, err) && open_checkpoint(g, err) && read_chunks(g, err) && write_pool(g, err) && write_checkpoint(g, err);
    ok = ok && copy_to_front(g, err);
    free(g->chunks);
    free(g);
    return ok;
}
