/*
 * socket_path.c - where the unix sockets of a bundle's machine are: FOLDER/DEVICE-INODE.vsock of its socket device, FOLDER/DEVICE-INODE.NAME of a console
 * port; after the bundle's folder, so that they are found without a registry, also after the bundle was moved. FOLDER is the first of $XDG_RUNTIME_DIR/pome, /run/user/UID/pome and
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

static bool path_of(const struct bundle *b, const char *what, char path[BUNDLE_SOCKET_PATH_MAX], struct pome_error *err)
{
    char folder[64];
    struct stat st;
    if (fstat(b->dir_fd, &st))
        return pome_fail_errno(err, "%s", b->path);
    for (int i = 0; i < 3; i++) {
        if (!candidate(i, folder) || (mkdir(folder, 0700) && errno != EEXIST) || !is_ours(folder, 0077))
            continue;
        return snprintf(path, BUNDLE_SOCKET_PATH_MAX, "%s/%llx-%llx.%s", folder, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, what) <
                   BUNDLE_SOCKET_PATH_MAX ||
               pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: the name is too long for a socket in %s", what, folder);
    }
    return pome_fail(err, POME_ERROR_PERMISSION, "no folder for sockets: $XDG_RUNTIME_DIR/pome and /tmp/pome-%u are not this user's alone",
                     geteuid());
}

bool bundle_socket_path(const struct bundle *b, char path[BUNDLE_SOCKET_PATH_MAX], struct pome_error *err)
{
    return path_of(b, "vsock", path, err); /* short enough for what is added to it, see backend/vsock_host.h */
}

/* The port that the guest knows by this name; NULL: there is none. */
static const struct settings_port *find_port(const struct settings *s, const char *name)
{
    char number[24];
    for (size_t i = 0; i < s->n_serial; i++) {
        snprintf(number, sizeof number, "hvc%zu", i);
        if (!strcmp(number, name))
            return &s->serial[i];
    }
    for (size_t i = 0; i < s->n_ports; i++)
        if (!strcmp(s->ports[i].name, name))
            return &s->ports[i];
    return NULL;
}

bool bundle_port_path(const struct bundle *b, const char *name, char path[BUNDLE_SOCKET_PATH_MAX], struct pome_error *err)
{
    char what[48];
    const struct settings_port *p = find_port(&b->settings, name);
    if (!p)
        return pome_fail(err, POME_ERROR_NOT_FOUND, "%s: it has no serial or console port \"%.60s\"", b->path, name);
    if (p->file[0])
        return pome_fail(err, POME_ERROR_INVALID_STATE, "%s: what port \"%s\" says goes to %s", b->path, name, p->file);
    if (p->socket[0]) {
        strcpy(path, p->socket);
        return true;
    }
    snprintf(what, sizeof what, "port.%s", name);
    return path_of(b, what, path, err);
}
