/* snapshot.c - pome/snapshot.h. */
#include <pome/snapshot.h>

#include "api/bundle.h"
#include "api/vm.h"
#include "base/bits.h"
#include "base/error.h"
#include "bundle/snapshot.h"
#include "vm/saving.h"

#include <stdio.h>
#include <stdlib.h>

static bool tell(struct pome_copy_result *r, const struct job *j, bool ok)
{
    if (r) {
        r->instant = !j->why_not_instant[0];
        snprintf(r->why, sizeof r->why, "%s", j->why_not_instant);
    }
    return ok;
}

static bool check_installed(const struct bundle *b, struct pome_error *err)
{
    return b->installed || pome_fail(err, POME_ERROR_INVALID_STATE, "%s: its installation was not completed", b->path);
}

bool pome_snapshot_create(pome_bundle *p, const char *name, struct pome_copy_result *result, pome_progress_fn *progress, void *user,
                          struct pome_error *err)
{
    struct job j = {.progress = progress, .user = user};
    return tell(result, &j, check_installed(p->b, err) && bundle_lock(p->b, err) && snapshot_create(p->b, name, NULL, &j, err));
}

/* --- of a machine that stands still --- */

struct live {
    struct bundle *b;
    char name[SNAPSHOT_NAME_MAX + 2]; /* one more than there may be: a long one is refused */
    struct vm_saving *saving;
    struct vm *vm;
    pome_done *done;
    void *user;
};

static bool write_memory(void *user, const char *path, struct pome_error *err)
{
    struct live *l = user;
    return vm_save_to(l->vm, l->saving, path, err);
}

static bool run(struct vm *vm, void *ctx, struct pome_error *err)
{
    struct live *l = ctx;
    struct job j = {0};
    const struct snapshot_memory memory = {write_memory, l};
    l->vm = vm;
    return snapshot_create(l->b, l->name, &memory, &j, err);
}

static void live_free(struct live *l)
{
    if (!l)
        return;
    vm_saving_free(l->saving);
    free(l);
}

static void finished(void *user, const struct pome_error *err)
{
    struct live *l = user;
    if (l->done)
        l->done(l->user, err);
    live_free(l);
}

bool pome_vm_snapshot(pome_vm *v, const char *name, const struct pome_save_options *options, pome_done *done, void *user, struct pome_error *err)
{
    struct pome_save_options o = {0};
    if (options)
        memcpy(&o, options, MIN(options->size, sizeof o));
    if (!api_vm_bundle(v))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the machine has no bundle that could keep a snapshot");
    struct live *l = calloc(1, sizeof *l);
    if (!l)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
    *l = (struct live){.b = api_vm_bundle(v), .done = done, .user = user};
    snprintf(l->name, sizeof l->name, "%s", name);
    l->saving = vm_saving_new("", o.key, o.key_size, err);
    if (l->saving && vm_operate(api_vm(v), POME_VM_OP_SAVE, &(struct vm_work){.run = run, .ctx = l, .done = finished, .user = l}, err))
        return true;
    live_free(l);
    return false;
}

bool pome_vm_snapshot_wait(pome_vm *v, const char *name, const struct pome_save_options *options, int timeout_ms, struct pome_error *err)
{
    struct api_waiter *w = api_waiter_new(err);
    if (!w)
        return false;
    if (!pome_vm_snapshot(v, name, options, api_waiter_done, w, err)) {
        free(w);
        return false;
    }
    return api_wait(v, w, "snapshot", timeout_ms, err);
}

/* --- listing, going back, removing --- */

struct listing {
    pome_snapshot_fn *each;
    void *user;
};

static bool list_one(void *user, const struct snapshot *s, unsigned depth)
{
    const struct listing *l = user;
    const struct pome_snapshot out = {
        .size = sizeof out, .name = s->name, .parent = s->parent[0] ? s->parent : NULL, .created = s->created_s, .depth = depth,
        .has_memory = s->has_memory, .is_current = s->is_current, .allocated_bytes = s->data,
    };
    return l->each(l->user, &out);
}

bool pome_snapshot_list(const pome_bundle *p, pome_snapshot_fn *each, void *user, struct pome_error *err)
{
    struct listing l = {each, user};
    return snapshot_list(p->b, list_one, &l, err);
}

bool pome_snapshot_restore(pome_bundle *p, const char *name, struct pome_copy_result *result, pome_progress_fn *progress, void *user,
                           struct pome_error *err)
{
    struct job j = {.progress = progress, .user = user};
    return tell(result, &j, snapshot_restore(p->b, name, &j, err));
}

bool pome_snapshot_delete(pome_bundle *p, const char *name, struct pome_error *err)
{
    return snapshot_delete(p->b, name, err);
}
