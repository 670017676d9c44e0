/* stage.c - a bundle in the making. */
#include "bundle/stage.h"
#include "base/error.h"
#include "bundle/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The temporary folder, locked. Another process that removes leftovers can be faster than our lock: then once more. */
static bool make_temporary(struct bundle *b, const char *path, struct pome_error *err)
{
    for (int i = 0; i < 10; i++) {
        struct stat st;
        if (snprintf(b->path, sizeof b->path, "%s.tmp-XXXXXX", path) >= (int)sizeof b->path)
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", path);
        if (!mkdtemp(b->path))
            return pome_fail_errno(err, "%s: cannot make the folder", b->path);
        b->dir_fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (b->dir_fd >= 0 && !flock(b->dir_fd, LOCK_EX) && !stat(b->path, &st))
            return true;
        if (b->dir_fd >= 0)
            close(b->dir_fd);
        b->dir_fd = -1;
    }
    return pome_fail(err, POME_ERROR_BUSY, "%s: another process keeps removing it", b->path);
}

static bool make_home(const char *name, struct pome_error *err)
{
    char home[PATH_MAX];
    return strchr(name, '/') || strstr(name, ".bundle") || (bundle_home(home, err) && make_dirs(home, err));
}

bool stage_begin(struct stage *s, const char *name, struct pome_error *err)
{
    char parent[PATH_MAX];
    struct stat st;
    s->b = calloc(1, sizeof *s->b);
    if (!s->b)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to make it", name);
    s->b->dir_fd = -1;
    bool ok = bundle_resolve(name, s->path, err) &&
              (lstat(s->path, &st) || pome_fail(err, POME_ERROR_EXISTS, "%s exists already", s->path)) && make_home(name, err);
    if (ok) {
        snprintf(parent, sizeof parent, "%s", s->path);
        remove_leftovers(dirname(parent));
    }
    if (ok && make_temporary(s->b, s->path, err))
        return true;
    bundle_close(s->b);
    s->b = NULL;
    return false;
}

static bool take_name(struct stage *s, struct pome_error *err)
{
    struct bundle *b = s->b;
    return (!fsync(b->dir_fd) && (!renameat2(AT_FDCWD, b->path, AT_FDCWD, s->path, RENAME_NOREPLACE) ||
                                  (errno == EINVAL && !rename(b->path, s->path)))) ||
           pome_fail_errno(err, "%s: cannot take this name", s->path);
}

struct bundle *stage_end(struct stage *s, bool ok, struct pome_error *err)
{
    struct bundle *b = s->b;
    if (!ok || !take_name(s, err)) {
        remove_tree(b->path);
        bundle_close(b);
        return NULL;
    }
    /* The lock is on the folder, whatever its name: nobody gets between the rename and the caller. */
    strcpy(b->path, s->path);
    if (!sync_parent(b->path, err) || !bundle_load(b, err)) {
        bundle_close(b);
        return NULL;
    }
    b->locked = true;
    return b;
}
