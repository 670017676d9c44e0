/*
 * resize.c - growing a disk whose last partition must stay the last one.
 *
 * How it works. The Recovery container is copied to its new place, read back and compared, and synced; only then is the new partition
 * map written: first its backup at the end, synced, then the primary at the beginning. The old copy is not touched before, so that at each
 * moment one whole map describes whole contents: the old primary until its first sector changes, then, while it is torn, a backup at the
 * end of the file (the boot firmware takes it; this function too, and writes the primary again). At last the old place of Recovery, which is the main
 * container's now, is made a hole.
 *
 * Old and new place must not overlap. When the disk grows by less than Recovery's size they would: then Recovery goes by way of a place behind the new end,
 * in a file that is longer for that time, and back. The map in between gives the main container what it gets in the end, no more: the gap
 * behind it is where Recovery belongs. So the map itself is the journal: whatever it says when this is called, it is a good
 * beginning, and the machine starts from it, too.
 */
#include "restore/resize.h"
#include "apfs/apfs.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "bundle/snapshot_line.h"
#include "restore/layout.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, ALIGN_SECTORS = 8 };

struct resizing {
    struct bundle *bundle;
    int fd;
    char path[PATH_MAX];
    struct gpt old, new;
    uint64_t bytes;          /* of the disk, afterwards */
    uint32_t moves, moved;   /* of Recovery: planned, done */
    uint8_t *a, *b;          /* PIECE bytes each */
    pome_progress_fn *progress;
    void *user;
    struct pome_progress report;
};

/* One of three steps of a move. */
static bool step(struct resizing *r, uint32_t number, const char *name, uint64_t done, uint64_t total, struct pome_error *err)
{
    static const double begins[] = {0, 0, 0.6, 0.95, 1};
    double from = begins[number], to = begins[MIN(number + 1, ARRAY_SIZE(begins) - 1)];
    double share = from + (to - from) * (total ? (double)done / (double)total : 0);
    r->report = (struct pome_progress){.step = name, .step_number = 3 * r->moved + number, .step_count = 3 * r->moves, .done = done, .total = total,
                                       .fraction = (r->moved + share) / r->moves};
    return !r->progress || r->progress(r->user, &r->report) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled while: %s", name);
}

/* --- the partition map --- */

/* The primary; when that is damaged, the backup at the end of the file. */
static bool read_map(struct resizing *r, uint64_t disk_bytes, struct gpt *g, struct pome_error *err)
{
    struct pome_error ignored;
    return file_read_at(r->fd, r->path, r->a, GPT_PRIMARY_BYTES, 0, err) &&
           (gpt_read(r->a, disk_bytes / GPT_SECTOR, g, err) ||
            (file_read_at(r->fd, r->path, r->a, GPT_BACKUP_BYTES, disk_bytes - GPT_BACKUP_BYTES, &ignored) &&
             gpt_read_backup(r->a, disk_bytes / GPT_SECTOR, g, &ignored)));
}

/* Both copies can be read. */
static bool map_is_whole(struct resizing *r, uint64_t disk_bytes, struct pome_error *err)
{
    struct gpt g;
    return file_read_at(r->fd, r->path, r->a, GPT_PRIMARY_BYTES, 0, err) && gpt_read(r->a, disk_bytes / GPT_SECTOR, &g, err) &&
           file_read_at(r->fd, r->path, r->a, GPT_BACKUP_BYTES, disk_bytes - GPT_BACKUP_BYTES, err) &&
           gpt_read_backup(r->a, disk_bytes / GPT_SECTOR, &g, err);
}

static bool sync_disk(struct resizing *r, struct pome_error *err)
{
    return !fdatasync(r->fd) || pome_fail_errno(err, "%s: cannot sync", r->path);
}

static bool write_map(struct resizing *r, const struct gpt *g, struct pome_error *err)
{
    gpt_write(g, r->a, r->b);
    return file_write_at(r->fd, r->path, r->b, GPT_BACKUP_BYTES, g->sectors * GPT_SECTOR - GPT_BACKUP_BYTES, err) && sync_disk(r, err) &&
           file_write_at(r->fd, r->path, r->a, GPT_PRIMARY_BYTES, 0, err) && sync_disk(r, err);
}

