/* store.c - the store as a whole: how much, a copy, nothing left. */
#include "base/error.h"
#include "base/file_io.h"
#include "log/log.h"
#include "log/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Calls each with every file of the store (segments, the index) until it returns false. */
static bool each_file(const char *dir, bool (*each)(void *user, int dir_fd, const char *name), void *user)
{
    DIR *d = opendir(dir);
    bool ok = d || errno == ENOENT;
    for (struct dirent *e; d && ok && (e = readdir(d));)
        if (segment_is_name(e->d_name) || !strcmp(e->d_name, "boots"))
            ok = each(user, dirfd(d), e->d_name);
    if (d)
        closedir(d);
    return ok;
}

static bool add_size(void *user, int dir_fd, const char *name)
{
    struct log_size *size = user;
    struct stat st;
    if (!fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
        size->segments += segment_is_name(name);
        size->bytes += (uint64_t)st.st_size;
    }
    return true;
}

void log_store_size(const char *dir, struct log_size *size)
{
    *size = (struct log_size){0};
    each_file(dir, add_size, size);
}

static bool erase(void *user, int dir_fd, const char *name)
{
    return !unlinkat(dir_fd, name, 0);
}

bool log_store_erase(const char *dir, struct pome_error *err)
{
    return each_file(dir, erase, NULL) || pome_fail_errno(err, "%s: cannot erase the log", dir);
}

static bool copy_bytes(int from, int to)
{
    char bytes[65536];
    ssize_t n;
    while ((n = read(from, bytes, sizeof bytes)) > 0)
        if (!file_write_whole(to, bytes, (size_t)n))
            return false;
    return n == 0;
}

static bool copy(void *user, int dir_fd, const char *name)
{
    const int *to_dir = user;
    int from = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (from < 0)
        return errno == ENOENT; /* compressed or given up at this moment */
    int to = openat(*to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = to >= 0 && copy_bytes(from, to) && !fsync(to);
    int e = errno;
    close(from);
    if (to >= 0)
        close(to);
    errno = e;
    return ok;
}

bool log_store_copy(const char *dir, const char *to, struct pome_error *err)
{
    if (mkdir(to, 0700))
        return pome_fail_errno(err, "%s", to);
    int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = (fd >= 0 && each_file(dir, copy, &fd)) || pome_fail_errno(err, "%s: cannot copy the log to it", to);
    if (!ok)
        each_file(to, erase, NULL), rmdir(to);
    if (fd >= 0)
        close(fd);
    return ok;
}
