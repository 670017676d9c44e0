/*
 * vm.c - a machine comes to be and is no more.
 *
 * How it works
 *   vm_create wires loop, console, board and vCPUs together. An operation (operate.c) is checked against the table of states
 *   (ops.inc), sets the state, and is carried out by a thread of its own; START makes the loop thread and the supervisor
 *   (supervisor.c), which runs boot after boot. PAUSE reaches the point at which nothing moves (freeze.c). Whoever wants the guest to end
 *   sets `kill` and stops the vCPUs. What happened waits in a queue (events.c) for the application's thread.
 */
#include "vm/vm.h"

#include "base/bits.h"
#include "base/error.h"
#include "vm/efi_firmware.h"
#include "vm/life.h"
#include "vm/renew.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The texts of a boot description, wherever it has them. */
static const size_t boot_texts[] = {
    offsetof(struct machine_kernel, kernel_path), offsetof(struct machine_kernel, initrd_path), offsetof(struct machine_kernel, cmdline),
    offsetof(struct machine_kernel, device_tree_path), offsetof(struct machine_kernel, trust_cache_path),
};

static char **boot_text(struct machine_kernel *k, size_t i)
{
    return (char **)((char *)k + boot_texts[i]);
}

static bool copy_kernel_boot(struct vm *vm, const struct machine_kernel *from, struct pome_error *err)
{
    struct machine_kernel source = *from;
    vm->kernel_boot.revision = from->revision;
    for (size_t i = 0; i < ARRAY_SIZE(boot_texts); i++)
        if (*boot_text(&source, i) && !(*boot_text(&vm->kernel_boot, i) = strdup(*boot_text(&source, i))))
            return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: out of memory");
    return true;
}

/* Where a guest that has systemd sends its journal (docs/machine.md). */
static const struct machine_port log_port = {.name = "org.pome.log", .in_fd = -1, .out_fd = -1, .tap = board_journal, .unfinished = board_journal_unfinished};

/* The machine's own ports, and what listens to them: hvc0 may be the kernel's console. */
static void use_ports(struct vm *vm, struct machine_peripherals *p, struct machine_port ports[MACHINE_MAX_PORTS])
{
    bool listens = false;
    if (p->n_ports > MACHINE_MAX_PORTS)
        return; /* is refused where they are plugged */
    for (size_t i = 0; i < p->n_ports; i++) {
        ports[i] = p->ports[i];
        if (ports[i].terminal && !listens) {
            ports[i].tap = board_output;
            ports[i].ctx = &vm->consoles[LOG_CONSOLE_VIRTIO];
            listens = true;
        }
    }
    if (vm->config.log && p->n_ports < MACHINE_MAX_PORTS) {
        ports[p->n_ports] = log_port;
        ports[p->n_ports++].ctx = vm;
    }
    p->ports = ports;
}

static bool build_board(struct vm *vm, struct pome_error *err)
{
    const struct vm_config *c = &vm->config;
    struct machine_port ports[MACHINE_MAX_PORTS];
    struct machine_peripherals peripherals = c->peripherals ? *c->peripherals : (struct machine_peripherals){0};
    use_ports(vm, &peripherals, ports);
    struct machine_config mc = {
        .platform = c->platform, .n_cpus = c->n_cpus, .ram_bytes = c->ram_bytes, .disks = c->disks,
        .n_disks = c->n_disks, .peripherals = &peripherals, .loop = vm->loop, .console = vm->console, .rom = c->rom, .rom_bytes = c->rom_bytes, .foreign_rom = c->foreign_rom,
        .apple_disks = c->apple_disks, .variables = c->variables,
        .ecid = c->ecid, .boot_flags = c->boot_flags, .boot_info = c->boot_info, .boot_info_bytes = c->boot_info_bytes,
    };
    memcpy(mc.generation, c->generation, sizeof mc.generation);
    const struct cpu_irq_port port = {vm, board_set_irq, board_set_fiq};
    const struct machine_events events = {.ctx = vm, .panicked = board_panicked, .starting = board_starting, .note = board_note, .fault = board_fault};
    vm->machine = machine_create(&mc, &port, &events, err);
    return vm->machine != NULL;
}

