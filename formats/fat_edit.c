/* fat_edit.c - replacing and removing files of a FAT32 volume. Section numbers: FAT specification 1.03. */
#include "formats/fat.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ENTRY = 32, FREE_ENTRY = 0xe5, ATTR_LABEL = 0x08, ATTR_DIRECTORY = 0x10, ATTR_ARCHIVE = 0x20, FSINFO_FREE = 488, FILE_MAX = 1 << 20 };
#define END_OF_CHAIN UINT32_C(0x0fffffff)

/* A file's entry in its directory, or the place for one. */
struct place {
    uint64_t offset;    /* in the volume; 0: the directory is full */
    bool there, last;   /* last: it was the end of the directory, the next entry becomes that */
    char name[11];
    uint32_t cluster;   /* of the file, when it is there */
};

static uint64_t offset_of(const struct fat *f, uint32_t cluster)
{
    return f->data_at + (uint64_t)(cluster - 2) * f->cluster_bytes;
}

static bool find_folder(const struct fat *f, const char *path, size_t n, uint32_t *cluster, struct pome_error *err)
{
    char folder[128];
    struct fat_entry e;
    *cluster = f->root;
    if (!n)
        return true;
    if (n >= sizeof folder)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "FAT: \"%.60s\" is too long", path);
    memcpy(folder, path, n);
    folder[n] = 0;
    if (!fat_find(f, folder, &e, err))
        return false;
    *cluster = e.cluster;
    return e.directory || pome_fail(err, POME_ERROR_INVALID_DATA, "FAT: %s is not a folder", folder);
}

/* The entry of this name, else the first free one. */
static void search(const struct fat *f, uint32_t dir, struct place *p)
{
    const uint8_t *bytes;
    for (uint32_t steps = 0; steps < 4096 && (bytes = fat_cluster(f, dir)); dir = fat_next(f, dir), steps++)
        for (uint32_t at = 0; at + ENTRY <= f->cluster_bytes; at += ENTRY) {
            const uint8_t *d = bytes + at;
            if ((!d[0] || d[0] == FREE_ENTRY) && !p->offset) {
                p->offset = offset_of(f, dir) + at;
                p->last = !d[0] && at + 2 * ENTRY <= f->cluster_bytes;
            }
            if (!d[0])
                return;
            if (d[0] == FREE_ENTRY || d[11] & ATTR_LABEL || memcmp(d, p->name, sizeof p->name))
                continue;
            *p = (struct place){.offset = offset_of(f, dir) + at, .there = true,
                                .cluster = ((uint32_t)le16_get(d + 20) << 16 | le16_get(d + 26)) & 0x0fffffff};
            memcpy(p->name, d, sizeof p->name);
            return;
        }
}

static bool find_place(const struct fat *f, const char *path, struct place *p, struct pome_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    uint32_t dir;
    *p = (struct place){0};
    if (!fat_short_name(name, strlen(name), p->name))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "FAT: \"%.60s\" is not an 8.3 name", path);
    if (!find_folder(f, path, slash ? (size_t)(slash - path) : 0, &dir, err))
        return false;
    search(f, dir, p);
    if (p->there && f->bytes[p->offset + 11] & ATTR_DIRECTORY)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "FAT: %s is a folder", path);
    return true;
}

/* --- the table --- */

/* Sets a cluster's entry in every copy of the table; the upper four bits stay (4.1). */
static bool set_next(const struct fat_edit *e, uint32_t cluster, uint32_t next, struct pome_error *err)
{
    const struct fat *f = &e->fat;
    uint8_t value[4];
    for (uint64_t at = f->fat_at + 4 * (uint64_t)cluster; at < f->data_at; at += f->table_bytes) {
        le32_put(value, (le32_get(f->bytes + at) & 0xf0000000) | next);
        if (!e->write(e->user, at, value, sizeof value, err))
            return false;
    }
    return true;
}

/* The number of free clusters is not known any more (5): whoever counts does it anew. */
static bool forget_count(const struct fat_edit *e, struct pome_error *err)
{
    static const uint8_t unknown[4] = {0xff, 0xff, 0xff, 0xff};
    uint64_t sector = le16_get(e->fat.bytes + 48), at = sector * le16_get(e->fat.bytes + 11);
    if (!sector || at + 512 > e->fat.fat_at)
        return true;
    return e->write(e->user, at + FSINFO_FREE, unknown, sizeof unknown, err);
}

