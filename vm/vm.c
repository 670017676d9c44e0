/*
 * vm.c - the life of one machine.
 *
 * How it works
 *   vm_create wires loop, console, board and vCPUs together; vm_start makes the loop thread and the supervisor. The
 *   supervisor runs "boots": place kernel or ROM, power on vCPU 0, start the vCPUs, join them. A boot that ends with a
 *   guest reset is followed by the next, unless stops_at_reset. Whoever wants the guest to end sets `kill` and
 *   stops the vCPUs; the supervisor alone changes `state`.
 *
 * The board exists before the vCPUs do, so its interrupt port goes through two small functions here.
 */
#include "vm/vm.h"

#include "backend/console.h"
#include "base/bits.h"
#include "base/error.h"
#include "vm/panic_watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct vm {
    struct vm_config config;
    char *boot_text[3]; /* kernel path, ramdisk path, command line */
    struct loop *loop;
    struct console *console;
    struct machine *machine;
    struct cpu_set *cpus;
    struct panic_watch panic_watch;
    pthread_t loop_thread, supervisor;
    bool started; /* both threads exist */
    int event_fd;

    pthread_mutex_t lock; /* of all below */
    enum vm_state state;
    enum vm_stop reason;
    struct pome_error error;
    bool kill, panicked;
    bool fault_new;       /* fault was not taken yet */
    char fault[240];      /* what the host failed to do last */
    int64_t fault_ns;     /* when that was told */
};

static const char subsystem[] = "org.pome.machine";

#define NOTE(vm, category, ...) log_host((vm)->config.log, subsystem, category, LOG_LEVEL_DEFAULT, __VA_ARGS__)

/* ---- events of the board ---- */

/* From a pvpanic device, or from the console: the guest printed its last words and has been silent since. */
static void on_panic(void *ctx, const char *what)
{
    struct vm *vm = ctx;
    log_host(vm->config.log, subsystem, "guest", LOG_LEVEL_FAULT, "the guest reports: %s", what);
    pthread_mutex_lock(&vm->lock);
    vm->panicked = true;
    pome_fail(&vm->error, POME_ERROR_GUEST_CRASHED, "the guest's kernel reports: %s", what);
    pthread_mutex_unlock(&vm->lock);
    cpu_set_stop(vm->cpus);
}

static void on_note(void *ctx, const char *text)
{
    struct vm *vm = ctx;
    NOTE(vm, strncmp(text, "cpu ", 4) ? "device" : "cpu", "%s", text);
}

/* The same one again is told every ten seconds, not for every block that a guest tries to write. */
static void on_fault(void *ctx, const char *text)
{
    static const uint64_t one = 1;
    struct vm *vm = ctx;
    int64_t now = (int64_t)loop_now_ns();
    pthread_mutex_lock(&vm->lock);
    bool tell = strcmp(vm->fault, text) != 0 || now - vm->fault_ns > INT64_C(10000000000);
    if (tell) {
        snprintf(vm->fault, sizeof vm->fault, "%s", text);
        vm->fault_ns = now;
        vm->fault_new = true;
    }
    pthread_mutex_unlock(&vm->lock);
    if (tell && write(vm->event_fd, &one, sizeof one) < 0)
        perror("pome: eventfd");
}

bool vm_take_fault(struct vm *vm, struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    bool is_new = vm->fault_new;
    if (is_new)
        pome_fail(err, POME_ERROR_IO, "%s", vm->fault);
    vm->fault_new = false;
    pthread_mutex_unlock(&vm->lock);
    return is_new;
}

static void on_guest_output(void *ctx, const uint8_t *bytes, size_t n)
{
    struct vm *vm = ctx;
    log_guest_console(vm->config.log, bytes, n);
    panic_watch_bytes(&vm->panic_watch, bytes, n);
}

static void set_irq(void *ctx, unsigned cpu, bool level)
{
    struct vm *vm = ctx;
    if (!vm->cpus)
        return; /* the board resets its lines before there are vCPUs */
    struct cpu_irq_port port = cpu_set_irq_port(vm->cpus);
    port.set_irq(port.ctx, cpu, level);
}

static void set_fiq(void *ctx, unsigned cpu, bool level)
{
    struct vm *vm = ctx;
    if (!vm->cpus)
        return; /* the board resets its lines before there are vCPUs */
    struct cpu_irq_port port = cpu_set_irq_port(vm->cpus);
    port.set_fiq(port.ctx, cpu, level);
}

/* ---- threads ---- */

static void *loop_main(void *arg)
{
    loop_run(arg);
    return NULL;
}

static bool killed(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    bool k = vm->kill;
    pthread_mutex_unlock(&vm->lock);
    return k;
}

