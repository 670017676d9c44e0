/* snapshot_files.c - which of a bundle's files a snapshot holds. */
#include "bundle/snapshot_files.h"

#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool add_file(const struct bundle *from, const char *name, bool needed, struct snapshot_files *f, struct pome_error *err)
{
    struct stat st;
    if (fstatat(from->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return (errno == ENOENT && !needed) || pome_fail_errno(err, "%s/%s", from->path, name);
    if (!S_ISREG(st.st_mode) || strchr(name, '/'))
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s/%s: a snapshot holds regular files of the bundle's own folder only", from->path, name);
    struct tree_file *t = &f->file[f->n++];
    *t = (struct tree_file){.bytes = (uint64_t)st.st_size, .data = MIN((uint64_t)st.st_blocks * 512, (uint64_t)st.st_size)};
    snprintf(t->path, sizeof t->path, "%s", name);
    return true;
}

bool snapshot_files_of(const struct bundle *from, const struct settings *s, bool saved, struct snapshot_files *f, struct pome_error *err)
{
    f->n = 0;
    bool ok = add_file(from, bundle_member_name(BUNDLE_DISK), true, f, err) && add_file(from, bundle_member_name(BUNDLE_AUX), false, f, err) &&
              add_file(from, "NVRAM", false, f, err) && (!saved || (add_file(from, bundle_member_name(BUNDLE_SAVED), false, f, err) && add_file(from, bundle_member_name(BUNDLE_WARM), false, f, err)));
    for (size_t i = 0; ok && i < s->n_disks; i++)
        ok = s->disks[i].read_only || add_file(from, s->disks[i].file, true, f, err);
    return ok && add_file(from, bundle_member_name(BUNDLE_CONFIG), true, f, err);
}

uint64_t snapshot_files_data(const struct snapshot_files *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        n += f->file[i].data;
    return n;
}

bool snapshot_files_copy(const struct bundle *from, const struct bundle *to, const struct snapshot_files *f, struct snapshot_ahead *ahead, struct job *j, struct pome_error *err)
{
    for (size_t i = 0; i < f->n; i++) {
        bool there = false;
        if ((ahead && !snapshot_ahead_take(ahead, f->file[i].path, to, &there, j, err)) || (!there && !tree_copy_file(from, to, &f->file[i], j, err)))
            return false;
    }
    return true;
}
