/*
 * vm.h - the life of one machine: builds board and vCPUs from a description, runs them, restarts them when the guest
 * reboots, and knows why they stopped.
 *
 * Threads: one machine loop thread (all device state), one thread per vCPU (cpu/), and one supervisor thread that starts
 * the vCPUs, waits for their end, and either starts them again (reboot) or ends the machine. The public functions are
 * called from one thread at a time, vm_request_stop and vm_kill from any.
 */
#ifndef VM_VM_H
#define VM_VM_H

#include "cpu/cpu.h"
#include "log/log.h"
#include "machine/machine.h"

enum vm_state { VM_STOPPED, VM_RUNNING, VM_FAILED };

enum vm_stop { VM_STOP_NONE, VM_STOP_GUEST_OFF, VM_STOP_GUEST_RESET, VM_STOP_GUEST_PANIC, VM_STOP_REQUEST, VM_STOP_ERROR };

struct vm_config {
    enum machine_platform platform;
    enum cpu_model cpu_model;
    unsigned n_cpus;
    uint64_t ram_bytes;
    const struct machine_disk *disks;
    size_t n_disks;
    const struct machine_linux *linux_boot; /* direct boot; NULL: the boot ROM below */
    const void *rom;                        /* borrowed for the life of the vm */
    size_t rom_bytes;
    uint64_t ecid;       /* see machine_config */
    uint32_t boot_flags; /* see machine_config */
    const void *boot_info; /* see machine_config */
    size_t boot_info_bytes;
    int console_in, console_out; /* -1: none */
    bool stops_at_reset;
    const char *translation_cache; /* see cpu_options.cache_path */
    struct log *log; /* NULL: none. Borrowed */
};

struct vm;

/* Copies what it needs. The result is stopped. */
struct vm *vm_create(const struct vm_config *config, struct pome_error *err);
void vm_destroy(struct vm *vm); /* kills it first; NULL allowed */

bool vm_start(struct vm *vm, struct pome_error *err);
int vm_fd(const struct vm *vm);            /* an eventfd: readable after the state changed */
enum vm_state vm_state(struct vm *vm);     /* takes note and clears vm_fd */
enum vm_stop vm_stop_reason(struct vm *vm);
const struct pome_error *vm_error(struct vm *vm); /* of VM_STOP_ERROR and VM_STOP_GUEST_PANIC */

/* True when the host failed to do something for the guest (a disk is full) since the last call: err says what. vm_fd was made readable. */
bool vm_take_fault(struct vm *vm, struct pome_error *err);

void vm_request_stop(struct vm *vm); /* power button */
void vm_kill(struct vm *vm);         /* ends the guest; returns at once */
void vm_stats(struct vm *vm, struct cpu_stats *out);

#endif
