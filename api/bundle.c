/* bundle.c - pome/bundle.h. */
#include "api/bundle.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static pome_bundle *wrap(struct bundle *b, struct pome_error *err)
{
    pome_bundle *p = b ? calloc(1, sizeof *p) : NULL;
    if (p)
        p->b = b;
    else if (b) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", b->path);
        bundle_close(b);
    }
    return p;
}

/* What the caller wants, of the platform that spec says. */
static bool begin_spec(struct bundle_spec *spec, const struct pome_bundle_options *o, struct pome_error *err)
{
    const char *model = o->cpu_model ? o->cpu_model : "default";
    spec->settings.cpu_count = o->cpu_count;
    spec->settings.n_networks = 1; /* with address translation */
    spec->settings.n_sockets = spec->settings.n_balloons = 1;
    spec->settings.memory_bytes = o->memory_size;
    spec->disk_bytes = o->disk_size;
    if (strlen(model) >= sizeof spec->settings.cpu_model)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "CPU model \"%.40s\" is not known", model);
    strcpy(spec->settings.cpu_model, model);
    return true;
}

bool pome_bundle_options_check(const struct pome_bundle_options *o, const pome_restore_image *image, pome_finding_fn *each, void *user, struct pome_error *err)
{
    struct bundle_spec spec = {0};
    struct findings l = {0};
    if (!begin_spec(&spec, o, err))
        return false;
    settings_check(&spec.settings, "the new machine", &l);
    if (image)
        restore_image_check_machine(image->image, o->cpu_count, o->memory_size, o->disk_size, &l);
    findings_report(&l, each, user);
    bool ok = findings_ok(&l, POME_ERROR_INVALID_CONFIGURATION, "the new machine", err);
    findings_free(&l);
    return ok;
}

pome_bundle *pome_bundle_create(const char *name, const pome_restore_image *image, const struct pome_bundle_options *o,
                                struct pome_error *err)
{
    struct bundle_spec spec = {
        .model = {.representation = 1, .platform = restore_image_family(image->image) == RESTORE_APPLE ? PLATFORM_APPLE : PLATFORM_POME},
    };
    if (!begin_spec(&spec, o, err) || !bundle_draw_ecid(&spec.ecid, err) || !restore_image_installable(image->image, err) ||
        !pome_bundle_options_check(o, image, NULL, NULL, err))
        return NULL;
    memcpy(spec.model.minimum_os, image->image->manifest.min_host, sizeof spec.model.minimum_os);
    return wrap(bundle_create(name, &spec, err), err);
}

pome_bundle *pome_bundle_create_efi(const char *name, const struct pome_bundle_options *o, struct pome_error *err)
{
    struct bundle_spec spec = {.settings = {.platform = SETTINGS_GENERIC, .boot = SETTINGS_BOOT_EFI}};
    return begin_spec(&spec, o, err) && bundle_draw_ecid(&spec.ecid, err) ? wrap(bundle_create(name, &spec, err), err) : NULL;
}

bool pome_bundle_keep_image(pome_bundle *p, const pome_restore_image *image, struct pome_error *err)
{
    return (p->b->locked || bundle_lock(p->b, err)) && bundle_member_copy(p->b, BUNDLE_IMAGE, zipin_path(image->image->zip), err);
}

pome_bundle *pome_bundle_open(const char *name, struct pome_error *err)
{
    return wrap(bundle_open(name, err), err);
}

void pome_bundle_free(pome_bundle *p)
{
    if (!p)
        return;
    bundle_close(p->b);
    free(p);
}

bool pome_bundle_delete(const char *name, struct pome_error *err)
{
    return bundle_delete(name, err);
}

const char *pome_bundle_name(const pome_bundle *p)
{
    return p->b->name;
}

const char *pome_bundle_path(const pome_bundle *p)
{
    return p->b->path;
}

bool pome_bundle_is_installed(const pome_bundle *p)
{
    return p->b->installed;
}

bool pome_bundle_can_start(const pome_bundle *p, struct pome_error *why)
{
    return bundle_startable(p->b, why);
}

bool pome_bundle_is_in_use(const pome_bundle *p, int *pid)
{
    int ignored;
    return bundle_in_use(p->b, pid ? pid : &ignored);
}

unsigned pome_bundle_cpu_count(const pome_bundle *p)
{
    return p->b->settings.cpu_count;
}

uint64_t pome_bundle_memory_size(const pome_bundle *p)
{
    return p->b->settings.memory_bytes;
}

uint64_t pome_bundle_disk_size(const pome_bundle *p)
{
    return p->b->disk_bytes;
}

uint64_t pome_bundle_disk_used(const pome_bundle *p)
{
    return p->b->disk_used;
}

uint64_t pome_bundle_ecid(const pome_bundle *p)
{
    return p->b->ecid;
}

char *pome_bundle_config_get(const pome_bundle *p, const char *key, struct pome_error *err)
{
    char *text = settings_get(&p->b->settings, key);
    if (!text)
        pome_fail(err, POME_ERROR_NOT_FOUND, "%s: its configuration has no \"%.60s\"", p->b->path, key);
    return text;
}

bool pome_bundle_config_generation(const pome_bundle *p, char generation[POME_GENERATION_BYTES], struct pome_error *err)
{
    return bundle_generation(p->b, generation, err);
}

bool pome_bundle_config_set(pome_bundle *p, const char *key, const char *value, pome_finding_fn *each, void *user, struct pome_error *err)
{
    return pome_bundle_config_set_if(p, NULL, key, value, each, user, err);
}

bool pome_bundle_config_set_if(pome_bundle *p, const char *if_generation, const char *key, const char *value, pome_finding_fn *each, void *user,
                               struct pome_error *err)
{
    struct findings l = {0};
    bool ok = bundle_configure(p->b, if_generation, key, value, &l, err);
    if (each)
        findings_report(&l, each, user);
    findings_free(&l);
    return ok;
}

bool pome_bundle_config_validate(const char *name, pome_finding_fn *each, void *user, struct pome_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    struct findings l = {0};
    if (!bundle_resolve(name, path, err) || strlen(path) + 16 >= sizeof path)
        return false;
    bool is_bundle = !stat(path, &st) && S_ISDIR(st.st_mode);
    if (!is_bundle && !stat(name, &st) && S_ISREG(st.st_mode))
        snprintf(path, sizeof path, "%s", name);
    else
        strcat(strcat(path, "/"), bundle_member_name(BUNDLE_CONFIG));
    bool ok = bundle_check_config(path, &l, err) && findings_ok(&l, POME_ERROR_INVALID_CONFIGURATION, path, err);
    if (each)
        findings_report(&l, each, user);
    findings_free(&l);
    return ok;
}

struct listing {
    pome_bundle_found *found;
    void *user;
};

static bool each(void *user, const char *name, const char *path, struct bundle *b, const struct pome_error *why)
{
    const struct listing *l = user;
    const pome_bundle p = {b};
    return l->found(l->user, name, path, b ? &p : NULL, why);
}

bool pome_bundle_list(pome_bundle_found *found, void *user, struct pome_error *err)
{
    struct listing l = {found, user};
    return bundle_list(each, &l, err);
}
