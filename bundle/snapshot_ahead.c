/* snapshot_ahead.c - disks copied while they are written. See snapshot_ahead.h. */
#include "bundle/snapshot_ahead.h"

#include "base/bits.h"
#include "base/error.h"
#include "bundle/snapshot_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is left is copied in some hundredths of a second, or the guest writes as fast as we do. */
enum { LITTLE = 8 << 20, ROUNDS_MAX = 4 };

struct snapshot_ahead {
    const struct bundle *b;
    struct snapshot_writes writes;
    struct bundle *place;
    size_t n;
    struct tree_file file[1 + SETTINGS_MAX_ITEMS];
};

static bool path_of(const struct snapshot_ahead *a, const char *file, char path[PATH_MAX], struct pome_error *err)
{
    return snprintf(path, PATH_MAX, "%s/%s", a->b->path, file) < PATH_MAX || pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: its path is too long", a->b->path, file);
}

/* A disk that the machine has. Others are copied when it stands still. */
static bool add(struct snapshot_ahead *a, const char *file, struct pome_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    bool there;
    if (fstatat(a->b->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) || strchr(file, '/'))
        return true; /* is told then */
    if (!path_of(a, file, path, err) || !a->writes.watch(a->writes.user, path, &there, err))
        return false;
    if (!there)
        return true;
    struct tree_file *f = &a->file[a->n++];
    *f = (struct tree_file){.bytes = (uint64_t)st.st_size, .data = MIN((uint64_t)st.st_blocks * 512, (uint64_t)st.st_size)};
    snprintf(f->path, sizeof f->path, "%s", file);
    return true;
}

/* The file and its copy. */
struct pair {
    int in, out;
};

static bool open_pair(const struct snapshot_ahead *a, const char *file, struct pair *p, struct pome_error *err)
{
    *p = (struct pair){openat(a->b->dir_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), openat(a->place->dir_fd, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)};
    return (p->in >= 0 && p->out >= 0) || pome_fail_errno(err, "%s/%s: cannot open", a->b->path, file);
}

static void close_pair(struct pair *p)
{
    if (p->in >= 0)
        close(p->in);
    if (p->out >= 0)
        close(p->out);
}

/* What was written since the last time. */
static bool copy_changed(const struct snapshot_ahead *a, const struct tree_file *f, const struct pair *p, uint64_t *copied, struct job *j, struct pome_error *err)
{
    char path[PATH_MAX];
    uint64_t next = 0, offset, bytes;
    bool ok = path_of(a, f->path, path, err);
    while (ok && a->writes.take(a->writes.user, path, &next, &offset, &bytes)) {
        bytes = offset < f->bytes ? MIN(bytes, f->bytes - offset) : 0;
        ok = tree_copy_part(p->in, p->out, path, offset, bytes, j, err);
        *copied += bytes;
    }
    return ok;
}

static bool one_round(const struct snapshot_ahead *a, uint64_t *copied, struct job *j, struct pome_error *err)
{
    *copied = 0;
    for (size_t i = 0; i < a->n; i++) {
        const struct tree_file *f = &a->file[i];
        struct pair p;
        bool ok = open_pair(a, f->path, &p, err) && copy_changed(a, f, &p, copied, j, err) &&
                  ((!fdatasync(p.in) && !fdatasync(p.out)) || pome_fail_errno(err, "%s/%s: cannot sync", a->b->path, f->path));
        close_pair(&p);
        if (!ok)
            return false;
    }
    return true;
}

static bool copy_all(struct snapshot_ahead *a, struct job *j, struct pome_error *err)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!tree_copy_file(a->b, a->place, &a->file[i], j, err))
            return false;
        if (j->why_not_instant[0])
            continue;
        a->n = 0; /* blocks are shared here */
        return true;
    }
    uint64_t copied = UINT64_MAX;
    for (int round = 0; copied > LITTLE && round < ROUNDS_MAX; round++)
        if (!one_round(a, &copied, j, err))
            return false;
    return true;
}

/* It needs no copy (snapshot.c), but to be on the medium. */
static bool sync_disk(const struct bundle *b, struct pome_error *err)
{
    int fd = bundle_member_open(b, BUNDLE_DISK, O_RDONLY, err);
    bool ok = fd >= 0 && (!fdatasync(fd) || pome_fail_errno(err, "%s/%s: cannot sync", b->path, bundle_member_name(BUNDLE_DISK)));
    if (fd >= 0)
        close(fd);
    return ok;
}

struct snapshot_ahead *snapshot_ahead_begin(const struct bundle *b, const struct settings *s, const struct snapshot_writes *w, struct job *j, struct pome_error *err)
{
    struct snapshot_ahead *a = calloc(1, sizeof *a);
    if (!a) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
        return NULL;
    }
    a->b = b;
    a->writes = *w;
    a->place = snapshot_place_make(b, ".ahead", err);
    bool ok = a->place && sync_disk(b, err);
    for (size_t i = 0; ok && i < s->n_disks; i++)
        ok = s->disks[i].read_only || add(a, s->disks[i].file, err);
    uint64_t data = 0;
    for (size_t i = 0; i < a->n; i++)
        data += a->file[i].data;
    if (ok && job_step(j, "Copying disks ahead", 1, 1, data, err) && copy_all(a, j, err))
        return a;
    snapshot_ahead_free(a);
    return NULL;
}

bool snapshot_ahead_take(struct snapshot_ahead *a, const char *file, const struct bundle *to, bool *there, struct job *j, struct pome_error *err)
{
    const struct tree_file *f = NULL;
    for (size_t i = 0; i < a->n; i++)
        if (!strcmp(a->file[i].path, file))
            f = &a->file[i];
    *there = f;
    if (!f)
        return true;
    struct pair p;
    struct stat st;
    uint64_t copied = 0;
    bool ok = open_pair(a, file, &p, err) && copy_changed(a, f, &p, &copied, j, err);
    /* With its time, as tree_copy_open. */
    ok = ok && ((!fstat(p.in, &st) && !futimens(p.out, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, st.st_mtim}) && !fsync(p.out) &&
                 !renameat(a->place->dir_fd, file, to->dir_fd, file)) ||
                pome_fail_errno(err, "%s/%s: cannot write", to->path, file));
    close_pair(&p);
    return ok;
}

const char *snapshot_ahead_folder(const struct snapshot_ahead *a)
{
    return a->place->path;
}

void snapshot_ahead_free(struct snapshot_ahead *a)
{
    if (!a)
        return;
    snapshot_place_drop(a->place, true);
    free(a);
}
