/* stage.c - a bundle in the making. */
#include "bundle/stage.h"
#include "base/error.h"
#include "base/file_io.h"
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

/* What all stages begin with: no such machine yet, a place to be made in, no leftovers there. */
static bool begin(struct stage *s, const char *name, struct pome_error *err)
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
    } else {
        bundle_close(s->b);
        s->b = NULL;
    }
    return ok;
}

bool stage_begin(struct stage *s, const char *name, struct pome_error *err)
{
    if (!begin(s, name, err))
        return false;
    if (make_temporary(s->b, s->path, err))
        return true;
    bundle_close(s->b);
    s->b = NULL;
    return false;
}

/* --- a stage that outlives its process --- */

static const char key_name[] = ".import";

static bool has_key(int dir_fd, const char *key)
{
    char text[STAGE_KEY_MAX + 1];
    int fd = openat(dir_fd, key_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)strlen(key) && !memcmp(text, key, (size_t)n);
}

static bool write_key(const struct bundle *b, const char *key, struct pome_error *err)
{
    int fd = openat(b->dir_fd, key_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && file_write_whole(fd, key, strlen(key)) && !fsync(fd);
    if (fd >= 0)
        close(fd);
    return ok || pome_fail_errno(err, "%s/%s: cannot write", b->path, key_name);
}

/* The folder, open and locked. Its maker may take the name that is final between our opening and our locking: then it is the final one that we hold. */
static bool open_kept(struct bundle *b, const char *path, struct pome_error *err)
{
    struct stat held, there;
    if (snprintf(b->path, sizeof b->path, "%s.import", path) >= (int)sizeof b->path)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", path);
    if (mkdir(b->path, 0700) && errno != EEXIST)
        return pome_fail_errno(err, "%s: cannot make the folder", b->path);
    b->dir_fd = open(b->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (b->dir_fd < 0)
        return pome_fail_errno(err, "%s: cannot open", b->path);
    if (flock(b->dir_fd, LOCK_EX | LOCK_NB) || fstat(b->dir_fd, &held) || stat(b->path, &there) || held.st_ino != there.st_ino)
        return pome_fail(err, POME_ERROR_BUSY, "%s: another process imports it", b->path);
    return true;
}

bool stage_resume(struct stage *s, const char *name, const char *key, bool *resumed, struct pome_error *err)
{
    if (!begin(s, name, err))
        return false;
    if (open_kept(s->b, s->path, err)) {
        *resumed = has_key(s->b->dir_fd, key);
        if (*resumed || ((remove_inside(s->b->dir_fd) || pome_fail_errno(err, "%s: cannot be emptied", s->b->path)) && write_key(s->b, key, err)))
            return true;
    }
    stage_keep(s);
    return false;
}

bool stage_cut_off(const char *path, struct pome_error *err)
{
    static const char kept[] = ".bundle.import";
    size_t n = strlen(path), ending = sizeof kept - 1;
    return n > ending && !strcmp(path + n - ending, kept) &&
           !pome_fail(err, POME_ERROR_INVALID_STATE,
                      "%s: what an import wrote that was cut off: \"pome bundle import\" of the same archive goes on with it, \"pome delete %.*s\" removes it", path,
                      (int)(n - (sizeof ".import" - 1)), path);
}

bool stage_not_there(const char *path, struct pome_error *err)
{
    struct stat st;
    char kept[PATH_MAX];
    if (snprintf(kept, sizeof kept, "%s.import", path) < (int)sizeof kept && !lstat(kept, &st))
        return pome_fail(err, POME_ERROR_NOT_FOUND,
                         "there is no bundle at %s: an import of it was cut off; \"pome bundle import\" of the same archive goes on with it, \"pome delete\" removes it",
                         path);
    return pome_fail(err, POME_ERROR_NOT_FOUND, "there is no bundle at %s", path);
}

bool stage_delete_kept(const char *path)
{
    struct stat st;
    char kept[PATH_MAX];
    struct bundle *b = calloc(1, sizeof *b);
    if (!b)
        return false;
    b->dir_fd = -1;
    bool ok = snprintf(kept, sizeof kept, "%s.import", path) < (int)sizeof kept && !lstat(kept, &st) && open_kept(b, path, NULL) && remove_tree(kept);
    bundle_close(b);
    return ok;
}

void stage_keep(struct stage *s)
{
    bundle_close(s->b);
    s->b = NULL;
}

static bool take_name(struct stage *s, struct pome_error *err)
{
    struct bundle *b = s->b;
    return (!(unlinkat(b->dir_fd, key_name, 0) && errno != ENOENT) && !fsync(b->dir_fd) && (!renameat2(AT_FDCWD, b->path, AT_FDCWD, s->path, RENAME_NOREPLACE) ||
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
