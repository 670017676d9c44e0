/* snapshot_line.c - the snapshots that keep what is overwritten, one behind the other. See snapshot_line.h. */
#include "bundle/snapshot_line.h"

#include "base/bits.h"
#include "base/error.h"
#include "bundle/paths.h"
#include "bundle/snapshot_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct member {
    char name[SNAPSHOT_NAME_MAX + 1];
    struct kept_head head;
    struct kept *kept;
};

struct line {
    const struct bundle *b;
    int disk;
    size_t n;
    struct member member[LINE_MAX_SNAPSHOTS];
};

/* ---- who stands in it ---- */

static bool by_name(const struct bundle *b, const char *name, struct member *m, struct pome_error *err)
{
    struct bundle *p = snapshot_place_open(b, name, err);
    bool ok = p && kept_head_of(p, &m->head, err);
    if (ok)
        snprintf(m->name, sizeof m->name, "%s", name);
    snapshot_place_drop(p, false);
    return ok;
}

static bool add(struct line *l, const char *name, struct pome_error *err)
{
    struct pome_error why = {0};
    struct member m = {0};
    char map[SNAPSHOT_NAME_MAX + 32];
    struct stat st;
    if (strlen(name) > SNAPSHOT_NAME_MAX || name[0] == '.' || !strcmp(name, snapshot_current))
        return true;
    snprintf(map, sizeof map, "%s/%s/%s", snapshot_folder, name, kept_map_name);
    if (fstatat(l->b->dir_fd, map, &st, AT_SYMLINK_NOFOLLOW))
        return true;
    if (!by_name(l->b, name, &m, &why)) {
        if (err)
            *err = why;
        return false;
    }
    if (l->n == LINE_MAX_SNAPSHOTS)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: more than %d snapshots keep blocks of one disk", l->b->path, snapshot_folder, LINE_MAX_SNAPSHOTS);
    size_t i = l->n++;
    for (; i && l->member[i - 1].head.place > m.head.place; i--)
        l->member[i] = l->member[i - 1];
    l->member[i] = m;
    return !i || l->member[i - 1].head.place < m.head.place ||
           pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: %s and %s have the same place: one is a copy of the other", l->b->path, snapshot_folder, name, l->member[i - 1].name);
}

static bool read_line(struct line *l, struct pome_error *err)
{
    bool ok = true;
    int fd = openat(l->b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; ok && d && (e = readdir(d));)
        ok = add(l, e->d_name, err);
    if (d)
        closedir(d);
    return ok;
}

static bool open_member(struct line *l, size_t i, struct pome_error *err)
{
    struct bundle *p = snapshot_place_open(l->b, l->member[i].name, err);
    l->member[i].kept = p ? kept_open(p, l->disk, err) : NULL;
    snapshot_place_drop(p, false);
    return l->member[i].kept;
}

/* Only the heads are read. */
static struct line *line_of(const struct bundle *b, struct pome_error *err)
{
    struct line *l = calloc(1, sizeof *l);
    if (!l) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for snapshots");
        return NULL;
    }
    l->b = b;
    l->disk = -1;
    if (read_line(l, err))
        return l;
    line_close(l);
    return NULL;
}

struct line *line_open(const struct bundle *b, struct pome_error *err)
{
    struct line *l = line_of(b, err);
    bool ok = l && (!l->n || (l->disk = member_open(b, BUNDLE_DISK, O_RDWR, err)) >= 0);
    for (size_t i = 0; ok && i < l->n; i++)
        ok = open_member(l, i, err);
    if (ok)
        return l;
    line_close(l);
    return NULL;
}

void line_close(struct line *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n; i++)
        kept_close(l->member[i].kept);
    if (l->disk >= 0)
        close(l->disk);
    free(l);
}

static size_t index_of(const struct line *l, const char *name)
{
    size_t i = 0;
    while (i < l->n && strcmp(l->member[i].name, name))
        i++;
    return i;
}

bool line_has(const struct line *l, const char *name)
{
    return index_of(l, name) < l->n;
}

bool line_is_empty(const struct line *l)
{
    return !l->n;
}

/* ---- what it holds ---- */

/* Where the blocks from `at` on are, for the snapshot `first` or those behind it: the file and, in *end, how far. */
static int source(const struct line *l, size_t first, uint64_t at, uint64_t *end)
{
    bool kept;
    for (size_t i = first; i < l->n; i++) {
        *end = kept_run(l->member[i].kept, at, *end, &kept);
        if (kept)
            return kept_file(l->member[i].kept);
    }
    return l->disk;
}

