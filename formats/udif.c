/* udif.c - UDIF disk images. All of it is big-endian. */
#include "formats/udif.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/checksum.h"
#include "formats/decompress.h"
#include "formats/plist.h"

#include <stdio.h>
#include <stdlib.h>

enum { MISH_HEAD = 204, MISH_RUN = 40, CRC32_KIND = 2, TABLES_MAX = 1024, BLOCK = 1 << 20 };

/* Types of runs, and how they are compressed. */
static const struct {
    uint32_t type;
    const char *name;
    enum codec codec;
} kinds[UDIF_KINDS] = {
    [UDIF_ZERO] = {0, "zero", CODEC_NONE},           [UDIF_RAW] = {1, "raw", CODEC_NONE},
    [UDIF_IGNORE] = {2, "ignore", CODEC_NONE},       [UDIF_ADC] = {0x80000004, "ADC", CODEC_ADC},
    [UDIF_ZLIB] = {0x80000005, "zlib", CODEC_ZLIB},  [UDIF_BZIP2] = {0x80000006, "bzip2", CODEC_BZIP2},
    [UDIF_LZFSE] = {0x80000007, "LZFSE", CODEC_LZFSE}, [UDIF_LZMA] = {0x80000008, "LZMA", CODEC_XZ},
};
enum { TYPE_COMMENT = 0x7ffffffe };
#define TYPE_END UINT32_MAX

struct run {
    enum udif_kind kind;
    uint64_t first, count;    /* sectors */
    uint64_t offset, bytes;   /* in the file */
};

struct udif {
    struct source source;
    struct source *in;
    struct udif_info info;
    struct udif_table *tables;
    struct run *runs;         /* by place, none overlap; between them are zeroes */
    size_t runs_size;
    uint64_t data_offset;
    const struct run *cached; /* whose content is in piece */
    uint8_t *piece, *packed;  /* made when first needed */
    size_t piece_bytes, packed_bytes; /* of the largest compressed run */
};

const char *udif_kind_name(enum udif_kind kind)
{
    return kinds[kind].name;
}

static bool bad(const struct udif *u, struct pome_error *err, const char *what)
{
    return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "%s: %s", u->in->name, what);
}

/* --- the trailer --- */

bool udif_is(struct source *in, bool *is, struct pome_error *err)
{
    uint8_t koly[4];
    *is = false;
    if (in->bytes < UDIF_TRAILER)
        return true;
    if (!source_read(in, in->bytes - UDIF_TRAILER, koly, sizeof koly, err))
        return false;
    *is = !memcmp(koly, "koly", 4);
    return true;
}

/* A checksum: kind, bits, bytes. Only CRC-32 is compared. */
static bool crc_at(const uint8_t *p, uint32_t *crc)
{
    *crc = be32_get(p + 8);
    return be32_get(p) == CRC32_KIND && be32_get(p + 4) == 32;
}

struct koly {
    uint64_t list_offset, list_bytes;
};

static bool read_trailer(struct udif *u, struct koly *k, struct pome_error *err)
{
    uint8_t t[UDIF_TRAILER];
    if (u->in->bytes < sizeof t || !source_read(u->in, u->in->bytes - sizeof t, t, sizeof t, err))
        return u->in->bytes < sizeof t ? bad(u, err, "too short for a disk image") : false;
    if (memcmp(t, "koly", 4) || be32_get(t + 4) != 4 || be32_get(t + 8) != UDIF_TRAILER)
        return bad(u, err, "no trailer of version 4 at its end: not a UDIF disk image");
    if (be32_get(t + 60) > 1)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: part %u of %u of a segmented image", u->in->name, be32_get(t + 56), be32_get(t + 60));
    u->info.flags = be32_get(t + 12);
    u->info.variant = be32_get(t + 488);
    u->info.sectors = be64_get(t + 492);
    u->info.has_data_crc = crc_at(t + 80, &u->info.data_crc);
    u->info.has_master_crc = crc_at(t + 352, &u->info.master_crc);
    u->data_offset = be64_get(t + 24);
    u->info.data_bytes = be64_get(t + 32);
    *k = (struct koly){be64_get(t + 216), be64_get(t + 224)};
    if (u->data_offset > u->in->bytes || u->info.data_bytes > u->in->bytes - u->data_offset || k->list_offset > u->in->bytes ||
        k->list_bytes > u->in->bytes - k->list_offset || u->info.sectors > INT64_MAX / UDIF_SECTOR)
        return bad(u, err, "the trailer names places outside the file");
    if (!k->list_bytes)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: has no property list (an image from before 2001)", u->in->name);
    return true;
}

