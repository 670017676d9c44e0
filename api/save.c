/* save.c - pome/save.h. */
#include <pome/save.h>

#include "api/bundle.h"
#include "api/vm.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/findings.h"
#include "vm/saving.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct vm_saving *target(pome_vm *v, const char *path, const struct pome_save_options *options, struct pome_error *err)
{
    struct pome_save_options o = {0}; /* of a caller that was built with an older header: what it does not know is off */
    char own[PATH_MAX];
    if (options)
        memcpy(&o, options, MIN(options->size, sizeof o));
    if (!path && (!api_vm_bundle(v) || !bundle_member_path(api_vm_bundle(v), BUNDLE_SAVED, own))) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the machine has no bundle: the file needs a path");
        return NULL;
    }
    return vm_saving_new(path ? path : own, o.key, o.key_size, err);
}

/* A machine that is saved in its bundle goes on with the configuration that it runs with. */
static bool keep_settings(pome_vm *v, enum pome_vm_operation op, const char *path, struct pome_error *err)
{
    return path || op != POME_VM_OP_SAVE || !vm_op_check(op, vm_state(api_vm(v)), NULL) || bundle_keep_settings(api_vm_bundle(v), api_vm_settings(v), err);
}

/* run owns the target once it is under way. */
static bool begin(pome_vm *v, enum pome_vm_operation op, const char *path, struct vm_saving *t, pome_done *done, void *user, struct pome_error *err)
{
    const struct vm_work w = {.run = op == POME_VM_OP_SAVE ? vm_save_run : vm_restore_run, .ctx = t, .done = done, .user = user};
    if (t && keep_settings(v, op, path, err) && vm_operate(api_vm(v), op, &w, err))
        return true;
    vm_saving_free(t);
    return false;
}

/* The operation may outlive the wait, or never begin. */
static bool begin_wait(pome_vm *v, enum pome_vm_operation op, const char *path, struct vm_saving *t, int timeout_ms, struct pome_error *err)
{
    const struct vm_work w = {.run = op == POME_VM_OP_SAVE ? vm_save_run : vm_restore_run, .ctx = t};
    struct pome_error why = {0};
    if (!t)
        return false;
    vm_saving_share(t);
    bool ok = keep_settings(v, op, path, &why) && api_operate_wait(v, op, &w, timeout_ms, &why);
    if (!ok && why.code != POME_ERROR_TIMED_OUT && !vm_saving_was_run(t))
        vm_saving_free(t);
    vm_saving_free(t);
    if (!ok && err)
        *err = why;
    return ok;
}

bool pome_vm_save(pome_vm *v, const char *path, const struct pome_save_options *options, pome_done *done, void *user, struct pome_error *err)
{
    return begin(v, POME_VM_OP_SAVE, path, target(v, path, options, err), done, user, err);
}

bool pome_vm_save_wait(pome_vm *v, const char *path, const struct pome_save_options *options, int timeout_ms, struct pome_error *err)
{
    return begin_wait(v, POME_VM_OP_SAVE, path, target(v, path, options, err), timeout_ms, err);
}

bool pome_vm_restore(pome_vm *v, const char *path, const struct pome_save_options *options, pome_done *done, void *user, struct pome_error *err)
{
    return begin(v, POME_VM_OP_RESTORE, path, target(v, path, options, err), done, user, err);
}

bool pome_vm_restore_wait(pome_vm *v, const char *path, const struct pome_save_options *options, int timeout_ms, struct pome_error *err)
{
    return begin_wait(v, POME_VM_OP_RESTORE, path, target(v, path, options, err), timeout_ms, err);
}

bool pome_vm_compare_saved(pome_vm *v, const char *path, const struct pome_save_options *options, pome_finding_fn *each, void *user,
                           struct pome_error *err)
{
    struct findings l = {0};
    if (vm_state(api_vm(v)) != POME_VM_STOPPED)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "compare: the machine is %s, needed stopped", vm_state_name(vm_state(api_vm(v))));
    struct vm_saving *t = target(v, path, options, err);
    bool ok = t && vm_saving_compare(api_vm(v), t, &l, err);
    if (ok) {
        findings_report(&l, each, user);
        ok = findings_ok(&l, POME_ERROR_RESTORE, "the machine is not the saved one", err);
    }
    findings_free(&l);
    vm_saving_free(t);
    return ok;
}

bool pome_bundle_is_saved(const pome_bundle *p)
{
    struct stat st;
    return !fstatat(p->b->dir_fd, bundle_member_name(BUNDLE_SAVED), &st, AT_SYMLINK_NOFOLLOW);
}

static bool discard(struct bundle *b, struct pome_error *err)
{
    static const enum bundle_member members[] = {BUNDLE_SAVED, BUNDLE_WARM, BUNDLE_SAVED_CONFIG};
    bool ok = true;
    for (size_t i = 0; ok && i < ARRAY_SIZE(members); i++)
        ok = !unlinkat(b->dir_fd, bundle_member_name(members[i]), 0) || errno == ENOENT;
    return (ok && !fsync(b->dir_fd)) || pome_fail_errno(err, "%s/%s: cannot remove", b->path, bundle_member_name(BUNDLE_SAVED));
}

bool pome_bundle_discard_saved(pome_bundle *p, struct pome_error *err)
{
    return discard(p->b, err);
}

bool pome_vm_discard_saved(pome_vm *v, struct pome_error *err)
{
    return !api_vm_bundle(v) || discard(api_vm_bundle(v), err);
}
