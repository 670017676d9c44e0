/*
 * vm.h - the life of one machine: builds board and vCPUs from a description, runs them, restarts them when the guest
 * reboots, freezes them, and knows why they stopped. What may be done in which state is the table of ops.inc.
 *
 * Threads: one machine loop thread (all device state), one thread per vCPU (cpu/), one supervisor thread that starts the
 * vCPUs, waits for their end, and starts them again (reboot) or ends the machine, and one thread that carries out operations.
 * The functions here may be called from any thread but those; vm_create and vm_destroy from one.
 */
#ifndef VM_VM_H
#define VM_VM_H

#include "cpu/cpu.h"
#include "log/log.h"
#include "machine/machine.h"
#include "machine/peripherals.h"
#include "vm/state.h"

/* Whose memory the saved machine has that it is going to be restored from: a warm clone's (bundle/warm.h). */
struct vm_origin {
    uint64_t ecid; /* 0: its own */
    size_t n_macs;
    uint8_t mac[MACHINE_MAX_NETWORKS][6], new_mac[MACHINE_MAX_NETWORKS][6]; /* of its network devices, and of these here */
};

struct vm_config {
    enum machine_platform platform;
    enum cpu_model cpu_model;
    unsigned n_cpus;
    uint64_t ram_bytes;
    const struct machine_disk *disks;
    size_t n_disks;
    const struct machine_peripherals *peripherals; /* see machine_config; borrowed during vm_create */
    const struct machine_kernel *kernel_boot; /* direct boot; NULL: the boot ROM below. An EFI program without one: the installed firmware starts it */
    const void *rom;                        /* or firmware, see machine_config; borrowed during vm_create */
    size_t rom_bytes;
    bool foreign_rom, apple_disks; /* see machine_config */
    const char *variables; /* see machine_config; borrowed during vm_create */
    uint64_t ecid;       /* see machine_config */
    uint32_t boot_flags; /* see machine_config */
    const void *boot_info; /* see machine_config */
    size_t boot_info_bytes;
    const char *recovery_image, *recovery_log; /* MACHINE_APPLE: what Recovery gets as disks (recovery_disks.h), if it is not among `disks`; NULL: nothing. Copied */
    int console_in, console_out; /* -1: none */
    bool stops_at_reset;
    struct vm_origin origin;
    uint8_t generation[MACHINE_GENERATION_BYTES]; /* see machine_config; a restored guest that knows another gets this one */
    const char *translation_cache; /* see cpu_options.cache_path */
    struct log *log; /* NULL: none. Borrowed */
};

struct vm;

/* Copies what it needs. The result is stopped. */
struct vm *vm_create(const struct vm_config *config, struct pome_error *err);
void vm_destroy(struct vm *vm); /* shuts it down first; NULL allowed */
/* Ends the guest and the operation under way and waits for all threads but the operations': what is left is in the queue of events. */
void vm_shutdown(struct vm *vm);

/* --- operations --- */

/* What an operation needs besides its row. */
struct vm_work {
    /* SAVE and RESTORE: does it, on the operations' thread with the machine frozen: no vCPU runs, no device function is entered, no request
     * is in flight, the guest's counter stands still, and nobody else touches machine or vCPUs. RESTORE finds the machine as after
     * its creation. Should look at vm_is_closing() now and then. Others: NULL. */
    bool (*run)(struct vm *vm, void *ctx, struct pome_error *err);
    void *ctx;
    /* Called by whoever takes the event; err NULL: success. NULL: nobody wants to know. */
    void (*done)(void *user, const struct pome_error *err);
    void *user;
};

/* Begins START, PAUSE, RESUME, STOP, SAVE or RESTORE: the state is the one of the row's `during` when this returns, and `done` or
 * `failed` later. work: NULL as {0}. Errors: those of the table; done is not called then. */
bool vm_operate(struct vm *vm, enum pome_vm_operation op, const struct vm_work *work, struct pome_error *err);
/* The same, and waits for its end. Not from a function that was called by the machine. */
bool vm_operate_wait(struct vm *vm, enum pome_vm_operation op, const struct vm_work *work, struct pome_error *err);

/* Work that is no operation: run on a thread of its own while the guest goes on, one at a time; should look at vm_is_closing() now and then. Not from two threads at once. Errors:
 * BUSY (another is under way), OUT_OF_MEMORY; `done` is not called then. */
bool vm_run_beside(struct vm *vm, const struct vm_work *work, struct pome_error *err);

/* Presses the power button. timeout_ms not 0: again every two seconds, for a guest that does not listen yet; when it still runs then, an event says so, and with `force` it is stopped. Time
 * in which it is paused does not count. */
bool vm_request_stop(struct vm *vm, unsigned timeout_ms, bool force, struct pome_error *err);
/* Reset button: the guest starts anew, as after a reboot of its own; also when the machine stops at a guest's reset. */
bool vm_reset(struct vm *vm, struct pome_error *err);

/* --- what it is and why --- */

enum pome_vm_state vm_state(struct vm *vm);
enum pome_stop_reason vm_stop_reason(struct vm *vm);
void vm_error(struct vm *vm, struct pome_error *err); /* of POME_STOP_ERROR and POME_STOP_GUEST_PANIC, else all zero */
void vm_stats(struct vm *vm, struct cpu_stats *out);

/* For what vm_work.run does. */
const struct vm_config *vm_config(const struct vm *vm);
struct machine *vm_machine(const struct vm *vm);
struct cpu_set *vm_cpus(const struct vm *vm);
bool vm_is_closing(struct vm *vm);                /* give up soon */
void vm_progress(struct vm *vm, double fraction); /* tells the user, 0..1 */

/* --- events --- */

struct vm_event {
    struct pome_vm_event event; /* kind 0: an operation's end; else what the application is told. event.error: points to `error` or NULL */
    struct pome_error error;
    void (*done)(void *user, const struct pome_error *err);
    void *user;
};

int vm_fd(const struct vm *vm); /* an eventfd: readable while there are events */
bool vm_take_event(struct vm *vm, struct vm_event *out); /* false: none */

#endif
