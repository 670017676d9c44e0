/* fat_write.c - planning and writing FAT32 volumes. Section numbers: FAT specification 1.03. */
#include "formats/fat.h"
#include "base/bits.h"
#include "base/error.h"

#include <ctype.h>
#include <string.h>

enum {
    SECTOR = 512,
    RESERVED = 32,          /* sectors before the first FAT; four blocks of 4096 */
    CLUSTER_SECTORS = FAT_CLUSTER / SECTOR,
    ENTRY = 32,
    DIR_ENTRIES = FAT_CLUSTER / ENTRY,
    ENTRIES_PER_BLOCK = FAT_CLUSTER / 4,
    MIN_CLUSTERS = 65525,   /* fewer would be FAT16 (3.5) */
    ATTR_LABEL = 0x08,
    ATTR_DIRECTORY = 0x10,
    ATTR_ARCHIVE = 0x20,
};
#define END_OF_CHAIN UINT32_C(0x0fffffff)

/* --- names --- */

/* "KERNEL.IM4" -> "KERNEL  IM4". */
bool fat_short_name(const char *name, size_t n, char out[11])
{
    memset(out, ' ', 11);
    size_t at = 0, limit = 8;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c == '.' && limit == 8 && i) {
            at = 8;
            limit = 11;
        } else if (at < limit && (isupper(c) || isdigit(c) || c == '_' || c == '-')) {
            out[at++] = (char)c;
        } else {
            return false;
        }
    }
    return n > 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool same_parent(const char *path, const char *dir)
{
    const char *base = base_name(path);
    size_t n = base == path ? 0 : (size_t)(base - path) - 1;
    return strlen(dir) == n && !memcmp(path, dir, n);
}

/* Adds the directories above path, once each. */
static bool plan_dirs(struct fat_plan *p, const char *path, struct pome_error *err)
{
    uint32_t parent = 0;
    char name[11];
    for (const char *part = path;; ) {
        const char *slash = strchr(part, '/');
        size_t n = slash ? (size_t)(slash - part) : strlen(part), whole = (size_t)(part + n - path);
        if (!fat_short_name(part, n, name) || whole >= sizeof p->dirs[0].path)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "FAT: \"%.60s\" is not made of 8.3 names", path);
        if (!slash)
            return true;
        uint32_t d = 1;
        while (d < p->n_dirs && (strlen(p->dirs[d].path) != whole || memcmp(p->dirs[d].path, path, whole)))
            d++;
        if (d == p->n_dirs) {
            if (d == FAT_DIRS_MAX)
                return pome_fail(err, POME_ERROR_INVALID_DATA, "FAT: more than %d directories", FAT_DIRS_MAX);
            memcpy(p->dirs[d].path, path, whole);
            p->dirs[d].path[whole] = 0;
            p->dirs[d].parent = parent;
            p->n_dirs++;
        }
        parent = d;
        part = slash + 1;
    }
}

/* --- planning --- */

static void plan_geometry(struct fat_plan *p)
{
    uint64_t sectors = p->bytes / SECTOR;
    p->fat_sectors = 0;
    for (int i = 0; i < 8; i++) { /* each FAT sector less gives more clusters: converges in three rounds */
        p->clusters = (uint32_t)((sectors - RESERVED - 2 * (uint64_t)p->fat_sectors) / CLUSTER_SECTORS);
        p->fat_sectors = (uint32_t)align_up((p->clusters + UINT64_C(2)) * 4, FAT_CLUSTER) / SECTOR;
    }
    p->clusters = (uint32_t)((sectors - RESERVED - 2 * (uint64_t)p->fat_sectors) / CLUSTER_SECTORS);
}

static uint64_t data_offset(const struct fat_plan *p, uint32_t cluster)
{
    return (RESERVED + 2 * (uint64_t)p->fat_sectors) * SECTOR + (uint64_t)(cluster - 2) * FAT_CLUSTER;
}

static uint32_t clusters_of(const struct fat_file *f)
{
    return (uint32_t)((f->size + FAT_CLUSTER - 1) / FAT_CLUSTER);
}

