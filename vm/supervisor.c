/*
 * supervisor.c - runs "boots": place kernel or ROM, power on vCPU 0, start the vCPUs, join them. A boot that ends with a reset is
 * followed by the next. When the last one has ended it says why, and leaves the state to a STOP that waits for this.
 */
#include "vm/life.h"

#include "base/bits.h"
#include "base/error.h"

#include <stdio.h>

/* Places what is to run. A restored machine has it in memory. */
static bool load(struct vm *vm, struct pome_error *err)
{
    struct machine_entry entry;
    if (vm->kernel_boot.kernel_path && !machine_load_kernel(vm->machine, &vm->kernel_boot, err))
        return false;
    if (!machine_entry(vm->machine, &entry))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "there is nothing to start in this machine");
    NOTE(vm, "cpu", "%u CPUs created", vm->config.n_cpus);
    cpu_power_on(vm->cpus, 0, entry.pc, entry.x0);
    return true;
}

/* The vCPUs have threads: from now on a stop reaches them. */
static void boot_begun(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    vm->running = true;
    vm->boots++;
    pthread_cond_broadcast(&vm->changed);
    pthread_mutex_unlock(&vm->lock);
    if (vm_killed(vm))
        cpu_set_stop(vm->cpus);
}

static enum cpu_end boot_once(struct vm *vm, struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    bool restored = vm->restored;
    vm->restored = vm->reset_wanted = false;
    pthread_mutex_unlock(&vm->lock);
    if (!restored && !load(vm, err))
        return CPU_END_ERROR;
    if (!cpu_set_start(vm->cpus, err))
        return CPU_END_ERROR;
    boot_begun(vm);
    return cpu_set_join(vm->cpus, err);
}

/* Everything it said is out, logged and watched. A slow reader is waited for, until the user ends it. */
static void flush_output(struct vm *vm)
{
    bool out;
    do
        out = console_flush(vm->console, 500) && machine_output_done(vm->machine);
    while (!out && !vm_killed(vm));
    machine_flush_ports(vm->machine, 500);
}

/* The kernel's last words on any console; NULL: none. */
static const char *last_words(const struct vm *vm)
{
    for (unsigned i = 0; i < LOG_CONSOLES; i++)
        if (vm->consoles[i].watch.why[0])
            return vm->consoles[i].watch.why;
    return NULL;
}

static enum pome_stop_reason reason_of(struct vm *vm, enum cpu_end end)
{
    if (vm->panicked) {
        const char *boot_failed = vm->consoles[LOG_CONSOLE_SERIAL].watch.boot_failed;
        if (boot_failed[0])
            pome_fail(&vm->error, POME_ERROR_GUEST_CRASHED, "%s", boot_failed);
        return POME_STOP_GUEST_PANIC;
    }
    const char *panic = last_words(vm);
    if (end == CPU_END_RESET && panic && vm->config.stops_at_reset) {
        /* panic=N on its command line: the kernel rebooted after its panic */
        pome_fail(&vm->error, POME_ERROR_GUEST_CRASHED, "the guest's kernel reports: %s", panic);
        return POME_STOP_GUEST_PANIC;
    }
    if (vm->memory_lost)
        return POME_STOP_ERROR;
    switch (end) {
    case CPU_END_POWER_OFF: return POME_STOP_GUEST_OFF;
    case CPU_END_RESET: return POME_STOP_GUEST_RESET;
    case CPU_END_ERROR: return POME_STOP_ERROR;
    case CPU_END_STOPPED: return POME_STOP_REQUEST;
    }
    return POME_STOP_ERROR;
}

static void log_end(struct vm *vm, enum pome_stop_reason reason)
{
    static const char *const text[] = {
        [POME_STOP_NONE] = "none",
        [POME_STOP_GUEST_OFF] = "the guest powered off",
        [POME_STOP_GUEST_RESET] = "the guest rebooted",
        [POME_STOP_REQUEST] = "stopped by the user",
    };
    log_guest_flush(vm->config.log);
    if (reason == POME_STOP_ERROR || reason == POME_STOP_GUEST_PANIC)
        log_host(vm->config.log, vm_subsystem, "boot", LOG_LEVEL_FAULT, "machine stopped: %s", vm->error.message);
    else
        NOTE(vm, "boot", "machine stopped: %s", text[reason]);
}

