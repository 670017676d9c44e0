/*
 * spaceman.c - the space manager of a new container ([Space Manager]).
 *
 * Blocks are counted in chunks of 32768. A chunk that has blocks in use has a bitmap; chunk-info blocks (CIB) list 126 chunks each, and where
 * there are more than 507 of them, address blocks (CAB) list those. Bitmaps, CIBs and CABs live in the internal pool, three times as
 * large as needed, which has a bitmap of its own in 16 copies. In a new container everything before m->top is in use and nothing
 * behind it: each bitmap is a run of ones, then zeroes.
 */
#include "apfs/maker.h"
#include "apfs/object.h"
#include "base/bits.h"

#include <stdlib.h>
#include <string.h>

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* Node limits of the free queues, as a function of the size: spaceman_free_queue_t says that they exist, not their values; these are those
 * that other implementations and checkers expect. */
uint16_t spaceman_pool_queue_limit(uint64_t chunks)
{
    uint64_t n = 3 * (chunks + 751) / 1127 - 1;
    return (uint16_t)(n == 2 ? 3 : n);
}

uint16_t spaceman_main_queue_limit(uint64_t blocks)
{
    uint64_t n = 512;
    if (blocks < GiB / APFS_BLOCK)
        n = 1 + (blocks - 1) / 4544;
    else if (blocks < 4 * GiB / APFS_BLOCK)
        n = 116 + (blocks - 261281) / 2272;
    return (uint16_t)(n == 2 ? 3 : n);
}

void spaceman_plan(uint64_t blocks, uint64_t ip_bm_base, struct spaceman *s)
{
    *s = (struct spaceman){.chunks = divide_up(blocks, CHUNK_BLOCKS), .ip_bm_base = ip_bm_base};
    s->cibs = (uint32_t)divide_up(s->chunks, CIB_CHUNKS);
    s->cabs = (uint32_t)divide_up(s->cibs, CAB_CIBS);
    if (s->cabs == 1)
        s->cabs = 0;
    s->ip_blocks = 3 * (s->chunks + s->cibs + s->cabs);
    s->ip_bm_size = (uint32_t)divide_up(s->ip_blocks, CHUNK_BLOCKS);
    s->ip_bm_blocks = IP_COPIES * s->ip_bm_size;
    s->ip_base = ip_bm_base + s->ip_bm_blocks;
    s->xids = SM_ARRAYS;
    s->index = s->xids + 8 * s->ip_bm_size;
    s->next = (uint32_t)align_up(s->index + 2 * s->ip_bm_size, 8);
    s->addresses = (uint32_t)align_up(s->next + 2 * s->ip_bm_blocks, 8);
    s->bytes = align_up(s->addresses + 8 * (uint64_t)(s->cabs ? s->cabs : s->cibs), APFS_BLOCK);
}

/* Where the parts of the pool are: bitmaps, CIBs, CABs, one after the other. */
struct pool {
    uint64_t bitmaps, first_cib, first_cab, end;
};

static struct pool pool_of(const struct apfs_maker *m, const struct spaceman *s)
{
    struct pool p = {.bitmaps = divide_up(m->top, CHUNK_BLOCKS)};
    p.first_cib = s->ip_base + p.bitmaps;
    p.first_cab = p.first_cib + s->cibs;
    p.end = p.first_cab + s->cabs;
    return p;
}

void spaceman_set_ones(uint8_t *bitmap, uint64_t n)
{
    memset(bitmap, 0xff, n / 8);
    if (n % 8)
        bitmap[n / 8] = (uint8_t)(BIT(n % 8) - 1);
}

/* Bitmaps, one block each, whose first `used` bits are set. */
static bool write_bitmaps(struct apfs_maker *m, uint64_t block, uint64_t used, struct pome_error *err)
{
    uint8_t bitmap[APFS_BLOCK];
    for (; used; block++) {
        uint64_t n = MIN(used, CHUNK_BLOCKS);
        memset(bitmap, 0, sizeof bitmap);
        spaceman_set_ones(bitmap, n);
        if (!maker_write(m, block, bitmap, sizeof bitmap, err))
            return false;
        used -= n;
    }
    return true;
}

static bool write_cib(struct apfs_maker *m, const struct spaceman *s, const struct pool *p, uint32_t index, struct pome_error *err)
{
    uint8_t cib[APFS_BLOCK] = {0};
    uint64_t first_chunk = (uint64_t)index * CIB_CHUNKS, n = MIN(s->chunks - first_chunk, CIB_CHUNKS);
    le32_put(cib + CIB_INDEX, index);
    le32_put(cib + CIB_COUNT, (uint32_t)n);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t chunk = first_chunk + i, first = chunk * CHUNK_BLOCKS, blocks = MIN(m->blocks - first, CHUNK_BLOCKS);
        uint64_t used = m->top > first ? MIN(m->top - first, blocks) : 0;
        uint8_t *ci = cib + CIB_CHUNK + i * CIB_CHUNK_BYTES;
        le64_put(ci + CI_XID, MAKE_XID);
        le64_put(ci + CI_FIRST, first);
        le32_put(ci + CI_BLOCKS, (uint32_t)blocks);
        le32_put(ci + CI_FREE, (uint32_t)(blocks - used));
        le64_put(ci + CI_BITMAP, used ? s->ip_base + chunk : 0);
    }
    apfs_object_seal(cib, sizeof cib, p->first_cib + index, MAKE_XID, TYPE_CIB | O_PHYSICAL, 0);
    return maker_write(m, p->first_cib + index, cib, sizeof cib, err);
}