/* Firmware that an EFI program needs. A file that cannot be read is told by whoever loads it. */
static bool find_firmware(const struct vm_config *c, struct efi_firmware *f, struct pome_error *err)
{
    enum machine_kernel_kind kind;
    *f = (struct efi_firmware){0};
    if (!c->kernel_boot || c->rom || c->platform != MACHINE_GENERIC || !machine_kernel_kind(c->kernel_boot->kernel_path, &kind, NULL) || kind != MACHINE_KERNEL_EFI)
        return true;
    return efi_firmware_load(NULL, f, err) || pome_fail_context(err, "%s is an EFI program", c->kernel_boot->kernel_path);
}

static bool build_with_firmware(struct vm *vm, struct pome_error *err)
{
    struct efi_firmware firmware;
    if (!find_firmware(&vm->config, &firmware, err))
        return false;
    if (firmware.bytes) {
        vm->config.rom = firmware.bytes;
        vm->config.rom_bytes = firmware.n;
    }
    bool ok = build_board(vm, err);
    efi_firmware_free(&firmware); /* is in the machine's memory */
    return ok;
}

static bool build(struct vm *vm, struct pome_error *err)
{
    const struct vm_config *c = &vm->config;
    if (c->kernel_boot && !copy_kernel_boot(vm, c->kernel_boot, err))
        return false;
    if ((c->recovery_image && !(vm->recovery_image = strdup(c->recovery_image))) || (c->recovery_log && !(vm->recovery_log = strdup(c->recovery_log))))
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: out of memory");
    vm->loop = loop_create(err);
    if (!vm->loop)
        return false;
    for (unsigned i = 0; i < LOG_CONSOLES; i++) {
        vm->consoles[i] = (struct guest_console){.vm = vm, .number = i};
        panic_watch_init(&vm->consoles[i].watch, vm->loop, board_panicked, vm);
    }
    const struct console_options console = {
        .in_fd = c->console_in, .out_fd = c->console_out, .tap = board_output, .tap_ctx = &vm->consoles[LOG_CONSOLE_SERIAL]};
    vm->console = console_create(vm->loop, &console, err);
    if (!vm->console || !build_with_firmware(vm, err))
        return false;
    const struct cpu_options co = {
        .n_cpus = c->n_cpus, .model = c->cpu_model, .mem = machine_mem(vm->machine),
        .board = machine_board(vm->machine),
        .topology = machine_topology(vm->machine),
        .cntfrq_hz = machine_counter_hz(vm->machine),
        .cache_path = c->translation_cache,
        .apple_calls = c->platform == MACHINE_APPLE,
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
    pthread_mutex_init(&vm->boots_lock, NULL);
    pthread_condattr_t monotonic; /* whoever sets the host's clock does not lengthen a wait */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&vm->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    standstill_init(vm);
    stop_watch_init(vm);
    vm->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok = vm->event_fd >= 0 || pome_fail_errno(err, "eventfd");
    if (ok && build(vm, err))
        return vm;
    vm_destroy(vm);
    return NULL;
}

void vm_destroy(struct vm *vm)
{
    if (!vm)
        return;
    vm_shutdown(vm);
    vm_renew_end(vm);
    if (vm->loop)
        stop_watch_end(vm);
    machine_destroy(vm->machine);
    cpu_set_destroy(vm->cpus);
    console_destroy(vm->console, 0);
    loop_destroy(vm->loop);
    events_free(vm);
    if (vm->event_fd >= 0)
        close(vm->event_fd);
    pthread_cond_destroy(&vm->changed);
    pthread_mutex_destroy(&vm->boots_lock);
    pthread_mutex_destroy(&vm->lock);
    for (size_t i = 0; i < ARRAY_SIZE(boot_texts); i++)
        free(*boot_text(&vm->kernel_boot, i));
    free(vm->recovery_image);
    free(vm->recovery_log);
    free(vm);
}

enum pome_vm_state vm_state(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    enum pome_vm_state s = vm->state;
    pthread_mutex_unlock(&vm->lock);
    return s;
}

enum pome_stop_reason vm_stop_reason(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    enum pome_stop_reason r = vm->reason;
    pthread_mutex_unlock(&vm->lock);
    return r;
}

void vm_error(struct vm *vm, struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    *err = vm->error;
    pthread_mutex_unlock(&vm->lock);
}

void vm_stats(struct vm *vm, struct cpu_stats *out)
{
    cpu_set_stats(vm->cpus, out);
}

const struct vm_config *vm_config(const struct vm *vm)
{
    return &vm->config;
}

struct machine *vm_machine(const struct vm *vm)
{
    return vm->machine;
}

struct cpu_set *vm_cpus(const struct vm *vm)
{
    return vm->cpus;
}
