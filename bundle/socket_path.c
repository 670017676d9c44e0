/*
 * socket_path.c - where the unix socket of a bundle's socket device is: FOLDER/DEVICE-INODE.vsock, after the bundle's folder, so that it is
 * found without a registry, also after the bundle was moved. FOLDER is the first of $XDG_RUNTIME_DIR/pome, /run/user/UID/pome and
 * /tmp/pome-UID that is this user's alone.
 */
#include "base/error.h"
#include "bundle/bundle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_ours(const char *path, mode_t forbidden)
{
    struct stat st;
    return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & forbidden);
}

/* The i-th candidate; false: there is none in this environment. */
static bool candidate(int i, char path[64])
{
    char parent[48];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int n = -1;
    if (i == 0 && runtime && *runtime == '/')
        n = snprintf(parent, sizeof parent, "%s", runtime);
    else if (i == 1)
        n = snprintf(parent, sizeof parent, "/run/user/%u", geteuid());
    else if (i == 2)
        return snprintf(path, 64, "/tmp/pome-%u", geteuid()) > 0;
    return n > 0 && n < (int)sizeof parent && is_ours(parent, 0) && snprintf(path, 64, "%s/pome", parent) > 0;
}

bool bundle_socket_path(const struct bundle *b, char path[BUNDLE_SOCKET_PATH_MAX], struct pome_error *err)
{
    char folder[64];
    struct stat st;
    if (fstat(b->dir_fd, &st))
        return pome_fail_errno(err, "%s", b->path);
    for (int i = 0; i < 3; i++) {
        if (!candidate(i, folder) || (mkdir(folder, 0700) && errno != EEXIST) || !is_ours(folder, 0077))
            continue;
        snprintf(path, BUNDLE_SOCKET_PATH_MAX, "%s/%llx-%llx.vsock", folder, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
        return true;
    }
    return pome_fail(err, POME_ERROR_PERMISSION, "no folder for sockets: $XDG_RUNTIME_DIR/pome and /tmp/pome-%u are not this user's alone",
                     geteuid());
}
