/* vm.c - pome/vm.h: a machine that runs in this process. */
#include <pome/vm.h>

#include "api/bundle.h"
#include "api/config.h"
#include "base/bits.h"
#include "base/error.h"
#include "vm/bundle_vm.h"
#include "vm/vm.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct pome_vm {
    struct vm *vm;
    enum pome_vm_state state;
    struct bundle *bundle; /* locked by us, until freed; NULL: none */
    struct log *log;
};

static pome_vm *allocate(struct pome_error *err)
{
    pome_vm *v = calloc(1, sizeof *v);
    if (!v)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: out of memory");
    return v;
}

pome_vm *pome_vm_new(const pome_config *c, struct pome_error *err)
{
    if (!pome_config_validate(c, NULL, NULL, err))
        return NULL;
    struct machine_disk disks[CONFIG_MAX_DISKS] = {0};
    for (size_t i = 0; i < c->n_disks; i++)
        disks[i] = (struct machine_disk){.path = c->disks[i].path, .read_only = c->disks[i].read_only};
    const struct machine_linux boot = {c->kernel_path, c->initrd_path, c->command_line};
    struct vm_config vc = {
        .platform = MACHINE_GENERIC, .n_cpus = c->n_cpus, .ram_bytes = c->ram_bytes, .disks = disks,
        .n_disks = c->n_disks, .linux_boot = &boot, .console_in = c->console_in, .console_out = c->console_out,
        .stops_at_reset = c->stops_at_reset, .translation_cache = c->translation_cache,
    };
    if (c->cpu_model)
        cpu_model_find(c->cpu_model, &vc.cpu_model);
    pome_vm *v = allocate(err);
    if (v && (v->vm = vm_create(&vc, err)))
        return v;
    pome_vm_free(v);
    return NULL;
}

/* Locks the bundle, opens its log, makes its machine. */
static bool open_bundle(pome_vm *v, struct bundle *b, const struct pome_start_options *o, struct pome_error *err)
{
    char log_path[PATH_MAX];
    if (!bundle_lock(b, err))
        return false;
    v->bundle = b;
    if (!bundle_log_path(b, log_path))
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: its path is too long", b->path);
    v->log = log_open(log_path, err);
    if (!v->log)
        return false;
    const struct bundle_start start = {
        .recovery = o->recovery, .verbose = o->verbose, .stops_at_reset = o->stops_at_reset, .dfu = o->dfu,
        .stop_in_stage1 = o->stop_in_stage1, .stop_in_stage2 = o->stop_in_stage2, .picker = o->picker,
        .memory_bytes = o->memory_size, .console_in = o->console_in, .console_out = o->console_out,
    };
    v->vm = vm_create_from_bundle(b, &start, v->log, err);
    return v->vm != NULL;
}

pome_vm *pome_vm_new_from_bundle(pome_bundle *bundle, const struct pome_start_options *options, struct pome_error *err)
{
    struct pome_start_options o = {0}; /* of a caller that was built with an older header: what it does not know is off */
    memcpy(&o, options, MIN(options->size, sizeof o));
    pome_vm *v = allocate(err);
    if (v && open_bundle(v, bundle->b, &o, err))
        return v;
    pome_vm_free(v);
    return NULL;
}

void pome_vm_free(pome_vm *v)
{
    if (!v)
        return;
    vm_destroy(v->vm);
    log_close(v->log);
    if (v->bundle)
        bundle_unlock(v->bundle);
    free(v);
}

bool pome_vm_start(pome_vm *v, struct pome_error *err)
{
    if (!vm_start(v->vm, err))
        return false;
    v->state = POME_VM_RUNNING;
    return true;
}

int pome_vm_fd(const pome_vm *v)
{
    return vm_fd(v->vm);
}

enum pome_vm_state pome_vm_dispatch(pome_vm *v)
{
    static const enum pome_vm_state map[] = {
        [VM_STOPPED] = POME_VM_STOPPED, [VM_RUNNING] = POME_VM_RUNNING, [VM_FAILED] = POME_VM_ERROR};
    return v->state = map[vm_state(v->vm)];
}

enum pome_vm_state pome_vm_state(const pome_vm *v)
{
    return v->state;
}

enum pome_stop_reason pome_vm_stop_reason(const pome_vm *v)
{
    static const enum pome_stop_reason map[] = {
        [VM_STOP_NONE] = POME_STOP_NONE,
        [VM_STOP_GUEST_OFF] = POME_STOP_GUEST_OFF,
        [VM_STOP_GUEST_RESET] = POME_STOP_GUEST_RESET,
        [VM_STOP_GUEST_PANIC] = POME_STOP_GUEST_PANIC,
        [VM_STOP_REQUEST] = POME_STOP_REQUEST,
        [VM_STOP_ERROR] = POME_STOP_ERROR,
    };
    return map[vm_stop_reason(v->vm)];
}

const struct pome_error *pome_vm_error(const pome_vm *v)
{
    return vm_error(v->vm);
}

bool pome_vm_take_fault(pome_vm *v, struct pome_error *err)
{
    return vm_take_fault(v->vm, err);
}

bool pome_vm_wait(pome_vm *v, int timeout_ms, struct pome_error *err)
{
    while (pome_vm_dispatch(v) == POME_VM_RUNNING) {
        struct pollfd p = {.fd = pome_vm_fd(v), .events = POLLIN};
        int n = poll(&p, 1, timeout_ms);
        if (n == 0)
            return pome_fail(err, POME_ERROR_TIMED_OUT, "the machine still runs after %d ms", timeout_ms);
        if (n < 0 && errno != EINTR)
            return pome_fail_errno(err, "poll");
    }
    return true;
}

bool pome_vm_request_stop(pome_vm *v, struct pome_error *err)
{
    if (vm_state(v->vm) != VM_RUNNING)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "the machine does not run");
    vm_request_stop(v->vm);
    return true;
}

bool pome_vm_stop(pome_vm *v, struct pome_error *err)
{
    vm_kill(v->vm);
    return pome_vm_wait(v, -1, err);
}

char *pome_vm_stats_json(const pome_vm *v)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f)
        return NULL;
    struct cpu_stats stats;
    vm_stats(v->vm, &stats);
    cpu_stats_print(&stats, f);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