static bool write_cab(struct apfs_maker *m, const struct spaceman *s, const struct pool *p, uint32_t index, struct pome_error *err)
{
    uint8_t cab[APFS_BLOCK] = {0};
    uint32_t first = index * CAB_CIBS, n = MIN(s->cibs - first, CAB_CIBS);
    le32_put(cab + CIB_INDEX, index);
    le32_put(cab + CIB_COUNT, n);
    for (uint32_t i = 0; i < n; i++)
        le64_put(cab + CIB_CHUNK + 8 * i, p->first_cib + first + i);
    apfs_object_seal(cab, sizeof cab, p->first_cab + index, MAKE_XID, TYPE_CAB | O_PHYSICAL, 0);
    return maker_write(m, p->first_cab + index, cab, sizeof cab, err);
}

/* The copies of the pool's bitmap: the first is current, the others are a list of free ones. */
static void fill_pool(const struct spaceman *s, uint64_t xid, uint8_t *o)
{
    le32_put(o + SM_TX_MULTIPLIER, IP_COPIES);
    le64_put(o + SM_IP_BLOCKS, s->ip_blocks);
    le32_put(o + SM_IP_BM_SIZE, s->ip_bm_size);
    le32_put(o + SM_IP_BM_BLOCKS, s->ip_bm_blocks);
    le64_put(o + SM_IP_BM_BASE, s->ip_bm_base);
    le64_put(o + SM_IP_BASE, s->ip_base);
    le16_put(o + SM_IP_BM_FREE_HEAD, (uint16_t)s->ip_bm_size);
    le16_put(o + SM_IP_BM_FREE_TAIL, (uint16_t)(s->ip_bm_blocks - 1));
    le32_put(o + SM_IP_BM_XID, s->xids);
    le32_put(o + SM_IP_BM_INDEX, s->index);
    le32_put(o + SM_IP_BM_NEXT, s->next);
    for (uint32_t i = 0; i < s->ip_bm_size; i++) {
        le64_put(o + s->xids + 8 * i, xid);
        le16_put(o + s->index + 2 * i, (uint16_t)i);
    }
    for (uint32_t i = 0; i < s->ip_bm_blocks; i++)
        le16_put(o + s->next + 2 * i, i < s->ip_bm_size || i + 1 == s->ip_bm_blocks ? 0xffff : (uint16_t)(i + 1));
}

void spaceman_fill(const struct spaceman *s, const struct spaceman_content *c, uint8_t *o)
{
    le32_put(o + SM_BLOCK_SIZE, APFS_BLOCK);
    le32_put(o + SM_CHUNK_BLOCKS, CHUNK_BLOCKS);
    le32_put(o + SM_CIB_CHUNKS, CIB_CHUNKS);
    le32_put(o + SM_CAB_CIBS, CAB_CIBS);
    uint8_t *device = o + SM_DEVICE;
    le64_put(device + SMD_BLOCKS, c->blocks);
    le64_put(device + SMD_CHUNKS, s->chunks);
    le32_put(device + SMD_CIBS, s->cibs);
    le32_put(device + SMD_CABS, s->cabs);
    le64_put(device + SMD_FREE, c->free);
    le32_put(device + SMD_ADDRESSES, s->addresses);
    uint32_t addresses = s->cabs ? s->cabs : s->cibs;
    le32_put(device + SM_DEVICE_BYTES + SMD_ADDRESSES, s->addresses + 8 * addresses); /* the second device of a Fusion drive: there is none */
    for (uint32_t i = 0; i < addresses; i++)
        le64_put(o + s->addresses + 8 * i, (s->cabs ? c->first_cab : c->first_cib) + i);
    le64_put(o + SM_QUEUES + SMQ_TREE, c->pool_queue);
    le16_put(o + SM_QUEUES + SMQ_NODE_LIMIT, spaceman_pool_queue_limit(s->chunks));
    le64_put(o + SM_QUEUES + SM_QUEUE_BYTES + SMQ_TREE, c->main_queue);
    le16_put(o + SM_QUEUES + SM_QUEUE_BYTES + SMQ_NODE_LIMIT, spaceman_main_queue_limit(c->blocks));
    fill_pool(s, c->xid, o);
}

bool spaceman_write(struct apfs_maker *m, const struct spaceman *s, uint64_t pool_queue, uint64_t main_queue, uint8_t *o, struct pome_error *err)
{
    struct pool p = pool_of(m, s);
    spaceman_fill(s, &(struct spaceman_content){m->blocks, m->blocks - m->top, p.first_cib, p.first_cab, pool_queue, main_queue, MAKE_XID}, o);
    if (!write_bitmaps(m, s->ip_base, m->top, err) || !write_bitmaps(m, s->ip_bm_base, p.end - s->ip_base, err))
        return false;
    for (uint32_t i = 0; i < s->cibs; i++)
        if (!write_cib(m, s, &p, i, err))
            return false;
    for (uint32_t i = 0; i < s->cabs; i++)
        if (!write_cab(m, s, &p, i, err))
            return false;
    return true;
}