/* All of snapshot `first` for which to() says so goes into the file `out`. */
static bool copy_out(const struct line *l, size_t first, size_t but, int out, bool from_disk, struct job *j, struct pome_error *err)
{
    const uint64_t bytes = l->member[first].head.bytes;
    bool ok = true, kept = false;
    for (uint64_t at = 0, end; ok && at < bytes; at = end) {
        end = bytes;
        if (but < l->n) /* what that one has stays */
            end = kept_run(l->member[but].kept, at, end, &kept);
        const int in = kept ? -1 : source(l, first, at, &end);
        ok = in < 0 || (in == l->disk && !from_disk) || tree_copy_part(in, out, l->b->path, at, end - at, j, err);
    }
    return ok;
}

static uint64_t occupied(int fd)
{
    struct stat st;
    return fstat(fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

static uint64_t occupied_from(const struct line *l, size_t first)
{
    uint64_t n = 0;
    for (size_t i = first; i < l->n; i++)
        n += occupied(kept_file(l->member[i].kept));
    return n;
}

static bool set_time(int fd, const struct kept_head *h)
{
    const struct timespec t = {.tv_sec = (time_t)(h->changed_ns / 1000000000), .tv_nsec = (long)(h->changed_ns % 1000000000)};
    return !futimens(fd, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, t}) && !fsync(fd);
}

/* What came from the disk and was overwritten since: it was kept before (kept.h), by then. */
static bool copy_since(const struct line *then, const struct line *now, const char *name, int out, struct job *j, struct pome_error *err)
{
    const size_t i = index_of(then, name), k = index_of(now, name);
    bool ok = k < now->n || pome_fail(err, POME_ERROR_BUSY, "%s: snapshot \"%s\" became another one while it was copied", now->b->path, name);
    for (uint64_t at = 0, end, bytes = then->member[i].head.bytes; ok && at < bytes; at = end) {
        end = bytes;
        const bool from_disk = source(then, i, at, &end) == then->disk;
        const int in = source(now, k, at, &end);
        ok = !from_disk || in == now->disk || tree_copy_part(in, out, now->b->path, at, end - at, j, err);
    }
    return ok;
}

static bool copy_while_it_runs(const struct bundle *b, const char *name, int out, struct job *j, struct pome_error *err)
{
    struct line *then = line_open(b, err), *now = NULL;
    const size_t i = then ? index_of(then, name) : 0;
    bool ok = then && (i < then->n || pome_fail(err, POME_ERROR_NOT_FOUND, "%s: snapshot \"%s\" keeps no blocks", b->path, name)) &&
              (!ftruncate(out, (off_t)then->member[i].head.bytes) || pome_fail_errno(err, "%s: cannot make its copy", b->path)) && copy_out(then, i, then->n, out, true, j, err) &&
              (now = line_open(b, err)) && copy_since(then, now, name, out, j, err) &&
              (set_time(out, &then->member[i].head) || pome_fail_errno(err, "%s: cannot sync its copy", b->path));
    line_close(now);
    line_close(then);
    return ok;
}

bool line_copy(const struct bundle *b, const char *name, const struct bundle *to, struct job *j, struct pome_error *err)
{
    const char *file = bundle_member_name(BUNDLE_DISK);
    int out = openat(to->dir_fd, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return pome_fail_errno(err, "%s/%s: cannot make", to->path, file);
    bool ok = copy_while_it_runs(b, name, out, j, err);
    close(out);
    return ok;
}

/* ---- going back ---- */

/* What `from` has of the whole disk is kept by `to`, in three steps (kept.h). */
typedef bool each_run(struct kept *to, int from, uint64_t offset, uint64_t bytes, struct job *j, struct pome_error *err);

static bool copy_run(struct kept *to, int from, uint64_t offset, uint64_t bytes, struct job *j, struct pome_error *err)
{
    return kept_copy(to, from, offset, bytes, j, err);
}

static bool mark_run(struct kept *to, int from, uint64_t offset, uint64_t bytes, struct job *j, struct pome_error *err)
{
    return kept_mark(to, offset, bytes, err);
}

/* The runs that snapshots from `first` up to `last` have. from < 0: each from its own file. */
static bool for_runs(const struct line *l, size_t first, size_t last, struct kept *to, int from, each_run *fn, struct job *j, struct pome_error *err)
{
    bool ok = true, kept;
    for (size_t i = first; ok && i <= last; i++)
        for (uint64_t at = 0, end, bytes = l->member[i].head.bytes; ok && at < bytes; at = end) {
            end = kept_run(l->member[i].kept, at, bytes, &kept);
            ok = !kept || fn(to, from < 0 ? kept_file(l->member[i].kept) : from, at, end - at, j, err);
        }
    return ok;
}

static bool keep_runs(const struct line *l, size_t first, size_t last, struct kept *to, int from, struct job *j, struct pome_error *err)
{
    return for_runs(l, first, last, to, from, copy_run, j, err) && kept_sync(to, err) && for_runs(l, first, last, to, from, mark_run, j, err) && kept_sync(to, err);
}

bool line_keep_for(struct line *l, const char *name, struct pome_error *err)
{
    struct job quiet = {0};
    const size_t i = index_of(l, name);
    return i + 1 >= l->n || keep_runs(l, i, l->n - 2, l->member[l->n - 1].kept, l->disk, &quiet, err);
}

bool line_put_back(struct line *l, const char *name, struct job *j, struct pome_error *err)
{
    const size_t i = index_of(l, name);
    if (i == l->n)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: snapshot \"%s\" is restored half, and keeps nothing", l->b->path, name);
    return line_keep_for(l, name, err) && job_step(j, "Putting back what changed", 1, 1, occupied_from(l, i), err) &&
           copy_out(l, i, l->n, l->disk, false, j, err) && (set_time(l->disk, &l->member[i].head) || pome_fail_errno(err, "%s: cannot sync its disk", l->b->path));
}

/* ---- leaving it ---- */

bool line_leave(struct line *l, const char *name, struct job *j, struct pome_error *err)
{
    const size_t i = index_of(l, name);
    return !i || (job_step(j, "Moving blocks that others need", 1, 1, occupied(kept_file(l->member[i].kept)), err) &&
                  keep_runs(l, i, i, l->member[i - 1].kept, -1, j, err));
}

static bool make_whole(struct line *l, size_t i, struct job *j, struct pome_error *err)
{
    struct bundle *p = snapshot_place_open(l->b, l->member[i].name, err);
    bool ok = p && copy_out(l, i, i, kept_file(l->member[i].kept), true, j, err) && kept_end(l->member[i].kept, p, err);
    snapshot_place_drop(p, false);
    return ok;
}

bool snapshots_end_keeping(const struct bundle *b, struct job *j, struct pome_error *err)
{
    struct job quiet = {0};
    struct line *l = line_of(b, err);
    if (l && l->n) {
        line_close(l);
        l = line_open(b, err);
    }
    bool ok = l;
    if (!j)
        j = &quiet;
    ok = ok && (!l->n || job_step(j, "Completing snapshots", 1, 1, l->n * occupied(l->disk), err));
    for (size_t i = 0; ok && i < l->n; i++)
        ok = make_whole(l, i, j, err);
    line_close(l);
    return ok;
}

/* ---- joining it ---- */

bool line_join(const struct bundle *b, const struct bundle *folder, struct kept **k, struct pome_error *err)
{
    *k = NULL;
    struct line *l = line_of(b, err);
    bool ok = l;
    if (ok && l->n < LINE_MAX_SNAPSHOTS) {
        int disk = member_open(b, BUNDLE_DISK, O_RDONLY, err);
        *k = disk >= 0 ? kept_make(folder, disk, l->n ? l->member[l->n - 1].head.place + 1 : 1, err) : NULL;
        if (*k)
            kept_own_disk(*k);
        else if (disk >= 0)
            close(disk);
        ok = *k;
    }
    line_close(l);
    return ok;
}

/* It keeps what is overwritten, from then on and apart from the line. */
static bool take_member(struct line *l, size_t i, struct kept **k, struct pome_error *err)
{
    if ((l->disk = member_open(l->b, BUNDLE_DISK, O_RDONLY, err)) < 0 || !open_member(l, i, err))
        return false;
    *k = l->member[i].kept;
    l->member[i].kept = NULL;
    kept_own_disk(*k);
    l->disk = -1;
    return true;
}

bool snapshots_keep(const struct bundle *b, struct kept **k, struct pome_error *err)
{
    *k = NULL;
    struct line *l = line_of(b, err);
    bool ok = l && (!l->n || take_member(l, l->n - 1, k, err));
    line_close(l);
    return ok;
}

bool snapshots_keep_without(const struct bundle *b, const char *name, bool *newest, struct kept **k, struct pome_error *err)
{
    *k = NULL;
    struct line *l = line_of(b, err);
    const size_t i = l ? index_of(l, name) : 0;
    *newest = l && i + 1 == l->n;
    bool ok = l && (!*newest || !i || take_member(l, i - 1, k, err));
    line_close(l);
    return ok;
}
