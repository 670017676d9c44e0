/* vm.c - pome/vm.h: a machine that runs in this process. */
#include <pome/vm.h>

#include "api/bundle.h"
#include "api/config.h"
#include "api/vm.h"
#include "base/bits.h"
#include "base/error.h"
#include "vm/bundle_vm.h"
#include "vm/efi_firmware.h"
#include "vm/rom_file.h"
#include "vm/vm.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUBSCRIBERS = 8 };

struct subscriber {
    pome_vm_event_fn *fn;
    void *user;
};

struct pome_vm {
    struct vm *vm;
    struct bundle *bundle; /* locked by us, until freed; NULL: none */
    struct settings settings; /* its, that the machine was made with */
    struct log *log;
    struct subscriber subscriber[SUBSCRIBERS];
    bool dispatching, free_later;
    struct pome_error shown; /* what pome_vm_error() lent out */
};

static pome_vm *allocate(struct pome_error *err)
{
    pome_vm *v = calloc(1, sizeof *v);
    if (!v)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: out of memory");
    return v;
}

static bool load_rom(const char *path, struct efi_firmware *f, struct pome_error *err)
{
    struct rom_file rom;
    if (!rom_file_load(path, &rom, err))
        return false;
    *f = (struct efi_firmware){rom.bytes, rom.n};
    return true;
}

/* The variable store is made when it is not there. */
static bool prepare_efi(const pome_config *c, struct efi_firmware *f, struct pome_error *err)
{
    *f = (struct efi_firmware){0};
    if (c->boot == CONFIG_BOOT_ROM)
        return load_rom(c->firmware_path, f, err);
    if (c->boot != CONFIG_BOOT_EFI)
        return true;
    return (!c->variables_path || efi_variables_create(c->variables_path, err)) && efi_firmware_load(c->firmware_path, f, err);
}

static struct machine_disk describe_disk(const struct config_disk *d)
{
    static const enum disk_caching caching[] = {
        [POME_DISK_CACHING_AUTOMATIC] = DISK_CACHING_AUTOMATIC, [POME_DISK_CACHING_UNCACHED] = DISK_CACHING_UNCACHED, [POME_DISK_CACHING_CACHED] = DISK_CACHING_CACHED,
    };
    static const enum disk_flushing flushing[] = {
        [POME_DISK_SYNCHRONIZATION_DEFAULT] = DISK_FLUSHING_FULL, [POME_DISK_SYNCHRONIZATION_FULL] = DISK_FLUSHING_FULL,
        [POME_DISK_SYNCHRONIZATION_FSYNC] = DISK_FLUSHING_FSYNC, [POME_DISK_SYNCHRONIZATION_NONE] = DISK_FLUSHING_NONE,
    };
    return (struct machine_disk){.path = d->path, .read_only = d->read_only, .serial = d->identifier, .modes = {caching[d->caching], flushing[d->synchronization]}};
}

