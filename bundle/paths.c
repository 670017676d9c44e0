/* paths.c - file-system moves: making and removing folders, leftovers, who holds a lock. */
#include "bundle/paths.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool make_dirs(const char *path, struct pome_error *err)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char end = *p;
        *p = 0;
        if (mkdir(part, 0700) && errno != EEXIST)
            return pome_fail_errno(err, "%s: cannot make the folder", part);
        *p = end;
        if (!end)
            return true;
    }
}

static bool remove_at(int parent, const char *name, int depth);

/* Takes fd. */
static bool remove_all(int fd, int depth)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return false;
    }
    bool ok = true;
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            ok &= remove_at(dirfd(d), e->d_name, depth + 1);
    closedir(d);
    return ok;
}

static bool remove_at(int parent, const char *name, int depth)
{
    if (!unlinkat(parent, name, 0))
        return true;
    if ((errno != EISDIR && errno != EPERM) || depth > 16)
        return false;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && remove_all(fd, depth) && !unlinkat(parent, name, AT_REMOVEDIR);
}

bool remove_inside(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && remove_all(fd, 0);
}

bool remove_tree(const char *path)
{
    return remove_at(AT_FDCWD, path, 0);
}

bool sync_parent(const char *path, struct pome_error *err)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = (fd >= 0 && !fsync(fd)) || pome_fail_errno(err, "%s: cannot sync its folder", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

void remove_leftovers(const char *folder)
{
    DIR *d = opendir(folder);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        if (!strstr(e->d_name, ".bundle.tmp-") && !strstr(e->d_name, ".bundle.del-"))
            continue;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            continue;
        /* Its maker holds the lock while it lives (bundle_create takes it right after mkdtemp and looks again). */
        if (!flock(fd, LOCK_EX | LOCK_NB))
            remove_at(dirfd(d), e->d_name, 0);
        close(fd);
    }
    closedir(d);
}

int lock_holder(int dir_fd)
{
    struct stat st;
    char line[256];
    int pid = 0;
    FILE *f = fopen("/proc/locks", "re");
    if (!f || fstat(dir_fd, &st)) {
        if (f)
            fclose(f);
        return 0;
    }
    while (!pid && fgets(line, sizeof line, f)) {
        /* "4: FLOCK  ADVISORY  WRITE 1234 fe:00:131 0 EOF"; a waiter's line has "->" and is not the holder's */
        unsigned long long inode;
        int holder;
        if (sscanf(line, "%*d: FLOCK %*s %*s %d %*x:%*x:%llu", &holder, &inode) == 2 && inode == st.st_ino)
            pid = holder;
    }
    fclose(f);
    return pid;
}
