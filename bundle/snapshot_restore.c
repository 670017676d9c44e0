/* snapshot_restore.c - making a machine what it was, and ending what a command that died had begun. */
#include "bundle/snapshot.h"

#include "base/bits.h"
#include "base/error.h"
#include "bundle/genid.h"
#include "bundle/paths.h"
#include "bundle/snapshot_files.h"
#include "bundle/snapshot_line.h"
#include "bundle/snapshot_place.h"
#include "bundle/snapshot_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char disk_from[] = "Disk.from";

/* Members that go when a snapshot without them is restored, and the file that stands for that. */
static const struct {
    const char *without;
    enum bundle_member member;
} absent[] = {{"without-SaveFile", BUNDLE_SAVED}, {"without-Warm", BUNDLE_WARM}, {"without-SaveFile-Config", BUNDLE_SAVED_CONFIG}};

/* Of a whole one a copy; else the blocks that differ are put back by carry_out. The disk is Disk.img, the first of them. */
static bool take_disk(struct bundle *b, const struct bundle *from, struct bundle *to, const char *name, const struct tree_file *disk, struct job *j, struct pome_error *err)
{
    struct line *l = line_open(b, err);
    const bool keeps = l && line_has(l, name), others = l && !keeps && !line_is_empty(l);
    bool ok = l && (!keeps || (line_keep_for(l, name, err) && (snapshot_text_put(to->dir_fd, disk_from, name) || pome_fail_errno(err, "%s: cannot write", to->path))));
    line_close(l);
    if (keeps || !ok)
        return ok;
    return (!others || snapshots_end_keeping(b, j, err)) && job_step(j, "Copying disks", 1, 1, disk->data, err) && tree_copy_file(from, to, disk, j, err);
}

static bool take_files(struct bundle *b, const struct bundle *from, struct bundle *to, const char *name, struct snapshot_files *f, struct job *j, struct pome_error *err)
{
    if (!take_disk(b, from, to, name, &f->file[0], j, err))
        return false;
    memmove(f->file, f->file + 1, --f->n * sizeof f->file[0]);
    return job_step(j, "Copying files", 1, 1, snapshot_files_data(f), err) && snapshot_files_copy(from, to, f, NULL, j, err);
}

static bool fill_restore(struct bundle *b, const struct bundle *from, struct bundle *to, const char *name, struct job *j, struct pome_error *err)
{
    struct snapshot_files *f = malloc(sizeof *f);
    struct bundle *view = malloc(sizeof *view); /* the snapshot with its own configuration */
    struct stat st;
    bool ok = (f && view) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
    if (ok) {
        *view = *from;
        ok = bundle_read_config(view, err) && snapshot_files_of(view, &view->settings, true, f, err) && take_files(b, from, to, name, f, j, err);
    }
    for (size_t i = 0; ok && i < ARRAY_SIZE(absent); i++)
        if (fstatat(to->dir_fd, bundle_member_name(absent[i].member), &st, AT_SYMLINK_NOFOLLOW))
            ok = snapshot_text_put(to->dir_fd, absent[i].without, "\n") || pome_fail_errno(err, "%s: cannot write", to->path);
    ok = ok && bundle_genid_draw(to, err) && (snapshot_text_put(to->dir_fd, snapshot_current, name) || pome_fail_errno(err, "%s: cannot write", to->path));
    free(view);
    free(f);
    return ok;
}

/* The member that the file stands for; -1: it is one itself. */
static int member_absent(const char *file)
{
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        if (!strcmp(file, absent[i].without))
            return (int)absent[i].member;
    return -1;
}

static bool remove_instead(const struct bundle *b, const struct bundle *place, const char *file, enum bundle_member m)
{
    return (!unlinkat(b->dir_fd, bundle_member_name(m), 0) || errno == ENOENT) && !fsync(b->dir_fd) && !unlinkat(place->dir_fd, file, 0);
}

/* The blocks that the disk has in place of the snapshot's. */
static bool put_disk_back(struct bundle *b, const struct bundle *place, struct job *j, struct pome_error *err)
{
    char name[SNAPSHOT_NAME_MAX + 1];
    if (!snapshot_text_get(place->dir_fd, disk_from, name, sizeof name))
        return true;
    struct line *l = line_open(b, err);
    bool ok = l && line_put_back(l, name, j, err) && (!unlinkat(place->dir_fd, disk_from, 0) || pome_fail_errno(err, "%s: cannot write", place->path));
    line_close(l);
    return ok;
}

/* Every file in .restore takes its place. Twice is as good as once. */
static bool carry_out(struct bundle *b, struct job *j, struct pome_error *err)
{
    struct bundle *p = snapshot_place_open(b, snapshot_decided, err);
    if (p && !put_disk_back(b, p, j, err)) {
        snapshot_place_drop(p, false);
        return pome_fail_context(err, "a snapshot is restored half, the next command goes on");
    }
    int snapshots = openat(b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = p ? dup(p->dir_fd) : -1;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    bool ok = d && snapshots >= 0;
    for (struct dirent *e; ok && (e = readdir(d));) {
        const char *name = e->d_name;
        if (name[0] == '.' && (!name[1] || !strcmp(name, "..")))
            continue;
        int m = member_absent(name);
        if (m >= 0)
            ok = remove_instead(b, p, name, (enum bundle_member)m);
        else
            ok = !renameat(p->dir_fd, name, strcmp(name, snapshot_current) ? b->dir_fd : snapshots, name);
    }
    ok = ok && !fsync(b->dir_fd) && !fsync(snapshots) && !unlinkat(snapshots, snapshot_decided, AT_REMOVEDIR) && !fsync(snapshots);
    if (!ok && p)
        pome_fail_errno(err, "%s: a snapshot is restored half: the next command goes on", b->path);
    if (d)
        closedir(d);
    if (snapshots >= 0)
        close(snapshots);
    snapshot_place_drop(p, false);
    return ok;
}

bool snapshot_restore(struct bundle *b, const char *name, struct job *j, struct pome_error *err)
{
    if (!snapshot_name_check(name, err) || !bundle_lock(b, err))
        return false;
    struct bundle *from = snapshot_place_open(b, name, err), *to = from ? snapshot_place_make(b, ".restore.new", err) : NULL;
    bool ok = to && fill_restore(b, from, to, name, j, err) &&
              (snapshot_place_rename(b, ".restore.new", snapshot_decided) || pome_fail_errno(err, "%s: cannot restore", b->path));
    snapshot_place_drop(to, to && !ok);
    snapshot_place_drop(from, false);
    return ok && carry_out(b, j, err) && bundle_load(b, err);
}

/* ---- after a crash ---- */

bool snapshots_finish(struct bundle *b, bool *changed, struct pome_error *err)
{
    struct stat st;
    char path[PATH_MAX];
    *changed = false;
    snprintf(path, sizeof path, "%s/%s", snapshot_folder, snapshot_decided);
    if (!fstatat(b->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW)) {
        struct job quiet = {0};
        *changed = true;
        if (!carry_out(b, &quiet, err))
            return false;
    }
    int fd = openat(b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] == '.' && strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            snprintf(path, sizeof path, "%.3700s/%s/%s", b->path, snapshot_folder, e->d_name);
            remove_tree(path);
        }
    if (d)
        closedir(d);
    return true;
}
