/*
 * fat.c - reads files by 8.3 path from a FAT32 volume (Microsoft FAT specification 1.03).
 *
 * Hostile input: every cluster number is checked against the volume, every chain is bounded by the number of clusters,
 * directories by a fixed number of entries. Runs of neighbouring clusters are read with one request.
 */
#include "firmware/fat.h"

#define FAT_MASK     0x0fffffff
#define FAT_END      0x0ffffff8
#define ENTRY_BYTES  32
#define DIR_CLUSTERS 64 /* a directory of the boot set is small; bounds a looping one */
#define ATTR_LABEL   0x08
#define ATTR_DIR     0x10

#define FAT_WINDOW 64 /* sectors of the FAT kept in memory */
static uint8_t window[FAT_WINDOW * SECTOR];
static uint64_t window_at = ~UINT64_C(0); /* absolute sector */
static struct disk *window_disk;
static uint8_t sector[SECTOR];

fw_why fat_open(struct partition part, struct fat *out)
{
    window_at = ~UINT64_C(0);
    fw_why why = partition_read(&part, 0, 1, sector);
    if (why)
        return why;
    uint32_t bytes = fw_le16(sector + 11), per_cluster = sector[13], reserved = fw_le16(sector + 14);
    uint32_t fats = sector[16], total = fw_le32(sector + 32), fat_sectors = fw_le32(sector + 36);
    if (sector[510] != 0x55 || sector[511] != 0xaa || fw_le16(sector + 17) || fw_le16(sector + 22))
        return "holds no FAT32 volume";
    if (bytes != SECTOR || !per_cluster || per_cluster & (per_cluster - 1) || !reserved || !fats || fats > 2)
        return "FAT32 header has impossible values";
    if (!total || total > part.sectors || !fat_sectors || fat_sectors > total / fats)
        return "FAT32 volume is larger than its partition";
    uint64_t data = reserved + (uint64_t)fats * fat_sectors;
    if (data >= total)
        return "FAT32 volume has no data";
    uint64_t clusters = (total - data) / per_cluster;
    if (clusters > (uint64_t)fat_sectors * (SECTOR / 4) - 2)
        clusters = (uint64_t)fat_sectors * (SECTOR / 4) - 2;
    *out = (struct fat){.part = part,
                        .cluster_sectors = per_cluster,
                        .fat_first = reserved,
                        .fat_sectors = fat_sectors,
                        .data_first = (uint32_t)data,
                        .root = fw_le32(sector + 44),
                        .clusters_end = (uint32_t)clusters + 2};
    return NULL;
}

/* *next: the following cluster, 0 at the end of the chain. */
static fw_why next_cluster(const struct fat *fs, uint32_t cluster, uint32_t *next)
{
    uint32_t at = cluster / (SECTOR / 4), start = at / FAT_WINDOW * FAT_WINDOW;
    uint64_t absolute = fs->part.first + fs->fat_first + start;
    if (window_at != absolute || window_disk != fs->part.disk) {
        uint32_t n = fs->fat_sectors - start < FAT_WINDOW ? fs->fat_sectors - start : FAT_WINDOW;
        window_at = ~UINT64_C(0);
        fw_why why = partition_read(&fs->part, fs->fat_first + start, n, window);
        if (why)
            return why;
        window_at = absolute;
        window_disk = fs->part.disk;
    }
    uint32_t value = fw_le32(window + (at - start) * SECTOR + cluster % (SECTOR / 4) * 4) & FAT_MASK;
    if (value >= FAT_END) {
        *next = 0;
        return NULL;
    }
    if (value < 2 || value >= fs->clusters_end)
        return "FAT32 chain leaves the volume";
    *next = value;
    return NULL;
}

static uint32_t cluster_sector(const struct fat *fs, uint32_t cluster)
{
    return fs->data_first + (cluster - 2) * fs->cluster_sectors;
}

/* "NAME.EXT/..." to the eleven bytes of a directory entry; *rest: at the '/' or the end. */
static bool short_name(const char *path, uint8_t name[11], const char **rest)
{
    int at = 0, limit = 8;
    memset(name, ' ', 11);
    for (; *path && *path != '/'; path++) {
        if (*path == '.' && limit == 8) {
            at = 8;
            limit = 11;
        } else if (at < limit) {
            name[at++] = (uint8_t)*path;
        } else {
            return false;
        }
    }
    *rest = path;
    return name[0] != ' ';
}

static fw_why find_in(const struct fat *fs, uint32_t dir, const uint8_t name[11], uint8_t entry[ENTRY_BYTES])
{
    for (int c = 0; dir && c < DIR_CLUSTERS; c++) {
        for (uint32_t s = 0; s < fs->cluster_sectors; s++) {
            fw_why why = partition_read(&fs->part, cluster_sector(fs, dir) + s, 1, sector);
            if (why)
                return why;
            for (int i = 0; i < SECTOR; i += ENTRY_BYTES) {
                if (!sector[i])
                    return "is missing";
                if (sector[i + 11] & ATTR_LABEL || memcmp(sector + i, name, 11))
                    continue; /* label, long-name part, deleted, other */
                memcpy(entry, sector + i, ENTRY_BYTES);
                return NULL;
            }
        }
        fw_why why = next_cluster(fs, dir, &dir);
        if (why)
            return why;
    }
    return dir ? "directory is too long" : "is missing";
}

fw_why fat_find(const struct fat *fs, const char *path, struct fat_file *out)
{
    uint32_t cluster = fs->root;
    uint8_t name[11], entry[ENTRY_BYTES] = {0};
    while (*path == '/') {
        if (!short_name(path + 1, name, &path))
            return "is not an 8.3 name";
        if (cluster < 2 || cluster >= fs->clusters_end)
            return "directory lies outside the volume";
        fw_why why = find_in(fs, cluster, name, entry);
        if (why)
            return why;
        if (!!(entry[11] & ATTR_DIR) != (*path == '/'))
            return *path == '/' ? "has a file in its path" : "is a directory";
        cluster = (uint32_t)fw_le16(entry + 20) << 16 | fw_le16(entry + 26);
    }
    *out = (struct fat_file){cluster, fw_le32(entry + 28)};
    if (out->bytes && (cluster < 2 || cluster >= fs->clusters_end))
        return "starts outside the volume";
    return NULL;
}

fw_why fat_read(const struct fat *fs, const struct fat_file *file, void *memory, uint32_t bytes)
{
    uint8_t *to = memory;
    uint32_t left = (bytes + SECTOR - 1) / SECTOR, cluster = file->cluster;
    if (bytes > file->bytes || bytes > UINT32_MAX - SECTOR)
        return "is shorter than needed";
    /* Every step moves at least one cluster's sectors, so `left` bounds a looping chain. */
    while (left) {
        uint32_t first = cluster, run = 0, next = cluster;
        if (!cluster)
            return "ends before its length";
        while (next == first + run && run * fs->cluster_sectors < left) {
            run++;
            fw_why why = next_cluster(fs, next, &next);
            if (why)
                return why;
        }
        uint32_t n = run * fs->cluster_sectors;
        n = n < left ? n : left;
        fw_why why = partition_read(&fs->part, cluster_sector(fs, first), n, to);
        if (why)
            return why;
        to += (size_t)n * SECTOR;
        left -= n;
        cluster = next;
    }
    return NULL;
}
