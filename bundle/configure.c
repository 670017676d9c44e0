/* configure.c - changing and checking a bundle's Config.json. */
#include "base/error.h"
#include "bundle/bundle.h"
#include "bundle/paths.h"
#include "formats/sha384.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All of a text file that may be Config.json; one byte more than is allowed, so that too much is seen. */
static char *read_file(int dir_fd, const char *path, size_t *n, struct pome_error *err)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd < 0 ? NULL : malloc(SETTINGS_MAX_BYTES + 1);
    ssize_t got = text ? read(fd, text, SETTINGS_MAX_BYTES + 1) : -1;
    if (got < 0) {
        pome_fail_errno(err, "%s: cannot read", path);
        free(text);
        text = NULL;
    }
    if (fd >= 0)
        close(fd);
    *n = got < 0 ? 0 : (size_t)got;
    return text;
}

bool bundle_check_config(const char *path, struct findings *out, struct pome_error *err)
{
    size_t n;
    char *text = read_file(AT_FDCWD, path, &n, err);
    struct settings *s = text ? malloc(sizeof *s) : NULL;
    if (s) {
        settings_parse(text, n, path, s, out);
        settings_check_host(s, path, out);
    } else if (text) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to check it", path);
    }
    free(text);
    free(s);
    return s != NULL;
}

static bool write_settings(struct bundle *b, enum bundle_member m, const struct settings *s, struct pome_error *err)
{
    size_t n = 0;
    char *text = settings_write(s, &n);
    bool ok = text ? bundle_member_write(b, m, text, n, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", b->path);
    free(text);
    return ok;
}

bool bundle_keep_settings(struct bundle *b, const struct settings *s, struct pome_error *err)
{
    return write_settings(b, BUNDLE_SAVED_CONFIG, s, err);
}

bool bundle_save_settings(struct bundle *b, const struct settings *s, struct pome_error *err)
{
    bool ok = write_settings(b, BUNDLE_CONFIG, s, err);
    if (ok && s != &b->settings)
        b->settings = *s;
    return ok;
}

bool bundle_generation(const struct bundle *b, char text[BUNDLE_GENERATION_BYTES], struct pome_error *err)
{
    size_t n = 0;
    uint8_t digest[SHA384_BYTES];
    char *json = settings_write(&b->settings, &n);
    if (!json)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", b->path);
    sha384(json, n, digest);
    free(json);
    for (int i = 0; i < (BUNDLE_GENERATION_BYTES - 1) / 2; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return true;
}

static bool is_still(const struct bundle *b, const char *generation, struct pome_error *err)
{
    char now[BUNDLE_GENERATION_BYTES];
    if (!generation)
        return true;
    return bundle_generation(b, now, err) && (!strcmp(now, generation) ||
           pome_fail(err, POME_ERROR_CONFLICT, "%s: its configuration is of generation %s, not %.32s any more", b->path, now, generation));
}

/* The bundle is locked and was read again. */
static bool change(struct bundle *b, const char *key, const char *value, struct findings *out, struct pome_error *err)
{
    char path[PATH_MAX];
    struct settings *now = malloc(sizeof *now);
    if (!now || !bundle_member_path(b, BUNDLE_CONFIG, path)) {
        free(now);
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", b->path);
    }
    *now = b->settings;
    bool ok = settings_set(now, b->installed && b->settings.platform == SETTINGS_APPLE, key, value, path, out);
    ok = findings_ok(out, findings_has(out, "fixed-at-installation") ? POME_ERROR_INVALID_STATE : POME_ERROR_INVALID_CONFIGURATION,
                     path, err) &&
         ok && bundle_save_settings(b, now, err);
    free(now);
    return ok;
}

bool bundle_configure(struct bundle *b, const char *if_generation, const char *key, const char *value, struct findings *out, struct pome_error *err)
{
    bool was_locked = b->locked;
    if (!bundle_lock(b, err))
        return false;
    /* What another process wrote since this bundle was opened must not be lost. */
    bool ok = bundle_read_config(b, err) && is_still(b, if_generation, err) && change(b, key, value, out, err);
    if (!ok && !was_locked)
        bundle_unlock(b);
    return ok;
}
