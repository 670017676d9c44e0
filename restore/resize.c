/*
 * resize.c - growing a disk whose last partition must stay the last one.
 *
 * How it works. The Recovery container is copied to the end of the grown file, read back and compared, and synced; only then is the new partition
 * map written: first its backup at the new end, synced, then the primary at the beginning. The old copy is not touched before, so that at each
 * moment one whole map describes whole contents: the old primary until its first sector changes, then, while it is torn, the new backup
 * (the boot firmware takes it; this function too, and writes the primary again). At last the old place of Recovery, which is the main
 * container's now, is made a hole.
 *
 * Old and new place must not overlap, so the least growth is the size of the Recovery container.
 */
#include "restore/resize.h"
#include "base/bits.h"
#include "base/error.h"
#include "restore/file_io.h"
#include "restore/layout.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20, ALIGN_SECTORS = 8 };

struct resizing {
    struct bundle *bundle;
    int fd;
    char path[PATH_MAX];
    struct gpt old, new;
    uint64_t bytes;          /* of the disk, afterwards */
    uint8_t *a, *b;          /* PIECE bytes each */
    pome_progress_fn *progress;
    void *user;
    struct pome_progress report;
};

static bool step(struct resizing *r, uint32_t number, const char *name, uint64_t done, uint64_t total, struct pome_error *err)
{
    static const double begins[] = {0, 0, 0.6, 0.95, 1};
    double from = begins[number], to = begins[MIN(number + 1, ARRAY_SIZE(begins) - 1)];
    r->report = (struct pome_progress){.step = name, .step_number = number, .step_count = 3, .done = done, .total = total,
                                       .fraction = from + (to - from) * (total ? (double)done / (double)total : 0)};
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

static bool is_ours(const struct gpt *g)
{
    return g->n == LAYOUT_CONTAINERS && !strcmp(g->partitions[LAYOUT_MAIN].name, "Container") &&
           !strcmp(g->partitions[LAYOUT_RECOVERY].name, "RecoveryOSContainer") &&
           g->partitions[LAYOUT_MAIN].last < g->partitions[LAYOUT_RECOVERY].first;
}

static bool plan(struct resizing *r, struct pome_error *err)
{
    struct gpt_partition *recovery = &r->new.partitions[LAYOUT_RECOVERY];
    uint64_t sectors = recovery->last - recovery->first + 1;
    r->new.sectors = r->bytes / GPT_SECTOR;
    uint64_t end = align_down(r->new.sectors - GPT_FIRST_USABLE + 1, ALIGN_SECTORS);
    if (end < sectors || end - sectors <= r->old.partitions[LAYOUT_RECOVERY].last)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "%s: %llu MiB are too little more: its Recovery container moves to the new end and stays whole at its old place meanwhile; needed at least %llu MiB",
                         r->bundle->path, (unsigned long long)(r->bytes / MiB),
                         (unsigned long long)((r->old.partitions[LAYOUT_RECOVERY].last + 1 + sectors + GPT_FIRST_USABLE + ALIGN_SECTORS) * GPT_SECTOR / MiB + 1));
    recovery->first = end - sectors;
    recovery->last = end - 1;
    r->new.partitions[LAYOUT_MAIN].last = recovery->first - 1;
    return true;
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
        if (!step(r, 1, "Copying Recovery to the new end", at, n, err) || !read_piece(r, at, k, err) ||
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

/* --- all of it --- */

static bool grow(struct resizing *r, struct pome_error *err)
{
    if (ftruncate(r->fd, (off_t)r->bytes) || fsync(r->fd))
        return pome_fail_errno(err, "%s: cannot grow", r->path);
    if (!copy(r, err) || !compare(r, err) || !step(r, 3, "Writing the partition map", 0, 0, err) || !write_map(r, &r->new, err))
        return false;
    uint64_t from = layout_offset(&r->old, LAYOUT_RECOVERY), end = r->old.sectors * GPT_SECTOR;
    uint64_t to = MIN(end, layout_offset(&r->new, LAYOUT_RECOVERY));
    fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)); /* room on the host; not needed */
    step(r, 3, "Writing the partition map", 1, 1, NULL);
    return sync_disk(r, err);
}

static bool resize(struct resizing *r, struct pome_error *err)
{
    uint64_t have = r->bundle->disk_bytes;
    struct pome_error ignored;
    if (r->bytes < have)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "%s: the disk has %llu MiB, and can only grow: its file system may have data anywhere, and only the guest can move them",
                         r->bundle->path, (unsigned long long)(have / MiB));
    if (!read_map(r, have, &r->old, err))
        return pome_fail_context(err, "%s", r->path);
    if (!is_ours(&r->old))
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: its partitions are not those of an installed machine", r->path);
    /* A map that was read knows the size of the file, not what it was made for: an attempt that was cut off may have left a larger file. */
    r->new = r->old;
    uint64_t end = align_down(have / GPT_SECTOR - GPT_FIRST_USABLE + 1, ALIGN_SECTORS);
    bool at_end = r->old.partitions[LAYOUT_RECOVERY].last + 1 == end;
    if (at_end && !map_is_whole(r, have, &ignored) && !write_map(r, &r->old, err))
        return false;
    if (at_end && r->bytes == have)
        return true;
    return plan(r, err) && grow(r, err);
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
    if (!bundle_member_path(b, BUNDLE_DISK, r.path) || (r.fd = bundle_member_open(b, BUNDLE_DISK, O_RDWR, err)) < 0)
        return false;
    r.a = malloc(PIECE);
    r.b = malloc(PIECE);
    bool ok = (r.a && r.b) ? resize(&r, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to resize");
    if (ok)
        b->disk_bytes = bytes;
    free(r.a);
    free(r.b);
    close(r.fd);
    return ok;
}
