/* resolve.c - from a machine's name to its folder (XDG Base Directory Specification 0.8). */
#include "bundle/bundle.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The specification says that relative paths in these variables are ignored. */
static const char *absolute(const char *variable)
{
    const char *v = getenv(variable);
    return v && v[0] == '/' ? v : NULL;
}

static bool fits(int n, const char *name, struct pome_error *err)
{
    return (n >= 0 && n < PATH_MAX) || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is longer than %d bytes", name, PATH_MAX - 1);
}

bool bundle_home(char path[PATH_MAX], struct pome_error *err)
{
    const char *pome = getenv("POME_HOME"), *data = absolute("XDG_DATA_HOME"), *home = absolute("HOME");
    if (pome && *pome) {
        if (*pome != '/')
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "POME_HOME is \"%.80s\": it must be an absolute path", pome);
        return fits(snprintf(path, PATH_MAX, "%s/vms", pome), pome, err);
    }
    if (data)
        return fits(snprintf(path, PATH_MAX, "%s/pome/vms", data), data, err);
    if (home)
        return fits(snprintf(path, PATH_MAX, "%s/.local/share/pome/vms", home), home, err);
    return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "none of POME_HOME, XDG_DATA_HOME and HOME says where machines are kept");
}

static bool name_ok(const char *name, struct pome_error *err)
{
    size_t n = strlen(name);
    if (!n || n > 200 || name[0] == '.' || name[0] == '-')
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "\"%.60s\" cannot be a machine's name: 1 to 200 bytes, not beginning with . or -", name);
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "a machine's name cannot hold control characters");
    return true;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && !strcmp(s + n - k, end);
}

bool bundle_resolve(const char *name, char path[PATH_MAX], struct pome_error *err)
{
    char folder[PATH_MAX];
    if (!strchr(name, '/') && !ends_with(name, ".bundle"))
        return name_ok(name, err) && bundle_home(folder, err) && fits(snprintf(path, PATH_MAX, "%s/%s.bundle", folder, name), name, err);
    if (name[0] == '/')
        folder[0] = 0;
    else if (!getcwd(folder, sizeof folder - 1))
        return pome_fail_errno(err, "%s: the current folder", name);
    if (!fits(snprintf(path, PATH_MAX, "%s%s%s", folder, folder[0] ? "/" : "", name), name, err))
        return false;
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = 0;
    return true;
}