static bool same_places(const struct gpt *a, const struct gpt *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = a->partitions[i].first == b->partitions[i].first && a->partitions[i].last == b->partitions[i].last;
    return same;
}

static bool set_length(struct resizing *r, uint64_t bytes, struct pome_error *err)
{
    return (!ftruncate(r->fd, (off_t)bytes) && !fsync(r->fd)) || pome_fail_errno(err, "%s: cannot get the length of %llu bytes", r->path, (unsigned long long)bytes);
}

/* A backup of the map that was read at the end of the file: an attempt that was cut off may have left a longer file, or the backup of a map that never came
 * to be. Then the file ends right behind Recovery. The primary is whole, and stays. */
static bool settle(struct resizing *r, struct pome_error *err)
{
    struct gpt g;
    struct pome_error ignored;
    uint64_t have = r->bundle->disk_bytes, end = r->old.partitions[LAYOUT_RECOVERY].last + GPT_FIRST_USABLE;
    if (!file_read_at(r->fd, r->path, r->a, GPT_BACKUP_BYTES, have - GPT_BACKUP_BYTES, err))
        return false;
    if (gpt_read_backup(r->a, have / GPT_SECTOR, &g, &ignored) && same_places(&g, &r->old))
        return true;
    g = r->old;
    g.sectors = end;
    gpt_write(&g, r->a, r->b);
    return file_write_at(r->fd, r->path, r->b, GPT_BACKUP_BYTES, end * GPT_SECTOR - GPT_BACKUP_BYTES, err) && sync_disk(r, err) &&
           set_length(r, end * GPT_SECTOR, err);
}

static bool is_ours(const struct gpt *g)
{
    return g->n == LAYOUT_CONTAINERS && !strcmp(g->partitions[LAYOUT_MAIN].name, "Container") &&
           !strcmp(g->partitions[LAYOUT_RECOVERY].name, "RecoveryOSContainer") &&
           g->partitions[LAYOUT_MAIN].last < g->partitions[LAYOUT_RECOVERY].first;
}

/* --- where Recovery goes --- */

static uint64_t recovery_sectors(const struct resizing *r)
{
    const struct gpt_partition *p = &r->old.partitions[LAYOUT_RECOVERY];
    return p->last - p->first + 1;
}

/* The first sector of Recovery at the end of a disk of so many sectors; 0: it is too small. */
static uint64_t place_at_end(const struct resizing *r, uint64_t sectors)
{
    uint64_t end = align_down(sectors - GPT_FIRST_USABLE + 1, ALIGN_SECTORS), n = recovery_sectors(r);
    return end > n ? end - n : 0;
}

/* The map of a disk of `sectors` with Recovery at `first`; the main container ends before `final`. */
static void set_map(struct resizing *r, uint64_t sectors, uint64_t first, uint64_t final)
{
    r->new = r->old;
    r->new.sectors = sectors;
    r->new.partitions[LAYOUT_RECOVERY].first = first;
    r->new.partitions[LAYOUT_RECOVERY].last = first + recovery_sectors(r) - 1;
    r->new.partitions[LAYOUT_MAIN].last = final - 1;
}

/* --- the Recovery container --- */

/* FAT says in its boot sector, and in the copy in sector 6, where it begins on the disk (BPB_HiddSec). */
static void correct_fat(const struct resizing *r, uint8_t *piece)
{
    for (int sector = 0; sector <= 6; sector += 6) {
        uint8_t *s = piece + sector * GPT_SECTOR;
        if (!memcmp(s + 82, "FAT32   ", 8) && le32_get(s + 28) == (uint32_t)r->old.partitions[LAYOUT_RECOVERY].first)
            le32_put(s + 28, (uint32_t)r->new.partitions[LAYOUT_RECOVERY].first);
    }
}

/* Reads a piece of the old place as it must be at the new one. */
static bool read_piece(struct resizing *r, uint64_t at, size_t n, struct pome_error *err)
{
    if (!file_read_at(r->fd, r->path, r->a, n, layout_offset(&r->old, LAYOUT_RECOVERY) + at, err))
        return false;
    if (!at)
        correct_fat(r, r->a);
    return true;
}

