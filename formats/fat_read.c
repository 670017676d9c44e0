/* fat_read.c - reading FAT32 volumes from memory. Everything in the volume is hostile; chains are bounded by their number of clusters. */
#include "formats/fat.h"
#include "base/bits.h"
#include "base/error.h"

#include <string.h>
#include <strings.h>

enum { ENTRY = 32, ENTRIES_MAX = 65536 };

bool fat_open(const void *bytes, uint64_t n, struct fat *f, struct pome_error *err)
{
    const uint8_t *s = bytes;
    *f = (struct fat){.bytes = bytes};
    if (n < 512 || le16_get(s + 510) != 0xaa55)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "FAT: no boot sector");
    uint64_t sector = le16_get(s + 11), total = le32_get(s + 32), fats = s[16], fat_sectors = le32_get(s + 36), reserved = le16_get(s + 14);
    f->cluster_bytes = (uint32_t)(sector * s[13]);
    if (sector < 512 || sector > 4096 || !is_pow2(sector) || !is_pow2(s[13]) || f->cluster_bytes > 65536 || !fats || fats > 2 || !fat_sectors ||
        !reserved || le16_get(s + 22) || le16_get(s + 17))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "FAT: the boot sector is not that of a FAT32 volume");
    f->fat_at = reserved * sector;
    f->table_bytes = fat_sectors * sector;
    f->data_at = f->fat_at + fats * f->table_bytes;
    f->n = MIN(n, total * sector);
    if (f->data_at >= f->n)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "FAT: the volume has %llu bytes, its tables end at %llu", (unsigned long long)f->n,
                         (unsigned long long)f->data_at);
    uint64_t clusters = MIN((f->n - f->data_at) / f->cluster_bytes, fat_sectors * sector / 4 - 2);
    f->clusters = (uint32_t)MIN(clusters, UINT64_C(0x0ffffff5));
    f->root = le32_get(s + 44) & 0x0fffffff;
    return true;
}

const uint8_t *fat_cluster(const struct fat *f, uint32_t cluster)
{
    if (cluster < 2 || cluster - 2 >= f->clusters)
        return NULL;
    return f->bytes + f->data_at + (uint64_t)(cluster - 2) * f->cluster_bytes;
}

uint32_t fat_next(const struct fat *f, uint32_t cluster)
{
    if (cluster < 2 || cluster - 2 >= f->clusters)
        return 0;
    uint32_t next = le32_get(f->bytes + f->fat_at + 4 * (uint64_t)cluster) & 0x0fffffff;
    return next >= 2 && next - 2 < f->clusters ? next : 0;
}

static void entry_name(const uint8_t *e, char name[13])
{
    size_t n = 0;
    for (int i = 0; i < 11; i++) {
        if (i == 8 && memcmp(e + 8, "   ", 3))
            name[n++] = '.';
        if (e[i] != ' ')
            name[n++] = (char)(e[i] < 0x20 || e[i] > 0x7e ? '?' : e[i]);
    }
    name[n] = 0;
}

/* A place in a directory. */
struct walk {
    uint32_t cluster, at; /* byte in the cluster */
    uint32_t seen;        /* entries; a chain that loops ends at entries_most */
};

/* A directory has at most 65536 entries (6.2 of the specification), and no more than the volume has room for. */
static uint32_t entries_most(const struct fat *f)
{
    return (uint32_t)MIN((uint64_t)f->clusters * (f->cluster_bytes / ENTRY), (uint64_t)ENTRIES_MAX);
}

static bool next_entry(const struct fat *f, struct walk *w, struct fat_entry *e)
{
    uint32_t most = entries_most(f);
    for (const uint8_t *p; (p = fat_cluster(f, w->cluster)); w->cluster = fat_next(f, w->cluster), w->at = 0)
        for (; w->at + ENTRY <= f->cluster_bytes; w->at += ENTRY) {
            const uint8_t *d = p + w->at;
            if (!d[0] || ++w->seen > most)
                return false;
            if (d[0] == 0xe5 || d[11] & 0x08 || d[0] == '.')
                continue;
            entry_name(d, e->name);
            e->directory = d[11] & 0x10;
            e->cluster = ((uint32_t)le16_get(d + 20) << 16 | le16_get(d + 26)) & 0x0fffffff;
            e->size = le32_get(d + 28);
            w->at += ENTRY;
            return true;
        }
    return false;
}

bool fat_list(const struct fat *f, uint32_t cluster, size_t k, struct fat_entry *e)
{
    struct walk w = {cluster, 0, 0};
    while (next_entry(f, &w, e))
        if (!k--)
            return true;
    return false;
}

static bool find_in(const struct fat *f, uint32_t dir, const char *name, size_t n, struct fat_entry *e)
{
    struct walk w = {dir, 0, 0};
    while (next_entry(f, &w, e))
        if (strlen(e->name) == n && !strncasecmp(e->name, name, n))
            return true;
    return false;
}

bool fat_find(const struct fat *f, const char *path, struct fat_entry *e, struct pome_error *err)
{
    uint32_t dir = f->root;
    for (const char *part = path;;) {
        size_t n = strcspn(part, "/");
        if (!find_in(f, dir, part, n, e) || (part[n] && !e->directory))
            return pome_fail(err, POME_ERROR_NOT_FOUND, "FAT: no %.80s", path);
        if (!part[n])
            return true;
        dir = e->cluster;
        part += n + 1;
    }
}

size_t fat_read(const struct fat *f, const struct fat_entry *e, uint64_t offset, void *out, size_t n)
{
    uint32_t cluster = e->cluster, steps = 0;
    size_t done = 0;
    if (e->directory || offset >= e->size)
        return 0;
    if (n > e->size - offset)
        n = (size_t)(e->size - offset);
    for (; offset >= f->cluster_bytes; offset -= f->cluster_bytes)
        if (!(cluster = fat_next(f, cluster)) || ++steps > f->clusters)
            return 0;
    for (const uint8_t *p; done < n && (p = fat_cluster(f, cluster)); cluster = fat_next(f, cluster)) {
        size_t k = MIN(n - done, (size_t)(f->cluster_bytes - offset));
        memcpy((uint8_t *)out + done, p + offset, k);
        done += k;
        offset = 0;
    }
    return done;
}
