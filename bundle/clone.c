/* clone.c - a bundle's copy with an identity of its own, and its moving. */
#include "base/bits.h"
#include "base/error.h"
#include "bundle/copy.h"
#include "bundle/paths.h"
#include "bundle/snapshot.h"
#include "bundle/stage.h"

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
    struct settings s = from->settings;
    size_t n;
    if (!s.n_networks)
        return true;
    settings_fill_macs(&s, ecid, from->ecid);
    char *text = settings_write(&s, &n);
    bool ok = text ? bundle_member_write(to, BUNDLE_CONFIG, text, n, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", to->path);
    free(text);
    return ok;
}

/* A saved machine, and snapshots of one, belong to one identity. */
static void leave_out(struct tree *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->files[i].path, bundle_member_name(BUNDLE_SAVED)) || !strncmp(t->files[i].path, "Snapshots", 9))
            t->data -= t->files[i].data;
        else
            t->files[n++] = t->files[i];
    t->n = n;
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
        if (there)
            f.bytes = (uint64_t)st.st_size;
        if (!tree_copy_file(there ? snapshot : from, to, &f, j, err))
            return false;
    }
    return !fsync(to->dir_fd) || pome_fail_errno(err, "%s: cannot sync", to->path);
}

static bool fill(struct bundle *from, const struct bundle *snapshot, struct bundle *to, uint64_t ecid, bundle_adopt_fn *adopt, void *user, struct job *j,
                 struct pome_error *err)
{
    uint8_t identifier[MACHINE_IDENTIFIER_MAX];
    struct tree t;
    if (!tree_list(from, false, &t, err))
        return false;
    leave_out(&t);
    bool ok = job_step(j, "Copying the machine", 1, 2, t.data, err) && copy(from, snapshot, to, &t, j, err);
    tree_free(&t);
    return ok && job_step(j, "Giving it an identity of its own", 2, 2, 0, err) &&
           bundle_member_write(to, BUNDLE_IDENTIFIER, identifier, machine_identifier_write(ecid, identifier), err) &&
           give_macs(from, to, ecid, err) && (!adopt || adopt(user, from, to, ecid, err));
}

struct bundle *bundle_clone(struct bundle *from, const char *snapshot, const char *name, uint64_t ecid, bundle_adopt_fn *adopt, void *user, struct job *j,
                            struct pome_error *err)
{
    struct stage s;
    if (!bundle_lock(from, err))
        return NULL;
    if (!from->installed) {
        pome_fail(err, POME_ERROR_INVALID_STATE, "%s: its installation was not completed", from->path);
        return NULL;
    }
    struct bundle *then = snapshot ? snapshot_open(from, snapshot, err) : NULL;
    struct bundle *b = NULL;
    if ((then || !snapshot) && stage_begin(&s, name, err))
        b = stage_end(&s, fill(from, then, s.b, ecid, adopt, user, j, err), err);
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
