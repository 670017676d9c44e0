/* copy.c - checking and copying bundles: pome/bundle.h. */
#include "bundle/copy.h"
#include "api/bundle.h"
#include "base/error.h"
#include "bundle/check.h"
#include "bundle/foreign.h"
#include "restore/adopt.h"

#include <pome/snapshot.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- checking --- */

static bool report(struct findings *l, bool ok, pome_finding_fn *each, void *user, const char *name, struct pome_error *err)
{
    if (ok && each)
        findings_report(l, each, user);
    ok = ok && findings_ok(l, POME_ERROR_INVALID_BUNDLE, name, err);
    findings_free(l);
    return ok;
}

bool pome_bundle_check(const char *name, pome_finding_fn *each, void *user, struct pome_error *err)
{
    struct findings l = {0};
    return report(&l, bundle_check(name, &l, err), each, user, name, err);
}

bool pome_bundle_repair(const char *name, pome_finding_fn *each, void *user, unsigned *mended, struct pome_error *err)
{
    struct findings l = {0};
    unsigned ignored;
    return report(&l, bundle_repair(name, &l, mended ? mended : &ignored, err), each, user, name, err);
}

/* --- copying --- */

static void tell(struct pome_copy_result *r, const struct job *j)
{
    if (!r)
        return;
    r->instant = !j->why_not_instant[0];
    snprintf(r->why, sizeof r->why, "%s", j->why_not_instant);
}

static pome_bundle *wrap(struct bundle *b, struct pome_error *err)
{
    pome_bundle *p = b ? calloc(1, sizeof *p) : NULL;
    if (b && !p) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", b->path);
        bundle_close(b);
    } else if (p) {
        p->b = b;
    }
    return p;
}

static pome_bundle *clone(pome_bundle *p, const char *snapshot, bool warm, const char *name, struct pome_copy_result *result, pome_progress_fn *progress,
                          void *user, struct pome_error *err)
{
    struct job j = {.progress = progress, .user = user};
    uint64_t ecid;
    if (!bundle_draw_ecid(&ecid, err))
        return NULL;
    bool bound = p->b->settings.platform == SETTINGS_APPLE; /* to its identity, by tickets */
    struct bundle *b = bundle_clone(p->b, snapshot, warm, name, ecid, bound ? restore_adopt : NULL, NULL, &j, err);
    tell(result, &j);
    return wrap(b, err);
}

pome_bundle *pome_bundle_clone(pome_bundle *p, const char *name, struct pome_copy_result *result, pome_progress_fn *progress,
                               void *user, struct pome_error *err)
{
    return clone(p, NULL, false, name, result, progress, user, err);
}

pome_bundle *pome_snapshot_clone(pome_bundle *p, const char *snapshot, const char *name, struct pome_copy_result *result,
                                 pome_progress_fn *progress, void *user, struct pome_error *err)
{
    return clone(p, snapshot, false, name, result, progress, user, err);
}

pome_bundle *pome_snapshot_clone_warm(pome_bundle *p, const char *snapshot, const char *name, struct pome_copy_result *result,
                                      pome_progress_fn *progress, void *user, struct pome_error *err)
{
    return clone(p, snapshot, true, name, result, progress, user, err);
}

bool pome_bundle_move(pome_bundle *p, const char *name, struct pome_copy_result *result, pome_progress_fn *progress, void *user,
                      struct pome_error *err)
{
    struct job j = {.progress = progress, .user = user};
    bool ok = bundle_move(&p->b, name, &j, err);
    tell(result, &j);
    return ok;
}

bool pome_bundle_export(pome_bundle *p, const char *path, bool replace, pome_progress_fn *progress, void *user,
                        struct pome_error *err)
{
    struct job j = {.progress = progress, .user = user};
    return bundle_export(p->b, path, replace, &j, err);
}

/* --- other tools' machines --- */