/* The first piece from `at` on that has data in the container that begins at `base`; n when there is none. Holes are most of it. */
static uint64_t next_piece(const struct resizing *r, uint64_t base, uint64_t at, uint64_t n)
{
    off_t data = at < n ? lseek(r->fd, (off_t)(base + at), SEEK_DATA) : -1;
    if (data < 0)
        return at < n && errno != ENXIO ? at : n;
    return MIN(n, align_down((uint64_t)data - base, PIECE));
}

/* What was written there by an attempt that was cut off must not shine through the holes. */
static bool copy(struct resizing *r, struct pome_error *err)
{
    uint64_t to = layout_offset(&r->new, LAYOUT_RECOVERY), n = layout_bytes(&r->new, LAYOUT_RECOVERY);
    bool hole = !fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)to, (off_t)n);
    for (uint64_t at = 0; at < n; at = next_piece(r, layout_offset(&r->old, LAYOUT_RECOVERY), at + PIECE, n)) {
        size_t k = (size_t)MIN(PIECE, n - at);
        if (!step(r, 1, "Copying Recovery", at, n, err) || !read_piece(r, at, k, err) ||
            !(hole ? file_write_sparse : file_write_at)(r->fd, r->path, r->a, k, to + at, err))
            return false;
    }
    return sync_disk(r, err);
}

static bool compare(struct resizing *r, struct pome_error *err)
{
    uint64_t from = layout_offset(&r->old, LAYOUT_RECOVERY), to = layout_offset(&r->new, LAYOUT_RECOVERY), n = layout_bytes(&r->new, LAYOUT_RECOVERY);
    posix_fadvise(r->fd, (off_t)to, (off_t)n, POSIX_FADV_DONTNEED); /* what the disk has, not what memory remembers */
    for (uint64_t at = 0; at < n; at = MIN(next_piece(r, from, at + PIECE, n), next_piece(r, to, at + PIECE, n))) {
        size_t k = (size_t)MIN(PIECE, n - at);
        if (!step(r, 2, "Comparing the copy", at, n, err) || !read_piece(r, at, k, err) || !file_read_at(r->fd, r->path, r->b, k, to + at, err))
            return false;
        if (memcmp(r->a, r->b, k))
            return pome_fail(err, POME_ERROR_IO, "%s: the copy of Recovery at %llu differs from what was written", r->path, (unsigned long long)(to + at));
    }
    return true;
}

/* --- the file system in the main container --- */

static bool read_main(void *user, uint64_t offset, void *bytes, size_t n, struct pome_error *err)
{
    const struct resizing *r = user;
    return file_read_at(r->fd, r->path, bytes, n, layout_offset(&r->new, LAYOUT_MAIN) + offset, err);
}

static bool write_main(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    const struct resizing *r = user;
    return file_write_at(r->fd, r->path, bytes, n, layout_offset(&r->new, LAYOUT_MAIN) + offset, err);
}

static bool sync_main(void *user, struct pome_error *err)
{
    return sync_disk(user, err);
}

/* An APFS container is grown here: no guest of ours writes to one. A Linux guest grows its own at its next start. */
static bool grow_content(struct resizing *r, struct pome_error *err)
{
    uint8_t magic[4];
    if (!read_main(r, 32, magic, sizeof magic, err))
        return false;
    if (memcmp(magic, "NXSB", sizeof magic))
        return true;
    return apfs_grow(layout_bytes(&r->new, LAYOUT_MAIN), read_main, write_main, sync_main, r, err) ||
           pome_fail_context(err, "%s: the disk and its main partition have their new size, but not what is in it", r->bundle->path);
}

/* --- all of it --- */

/* The file is as long as the map needs it, at least. */
static bool lengthen(struct resizing *r, struct pome_error *err)
{
    struct stat st;
    uint64_t n = r->new.sectors * GPT_SECTOR;
    if (fstat(r->fd, &st))
        return pome_fail_errno(err, "%s", r->path);
    return (uint64_t)st.st_size >= n || set_length(r, n, err);
}

