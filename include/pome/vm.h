/*
 * pome/vm.h - a virtual machine that runs in this process.
 *
 * Threads: the library's own threads never call the application. Poll pome_vm_fd(); when it is readable call
 * pome_vm_dispatch(), which updates what pome_vm_state() answers. All functions of one pome_vm are called from one
 * thread at a time, but pome_vm_request_stop() and pome_vm_stop(), which any thread may call.
 */
#ifndef POME_VM_H
#define POME_VM_H

#include <pome/bundle.h>
#include <pome/config.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_vm pome_vm;

/* The numbers are those of VZVirtualMachineState. */
enum pome_vm_state {
    POME_VM_STOPPED = 0,
    POME_VM_RUNNING = 1,
    POME_VM_PAUSED = 2,
    POME_VM_ERROR = 3,
    POME_VM_STARTING = 4,
    POME_VM_PAUSING = 5,
    POME_VM_RESUMING = 6,
    POME_VM_STOPPING = 7,
    POME_VM_SAVING = 8,
    POME_VM_RESTORING = 9,
};

/* Why a machine stopped. */
enum pome_stop_reason {
    POME_STOP_NONE = 0,        /* it did not */
    POME_STOP_GUEST_OFF = 1,   /* the guest powered off */
    POME_STOP_GUEST_RESET = 2, /* the guest rebooted and pome_config_set_stops_at_reset() was given */
    POME_STOP_GUEST_PANIC = 3, /* the guest's kernel reported a panic */
    POME_STOP_REQUEST = 4,     /* pome_vm_stop() */
    POME_STOP_ERROR = 5,       /* Pome could not go on: pome_vm_error() */
};

/* A machine from a configuration: opens disks, reads the kernel, allocates memory. The configuration is copied.
 * Owner:  the caller, who ends it with pome_vm_free().
 * Errors: INVALID_CONFIGURATION, NOT_FOUND, INVALID_DISK_IMAGE, BUSY (a disk is in use), OUT_OF_MEMORY, NOT_SUPPORTED.
 * Like:   VZVirtualMachine.init(configuration:).   Since: 0.1. */
POME_API pome_vm *pome_vm_new(const pome_config *config, struct pome_error *err);

struct pome_start_options {
    size_t size;          /* of this struct: POME_START_OPTIONS_INIT */
    bool recovery;        /* one start into Recovery; nothing is stored. Like: startUpFromMacOSRecovery */
    uint64_t memory_size; /* bytes for this start, 0: as the bundle says */
    int console_in, console_out;
    bool stops_at_reset;
    bool verbose; /* the boot stages say more on the console */
    /* At most one of the next four and `recovery`; all are for this start only. Since: 0.2. */
    bool dfu;            /* the boot ROM prints who the machine is and waits for ever. Like: _forceDFU */
    bool stop_in_stage1; /* the boot ROM stops before it reads anything. Like: _stopInIBootStage1 */
    bool stop_in_stage2; /* stage 2 was verified and stops before it reads anything. Like: _stopInIBootStage2 */
    bool picker;         /* stage 2 asks on the console what to start */
};
#define POME_START_OPTIONS_INIT {sizeof(struct pome_start_options), false, 0, -1, -1, false, false, false, false, false, false}

/* A machine from an installed bundle, which is locked until pome_vm_free(). The bundle is borrowed and must outlive it. What the host does and
 * what the guest says goes to the bundle's log.
 * Errors: as pome_vm_new(), and INVALID_BUNDLE (damaged, or its boot tickets are not signed), INVALID_STATE (not installed), BUSY (running).   Since: 0.1. */
POME_API pome_vm *pome_vm_new_from_bundle(pome_bundle *bundle, const struct pome_start_options *options,
                                          struct pome_error *err);

/* Stops the machine if it runs, waits for its threads, closes everything. NULL is fine. */
POME_API void pome_vm_free(pome_vm *vm);

/* Starts the guest. State: STOPPED or ERROR.
 * Errors: INVALID_STATE, OUT_OF_MEMORY.   Like: VZVirtualMachine.start.   Since: 0.1. */
POME_API bool pome_vm_start(pome_vm *vm, struct pome_error *err);

/* A descriptor that is readable when pome_vm_dispatch() has something to do. Borrowed. */
POME_API int pome_vm_fd(const pome_vm *vm);

/* Takes note of what happened since the last call; returns the state. */
POME_API enum pome_vm_state pome_vm_dispatch(pome_vm *vm);
POME_API enum pome_vm_state pome_vm_state(const pome_vm *vm);

/* Why it stopped, and for POME_STOP_ERROR and POME_STOP_GUEST_PANIC a sentence on what happened (borrowed, until the next
 * start). */
POME_API enum pome_stop_reason pome_vm_stop_reason(const pome_vm *vm);
POME_API const struct pome_error *pome_vm_error(const pome_vm *vm);

/* True when the host could not do something for the guest since the last call, a write to a full disk before all: *err says what. The guest was given
 * an I/O error and goes on. pome_vm_fd() becomes readable; ask after each pome_vm_dispatch().   Since: 0.1. */
POME_API bool pome_vm_take_fault(pome_vm *vm, struct pome_error *err);

/* Waits until the machine has stopped, dispatching. timeout_ms -1: for ever. Errors: TIMED_OUT.   Since: 0.1. */
POME_API bool pome_vm_wait(pome_vm *vm, int timeout_ms, struct pome_error *err);

/* Presses the power button; the guest may ignore it. State: RUNNING.   Like: requestStop().   Since: 0.1. */
POME_API bool pome_vm_request_stop(pome_vm *vm, struct pome_error *err);

/* Ends the guest at once, as pulling the plug does; disks are flushed. Waits for it.   Like: stop().   Since: 0.1. */
POME_API bool pome_vm_stop(pome_vm *vm, struct pome_error *err);

/* Counters of the machine's CPUs as JSON text; the caller frees it with free(). NULL when memory is short.  Since: 0.1. */
POME_API char *pome_vm_stats_json(const pome_vm *vm);

#ifdef __cplusplus
}
#endif
#endif
