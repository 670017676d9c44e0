/* address.c - where the socket of a machine is. unix(7). */
#include "control/address.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDERS = 3, BACKLOG = 128, CONNECT_SECONDS = 10 };

/* ---- folders ---- */

static bool is_ours(const char *path, mode_t forbidden)
{
    struct stat st;
    return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & forbidden);
}

/* The i-th candidate; false when there is none in this environment. */
static bool folder(int i, char path[ADDRESS_BYTES])
{
    char parent[ADDRESS_BYTES];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int n = -1;
    if (i == 0 && runtime && *runtime == '/')
        n = snprintf(parent, sizeof parent, "%s", runtime);
    else if (i == 1)
        n = snprintf(parent, sizeof parent, "/run/user/%u", geteuid());
    else if (i == 2)
        return snprintf(path, ADDRESS_BYTES, "/tmp/pome-%u", geteuid()) > 0;
    return n > 0 && n < (int)sizeof parent && is_ours(parent, 0) && snprintf(path, ADDRESS_BYTES, "%s/pome", parent) < ADDRESS_BYTES;
}

/* "FOLDER/DEVICE-INODE.sock". */
static bool socket_path(const char *dir, const char *bundle_path, char path[ADDRESS_BYTES], struct pome_error *err)
{
    struct stat st;
    if (stat(bundle_path, &st))
        return pome_fail_errno(err, "%s", bundle_path);
    int n = snprintf(path, ADDRESS_BYTES, "%s/%llx-%llx.sock", dir, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    return n < ADDRESS_BYTES || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: the path is too long for a socket", dir);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, strnlen(path, sizeof a.sun_path - 1));
    return a;
}

static int try_connect(const char *path)
{
    struct sockaddr_un a = address_of(path);
    static const struct timeval limit = {.tv_sec = CONNECT_SECONDS}; /* of connect(), when the other side accepts nothing */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a)) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

/* Sockets that nobody listens to are what killed processes left. A socket gets its name after it listens: none is taken for dead too early. */
static void remove_dead(const char *dir)
{
    char path[ADDRESS_BYTES];
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        if (!end || strcmp(end, ".sock") || snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
            continue;
        int fd = try_connect(path);
        if (fd < 0 && errno == ECONNREFUSED)
            unlink(path);
        if (fd >= 0)
            close(fd);
    }
    if (d)
        closedir(d);
}

bool address_peer_is_trusted(int fd)
{
    struct ucred c;
    socklen_t n = sizeof c;
    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) && (c.uid == geteuid() || c.uid == 0);
}

/* ---- listening ---- */

/* Binds under another name first, so that the name appears with a socket that listens. The mode is set before there is a name. */
static int listen_at(const char *path, struct pome_error *err)
{
    char temporary[ADDRESS_BYTES];
    if (snprintf(temporary, sizeof temporary, "%.*s.%d", (int)strlen(path) - 5, path, (int)getpid()) >= (int)sizeof temporary) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: the path is too long for a socket", path);
        return -1;
    }
    struct sockaddr_un a = address_of(temporary);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(temporary);
    if (fd < 0 || fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&a, sizeof a) || chmod(temporary, 0600) || listen(fd, BACKLOG) ||
        rename(temporary, path)) {
        pome_fail_errno(err, "%s: cannot listen", path);
        unlink(temporary);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

int address_listen(const char *bundle_path, char path[ADDRESS_BYTES], struct pome_error *err)
{
    char dir[ADDRESS_BYTES];
    for (int i = 0; i < FOLDERS; i++) {
        if (!folder(i, dir) || (mkdir(dir, 0700) && errno != EEXIST) || !is_ours(dir, 077))
            continue;
        remove_dead(dir);
        return socket_path(dir, bundle_path, path, err) ? listen_at(path, err) : -1;
    }
    pome_fail(err, POME_ERROR_PERMISSION, "there is no folder for the control socket: $XDG_RUNTIME_DIR, /run/user/%u and /tmp/pome-%u are not this user's alone",
              geteuid(), geteuid());
    return -1;
}

/* ---- connecting ---- */

int address_connect(const char *bundle_path, char path[ADDRESS_BYTES], struct pome_error *err)
{
    char dir[ADDRESS_BYTES];
    int why = ENOENT;
    for (int i = 0; i < FOLDERS; i++) {
        if (!folder(i, dir) || !is_ours(dir, 077) || !socket_path(dir, bundle_path, path, err))
            continue;
        int fd = try_connect(path);
        if (fd >= 0 && address_peer_is_trusted(fd))
            return fd;
        if (fd >= 0) {
            close(fd);
            pome_fail(err, POME_ERROR_PERMISSION, "%s: another user listens there", path);
            return -1;
        }
        if (errno != ENOENT)
            why = errno;
    }
    errno = why;
    pome_fail_errno(err, "%s: cannot reach its process", bundle_path);
    return -1;
}