/* Places what is to run and runs it to its end. */
static enum cpu_end boot_once(struct vm *vm, struct pome_error *err)
{
    struct machine_entry entry;
    const struct machine_linux linux_boot = {vm->boot_text[0], vm->boot_text[1], vm->boot_text[2]};
    if (linux_boot.kernel_path && !machine_load_linux(vm->machine, &linux_boot, err))
        return CPU_END_ERROR;
    if (!machine_entry(vm->machine, &entry)) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "there is nothing to start in this machine");
        return CPU_END_ERROR;
    }
    NOTE(vm, "cpu", "%u CPUs created", vm->config.n_cpus);
    cpu_power_on(vm->cpus, 0, entry.pc, entry.x0);
    if (!cpu_set_start(vm->cpus, err))
        return CPU_END_ERROR;
    if (killed(vm))
        cpu_set_stop(vm->cpus);
    return cpu_set_join(vm->cpus, err);
}

/* Everything it said is out, logged and watched. A slow reader is waited for, until the user ends it. */
static void flush_output(struct vm *vm)
{
    bool out;
    do
        out = console_flush(vm->console, 500) && machine_output_done(vm->machine);
    while (!out && !killed(vm));
}

static enum vm_stop reason_of(struct vm *vm, enum cpu_end end)
{
    if (vm->panicked) {
        if (vm->panic_watch.boot_failed[0])
            pome_fail(&vm->error, POME_ERROR_GUEST_CRASHED, "%s", vm->panic_watch.boot_failed);
        return VM_STOP_GUEST_PANIC;
    }
    if (end == CPU_END_RESET && vm->panic_watch.why[0] && vm->config.stops_at_reset) {
        /* panic=N on its command line: the kernel rebooted after its panic */
        pome_fail(&vm->error, POME_ERROR_GUEST_CRASHED, "the guest's kernel reports: %s", vm->panic_watch.why);
        return VM_STOP_GUEST_PANIC;
    }
    switch (end) {
    case CPU_END_POWER_OFF: return VM_STOP_GUEST_OFF;
    case CPU_END_RESET: return VM_STOP_GUEST_RESET;
    case CPU_END_ERROR: return VM_STOP_ERROR;
    case CPU_END_STOPPED: return VM_STOP_REQUEST;
    }
    return VM_STOP_ERROR;
}

static const char *const reason_text[] = {
    [VM_STOP_NONE] = "none",
    [VM_STOP_GUEST_OFF] = "the guest powered off",
    [VM_STOP_GUEST_RESET] = "the guest rebooted",
    [VM_STOP_REQUEST] = "stopped by the user",
    [VM_STOP_ERROR] = "an error",
};

static void finish(struct vm *vm, enum vm_stop reason, const struct pome_error *err)
{
    log_guest_flush(vm->config.log);
    if (reason == VM_STOP_ERROR)
        log_host(vm->config.log, subsystem, "boot", LOG_LEVEL_FAULT, "machine stopped: %s", err->message);
    else if (reason == VM_STOP_GUEST_PANIC)
        log_host(vm->config.log, subsystem, "boot", LOG_LEVEL_FAULT, "machine stopped: %s", vm->error.message);
    else
        NOTE(vm, "boot", "machine stopped: %s", reason_text[reason]);
    pthread_mutex_lock(&vm->lock);
    if (reason == VM_STOP_ERROR)
        vm->error = *err;
    vm->reason = reason;
    vm->state = reason == VM_STOP_ERROR ? VM_FAILED : VM_STOPPED;
    pthread_mutex_unlock(&vm->lock);
    uint64_t one = 1;
    if (write(vm->event_fd, &one, sizeof one) < 0)
        perror("pome: eventfd");
}

static void *supervisor_main(void *arg)
{
    struct vm *vm = arg;
    for (;;) {
        struct pome_error err = {0};
        char uuid[37];
        log_boot_begin(vm->config.log, uuid);
        NOTE(vm, "boot", "%u CPUs, %llu MiB of memory, %zu disks", vm->config.n_cpus,
             (unsigned long long)(vm->config.ram_bytes / MiB), vm->config.n_disks);
        machine_describe(vm->machine, on_note, vm);
        enum cpu_end end = boot_once(vm, &err);
        machine_quiesce(vm->machine, 10000);
        flush_output(vm);
        enum vm_stop reason = reason_of(vm, end);
        if (reason != VM_STOP_GUEST_RESET || vm->config.stops_at_reset || killed(vm)) {
            finish(vm, reason, &err);
            return NULL;
        }
        NOTE(vm, "boot", "the guest rebooted: starting again");
        panic_watch_reset(&vm->panic_watch);
        machine_unquiesce(vm->machine);
        machine_reset(vm->machine);
        cpu_set_reset(vm->cpus);
    }
}

/* ---- making and ending ---- */

static bool copy_boot_text(struct vm *vm, const struct machine_linux *l, struct pome_error *err)
{
    const char *from[] = {l->kernel_path, l->initrd_path, l->cmdline};
    for (size_t i = 0; i < ARRAY_SIZE(from); i++)
        if (from[i] && !(vm->boot_text[i] = strdup(from[i])))
            return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: out of memory");
    return true;
}