const char *pome_foreign_tool(const char *path)
{
    return foreign_tool(path);
}

static void describe(const struct foreign *f, struct pome_foreign_info *i)
{
    const struct settings *s = &f->settings;
    *i = (struct pome_foreign_info){.size = sizeof *i,
                                    .cpu_count = s->cpu_count,
                                    .disk_count = (uint32_t)f->n_disks,
                                    .network_count = (uint32_t)s->n_networks,
                                    .memory_bytes = s->memory_bytes,
                                    .disk_bytes = f->disk_bytes,
                                    .has_ecid = f->has_ecid,
                                    .has_hardware_model = f->has_model,
                                    .ecid = f->ecid,
                                    .platform_version = f->model.platform};
    memcpy(i->minimum_os, f->model.minimum_os, sizeof i->minimum_os);
    snprintf(i->tool, sizeof i->tool, "%s", f->tool);
    snprintf(i->name, sizeof i->name, "%s", f->name);
    snprintf(i->os, sizeof i->os, "%s", f->macos ? "macOS" : "Linux");
    snprintf(i->boot, sizeof i->boot, "%s", f->macos ? "macos" : s->boot == SETTINGS_BOOT_LINUX ? "linux" : "efi");
    snprintf(i->mac_address, sizeof i->mac_address, "%.23s", s->n_networks ? s->networks[0].mac : "");
    i->width = s->n_displays ? s->displays[0].width : 0;
    i->height = s->n_displays ? s->displays[0].height : 0;
}

bool pome_foreign_describe(const char *path, struct pome_foreign_info *info, pome_finding_fn *each, void *user,
                           struct pome_error *err)
{
    struct findings l = {0};
    struct foreign *f = malloc(sizeof *f);
    bool ok = f ? foreign_open(path, f, &l, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", path);
    if (ok)
        describe(f, info);
    ok = report(&l, ok, each, user, path, err);
    if (!ok && f && f->macos && err)
        err->code = POME_ERROR_NOT_SUPPORTED;
    free(f);
    return ok;
}

static struct bundle *import_foreign(const char *path, const char *name, struct job *j, struct pome_error *err)
{
    struct findings l = {0};
    struct foreign *f = malloc(sizeof *f);
    struct bundle *b = NULL;
    if (!f)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", path);
    else if (foreign_open(path, f, &l, err))
        b = foreign_import(f, name, j, err);
    findings_free(&l);
    free(f);
    return b;
}

pome_bundle *pome_bundle_import(const char *path, const char *name, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    struct job j = {.progress = progress, .user = user};
    return wrap(foreign_tool(path) ? import_foreign(path, name, &j, err) : bundle_import(path, name, &j, err), err);
}

bool pome_bundle_info(const pome_bundle *p, struct pome_bundle_info *info, struct pome_error *err)
{
    const struct bundle *b = p->b;
    const struct platform *platform = platform_of(b->model.platform);
    struct tree t;
    if (!tree_list(b, true, &t, err))
        return false;
    bool apple = b->settings.platform == SETTINGS_APPLE;
    *info = (struct pome_bundle_info){.size = sizeof *info,
                                      .platform_version = b->model.platform,
                                      .representation = b->model.representation,
                                      .bytes = t.bytes,
                                      .allocated_bytes = t.data,
                                      .files = t.n};
    memcpy(info->minimum_os, b->model.minimum_os, sizeof info->minimum_os);
    snprintf(info->platform, sizeof info->platform, "%s", apple ? "apple" : "generic");
    snprintf(info->platform_name, sizeof info->platform_name, "%s", apple && platform ? platform->name : "");
    snprintf(info->cpu_model, sizeof info->cpu_model, "%s", b->settings.cpu_model);
    snprintf(info->boot, sizeof info->boot, "%s", apple ? "rom" : b->settings.boot == SETTINGS_BOOT_LINUX ? "linux" : "efi");
    tree_free(&t);
    return true;
}