/* --- tables --- */

static bool add_run(struct udif *u, const struct udif_table *t, const uint8_t *p, uint64_t base, struct pome_error *err)
{
    uint32_t type = be32_get(p);
    uint64_t first = be64_get(p + 8), count = be64_get(p + 16), offset = be64_get(p + 24), bytes = be64_get(p + 32);
    unsigned kind = 0;
    if (type == TYPE_COMMENT || type == TYPE_END || !count)
        return true;
    while (kind < UDIF_KINDS && kinds[kind].type != type)
        kind++;
    if (kind == UDIF_KINDS)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: a run of type 0x%08x in \"%.60s\"", u->in->name, type, t->name);
    if (first > t->count || count > t->count - first)
        return bad(u, err, "a run reaches beyond its partition");
    if (kind != UDIF_ZERO && kind != UDIF_IGNORE) {
        if (__builtin_add_overflow(offset, base, &offset) || offset > u->in->bytes || bytes > u->in->bytes - offset)
            return bad(u, err, "a run lies outside the file");
        if (kind == UDIF_RAW ? bytes != count * UDIF_SECTOR : bytes > UDIF_RUN_MAX || count > UDIF_RUN_MAX / UDIF_SECTOR)
            return bad(u, err, "a run has an impossible size");
        if (kind != UDIF_RAW) {
            u->piece_bytes = MAX(u->piece_bytes, (size_t)count * UDIF_SECTOR);
            u->packed_bytes = MAX(u->packed_bytes, (size_t)bytes);
        }
    }
    if (u->info.runs == u->runs_size) {
        size_t size = MAX(2 * u->runs_size, (size_t)1024);
        struct run *runs = realloc(u->runs, size * sizeof *runs);
        if (!runs)
            return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for %zu runs", u->in->name, size);
        u->runs = runs;
        u->runs_size = size;
    }
    u->runs[u->info.runs++] = (struct run){kind, t->first + first, count, offset, bytes};
    u->info.runs_of[kind]++;
    return true;
}

static bool read_table(struct udif *u, const struct pl *entry, struct pome_error *err)
{
    size_t n = 0;
    const uint8_t *p = pl_data(pl_get(entry, "Data"), &n);
    const char *name = pl_text(pl_get(entry, "Name"));
    struct udif_table *t = &u->tables[u->info.tables];
    if (!name)
        name = pl_text(pl_get(entry, "CFName"));
    if (!p || n < MISH_HEAD || memcmp(p, "mish", 4) || be32_get(p + 4) != 1)
        return bad(u, err, "a partition's table is damaged");
    *t = (struct udif_table){.first = be64_get(p + 8), .count = be64_get(p + 16)};
    snprintf(t->name, sizeof t->name, "%s", name ? name : "");
    t->has_crc = crc_at(p + 64, &t->crc);
    uint32_t runs = be32_get(p + 200);
    uint64_t base;
    if (t->first > u->info.sectors || t->count > u->info.sectors - t->first)
        return bad(u, err, "a partition reaches beyond the disk");
    if (runs > (n - MISH_HEAD) / MISH_RUN || __builtin_add_overflow(u->data_offset, be64_get(p + 24), &base))
        return bad(u, err, "a partition's table is cut");
    for (uint32_t i = 0; i < runs; i++)
        if (!add_run(u, t, p + MISH_HEAD + (size_t)i * MISH_RUN, base, err))
            return false;
    u->info.tables++;
    return true;
}