static bool build(struct vm *vm, struct pome_error *err)
{
    const struct vm_config *c = &vm->config;
    if (c->linux_boot && !copy_boot_text(vm, c->linux_boot, err))
        return false;
    vm->loop = loop_create(err);
    if (!vm->loop)
        return false;
    panic_watch_init(&vm->panic_watch, vm->loop, on_panic, vm);
    const struct console_options console = {
        .in_fd = c->console_in, .out_fd = c->console_out, .tap = on_guest_output, .tap_ctx = vm};
    vm->console = console_create(vm->loop, &console, err);
    if (!vm->console)
        return false;
    const struct machine_config mc = {
        .platform = c->platform, .n_cpus = c->n_cpus, .ram_bytes = c->ram_bytes, .disks = c->disks,
        .n_disks = c->n_disks, .loop = vm->loop, .console = vm->console, .rom = c->rom, .rom_bytes = c->rom_bytes,
        .ecid = c->ecid, .boot_flags = c->boot_flags, .boot_info = c->boot_info, .boot_info_bytes = c->boot_info_bytes,
    };
    const struct cpu_irq_port port = {vm, set_irq, set_fiq};
    const struct machine_events events = {.ctx = vm, .panicked = on_panic, .note = on_note, .fault = on_fault};
    vm->machine = machine_create(&mc, &port, &events, err);
    if (!vm->machine)
        return false;
    const struct cpu_options co = {
        .n_cpus = c->n_cpus, .model = c->cpu_model, .mem = machine_mem(vm->machine),
        .board = machine_board(vm->machine),
        .cntfrq_hz = c->platform == MACHINE_APPLE ? 24000000 : 0,
        .cache_path = c->translation_cache,
    };
    vm->cpus = cpu_set_create(&co, err);
    return vm->cpus != NULL;
}

struct vm *vm_create(const struct vm_config *config, struct pome_error *err)
{
    struct vm *vm = calloc(1, sizeof *vm);
    if (!vm) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: out of memory");
        return NULL;
    }
    vm->config = *config;
    pthread_mutex_init(&vm->lock, NULL);
    vm->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (vm->event_fd < 0) {
        pome_fail_errno(err, "eventfd");
        vm_destroy(vm);
        return NULL;
    }
    if (!build(vm, err)) {
        vm_destroy(vm);
        return NULL;
    }
    return vm;
}

static void join(struct vm *vm)
{
    if (!vm->started)
        return;
    pthread_join(vm->supervisor, NULL);
    loop_stop(vm->loop);
    pthread_join(vm->loop_thread, NULL);
    vm->started = false;
}

void vm_destroy(struct vm *vm)
{
    if (!vm)
        return;
    if (vm->started)
        vm_kill(vm);
    join(vm);
    machine_destroy(vm->machine);
    cpu_set_destroy(vm->cpus);
    console_destroy(vm->console, 0);
    loop_destroy(vm->loop);
    if (vm->event_fd >= 0)
        close(vm->event_fd);
    pthread_mutex_destroy(&vm->lock);
    for (size_t i = 0; i < ARRAY_SIZE(vm->boot_text); i++)
        free(vm->boot_text[i]);
    free(vm);
}

static bool thread(pthread_t *t, void *(*fn)(void *), void *arg, struct pome_error *err)
{
    int e = pthread_create(t, NULL, fn, arg);
    return e == 0 || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "cannot create a thread: %s", strerror(e));
}

bool vm_start(struct vm *vm, struct pome_error *err)
{
    if (vm_state(vm) == VM_RUNNING)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "the machine runs already");
    bool again = vm->started;
    join(vm);
    panic_watch_reset(&vm->panic_watch);
    if (again) {
        machine_unquiesce(vm->machine);
        machine_reset(vm->machine);
        cpu_set_reset(vm->cpus);
    }
    vm->state = VM_RUNNING;
    vm->reason = VM_STOP_NONE;
    vm->kill = vm->panicked = false;
    if (!thread(&vm->loop_thread, loop_main, vm->loop, err)) {
        vm->state = VM_FAILED;
        return false;
    }
    if (!thread(&vm->supervisor, supervisor_main, vm, err)) {
        vm->state = VM_FAILED;
        loop_stop(vm->loop);
        pthread_join(vm->loop_thread, NULL);
        return false;
    }
    vm->started = true;
    return true;
}

int vm_fd(const struct vm *vm)
{
    return vm->event_fd;
}

enum vm_state vm_state(struct vm *vm)
{
    uint64_t n;
    if (read(vm->event_fd, &n, sizeof n) < 0)
        n = 0;
    pthread_mutex_lock(&vm->lock);
    enum vm_state s = vm->state;
    pthread_mutex_unlock(&vm->lock);
    return s;
}

enum vm_stop vm_stop_reason(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    enum vm_stop r = vm->reason;
    pthread_mutex_unlock(&vm->lock);
    return r;
}

const struct pome_error *vm_error(struct vm *vm)
{
    return &vm->error;
}

void vm_request_stop(struct vm *vm)
{
    NOTE(vm, "boot", "power button pressed");
    machine_power_button(vm->machine);
}

void vm_kill(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    vm->kill = true;
    pthread_mutex_unlock(&vm->lock);
    cpu_set_stop(vm->cpus);
}

void vm_stats(struct vm *vm, struct cpu_stats *out)
{
    cpu_set_stats(vm->cpus, out);
}
