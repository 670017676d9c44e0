/* snapshot_place.c - the folders in Snapshots. */
#include "bundle/snapshot_place.h"

#include "base/error.h"
#include "bundle/paths.h"
#include "bundle/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char snapshot_folder[] = "Snapshots", snapshot_current[] = "Current", snapshot_decided[] = ".restore";

bool snapshot_name_check(const char *name, struct pome_error *err)
{
    size_t n = strlen(name);
    bool good = n && n <= SNAPSHOT_NAME_MAX && name[0] != '.' && strcmp(name, snapshot_current) != 0;
    for (const char *p = name; good && *p; p++)
        good = (uint8_t)*p > ' ' && *p != '/' && *p != 127;
    return good || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                             "\"%.40s\" cannot name a snapshot: needed 1 to %d letters, no space, no '/', no '.' in front", name, SNAPSHOT_NAME_MAX);
}

bool snapshot_place_sync(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && !fsync(fd);
    if (fd >= 0)
        close(fd);
    return ok;
}

struct bundle *snapshot_place_open(const struct bundle *b, const char *name, struct pome_error *err)
{
    struct bundle *p = calloc(1, sizeof *p);
    if (!p) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
        return NULL;
    }
    snprintf(p->path, sizeof p->path, "%.3800s/%s/%s", b->path, snapshot_folder, name);
    p->dir_fd = open(p->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (p->dir_fd >= 0)
        return p;
    if (errno == ENOENT)
        pome_fail(err, POME_ERROR_NOT_FOUND, "%s has no snapshot \"%s\"", b->path, name);
    else
        pome_fail_errno(err, "%s", p->path);
    free(p);
    return NULL;
}

struct bundle *snapshot_place_make(const struct bundle *b, const char *name, struct pome_error *err)
{
    char path[PATH_MAX];
    if ((mkdirat(b->dir_fd, snapshot_folder, 0700) && errno != EEXIST) || fsync(b->dir_fd)) {
        pome_fail_errno(err, "%s/%s", b->path, snapshot_folder);
        return NULL;
    }
    snprintf(path, sizeof path, "%.3800s/%s/%s", b->path, snapshot_folder, name);
    remove_tree(path); /* of one that died: the bundle is locked */
    if (mkdir(path, 0700)) {
        pome_fail_errno(err, "%s", path);
        return NULL;
    }
    return snapshot_place_open(b, name, err);
}

void snapshot_place_drop(struct bundle *p, bool remove)
{
    if (!p)
        return;
    if (remove)
        remove_tree(p->path);
    close(p->dir_fd);
    free(p);
}

bool snapshot_place_rename(const struct bundle *b, const char *from, const char *to)
{
    char a[300], c[300];
    snprintf(a, sizeof a, "%s/%s", snapshot_folder, from);
    snprintf(c, sizeof c, "%s/%s", snapshot_folder, to);
    return snapshot_place_sync(b->dir_fd, a) && !renameat2(b->dir_fd, a, b->dir_fd, c, RENAME_NOREPLACE) && snapshot_place_sync(b->dir_fd, snapshot_folder);
}