pome_vm *pome_vm_new(const pome_config *c, struct pome_error *err)
{
    struct efi_firmware firmware;
    struct config_devices devices = c->devices; /* described in place; what it points to stays the configuration's */
    struct machine_peripherals peripherals;
    if (!pome_config_validate(c, NULL, NULL, err) || !config_devices_describe(&devices, &peripherals, err) || !prepare_efi(c, &firmware, err))
        return NULL;
    struct machine_disk disks[CONFIG_MAX_DISKS] = {0};
    for (size_t i = 0; i < c->n_disks; i++)
        disks[i] = describe_disk(&c->disks[i]);
    const bool darwin = c->boot == CONFIG_BOOT_DARWIN, rom = c->boot == CONFIG_BOOT_ROM;
    for (size_t i = 0; rom && i < c->n_disks; i++) /* the ROM asks for them by what they are */
        disks[i].role = i == 0 ? MACHINE_DISK_ROOT : i == 1 ? MACHINE_DISK_AUX : MACHINE_DISK_PLAIN;
    const struct machine_kernel boot = {
        .kernel_path = c->kernel_path, .initrd_path = c->initrd_path, .cmdline = c->command_line,
        .device_tree_path = darwin ? c->device_tree_path : NULL, .trust_cache_path = darwin ? c->trust_cache_path : NULL, .revision = c->revision,
    };
    struct vm_config vc = {
        .platform = darwin || rom ? MACHINE_APPLE : MACHINE_GENERIC, .cpu_model = darwin || rom ? CPU_MODEL_APPLE : CPU_MODEL_DEFAULT,
        .foreign_rom = rom, .apple_disks = darwin || rom,
        .n_cpus = c->n_cpus, .ram_bytes = c->ram_bytes, .disks = disks,
        .n_disks = c->n_disks, .kernel_boot = c->boot == CONFIG_BOOT_EFI || rom ? NULL : &boot, .rom = firmware.bytes, .rom_bytes = firmware.n,
        .variables = c->variables_path, .peripherals = &peripherals, .console_in = c->console_in, .console_out = c->console_out,
        .stops_at_reset = c->stops_at_reset, .translation_cache = c->translation_cache,
    };
    if (c->cpu_model)
        cpu_model_find(c->cpu_model, &vc.cpu_model);
    pome_vm *v = allocate(err);
    bool ok = v && (v->vm = vm_create(&vc, err));
    efi_firmware_free(&firmware); /* is in the machine's memory */
    if (ok)
        return v;
    pome_vm_free(v);
    return NULL;
}

bool pome_kernel_kind(const char *path, enum pome_kernel_kind *kind, struct pome_error *err)
{
    static const enum pome_kernel_kind kinds[] = {
        [MACHINE_KERNEL_LINUX] = POME_KERNEL_LINUX, [MACHINE_KERNEL_ELF] = POME_KERNEL_ELF, [MACHINE_KERNEL_EFI] = POME_KERNEL_EFI,
        [MACHINE_KERNEL_DARWIN] = POME_KERNEL_DARWIN,
    };
    enum machine_kernel_kind k;
    if (!machine_kernel_kind(path, &k, err))
        return false;
    *kind = kinds[k];
    return true;
}

