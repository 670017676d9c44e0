/* tree.c - the files of a bundle, and copying them. */
#include "bundle/tree.h"
#include "base/bits.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILES = 4096, MAX_DEPTH = 4 };

/* --- listing --- */

static bool add(struct tree *t, const char *path, const struct stat *st, struct pome_error *err)
{
    if (t->n == MAX_FILES)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: more than %d files", path, MAX_FILES);
    if (!(t->n & (t->n - 1))) {
        struct tree_file *more = realloc(t->files, (t->n ? 2 * t->n : 1) * sizeof *more);
        if (!more)
            return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to list it", path);
        t->files = more;
    }
    struct tree_file *f = &t->files[t->n++];
    *f = (struct tree_file){.folder = S_ISDIR(st->st_mode)};
    strcpy(f->path, path);
    if (!f->folder) {
        f->bytes = (uint64_t)st->st_size;
        f->data = MIN((uint64_t)st->st_blocks * 512, f->bytes);
        t->bytes += f->bytes;
        t->data += f->data;
    }
    return true;
}

static bool list(const struct bundle *b, const char *folder, int depth, bool logs, struct tree *t, struct pome_error *err)
{
    int fd = openat(b->dir_fd, folder[0] ? folder : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct dirent **found;
    int n = fd < 0 ? -1 : scandirat(fd, ".", &found, NULL, alphasort);
    bool ok = n >= 0 || pome_fail_errno(err, "%s/%s: cannot read the folder", b->path, folder);
    for (int i = 0; i < n; i++) {
        char path[sizeof t->files->path];
        struct stat st;
        const char *name = found[i]->d_name;
        if (!ok || name[0] == '.')
            ;
        else if (snprintf(path, sizeof path, "%s%s%s", folder, folder[0] ? "/" : "", name) >= (int)sizeof path)
            ok = pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: the name is too long", b->path, folder);
        else if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
            ok = pome_fail_errno(err, "%s/%s", b->path, path);
        else if (!S_ISREG(st.st_mode) && !(S_ISDIR(st.st_mode) && depth < MAX_DEPTH))
            ok = pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: is no regular file", b->path, path);
        else if (add(t, path, &st, err))
            ok = !S_ISDIR(st.st_mode) || (!logs && !strcmp(path, "Log")) || list(b, path, depth + 1, logs, t, err);
        else
            ok = false;
        free(found[i]);
    }
    if (n >= 0)
        free(found);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool tree_list(const struct bundle *b, bool logs, struct tree *t, struct pome_error *err)
{
    *t = (struct tree){0};
    if (list(b, "", 0, logs, t, err))
        return true;
    tree_free(t);
    return false;
}

void tree_free(struct tree *t)
{
    free(t->files);
    *t = (struct tree){0};
}

/* --- progress --- */

bool job_step(struct job *j, const char *name, uint32_t number, uint32_t count, uint64_t total, struct pome_error *err)
{
    j->report = (struct pome_progress){name, number, count, 0, total, (double)(number - 1) / count};
    j->shown = 0;
    return !j->progress || j->progress(j->user, &j->report) ||
           pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled while: %s", name);
}

bool job_advance(struct job *j, uint64_t bytes, struct pome_error *err)
{
    struct pome_progress *r = &j->report;
    r->done = MIN(r->done + bytes, r->total);
    if (!j->progress || (r->done - j->shown < 4 * MiB && r->done != r->total))
        return true;
    j->shown = r->done;
    r->fraction = (r->step_number - 1 + (r->total ? (double)r->done / (double)r->total : 0)) / r->step_count;
    return j->progress(j->user, r) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled while: %s", r->step);
}

/* --- reading without holes --- */

static bool is_zero(const uint8_t *p, size_t n)
{
    return !p[0] && !memcmp(p, p + 1, n - 1);
}

static bool read_piece(int fd, uint8_t *buffer, size_t n, uint64_t at, const char *what, struct pome_error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = pread(fd, buffer + done, n - done, (off_t)(at + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? pome_fail_errno(err, "%s: cannot read", what)
                         : pome_fail(err, POME_ERROR_IO, "%s: became shorter while it was read", what);
        done += (size_t)r;
    }
    return true;
}

bool tree_read(int fd, const char *what, uint64_t bytes, tree_piece_fn *each, void *user, struct job *j, struct pome_error *err)
{
    uint8_t *buffer = malloc(TREE_PIECE);
    bool ok = buffer || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", what);
    for (uint64_t at = 0; ok && at < bytes;) {
        off_t data = lseek(fd, (off_t)at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break; /* a hole up to the end */
        if (data >= 0)
            at = (uint64_t)data; /* else: a file system without holes */
        if (at >= bytes)
            break;
        size_t n = (size_t)MIN(TREE_PIECE - at % TREE_PIECE, bytes - at);
        ok = read_piece(fd, buffer, n, at, what, err) && (is_zero(buffer, n) || each(user, at, buffer, n, err)) &&
             job_advance(j, n, err);
        at += n;
    }
    free(buffer);
    return ok;
}

/* --- copying --- */

struct target {
    int fd;
    const char *what;
};

static bool write_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    const struct target *t = user;
    for (size_t done = 0; done < n;) {
        ssize_t w = pwrite(t->fd, (const char *)bytes + done, n - done, (off_t)(offset + done));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return pome_fail_errno(err, "%s: cannot write", t->what);
        done += (size_t)w;
    }
    return true;
}

/* Shares the blocks; false, with the reason kept, when that cannot be. */
static bool share(int to, int from, struct job *j)
{
    if (j->why_not_instant[0])
        return false; /* once is enough: it is the same file system for all */
    if (!ioctl(to, FICLONE, from))
        return true;
    snprintf(j->why_not_instant, sizeof j->why_not_instant, "%s",
             errno == EXDEV ? "the copy lies on another file system"
             : errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL
                 ? "this file system cannot share blocks (btrfs, XFS and bcachefs can)"
                 : strerror(errno));
    return false;
}

/* A saved machine tells by it that a disk is what it was. */
static bool take_time(int to, const struct stat *st)
{
    return !futimens(to, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, st->st_mtim});
}

bool tree_share_file(const struct bundle *from, const struct bundle *to, const char *name)
{
    struct job probe = {0};
    struct stat st;
    int in = openat(from->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), out = in < 0 ? -1 : openat(to->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = out >= 0 && !fstat(in, &st) && share(out, in, &probe) && take_time(out, &st) && !fsync(out);
    if (out >= 0)
        close(out);
    if (in >= 0)
        close(in);
    if (out >= 0 && !ok)
        unlinkat(to->dir_fd, name, 0);
    return ok;
}

bool tree_copy_open(int in, const struct bundle *to, const char *name, uint64_t bytes, struct job *j, struct pome_error *err)
{
    char what[PATH_MAX + 300];
    struct stat st;
    snprintf(what, sizeof what, "%s/%s", to->path, name);
    int out = openat(to->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = (out >= 0 && !fstat(in, &st)) || pome_fail_errno(err, "%s: cannot make", what);
    if (ok && share(out, in, j))
        ok = job_advance(j, MIN((uint64_t)st.st_blocks * 512, bytes), err);
    else if (ok)
        ok = (!ftruncate(out, (off_t)bytes) ||
              pome_fail_errno(err, "%s: cannot make it %llu bytes long", what, (unsigned long long)bytes)) &&
             tree_read(in, name, bytes, write_piece, &(struct target){out, what}, j, err);
    ok = ok && (take_time(out, &st) || pome_fail_errno(err, "%s: cannot set its time", what));
    ok = ok && (!fsync(out) || pome_fail_errno(err, "%s: cannot sync", what));
    if (out >= 0)
        close(out);
    return ok;
}

/* How much of what begins at `at` has no data. */
static uint64_t hole_at(int fd, uint64_t at, uint64_t end)
{
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);
    return data < 0 ? errno == ENXIO ? end - at : 0 : MIN((uint64_t)data, end) - at;
}

static bool punch(int fd, uint64_t offset, uint64_t bytes)
{
    return !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes);
}

bool tree_copy_part(int in, int out, const char *what, uint64_t offset, uint64_t bytes, struct job *j, struct pome_error *err)
{
    uint8_t buffer[TREE_PIECE];
    const uint64_t end = offset + bytes;
    bool ok = true;
    for (uint64_t at = offset, n; ok && at < end; at += n) {
        n = hole_at(in, at, end);
        if (n && punch(out, at, n))
            continue;
        n = MIN(sizeof buffer, end - at);
        ok = read_piece(in, buffer, n, at, what, err) &&
             ((is_zero(buffer, n) && punch(out, at, n)) || write_piece(&(struct target){out, what}, at, buffer, n, err)) && job_advance(j, n, err);
    }
    return ok;
}

bool tree_copy_file(const struct bundle *from, const struct bundle *to, const struct tree_file *f, struct job *j,
                    struct pome_error *err)
{
    if (f->folder)
        return !mkdirat(to->dir_fd, f->path, 0700) || pome_fail_errno(err, "%s/%s: cannot make the folder", to->path, f->path);
    int in = openat(from->dir_fd, f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0)
        return pome_fail_errno(err, "%s/%s: cannot open", from->path, f->path);
    bool ok = tree_copy_open(in, to, f->path, f->bytes, j, err);
    close(in);
    return ok;
}

/* Names in a sub-folder are durable when that folder is synced. */
static bool sync_folder(const struct bundle *b, const char *path, struct pome_error *err)
{
    int fd = openat(b->dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = (fd >= 0 && !fsync(fd)) || pome_fail_errno(err, "%s/%s: cannot sync", b->path, path);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool tree_copy(const struct bundle *from, const struct bundle *to, const struct tree *t, struct job *j, struct pome_error *err)
{
    for (size_t i = 0; i < t->n; i++)
        if (!tree_copy_file(from, to, &t->files[i], j, err))
            return false;
    for (size_t i = 0; i < t->n; i++)
        if (t->files[i].folder && !sync_folder(to, t->files[i].path, err))
            return false;
    return sync_folder(to, ".", err);
}

/* --- comparing --- */

struct other {
    int fd;
    const char *what;
    uint64_t bytes; /* that had to be compared */
};

static bool compare_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct other *o = user;
    uint8_t buffer[TREE_PIECE];
    if (!read_piece(o->fd, buffer, n, offset, o->what, err))
        return false;
    o->bytes += n;
    return !memcmp(buffer, bytes, n) ||
           pome_fail(err, POME_ERROR_IO, "%s: the copy differs within %zu bytes from %llu", o->what, n, (unsigned long long)offset);
}

static bool count_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    *(uint64_t *)user += n;
    return true;
}

/* All of a's data is in b, and b has no more: then they are the same. */
static bool compare_file(const struct bundle *a, const struct bundle *b, const struct tree_file *f, struct job *j,
                         struct pome_error *err)
{
    struct stat st;
    struct job quiet = {0};
    uint64_t there = 0;
    int x = openat(a->dir_fd, f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC),
        y = openat(b->dir_fd, f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct other o = {y, f->path, 0};
    bool ok = (x >= 0 && y >= 0 && !fstat(y, &st) && (uint64_t)st.st_size == f->bytes) ||
              pome_fail(err, POME_ERROR_IO, "%s/%s: the copy is not there or has another size", b->path, f->path);
    if (ok)
        posix_fadvise(y, 0, 0, POSIX_FADV_DONTNEED); /* what lies on the disk, where that can be had */
    ok = ok && tree_read(x, f->path, f->bytes, compare_piece, &o, j, err) &&
         tree_read(y, f->path, f->bytes, count_piece, &there, &quiet, err) &&
         (there == o.bytes || pome_fail(err, POME_ERROR_IO, "%s/%s: the copy holds what the original does not", b->path, f->path));
    if (x >= 0)
        close(x);
    if (y >= 0)
        close(y);
    return ok;
}

bool tree_compare(const struct bundle *a, const struct bundle *b, const struct tree *t, struct job *j, struct pome_error *err)
{
    for (size_t i = 0; i < t->n; i++)
        if (!t->files[i].folder && !compare_file(a, b, &t->files[i], j, err))
            return false;
    return true;
}
