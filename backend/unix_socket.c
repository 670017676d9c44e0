/* unix_socket.c - see unix_socket.h. */
#include "backend/unix_socket.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Left behind by a process that is no more. */
static void remove_abandoned(const char *path)
{
    struct stat st;
    if (!lstat(path, &st) && S_ISSOCK(st.st_mode) && st.st_uid == geteuid())
        unlink(path);
}

int unix_socket_listen(const char *path, int flags, struct pome_error *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof a.sun_path) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: a path of %zu bytes, %zu are possible", path, strlen(path), sizeof a.sun_path - 1);
        return -1;
    }
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (!connect(fd, (struct sockaddr *)&a, sizeof a) || errno == EAGAIN)) {
        pome_fail(err, POME_ERROR_BUSY, "%s: another machine listens there", path);
        close(fd);
        return -1;
    }
    if (fd >= 0 && errno == ECONNREFUSED)
        remove_abandoned(path);
    if (fd >= 0)
        close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof a) && !chmod(path, 0600) && !listen(fd, 64))
        return fd;
    pome_fail_errno(err, "%s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}
