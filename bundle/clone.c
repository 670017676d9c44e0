/* clone.c - a bundle's copy with an identity of its own, and its moving. */
#include "base/bits.h"
#include "base/error.h"
#include "bundle/copy.h"
#include "bundle/paths.h"
#include "bundle/snapshot.h"
#include "bundle/snapshot_line.h"
#include "bundle/stage.h"
#include "bundle/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- clone --- */

/* Two machines with one address would not hear each other. Addresses that the user chose stay. */
static bool give_macs(const struct bundle *from, struct bundle *to, uint64_t ecid, struct pome_error *err)
{
    struct settings s = to->settings;
    size_t n;
    if (!s.n_networks)
        return true;
    settings_fill_macs(&s, ecid, from->ecid);
    char *text = settings_write(&s, &n);
    bool ok = text ? bundle_member_write(to, BUNDLE_CONFIG, text, n, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", to->path);
    free(text);
    return ok;
}

/* A saved machine, what it says of itself, and snapshots of one, belong to one identity. */
static bool belongs_to_identity(const char *path)
{
    static const enum bundle_member members[] = {BUNDLE_SAVED, BUNDLE_SAVED_CONFIG, BUNDLE_WARM};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (!strcmp(path, bundle_member_name(members[i])))
            return true;
    return !strncmp(path, "Snapshots", 9);
}

static void leave_out(struct tree *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (belongs_to_identity(t->files[i].path))
            t->data -= t->files[i].data;
        else
            t->files[n++] = t->files[i];
    t->n = n;
}

/* Whether a running machine writes the file. */
static bool is_written(const struct bundle *b, const char *path)
{
    for (size_t i = 0; i < b->settings.n_disks; i++)
        if (!b->settings.disks[i].read_only && !strcmp(path, b->settings.disks[i].file))
            return true;
    return !strcmp(path, bundle_member_name(BUNDLE_CHANGES)) || !strcmp(path, bundle_member_name(BUNDLE_NVRAM));
}

/* One that keeps what was overwritten has the rest elsewhere. */
static bool copy_then(struct bundle *from, const struct bundle *snapshot, struct bundle *to, const struct tree_file *f, struct job *j, struct pome_error *err)
{
    struct kept_head head;
    struct pome_error why;
    if (strcmp(f->path, bundle_member_name(BUNDLE_DISK)) || (!kept_head_of(snapshot, &head, &why) && why.code == POME_ERROR_NOT_FOUND))
        return tree_copy_file(snapshot, to, f, j, err);
    return line_copy(from, strrchr(snapshot->path, '/') + 1, to, j, err);
}

/* What the snapshot has is taken from there. */
static bool copy(struct bundle *from, const struct bundle *snapshot, struct bundle *to, const struct tree *t, struct job *j, struct pome_error *err)
{
    if (!snapshot)
        return tree_copy(from, to, t, j, err);
    for (size_t i = 0; i < t->n; i++) {
        struct tree_file f = t->files[i];
        struct stat st;
        bool there = !f.folder && !fstatat(snapshot->dir_fd, f.path, &st, AT_SYMLINK_NOFOLLOW);
        if (!there && is_written(from, f.path))
            continue; /* came later; the machine may be writing it */
        if (there)
            f.bytes = (uint64_t)st.st_size;
        if (!(there ? copy_then(from, snapshot, to, &f, j, err) : tree_copy_file(from, to, &f, j, err)))
            return false;
    }
    return !fsync(to->dir_fd) || pome_fail_errno(err, "%s: cannot sync", to->path);
}

/* ---- warm clones ---- */

enum { TIMED_MAX = 2 + SETTINGS_MAX_ITEMS };

/* A saved machine tells by their times that its disks are what they were. What the new identity changes on them lies where the guest does not look while
 * it runs (adopt.h), so they are said to be unchanged. */
struct times {
    size_t n;
    struct {
        const char *name;
        struct timespec changed;
    } file[TIMED_MAX];
};

static void take_time(const struct bundle *b, const char *name, struct times *t)
{
    struct stat st;
    if (t->n < TIMED_MAX && !fstatat(b->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
        t->file[t->n].name = name;
        t->file[t->n++].changed = st.st_mtim;
    }
}

static void take_times(const struct bundle *b, struct times *t)
{
    t->n = 0;
    take_time(b, bundle_member_name(BUNDLE_DISK), t);
    take_time(b, bundle_member_name(BUNDLE_AUX), t);
    for (size_t i = 0; i < b->settings.n_disks; i++)
        take_time(b, b->settings.disks[i].file, t);
}

static bool give_times(const struct bundle *b, const struct times *t, struct pome_error *err)
{
    for (size_t i = 0; i < t->n; i++)
        if (utimensat(b->dir_fd, t->file[i].name, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, t->file[i].changed}, AT_SYMLINK_NOFOLLOW))
            return pome_fail_errno(err, "%s/%s: cannot set its time", b->path, t->file[i].name);
    return true;
}

static bool has_memory(const struct bundle *snapshot, struct stat *st, struct pome_error *err)
{
    const char *name = bundle_member_name(BUNDLE_SAVED);
    if (!fstatat(snapshot->dir_fd, name, st, AT_SYMLINK_NOFOLLOW))
        return true;
    return errno == ENOENT ? pome_fail(err, POME_ERROR_INVALID_STATE, "%s: the snapshot has no memory: the machine did not run", snapshot->path)
                           : pome_fail_errno(err, "%s/%s", snapshot->path, name);
}

/* The same file under another name where that can be. */
static bool give_memory(const struct bundle *snapshot, const struct bundle *to, struct job *j, struct pome_error *err)
{
    const char *name = bundle_member_name(BUNDLE_SAVED);
    struct stat st;
    if (!has_memory(snapshot, &st, err))
        return false;
    if (S_ISREG(st.st_mode) && !linkat(snapshot->dir_fd, name, to->dir_fd, name, 0))
        return true;
    struct tree_file f = {.bytes = (uint64_t)st.st_size};
    snprintf(f.path, sizeof f.path, "%s", name);
    return tree_copy_file(snapshot, to, &f, j, err);
}

static bool make_warm(const struct bundle *from, const struct bundle *snapshot, struct bundle *to, struct job *j, struct pome_error *err)
{
    struct bundle_warm w;
    bool again; /* the snapshot is of a warm clone that had not gone on: its memory is a third one's */
    if (!bundle_warm_read(snapshot, &w, &again, err))
        return false;
    if (!again)
        bundle_warm_of(&to->settings, from->ecid, &w);
    return give_memory(snapshot, to, j, err) && bundle_warm_write(to, &w, err);
}

static bool give_identity(const struct bundle *from, struct bundle *to, uint64_t ecid, bundle_adopt_fn *adopt, void *user, struct pome_error *err)
{
    uint8_t identifier[MACHINE_IDENTIFIER_MAX];
    return bundle_member_write(to, BUNDLE_IDENTIFIER, identifier, machine_identifier_write(ecid, identifier), err) && give_macs(from, to, ecid, err) &&
           (!adopt || adopt(user, from, to, ecid, err));
}

static bool fill(struct bundle *from, const struct bundle *snapshot, bool warm, struct bundle *to, uint64_t ecid, bundle_adopt_fn *adopt, void *user, struct job *j,
                 struct pome_error *err)
{
    struct tree t;
    struct times times;
    if (!tree_list(from, false, &t, err))
        return false;
    leave_out(&t);
    bool ok = job_step(j, "Copying the machine", 1, 2, t.data, err) && copy(from, snapshot, to, &t, j, err) && bundle_read_config(to, err);
    tree_free(&t);
    if (!ok || (warm && !make_warm(from, snapshot, to, j, err)))
        return false;
    take_times(to, &times);
    return job_step(j, "Giving it an identity of its own", 2, 2, 0, err) && give_identity(from, to, ecid, adopt, user, err) &&
           (!warm || give_times(to, &times, err));
}

/* A snapshot and what is in none do not change while the machine runs. */
static bool lock_source(struct bundle *from, const char *snapshot, struct pome_error *err)
{
    struct pome_error why = {0};
    if (bundle_lock(from, &why) || (snapshot && why.code == POME_ERROR_BUSY))
        return true;
    if (err)
        *err = why;
    return false;
}

struct bundle *bundle_clone(struct bundle *from, const char *snapshot, bool warm, const char *name, uint64_t ecid, bundle_adopt_fn *adopt, void *user, struct job *j,
                            struct pome_error *err)
{
    struct stage s;
    if (!lock_source(from, snapshot, err))
        return NULL;
    if (!from->installed) {
        pome_fail(err, POME_ERROR_INVALID_STATE, "%s: its installation was not completed", from->path);
        return NULL;
    }
    struct bundle *then = snapshot ? snapshot_open(from, snapshot, err) : NULL;
    struct bundle *b = NULL;
    struct stat st;
    bool ready = (then || !snapshot) && (!warm || has_memory(then, &st, err));
    if (ready && stage_begin(&s, name, err))
        b = stage_end(&s, fill(from, then, warm, s.b, ecid, adopt, user, j, err), err);
    snapshot_close(then);
    return b;
}

/* --- move --- */

/* Removes what was copied: as bundle_delete, with the lock we have. */
static bool remove_source(struct bundle *b, struct pome_error *err)
{
    char doomed[PATH_MAX];
    if (snprintf(doomed, sizeof doomed, "%s.del-%d", b->path, (int)getpid()) >= (int)sizeof doomed || rename(b->path, doomed))
        return pome_fail_errno(err, "%s: it was copied, but cannot be removed", b->path);
    sync_parent(b->path, NULL);
    remove_tree(doomed); /* what is left of it is removed by the next command */
    return true;
}

static bool move_by_copy(struct bundle **b, const char *name, struct job *j, struct pome_error *err)
{
    struct stage s;
    struct tree t;
    if (!tree_list(*b, true, &t, err))
        return false;
    struct bundle *copy = NULL;
    if (stage_begin(&s, name, err)) {
        bool ok = job_step(j, "Copying the machine", 1, 2, t.data, err) && tree_copy(*b, s.b, &t, j, err) &&
                  job_step(j, "Comparing the copy", 2, 2, t.data, err) && tree_compare(*b, s.b, &t, j, err);
        copy = stage_end(&s, ok, err);
    }
    tree_free(&t);
    if (!copy || !remove_source(*b, err)) {
        bundle_close(copy);
        return false;
    }
    bundle_close(*b);
    *b = copy;
    return true;
}

bool bundle_move(struct bundle **b, const char *name, struct job *j, struct pome_error *err)
{
    char path[PATH_MAX], parent[PATH_MAX], *slash;
    struct stat st;
    if (!bundle_resolve(name, path, err) || !bundle_lock(*b, err))
        return false;
    if (!lstat(path, &st))
        return pome_fail(err, POME_ERROR_EXISTS, "%s exists already", path);
    strcpy(parent, path);
    if (!strchr(name, '/') && (slash = strrchr(parent, '/'))) {
        *slash = 0;
        if (!make_dirs(parent, err))
            return false;
    }
    if (!renameat2(AT_FDCWD, (*b)->path, AT_FDCWD, path, RENAME_NOREPLACE) || (errno == EINVAL && !rename((*b)->path, path))) {
        char old[PATH_MAX];
        strcpy(old, (*b)->path);
        strcpy((*b)->path, path);
        /* The new name first: after a power failure there may be both names of one folder's move, never none. */
        return sync_parent(path, err) && sync_parent(old, err) && bundle_load(*b, err);
    }
    if (errno != EXDEV)
        return pome_fail_errno(err, "%s: cannot become %s", (*b)->path, path);
    snprintf(j->why_not_instant, sizeof j->why_not_instant, "it goes to another file system");
    return move_by_copy(b, name, j, err);
}