/* Brings the disk from r->old to r->new. */
static bool move(struct resizing *r, struct pome_error *err)
{
    if (!lengthen(r, err) || !copy(r, err) || !compare(r, err) || !step(r, 3, "Writing the partition map", 0, 0, err) || !write_map(r, &r->new, err))
        return false;
    uint64_t from = layout_offset(&r->old, LAYOUT_RECOVERY), to = from + layout_bytes(&r->old, LAYOUT_RECOVERY);
    if (r->new.partitions[LAYOUT_RECOVERY].first > r->old.partitions[LAYOUT_RECOVERY].first) /* room on the host; not needed */
        fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(MIN(to, layout_offset(&r->new, LAYOUT_RECOVERY)) - from));
    step(r, 3, "Writing the partition map", 1, 1, NULL);
    r->old = r->new;
    r->moved++;
    return sync_disk(r, err);
}

/* The map is the one of a disk of r->bytes in both copies, and the file is not longer. */
static bool complete(struct resizing *r, uint64_t final, struct pome_error *err)
{
    struct pome_error ignored;
    struct stat st;
    bool main_ends = r->old.partitions[LAYOUT_MAIN].last + 1 == final;
    set_map(r, r->bytes / GPT_SECTOR, final, final);
    if (!lengthen(r, err) || ((!main_ends || !map_is_whole(r, r->bytes, &ignored)) && !write_map(r, &r->new, err)))
        return false;
    if (fstat(r->fd, &st))
        return pome_fail_errno(err, "%s", r->path);
    return (uint64_t)st.st_size <= r->bytes || set_length(r, r->bytes, err);
}

static bool overlap(uint64_t a, uint64_t b, uint64_t n)
{
    return a < b + n && b < a + n;
}

static bool resize(struct resizing *r, struct pome_error *err)
{
    if (!read_map(r, r->bundle->disk_bytes, &r->old, err))
        return pome_fail_context(err, "%s", r->path);
    if (!is_ours(&r->old))
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: its partitions are not those of an installed machine", r->path);
    uint64_t sectors = r->bytes / GPT_SECTOR, n = recovery_sectors(r), now = r->old.partitions[LAYOUT_RECOVERY].first, final = place_at_end(r, sectors);
    uint64_t least = r->old.partitions[LAYOUT_MAIN].last + 1;
    if (final < least)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "%s: the disk has %llu MiB, and can only grow: its file system may have data anywhere, and only the guest can move them",
                         r->bundle->path, (unsigned long long)((least + n) * GPT_SECTOR / MiB + 1));
    bool detour = final != now && overlap(final, now, n);
    r->moves = final == now ? 0 : detour ? 2 : 1;
    if (!settle(r, err))
        return false;
    if (detour) { /* behind the end of both disks */
        uint64_t away = align_up(MAX(sectors, now + n), ALIGN_SECTORS);
        set_map(r, away + n + GPT_FIRST_USABLE + ALIGN_SECTORS, away, final);
        if (!move(r, err))
            return false;
    }
    if (final != now) {
        set_map(r, sectors, final, final);
        if (!move(r, err))
            return false;
    }
    if (!complete(r, final, err))
        return false;
    r->bundle->disk_bytes = r->bytes;
    return grow_content(r, err);
}

bool disk_resize(struct bundle *b, uint64_t bytes, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    struct resizing r = {.bundle = b, .fd = -1, .bytes = bytes, .progress = progress, .user = user};
    assert(b->locked);
    if (!b->installed)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "%s: is not installed", b->path);
    if (bytes % GPT_SECTOR || bytes > UINT64_C(16) * 1024 * GiB)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: a disk of %llu bytes: needed a multiple of 512 up to 16 TiB", b->path,
                         (unsigned long long)bytes);
    struct job whole = {.progress = progress, .user = user};
    if (!bundle_member_path(b, BUNDLE_DISK, r.path) || !snapshots_end_keeping(b, &whole, err) || (r.fd = bundle_member_open(b, BUNDLE_DISK, O_RDWR, err)) < 0)
        return false;
    r.a = malloc(PIECE);
    r.b = malloc(PIECE);
    bool ok = (r.a && r.b) ? resize(&r, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to resize");
    free(r.a);
    free(r.b);
    close(r.fd);
    return ok;
}