static void plan_time(struct fat_plan *p, time_t when)
{
    struct tm t;
    if (!gmtime_r(&when, &t) || t.tm_year < 80 || t.tm_year > 80 + 127)
        t = (struct tm){.tm_year = 80, .tm_mday = 1};
    p->date = (uint16_t)((t.tm_year - 80) << 9 | (t.tm_mon + 1) << 5 | t.tm_mday);
    p->time = (uint16_t)(t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec / 2);
}

bool fat_plan(struct fat_plan *p, uint64_t bytes, uint32_t hidden, const char *label, uint32_t serial, time_t when,
              struct fat_file *files, size_t n, struct pome_error *err)
{
    *p = (struct fat_plan){.bytes = bytes, .hidden = hidden, .serial = serial, .files = files, .n_files = n, .n_dirs = 1, .used = 3};
    if (bytes < 256 * MiB + MiB || bytes > UINT64_C(2048) * GiB - FAT_CLUSTER || n > FAT_FILES_MAX || !fat_short_name(label, strlen(label), p->label))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "FAT: cannot make a volume \"%s\" of %llu bytes with %zu files", label,
                         (unsigned long long)bytes, n);
    plan_geometry(p);
    plan_time(p, when);
    p->dirs[0].cluster = 2;
    for (size_t i = 0; i < n; i++)
        if (!plan_dirs(p, files[i].path, err))
            return false;
    for (size_t i = 1; i < p->n_dirs; i++)
        p->dirs[i].cluster = p->used++;
    for (size_t i = 0; i < n; i++) {
        struct fat_file *f = &files[i];
        if (f->size > UINT32_MAX || clusters_of(f) > p->clusters + 2 - p->used)
            return pome_fail(err, POME_ERROR_OUT_OF_DISK_SPACE, "FAT: %s (%llu bytes) does not fit the volume of %llu bytes", f->path,
                             (unsigned long long)f->size, (unsigned long long)bytes);
        f->cluster = f->size ? p->used : 0;
        f->offset = data_offset(p, p->used);
        p->used += clusters_of(f);
    }
    return true;
}

/* --- blocks --- */

static void boot_sector(const struct fat_plan *p, uint8_t *s) /* 3.1, 3.3 */
{
    memcpy(s, "\xeb\x58\x90POME    ", 11);
    le16_put(s + 11, SECTOR);
    s[13] = CLUSTER_SECTORS;
    le16_put(s + 14, RESERVED);
    s[16] = 2;    /* FATs */
    s[21] = 0xf8; /* fixed media */
    le16_put(s + 24, 63);
    le16_put(s + 26, 255);
    le32_put(s + 28, p->hidden);
    le32_put(s + 32, (uint32_t)(p->bytes / SECTOR));
    le32_put(s + 36, p->fat_sectors);
    le32_put(s + 44, 2); /* root */
    le16_put(s + 48, 1); /* FSInfo */
    le16_put(s + 50, 6); /* backup boot sector */
    s[64] = 0x80;
    s[66] = 0x29;
    le32_put(s + 67, p->serial);
    memcpy(s + 71, p->label, 11);
    memcpy(s + 82, "FAT32   ", 8);
    le16_put(s + 510, 0xaa55);
}

static void fs_info(const struct fat_plan *p, uint8_t *s) /* 5 */
{
    le32_put(s, 0x41615252);
    le32_put(s + 484, 0x61417272);
    le32_put(s + 488, p->clusters - (p->used - 2));
    le32_put(s + 492, p->used);
    le32_put(s + 508, 0xaa550000);
}

static uint32_t fat_value(const struct fat_plan *p, uint32_t cluster) /* 4 */
{
    if (cluster == 0)
        return 0x0ffffff8;
    if (cluster == 1)
        return END_OF_CHAIN;
    for (size_t i = 0; i < p->n_dirs; i++)
        if (cluster == p->dirs[i].cluster)
            return END_OF_CHAIN;
    for (size_t i = 0; i < p->n_files; i++) {
        const struct fat_file *f = &p->files[i];
        if (f->cluster && cluster >= f->cluster && cluster - f->cluster < clusters_of(f))
            return cluster - f->cluster + 1 < clusters_of(f) ? cluster + 1 : END_OF_CHAIN;
    }
    return 0;
}