static int by_place(const void *a, const void *b)
{
    uint64_t x = ((const struct run *)a)->first, y = ((const struct run *)b)->first;
    return x < y ? -1 : x > y;
}

static bool read_tables(struct udif *u, const struct koly *k, struct pome_error *err)
{
    if (k->list_bytes > PLIST_MAX_BYTES)
        return bad(u, err, "the property list is too large");
    uint8_t *list = malloc((size_t)k->list_bytes);
    if (!list)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for its property list", u->in->name);
    struct pl *root = source_read(u->in, k->list_offset, list, (size_t)k->list_bytes, err) ? pl_parse(list, (size_t)k->list_bytes, u->in->name, err)
                                                                                            : NULL;
    const struct pl *tables = pl_get(pl_get(root, "resource-fork"), "blkx");
    size_t n = pl_count(tables);
    bool ok = root;
    if (ok && (!n || n > TABLES_MAX))
        ok = bad(u, err, "the property list has no partitions (blkx), or too many");
    u->tables = ok ? calloc(n, sizeof *u->tables) : NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = u->tables ? read_table(u, pl_item(tables, i), err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for its tables", u->in->name);
    u->info.table = u->tables;
    pl_free(root);
    free(list);
    if (!ok)
        return false;
    if (u->info.runs)
        qsort(u->runs, u->info.runs, sizeof *u->runs, by_place);
    for (size_t i = 1; i < u->info.runs; i++)
        if (u->runs[i - 1].first + u->runs[i - 1].count > u->runs[i].first)
            return bad(u, err, "two runs overlap");
    return true;
}

/* --- reading --- */

/* The run that holds this sector, or the first one after it; NULL: none. */
static const struct run *run_at(const struct udif *u, uint64_t sector)
{
    size_t lo = 0, hi = u->info.runs;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (u->runs[mid].first + u->runs[mid].count <= sector)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < u->info.runs ? &u->runs[lo] : NULL;
}

static bool unpack(struct udif *u, const struct run *r, struct pome_error *err)
{
    if (u->cached == r)
        return true;
    if (!u->piece) {
        u->piece = malloc(u->piece_bytes);
        u->packed = malloc(u->packed_bytes + 1);
    }
    if (!u->piece || !u->packed)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to uncompress", u->in->name);
    u->cached = NULL;
    if (!source_read(u->in, r->offset, u->packed, (size_t)r->bytes, err))
        return false;
    if (!decompress(kinds[r->kind].codec, u->packed, (size_t)r->bytes, u->piece, (size_t)r->count * UDIF_SECTOR, err)) {
        if (err)
            err->code = POME_ERROR_INVALID_DISK_IMAGE;
        return pome_fail_context(err, "%s: sector %llu", u->in->name, (unsigned long long)r->first);
    }
    u->cached = r;
    return true;
}

static bool read_udif(struct source *s, uint64_t at, void *bytes, size_t n, struct pome_error *err)
{
    struct udif *u = (struct udif *)s;
    for (uint8_t *to = bytes; n;) {
        const struct run *r = run_at(u, at / UDIF_SECTOR);
        uint64_t first = r ? r->first * UDIF_SECTOR : s->bytes, end = r ? first + r->count * UDIF_SECTOR : s->bytes;
        bool gap = at < first, zero = gap || r->kind == UDIF_ZERO || r->kind == UDIF_IGNORE;
        size_t piece = (size_t)MIN((gap ? first : end) - at, n);
        if (zero)
            memset(to, 0, piece);
        else if (r->kind == UDIF_RAW ? !source_read(u->in, r->offset + (at - first), to, piece, err) : !unpack(u, r, err))
            return false;
        else if (r->kind != UDIF_RAW)
            memcpy(to, u->piece + (at - first), piece);
        at += piece;
        to += piece;
        n -= piece;
    }
    return true;
}

static void free_udif(struct udif *u)
{
    free(u->tables);
    free(u->runs);
    free(u->piece);
    free(u->packed);
    free(u);
}

static void close_udif(struct source *s)
{
    struct udif *u = (struct udif *)s;
    source_close(u->in);
    free_udif(u);
}

struct source *udif_open(struct source *in, struct pome_error *err)
{
    struct udif *u = calloc(1, sizeof *u);
    struct koly k;
    if (!u) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", in->name);
        return NULL;
    }
    u->in = in;
    if (!read_trailer(u, &k, err) || !read_tables(u, &k, err)) {
        free_udif(u);
        return NULL;
    }
    u->source = (struct source){in->name, u->info.sectors * UDIF_SECTOR, read_udif, close_udif};
    return &u->source;
}