static uint32_t find_free(const struct fat *f, uint32_t from)
{
    for (uint32_t c = from; c - 2 < f->clusters; c++)
        if (!(le32_get(f->bytes + f->fat_at + 4 * (uint64_t)c) & 0x0fffffff))
            return c;
    return 0;
}

/* Fills new clusters and links them, from the last to the first, so that each is taken before one points to it. */
static bool write_chain(const struct fat_edit *e, const uint8_t *bytes, size_t n, uint32_t *first, struct pome_error *err)
{
    uint32_t size = e->fat.cluster_bytes, count = (uint32_t)((n + size - 1) / size), from = 2;
    uint32_t *clusters = malloc((count + 1) * sizeof *clusters);
    uint8_t *block = calloc(1, size);
    bool ok = (clusters && block) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to change the volume");
    for (uint32_t i = 0; ok && i < count; i++, from = clusters[i - 1] + 1)
        if (!(clusters[i] = find_free(&e->fat, from)))
            ok = pome_fail(err, POME_ERROR_OUT_OF_DISK_SPACE, "FAT: %u clusters of %u bytes are not free", count, size);
    *first = ok && count ? clusters[0] : 0;
    for (uint32_t i = count; ok && i-- > 0;) {
        size_t k = MIN(size, n - (size_t)i * size);
        memset(block, 0, size);
        memcpy(block, bytes + (size_t)i * size, k);
        ok = e->write(e->user, offset_of(&e->fat, clusters[i]), block, size, err) &&
             set_next(e, clusters[i], i + 1 < count ? clusters[i + 1] : END_OF_CHAIN, err);
    }
    free(block);
    free(clusters);
    return ok;
}

static bool free_chain(const struct fat_edit *e, uint32_t cluster, struct pome_error *err)
{
    for (uint32_t steps = 0; cluster >= 2 && cluster - 2 < e->fat.clusters && steps < e->fat.clusters; steps++) {
        uint32_t next = fat_next(&e->fat, cluster);
        if (!set_next(e, cluster, 0, err))
            return false;
        cluster = next;
    }
    return true;
}

/* --- entries --- */

static void put_time(uint8_t *entry)
{
    time_t now = time(NULL);
    struct tm t;
    if (!gmtime_r(&now, &t) || t.tm_year < 80)
        return;
    uint16_t date = (uint16_t)((t.tm_year - 80) << 9 | (t.tm_mon + 1) << 5 | t.tm_mday);
    uint16_t of_day = (uint16_t)(t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec / 2);
    le16_put(entry + 14, of_day); /* made */
    le16_put(entry + 16, date);
    le16_put(entry + 18, date); /* read */
    le16_put(entry + 22, of_day); /* written */
    le16_put(entry + 24, date);
}

bool fat_replace(const struct fat_edit *e, const char *path, const void *bytes, size_t n, struct pome_error *err)
{
    struct place p;
    uint32_t first;
    uint8_t entry[ENTRY] = {0};
    if (n > FILE_MAX)
        return pome_fail(err, POME_ERROR_INTERNAL, "FAT: %zu bytes are more than this is made for", n);
    if (!find_place(&e->fat, path, &p, err))
        return false;
    if (!p.offset)
        return pome_fail(err, POME_ERROR_OUT_OF_DISK_SPACE, "FAT: the folder of %s is full", path);
    if (!write_chain(e, bytes, n, &first, err) || !forget_count(e, err) ||
        (p.last && !e->write(e->user, p.offset + ENTRY, &(uint8_t){0}, 1, err)) || !e->sync(e->user, err))
        return false;
    memcpy(entry, p.name, sizeof p.name);
    entry[11] = ATTR_ARCHIVE;
    le16_put(entry + 20, (uint16_t)(first >> 16));
    le16_put(entry + 26, (uint16_t)first);
    le32_put(entry + 28, (uint32_t)n);
    put_time(entry);
    return e->write(e->user, p.offset, entry, sizeof entry, err) && e->sync(e->user, err) && (!p.there || free_chain(e, p.cluster, err)) &&
           e->sync(e->user, err);
}

bool fat_remove(const struct fat_edit *e, const char *path, struct pome_error *err)
{
    struct place p;
    if (!find_place(&e->fat, path, &p, err))
        return false;
    if (!p.there)
        return true;
    return e->write(e->user, p.offset, &(uint8_t){FREE_ENTRY}, 1, err) && e->sync(e->user, err) && free_chain(e, p.cluster, err) &&
           forget_count(e, err) && e->sync(e->user, err);
}