static void put_entry(const struct fat_plan *p, uint8_t *e, const char name[11], unsigned attributes, uint32_t cluster, uint32_t size) /* 6 */
{
    memcpy(e, name, 11);
    e[11] = (uint8_t)attributes;
    le16_put(e + 14, p->time);
    le16_put(e + 16, p->date);
    le16_put(e + 18, p->date);
    le16_put(e + 20, (uint16_t)(cluster >> 16));
    le16_put(e + 22, p->time);
    le16_put(e + 24, p->date);
    le16_put(e + 26, (uint16_t)cluster);
    le32_put(e + 28, size);
}

static void directory(const struct fat_plan *p, size_t d, uint8_t *block)
{
    const struct fat_dir *dir = &p->dirs[d];
    uint8_t *e = block;
    char name[11];
    if (!d) {
        put_entry(p, e, p->label, ATTR_LABEL, 0, 0);
        e += ENTRY;
    } else { /* ".." of a directory in the root says cluster 0 (6.5) */
        put_entry(p, e, ".          ", ATTR_DIRECTORY, dir->cluster, 0);
        put_entry(p, e + ENTRY, "..         ", ATTR_DIRECTORY, dir->parent ? p->dirs[dir->parent].cluster : 0, 0);
        e += 2 * ENTRY;
    }
    for (size_t i = 1; i < p->n_dirs; i++)
        if (p->dirs[i].parent == d) {
            const char *base = base_name(p->dirs[i].path);
            fat_short_name(base, strlen(base), name);
            put_entry(p, e, name, ATTR_DIRECTORY, p->dirs[i].cluster, 0);
            e += ENTRY;
        }
    for (size_t i = 0; i < p->n_files; i++)
        if (same_parent(p->files[i].path, dir->path)) {
            const char *base = base_name(p->files[i].path);
            fat_short_name(base, strlen(base), name);
            put_entry(p, e, name, ATTR_ARCHIVE, p->files[i].cluster, (uint32_t)p->files[i].size);
            e += ENTRY;
        }
}

static_assert(FAT_FILES_MAX + FAT_DIRS_MAX + 2 <= DIR_ENTRIES, "a directory is one cluster");

bool fat_block(const struct fat_plan *p, size_t i, uint64_t *offset, uint8_t block[FAT_CLUSTER])
{
    size_t fat_blocks = (p->used + ENTRIES_PER_BLOCK - 1) / ENTRIES_PER_BLOCK;
    memset(block, 0, FAT_CLUSTER);
    if (i == 0) { /* sectors 0..7: boot, FSInfo, third, and the backups from sector 6 on */
        *offset = 0;
        boot_sector(p, block);
        fs_info(p, block + SECTOR);
        le16_put(block + 2 * SECTOR + 510, 0xaa55);
        memcpy(block + 6 * SECTOR, block, 2 * SECTOR);
        return true;
    }
    if (i == 1) { /* sector 8 is the backup of sector 2 */
        *offset = FAT_CLUSTER;
        le16_put(block + 510, 0xaa55);
        return true;
    }
    i -= 2;
    if (i < 2 * fat_blocks) {
        size_t k = i % fat_blocks;
        *offset = RESERVED * SECTOR + (i / fat_blocks) * (uint64_t)p->fat_sectors * SECTOR + k * FAT_CLUSTER;
        for (uint32_t c = 0; c < ENTRIES_PER_BLOCK; c++)
            le32_put(block + 4 * c, fat_value(p, (uint32_t)k * ENTRIES_PER_BLOCK + c));
        return true;
    }
    i -= 2 * fat_blocks;
    if (i >= p->n_dirs)
        return false;
    *offset = data_offset(p, p->dirs[i].cluster);
    directory(p, i, block);
    return true;
}