const struct udif_info *udif_info(const struct source *s)
{
    return &((const struct udif *)s)->info;
}

/* --- checksums --- */

struct checking {
    uint8_t *block;
    uint64_t before; /* bytes of what is done */
    bool (*done)(void *user, uint64_t bytes);
    void *user;
};

/* Goes on with *crc over n bytes of s. */
static bool add_crc(struct source *s, uint64_t at, uint64_t n, struct checking *c, uint32_t *crc, struct pome_error *err)
{
    while (n) {
        size_t piece = (size_t)MIN(n, (uint64_t)BLOCK);
        if (!source_read(s, at, c->block, piece, err))
            return false;
        *crc = crc32_add(*crc, c->block, piece);
        at += piece;
        n -= piece;
        c->before += piece;
        if (c->done && !c->done(c->user, c->before))
            return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
    }
    return true;
}

/* What a partition's sum is of: all its runs but those to ignore. */
static bool table_crc(struct udif *u, const struct udif_table *t, struct checking *c, uint32_t *crc, struct pome_error *err)
{
    uint64_t end = t->first + t->count;
    *crc = 0;
    for (const struct run *r = run_at(u, t->first); r && r < u->runs + u->info.runs && r->first < end; r++)
        if (r->kind != UDIF_IGNORE && !add_crc(&u->source, r->first * UDIF_SECTOR, r->count * UDIF_SECTOR, c, crc, err))
            return false;
    return true;
}

static bool same(const struct udif *u, const char *what, uint32_t got, uint32_t want, struct pome_error *err)
{
    return got == want ||
           pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "%s: the CRC-32 of \"%.80s\" is %08x, the image says %08x", u->in->name, what, got, want);
}

static bool verify(struct udif *u, struct checking *c, struct pome_error *err)
{
    uint32_t crc = 0, master = 0;
    if (u->info.has_data_crc && (!add_crc(u->in, u->data_offset, u->info.data_bytes, c, &crc, err) || !same(u, "data", crc, u->info.data_crc, err)))
        return false;
    for (size_t i = 0; i < u->info.tables; i++) {
        const struct udif_table *t = &u->tables[i];
        uint8_t sum[4];
        if (!table_crc(u, t, c, &crc, err) || (t->has_crc && !same(u, t->name, crc, t->crc, err)))
            return false;
        be32_put(sum, t->has_crc ? t->crc : crc);
        master = crc32_add(master, sum, sizeof sum);
    }
    return !u->info.has_master_crc || same(u, "all partitions", master, u->info.master_crc, err);
}

bool udif_verify(struct source *s, bool (*done)(void *user, uint64_t bytes), void *user, struct pome_error *err)
{
    struct checking c = {malloc(BLOCK), 0, done, user};
    bool ok = c.block ? verify((struct udif *)s, &c, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to check it", s->name);
    free(c.block);
    return ok;
}