/* Locks the bundle, opens its log, makes its machine. */
static bool open_bundle(pome_vm *v, struct bundle *b, const struct pome_start_options *o, struct pome_error *err)
{
    char log_path[PATH_MAX];
    if (!bundle_lock(b, err))
        return false;
    v->bundle = b;
    if (!bundle_saved_settings(b, &v->settings, err))
        return false;
    if (o->memory_size)
        v->settings.memory_bytes = o->memory_size;
    if (!bundle_log_path(b, log_path))
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: its path is too long", b->path);
    v->log = log_open(log_path, err);
    if (!v->log)
        return false;
    const struct bundle_start start = {
        .settings = &v->settings, .recovery = o->recovery, .verbose = o->verbose, .stops_at_reset = o->stops_at_reset, .dfu = o->dfu,
        .stop_in_stage1 = o->stop_in_stage1, .stop_in_stage2 = o->stop_in_stage2, .picker = o->picker, .medium = o->medium,
        .rom = o->rom, .netboot_root = o->netboot_root, .netboot_file = o->netboot_file,
        .console_in = o->console_in, .console_out = o->console_out,
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
    struct vm_event e;
    if (!v)
        return;
    if (v->dispatching) {
        v->free_later = true;
        return;
    }
    if (v->vm) {
        vm_shutdown(v->vm);
        while (vm_take_event(v->vm, &e))
            if (!e.event.kind)
                e.done(e.user, e.event.error);
    }
    vm_destroy(v->vm);
    log_close(v->log);
    if (v->bundle)
        bundle_unlock(v->bundle);
    free(v);
}

/* --- what it is --- */

enum pome_vm_state pome_vm_state(const pome_vm *v)
{
    return vm_state(v->vm);
}

bool pome_vm_can(const pome_vm *v, enum pome_vm_operation op)
{
    return (unsigned)op < POME_VM_OPERATION_COUNT && vm_op_allowed(op, vm_state(v->vm));
}

bool pome_vm_can_start(const pome_vm *v)
{
    return pome_vm_can(v, POME_VM_OP_START);
}

bool pome_vm_can_pause(const pome_vm *v)
{
    return pome_vm_can(v, POME_VM_OP_PAUSE);
}

bool pome_vm_can_resume(const pome_vm *v)
{
    return pome_vm_can(v, POME_VM_OP_RESUME);
}

bool pome_vm_can_stop(const pome_vm *v)
{
    return pome_vm_can(v, POME_VM_OP_STOP);
}

bool pome_vm_can_request_stop(const pome_vm *v)
{
    return pome_vm_can(v, POME_VM_OP_REQUEST_STOP);
}

enum pome_stop_reason pome_vm_stop_reason(const pome_vm *v)
{
    return vm_stop_reason(v->vm);
}

const struct pome_error *pome_vm_error(const pome_vm *v)
{
    struct pome_error *shown = &((pome_vm *)v)->shown; /* every pome_vm was allocated here, none is const */
    vm_error(v->vm, shown);
    return shown;
}

/* --- what happens to it --- */

int pome_vm_fd(const pome_vm *v)
{
    return vm_fd(v->vm);
}

static void call_subscribers(pome_vm *v, const struct vm_event *e)
{
    for (size_t i = 0; i < SUBSCRIBERS && !v->free_later; i++)
        if (v->subscriber[i].fn)
            v->subscriber[i].fn(v->subscriber[i].user, v, &e->event);
}

enum pome_vm_state pome_vm_dispatch(pome_vm *v)
{
    struct vm_event e;
    if (v->dispatching)
        return vm_state(v->vm);
    v->dispatching = true;
    while (!v->free_later && vm_take_event(v->vm, &e)) {
        if (e.event.kind)
            call_subscribers(v, &e);
        else
            e.done(e.user, e.event.error);
    }
    v->dispatching = false;
    enum pome_vm_state state = vm_state(v->vm);
    if (v->free_later)
        pome_vm_free(v);
    return state;
}

bool pome_vm_subscribe(pome_vm *v, pome_vm_event_fn *fn, void *user, struct pome_error *err)
{
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        if (!v->subscriber[i].fn) {
            v->subscriber[i] = (struct subscriber){fn, user};
            return true;
        }
    return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: %d event functions are added already", SUBSCRIBERS);
}

void pome_vm_unsubscribe(pome_vm *v, pome_vm_event_fn *fn, void *user)
{
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        if (v->subscriber[i].fn == fn && v->subscriber[i].user == user) {
            v->subscriber[i] = (struct subscriber){0};
            return;
        }
}

/* --- waiting --- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Dispatches until is_over(ctx). timeout_ms -1: for ever. */
static bool wait_until(pome_vm *v, bool (*is_over)(pome_vm *v, void *ctx), void *ctx, const char *what, int timeout_ms, struct pome_error *err)
{
    int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    if (v->dispatching)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "%s: cannot be waited for in an event or completion function", what);
    for (;;) {
        pome_vm_dispatch(v);
        if (is_over(v, ctx))
            return true;
        int64_t left = end == INT64_MAX ? -1 : end - now_ms();
        if (end != INT64_MAX && left <= 0)
            return pome_fail(err, POME_ERROR_TIMED_OUT, "%s: not done after %d ms", what, timeout_ms);
        struct pollfd p = {.fd = pome_vm_fd(v), .events = POLLIN};
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return pome_fail_errno(err, "poll");
    }
}

static bool has_stopped(pome_vm *v, void *ctx)
{
    enum pome_vm_state s = vm_state(v->vm);
    return s == POME_VM_STOPPED || s == POME_VM_ERROR;
}

bool pome_vm_wait(pome_vm *v, int timeout_ms, struct pome_error *err)
{
    return wait_until(v, has_stopped, NULL, "the machine's end", timeout_ms, err) && (pome_vm_dispatch(v), true);
}

/* Somebody who waits for an operation; the operation may outlive the wait. */
struct api_waiter {
    bool over, left, failed;
    struct pome_error error;
};

void api_waiter_done(void *user, const struct pome_error *err)
{
    struct api_waiter *w = user;
    if (w->left) {
        free(w);
        return;
    }
    w->over = true;
    w->failed = err != NULL;
    if (err)
        w->error = *err;
}

