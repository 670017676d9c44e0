/* create.c - making, deleting and listing bundles. */
#include "bundle/bundle.h"
#include "base/bits.h"
#include "base/error.h"
#include "bundle/foreign.h"
#include "bundle/paths.h"
#include "bundle/stage.h"
#include "formats/aux_storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- making --- */

bool bundle_draw_ecid(uint64_t *ecid, struct pome_error *err)
{
    do
        if (getrandom(ecid, sizeof *ecid, 0) != sizeof *ecid)
            return pome_fail_errno(err, "random numbers");
    while (!*ecid);
    return true;
}

static bool write_settings(struct bundle *b, const struct bundle_spec *spec, struct pome_error *err)
{
    size_t n;
    struct settings settings = spec->settings;
    settings_fill_macs(&settings, spec->ecid, 0);
    char *text = settings_write(&settings, &n);
    bool ok = text ? bundle_member_write(b, BUNDLE_CONFIG, text, n, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", b->path);
    free(text);
    return ok;
}

static bool write_identifier(struct bundle *b, uint64_t ecid, struct pome_error *err)
{
    uint8_t bytes[MACHINE_IDENTIFIER_MAX];
    size_t n = machine_identifier_write(ecid, bytes);
    return bundle_member_write(b, BUNDLE_IDENTIFIER, bytes, n, err);
}

static bool fill_apple(struct bundle *b, const struct bundle_spec *spec, struct pome_error *err)
{
    uint8_t bytes[HARDWARE_MODEL_MAX], wrapper[AUX_WRAPPER_BYTES];
    const struct platform *p = platform_of(spec->model.platform);
    if (!p)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "hardware model: platform version %u is not known", spec->model.platform);
    aux_wrapper_write(&(struct aux_wrapper){.ecid = spec->ecid, .board = p->board, .chip = p->chip}, wrapper);
    size_t n = hardware_model_write(&spec->model, bytes);
    return bundle_set_not_installed(b, err) && bundle_member_write(b, BUNDLE_MODEL, bytes, n, err) &&
           bundle_member_make_sparse(b, BUNDLE_AUX, AUX_BYTES, wrapper, sizeof wrapper, err);
}

static bool fill(struct bundle *b, const struct bundle_spec *spec, struct pome_error *err)
{
    return write_settings(b, spec, err) &&
           (spec->settings.platform == SETTINGS_GENERIC ? bundle_member_make_sparse(b, BUNDLE_NVRAM, BUNDLE_NVRAM_BYTES, NULL, 0, err)
                                                        : fill_apple(b, spec, err)) &&
           write_identifier(b, spec->ecid, err) && bundle_member_make_sparse(b, BUNDLE_DISK, spec->disk_bytes, NULL, 0, err);
}

static bool check_spec(const char *path, const struct bundle_spec *spec, struct pome_error *err)
{
    if (!settings_validate(&spec->settings, path, err))
        return false;
    if (spec->disk_bytes < MiB || spec->disk_bytes > UINT64_C(16) * 1024 * GiB || spec->disk_bytes % 512)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: a disk of %llu bytes: needed 1 MiB to 16 TiB, a multiple of 512", path,
                         (unsigned long long)spec->disk_bytes);
    return true;
}

struct bundle *bundle_create(const char *name, const struct bundle_spec *spec, struct pome_error *err)
{
    struct stage s;
    return check_spec(name, spec, err) && stage_begin(&s, name, err) ? stage_end(&s, fill(s.b, spec, err), err) : NULL;
}

/* --- deleting --- */

/* Anything else is somebody's folder. */
bool looks_like_bundle(int dir_fd)
{
    struct stat st;
    for (int m = 0; m < BUNDLE_MEMBERS; m++)
        if (!fstatat(dir_fd, bundle_member_name((enum bundle_member)m), &st, AT_SYMLINK_NOFOLLOW))
            return true;
    return false;
}

bool bundle_delete(const char *name, struct pome_error *err)
{
    char doomed[PATH_MAX], parent[PATH_MAX];
    const char *owner;
    struct bundle b = {.dir_fd = -1};
    if (!bundle_resolve(name, b.path, err))
        return false;
    b.dir_fd = open(b.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (b.dir_fd < 0)
        return errno == ENOENT ? stage_delete_kept(b.path) || stage_not_there(b.path, err) : pome_fail_errno(err, "%s: cannot open", b.path);
    bool ok = false;
    if ((owner = foreign_owner(b.path, b.dir_fd)))
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: is a machine of %s, which Pome does not remove", b.path, owner);
    else if (!looks_like_bundle(b.dir_fd))
        pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: is not a bundle: none of its files is there", b.path);
    else if (!lock_folder(&b, err))
        ;
    else if (snprintf(doomed, sizeof doomed, "%s.del-%d", b.path, (int)getpid()) >= (int)sizeof doomed || rename(b.path, doomed))
        pome_fail_errno(err, "%s: cannot remove", b.path);
    else if (!(ok = remove_tree(doomed)))
        pome_fail_errno(err, "%s: cannot remove all of it", doomed);
    close(b.dir_fd);
    snprintf(parent, sizeof parent, "%s", b.path);
    remove_leftovers(dirname(parent));
    return ok;
}

/* --- listing --- */

static int is_bundle_name(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 7 && !strcmp(e->d_name + n - 7, ".bundle") && e->d_name[0] != '.';
}

bool bundle_list(bool (*each)(void *user, const char *name, const char *path, struct bundle *b, const struct pome_error *why), void *user,
                 struct pome_error *err)
{
    char home[PATH_MAX];
    struct dirent **found;
    if (!bundle_home(home, err))
        return false;
    remove_leftovers(home);
    int n = scandir(home, &found, is_bundle_name, alphasort);
    if (n < 0)
        return errno == ENOENT || pome_fail_errno(err, "%s: cannot read the folder", home);
    bool go_on = true;
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        if (go_on && snprintf(path, sizeof path, "%s/%s", home, found[i]->d_name) < (int)sizeof path) {
            struct pome_error why = {0};
            struct bundle *b = bundle_open(path, &why);
            found[i]->d_name[strlen(found[i]->d_name) - 7] = 0;
            go_on = each(user, found[i]->d_name, path, b, &why);
            bundle_close(b);
        }
        free(found[i]);
    }
    free(found);
    return true;
}