/* True when the guest starts again. *reason is why this boot ended. */
static bool goes_on(struct vm *vm, enum cpu_end end, enum pome_stop_reason *reason, const struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    *reason = reason_of(vm, end);
    if (*reason == POME_STOP_ERROR && !vm->memory_lost)
        vm->error = *err;
    bool killed = vm->kill || vm->closing;
    bool button = *reason == POME_STOP_REQUEST && vm->reset_wanted;
    bool again = !killed && (button || (*reason == POME_STOP_GUEST_RESET && !vm->config.stops_at_reset));
    pthread_mutex_unlock(&vm->lock);
    if (again)
        NOTE(vm, "boot", "%s: starting again", button ? "the reset button was pressed" : "the guest rebooted");
    return again;
}

static void reset(struct vm *vm)
{
    pthread_mutex_lock(&vm->boots_lock);
    forget_last_words(vm);
    log_guest_flush(vm->config.log);
    machine_unquiesce(vm->machine);
    machine_reset(vm->machine);
    cpu_set_reset(vm->cpus);
    pthread_mutex_unlock(&vm->boots_lock);
}

/* A start or restore that came later waits for this thread; a stop changes the state itself. */
static bool comes_first(const struct operation *op, unsigned number)
{
    bool later_life = op->number != number && (op->op == POME_VM_OP_START || op->op == POME_VM_OP_RESTORE);
    return op->active && op->op != POME_VM_OP_STOP && !later_life;
}

/* A pause, resume or start under way finds out first; a stop waits for this and changes the state itself. */
static void finish(struct vm *vm, enum pome_stop_reason reason)
{
    log_end(vm, reason);
    stop_watch_end(vm);
    pthread_mutex_lock(&vm->lock);
    vm->reason = reason;
    vm->over = true;
    pthread_cond_broadcast(&vm->changed);
    unsigned number = vm->op.number;
    while (comes_first(&vm->op, number))
        pthread_cond_wait(&vm->changed, &vm->lock);
    if (vm->state == POME_VM_RUNNING) {
        tell_state(vm, reason == POME_STOP_ERROR ? POME_VM_ERROR : POME_VM_STOPPED);
        tell_stopped(vm);
    }
    pthread_mutex_unlock(&vm->lock);
    stop_watch_end(vm); /* a request that came before the state was told is not for the next life */
}

static void describe(void *ctx, const char *text)
{
    board_note(ctx, "device", text);
}

/* A guest that asks its hypervisor gets the identity that the log has for this boot. */
static void name_session(struct vm *vm, const char *uuid)
{
    uint8_t bytes[16];
    size_t n = 0;
    for (const char *p = uuid; *p && n < sizeof bytes; p += *p == '-' ? 1 : 2)
        if (*p != '-')
            sscanf(p, "%2hhx", &bytes[n++]);
    if (n == sizeof bytes && !vm->restored)
        cpu_set_boot_session(vm->cpus, bytes);
}

void *supervisor_main(void *arg)
{
    struct vm *vm = arg;
    for (;;) {
        struct pome_error err = {0};
        enum pome_stop_reason reason;
        char uuid[37];
        log_boot_begin(vm->config.log, uuid);
        name_session(vm, uuid);
        NOTE(vm, "boot", "%u CPUs, %llu MiB of memory, %zu disks", vm->config.n_cpus,
             (unsigned long long)(vm->config.ram_bytes / MiB), vm->config.n_disks);
        machine_describe(vm->machine, describe, vm);
        enum cpu_end end = boot_once(vm, &err);
        machine_quiesce(vm->machine, 10000);
        flush_output(vm);
        if (!goes_on(vm, end, &reason, &err)) {
            finish(vm, reason);
            return NULL;
        }
        pthread_mutex_lock(&vm->lock);
        tell(vm, POME_VM_EVENT_GUEST_RESET, NULL);
        pthread_mutex_unlock(&vm->lock);
        reset(vm);
    }
}
