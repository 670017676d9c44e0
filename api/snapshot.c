/* snapshot.c - pome/snapshot.h. */
#include <pome/snapshot.h>

#include "api/bundle.h"
#include "api/vm.h"
#include "base/bits.h"
#include "base/error.h"
#include "bundle/snapshot.h"
#include "vm/keeping.h"
#include "vm/saving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    return tell(result, &j, check_installed(p->b, err) && bundle_lock(p->b, err) && snapshot_create(p->b, name, NULL, NULL, &j, err));
}

/*
 * Of a machine of this process. One that runs: its disks are copied ahead (snapshot_ahead.h), then it is paused, saved with what is left, and resumed; each step
 * begins when the one before is told to be over. One that is paused is saved, and stays so.
 */

struct live {
    bool (*beside)(struct vm *vm, void *live, struct pome_error *err), (*still)(struct vm *vm, void *live, struct pome_error *err); /* the guest runs, and then not */
    struct bundle *b;
    char name[SNAPSHOT_NAME_MAX + 2]; /* one more than there may be: a long one is refused */
    struct vm_saving *saving;
    struct vm *vm;
    const struct settings *settings; /* that it was started with */
    struct snapshot_ahead *ahead; /* NULL: it was paused */
    double memory_s; /* that writing it took */
    bool failed;
    struct pome_error error; /* the first */
    pome_done *done;
    void *user;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool write_memory(void *user, const char *path, struct pome_error *err)
{
    struct live *l = user;
    double begin = now_s();
    bool ok = vm_save_to(l->vm, l->saving, path, err);
    l->memory_s = now_s() - begin;
    return ok;
}

static void keep(void *user, struct kept *k)
{
    struct live *l = user;
    vm_keep_disk(l->vm, l->b, k);
}

static bool make(struct vm *vm, void *ctx, struct pome_error *err)
{
    struct live *l = ctx;
    struct job j = {0};
    const struct snapshot_memory memory = {write_memory, l, keep, l->settings};
    double begin = now_s();
    bool ok = snapshot_create(l->b, l->name, &memory, l->ahead, &j, err);
    if (ok)
        log_host(vm_config(vm)->log, "org.pome.machine", "state", LOG_LEVEL_DEFAULT, "snapshot \"%s\": memory %.3f s, disks %.3f s", l->name, l->memory_s,
                 now_s() - begin - l->memory_s);
    return ok;
}

static void live_free(struct live *l)
{
    if (!l)
        return;
    snapshot_ahead_free(l->ahead);
    vm_saving_free(l->saving);
    free(l);
}

/* The copies are removed before somebody hears that it failed. */
static void finished(void *user, const struct pome_error *err)
{
    struct live *l = user;
    pome_done *done = l->done;
    void *theirs = l->user;
    const struct pome_error why = err ? *err : (struct pome_error){0};
    live_free(l);
    if (done)
        done(theirs, err ? &why : NULL);
}

static bool go_on(void *user, const struct pome_progress *progress)
{
    const struct live *l = user;
    enum pome_vm_state s = vm_state(l->vm);
    return s != POME_VM_STOPPED && s != POME_VM_ERROR && !vm_is_closing(l->vm);
}

/* Beside the guest. */
static bool copy_ahead(struct vm *vm, void *ctx, struct pome_error *err)
{
    struct live *l = ctx;
    struct job j = {.progress = go_on, .user = l};
    const struct snapshot_writes writes = {vm_watch_disk, vm_take_changed, vm};
    l->ahead = snapshot_ahead_begin(l->b, l->settings, &writes, &j, err);
    return l->ahead && vm_save_ahead(vm, l->saving, snapshot_ahead_folder(l->ahead), err);
}

static bool begin(struct live *l, enum pome_vm_operation op, pome_done *next, struct pome_error *err)
{
    return vm_operate(l->vm, op, &(struct vm_work){.run = op == POME_VM_OP_SAVE ? l->still : NULL, .ctx = l, .done = next, .user = l}, err);
}

static void resumed(void *user, const struct pome_error *err)
{
    struct live *l = user;
    const struct pome_error first = l->error;
    finished(l, l->failed ? &first : err);
}

static void saved(void *user, const struct pome_error *err)
{
    struct live *l = user;
    struct pome_error why;
    l->failed = err;
    if (err)
        l->error = *err;
    if (!begin(l, POME_VM_OP_RESUME, resumed, &why))
        resumed(l, &why);
}

static void paused(void *user, const struct pome_error *err)
{
    struct live *l = user;
    struct pome_error why;
    if (err)
        finished(l, err);
    else if (!begin(l, POME_VM_OP_SAVE, saved, &why))
        saved(l, &why);
}

/* Somebody else may have paused it meanwhile, and wants it so. */
static void copied(void *user, const struct pome_error *err)
{
    struct live *l = user;
    struct pome_error why;
    if (err)
        finished(l, err);
    else if (vm_state(l->vm) == POME_VM_PAUSED ? !begin(l, POME_VM_OP_SAVE, finished, &why) : !begin(l, POME_VM_OP_PAUSE, paused, &why))
        finished(l, &why);
}

static bool begin_live(struct live *l, struct pome_error *err)
{
    if (vm_state(l->vm) != POME_VM_RUNNING)
        return begin(l, POME_VM_OP_SAVE, finished, err);
    return vm_run_beside(l->vm, &(struct vm_work){.run = l->beside, .ctx = l, .done = copied, .user = l}, err);
}

/* On failure nothing is left. */
static bool begin_work(pome_vm *v, const struct live *work, const char *name, struct vm_saving *saving, pome_done *done, void *user, struct pome_error *err)
{
    struct live *l = calloc(1, sizeof *l);
    if (!l) {
        vm_saving_free(saving);
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a snapshot");
    }
    *l = (struct live){.beside = work->beside, .still = work->still, .b = api_vm_bundle(v), .vm = api_vm(v), .settings = api_vm_settings(v), .saving = saving, .done = done, .user = user};
    snprintf(l->name, sizeof l->name, "%s", name);
    if (begin_live(l, err))
        return true;
    live_free(l);
    return false;
}

static bool has_bundle(const pome_vm *v, struct pome_error *err)
{
    return api_vm_bundle(v) || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the machine has no bundle that could keep a snapshot");
}

bool pome_vm_snapshot(pome_vm *v, const char *name, const struct pome_save_options *options, pome_done *done, void *user, struct pome_error *err)
{
    struct pome_save_options o = {0};
    if (options)
        memcpy(&o, options, MIN(options->size, sizeof o));
    if (!has_bundle(v, err) || (vm_state(api_vm(v)) == POME_VM_RUNNING && !snapshot_name_free(api_vm_bundle(v), name, err)))
        return false;
    struct vm_saving *saving = vm_saving_new("", o.key, o.key_size, err);
    return saving && begin_work(v, &(struct live){.beside = copy_ahead, .still = make}, name, saving, done, user, err);
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

/* Removing one: blocks that others need move beside the guest; for the rest, when it is a moment's work, the machine stands still. */

static bool delete_ahead(struct vm *vm, void *ctx, struct pome_error *err)
{
    struct live *l = ctx;
    struct job j = {.progress = go_on, .user = l};
    return snapshot_delete_ahead(l->b, l->name, &j, err);
}

static bool delete_rest(struct vm *vm, void *ctx, struct pome_error *err)
{
    struct live *l = ctx;
    return snapshot_delete_rest(l->b, l->name, keep, l, err);
}

bool pome_vm_snapshot_delete(pome_vm *v, const char *name, pome_done *done, void *user, struct pome_error *err)
{
    return has_bundle(v, err) && begin_work(v, &(struct live){.beside = delete_ahead, .still = delete_rest}, name, NULL, done, user, err);
}

bool pome_vm_snapshot_delete_wait(pome_vm *v, const char *name, int timeout_ms, struct pome_error *err)
{
    struct api_waiter *w = api_waiter_new(err);
    if (!w)
        return false;
    if (!pome_vm_snapshot_delete(v, name, api_waiter_done, w, err)) {
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

bool api_snapshot_delete(pome_bundle *p, const char *name, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    struct job j = {.progress = progress, .user = user};
    return snapshot_delete(p->b, name, &j, err);
}

bool pome_snapshot_delete(pome_bundle *p, const char *name, struct pome_error *err)
{
    return api_snapshot_delete(p, name, NULL, NULL, err);
}