static bool waiter_is_over(pome_vm *v, void *ctx)
{
    return ((struct api_waiter *)ctx)->over;
}

static bool operate(pome_vm *v, enum pome_vm_operation op, pome_done *done, void *user, struct pome_error *err)
{
    return vm_operate(v->vm, op, &(struct vm_work){.done = done, .user = user}, err);
}

struct vm *api_vm(const pome_vm *v)
{
    return v->vm;
}

const struct settings *api_vm_settings(const pome_vm *v)
{
    return &v->settings;
}

struct bundle *api_vm_bundle(const pome_vm *v)
{
    return v->bundle;
}

struct api_waiter *api_waiter_new(struct pome_error *err)
{
    struct api_waiter *w = calloc(1, sizeof *w);
    if (!w)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: out of memory");
    return w;
}

bool api_wait(pome_vm *v, struct api_waiter *w, const char *what, int timeout_ms, struct pome_error *err)
{
    if (!wait_until(v, waiter_is_over, w, what, timeout_ms, err)) {
        w->left = true;
        return false;
    }
    bool ok = !w->failed;
    if (!ok && err)
        *err = w->error;
    free(w);
    return ok;
}

bool api_operate_wait(pome_vm *v, enum pome_vm_operation op, const struct vm_work *work, int timeout_ms, struct pome_error *err)
{
    if (v->dispatching)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "%s: cannot be waited for in an event or completion function", vm_ops[op].name);
    struct api_waiter *w = api_waiter_new(err);
    if (!w)
        return false;
    if (!vm_operate(v->vm, op, &(struct vm_work){.run = work->run, .ctx = work->ctx, .done = api_waiter_done, .user = w}, err)) {
        free(w);
        return false;
    }
    return api_wait(v, w, vm_ops[op].name, timeout_ms, err);
}

static bool operate_wait(pome_vm *v, enum pome_vm_operation op, int timeout_ms, struct pome_error *err)
{
    return api_operate_wait(v, op, &(struct vm_work){0}, timeout_ms, err);
}

/* --- operations --- */

bool pome_vm_start(pome_vm *v, pome_done *done, void *user, struct pome_error *err)
{
    return operate(v, POME_VM_OP_START, done, user, err);
}

bool pome_vm_start_wait(pome_vm *v, int timeout_ms, struct pome_error *err)
{
    return operate_wait(v, POME_VM_OP_START, timeout_ms, err);
}

bool pome_vm_pause(pome_vm *v, pome_done *done, void *user, struct pome_error *err)
{
    return operate(v, POME_VM_OP_PAUSE, done, user, err);
}

bool pome_vm_pause_wait(pome_vm *v, int timeout_ms, struct pome_error *err)
{
    return operate_wait(v, POME_VM_OP_PAUSE, timeout_ms, err);
}

bool pome_vm_resume(pome_vm *v, pome_done *done, void *user, struct pome_error *err)
{
    return operate(v, POME_VM_OP_RESUME, done, user, err);
}

bool pome_vm_resume_wait(pome_vm *v, int timeout_ms, struct pome_error *err)
{
    return operate_wait(v, POME_VM_OP_RESUME, timeout_ms, err);
}

bool pome_vm_stop(pome_vm *v, pome_done *done, void *user, struct pome_error *err)
{
    return operate(v, POME_VM_OP_STOP, done, user, err);
}

bool pome_vm_stop_wait(pome_vm *v, int timeout_ms, struct pome_error *err)
{
    return operate_wait(v, POME_VM_OP_STOP, timeout_ms, err);
}

bool pome_vm_request_stop(pome_vm *v, const struct pome_stop_options *options, struct pome_error *err)
{
    struct pome_stop_options o = {0};
    if (options)
        memcpy(&o, options, MIN(options->size, sizeof o));
    return vm_request_stop(v->vm, o.timeout_ms, o.force, err);
}

bool pome_vm_reset(pome_vm *v, struct pome_error *err)
{
    return vm_reset(v->vm, err);
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
