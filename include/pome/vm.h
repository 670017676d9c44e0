/*
 * pome/vm.h - a virtual machine that runs in this process.
 *
 * Threads: the library's own threads never call the application. Poll pome_vm_fd(); when it is readable call
 * pome_vm_dispatch(), which calls the completions and event functions that are due, on the calling thread, and nowhere else. All
 * functions of one pome_vm are called from one thread at a time, unless they say that any thread may.
 *
 * An operation is begun by pome_vm_start() and its like: refused at once, or under way. `done` is then called exactly once, by
 * pome_vm_dispatch() or at the latest by pome_vm_free(). Every operation has a form that waits: pome_vm_start_wait(). It dispatches while it waits.
 *
 * The states that allow an operation, and what is refused, are one table: pome_vm_operation() in pome/state.h.
 */
#ifndef POME_VM_H
#define POME_VM_H

#include <pome/bundle.h>
#include <pome/config.h>
#include <pome/state.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_vm pome_vm;

/* A machine from a configuration: opens disks, reads the kernel, allocates memory. The configuration is copied.
 * Owner:  the caller, who ends it with pome_vm_free().
 * Errors: INVALID_CONFIGURATION, NOT_FOUND, INVALID_DISK_IMAGE, BUSY (a disk is in use), OUT_OF_MEMORY, NOT_SUPPORTED.
 * Like:   VZVirtualMachine.init(configuration:).   Since: 0.1. */
POME_API pome_vm *pome_vm_new(const pome_config *config, struct pome_error *err);

struct pome_start_options {
    size_t size;          /* of this struct: POME_START_OPTIONS_INIT */
    bool recovery;        /* one start into Recovery; nothing is stored. Like: VZMacOSVirtualMachineStartOptions.startUpFromMacOSRecovery */
    uint64_t memory_size; /* bytes for this start, 0: as the bundle says */
    int console_in, console_out;
    bool stops_at_reset;
    bool verbose; /* the boot stages say more on the console */
    /* At most one of the next four and `recovery`; all are for this start only. Since: 0.2. */
    bool dfu;            /* the boot ROM prints who the machine is and waits for ever. Like: VZMacOSVirtualMachineStartOptions._forceDFU */
    bool stop_in_stage1; /* the boot ROM stops before it reads anything. Like: VZMacOSVirtualMachineStartOptions._stopInIBootStage1 */
    bool stop_in_stage2; /* stage 2 was verified and stops before it reads anything. Like: VZMacOSVirtualMachineStartOptions._stopInIBootStage2 */
    bool picker;         /* stage 2 asks on the console what to start */
    const char *medium;  /* one more disk for this start, read-only: an installer's image. Generic platform only. Borrowed during the call. NULL: none. Since: 0.2 */
    /* What its first network (POME_NETWORK_NAT) offers UEFI firmware that finds nothing on its disks: a file in a folder, all of which the guest can
     * read by TFTP. Generic platform only. Borrowed during the call. NULL: nothing. Since: 0.2 */
    const char *netboot_root, *netboot_file;
    /* This boot ROM instead of Pome's, at most 1 MiB; Apple-style platform only. Read during the call. NULL: Pome's. Like: VZMacOSBootLoader._romURL.
     * Since: 0.2 */
    const char *rom;
};
#define POME_START_OPTIONS_INIT {sizeof(struct pome_start_options), false, 0, -1, -1, false, false, false, false, false, false, NULL, NULL, NULL, NULL}

/* A machine from an installed bundle, which is locked until pome_vm_free(). The bundle is borrowed and must outlive it. What the host does and
 * what the guest says goes to the bundle's log. While a saved machine lies in the bundle (pome_bundle_is_saved()) it is made with the configuration that that one ran with,
 * if its guest would see another one otherwise: pome_vm_restore() can go on. For a start from the beginning, pome_bundle_discard_saved() first.
 * Errors: as pome_vm_new(), and INVALID_BUNDLE (damaged, or its boot tickets are not signed), INVALID_STATE (not installed), BUSY (running).
 * Like:   VZVirtualMachine.init(configuration:) with VZMacPlatformConfiguration and VZMacOSBootLoader.   Since: 0.1. */
POME_API pome_vm *pome_vm_new_from_bundle(pome_bundle *bundle, const struct pome_start_options *options,
                                          struct pome_error *err);

/* Stops the machine if it runs, waits for its threads, calls the completions that are still due, closes everything. NULL is fine. From within a
 * completion or event function it is put off until pome_vm_dispatch() has returned to its caller.   Since: 0.1. */
POME_API void pome_vm_free(pome_vm *vm);

/* --- what it is ------------------------------------------------------------------------------------------------------ */

/* The state at this moment; events and completions that tell of it may still wait for pome_vm_dispatch(). Any thread.
 * Like: VZVirtualMachine.state.   Since: 0.1. */
POME_API enum pome_vm_state pome_vm_state(const pome_vm *vm);

/* Whether the state allows an operation at this moment. Any thread.   Since: 0.2. */
POME_API bool pome_vm_can(const pome_vm *vm, enum pome_vm_operation operation);
POME_API bool pome_vm_can_start(const pome_vm *vm);        /* Like: VZVirtualMachine.canStart.   Since: 0.2. */
POME_API bool pome_vm_can_pause(const pome_vm *vm);        /* Like: VZVirtualMachine.canPause.   Since: 0.2. */
POME_API bool pome_vm_can_resume(const pome_vm *vm);       /* Like: VZVirtualMachine.canResume.   Since: 0.2. */
POME_API bool pome_vm_can_stop(const pome_vm *vm);         /* Like: VZVirtualMachine.canStop.   Since: 0.2. */
POME_API bool pome_vm_can_request_stop(const pome_vm *vm); /* Like: VZVirtualMachine.canRequestStop.   Since: 0.2. */

/* Why it stopped. Any thread.   Since: 0.1. */
POME_API enum pome_stop_reason pome_vm_stop_reason(const pome_vm *vm);

/* For POME_STOP_ERROR and POME_STOP_GUEST_PANIC a sentence on what happened; else code 0. Borrowed until the next call.   Since: 0.1. */
POME_API const struct pome_error *pome_vm_error(const pome_vm *vm);

/* --- what happens to it ---------------------------------------------------------------------------------------------- */

/* A descriptor that is readable when pome_vm_dispatch() has something to do: for poll, epoll, or the loop of a toolkit. Borrowed; do not read it.
 * Like: VZVirtualMachine.queue.   Since: 0.1. */
POME_API int pome_vm_fd(const pome_vm *vm);

/* Calls what is due, in the order in which it happened; does not wait. Returns the state. Not from within a function that it calls (then it does nothing).
 * Since: 0.1. */
POME_API enum pome_vm_state pome_vm_dispatch(pome_vm *vm);

/* Is told of events (pome/state.h). It may call everything here but the forms that wait. */
typedef void pome_vm_event_fn(void *user, pome_vm *vm, const struct pome_vm_event *event);

/* Adds an event function; each is told everything from now on. At most 8.
 * Errors: OUT_OF_MEMORY (there are 8).   Like: VZVirtualMachineDelegate.   Since: 0.2. */
POME_API bool pome_vm_subscribe(pome_vm *vm, pome_vm_event_fn *fn, void *user, struct pome_error *err);
/* Removes the one that was added with both; nothing when there is none.   Since: 0.2. */
POME_API void pome_vm_unsubscribe(pome_vm *vm, pome_vm_event_fn *fn, void *user);

/* --- operations ------------------------------------------------------------------------------------------------------ */

/* How an operation ended: err NULL is success. err is borrowed during the call. */
typedef void pome_done(void *user, const struct pome_error *err);

/* Starts the guest. When it is done the guest's CPUs run; a kernel that cannot be loaded is the completion's error and the state is ERROR.
 * done: NULL when nobody wants to know. State: STOPPED or ERROR. Errors: INVALID_STATE, OUT_OF_MEMORY; of the completion also NOT_FOUND, INVALID_CONFIGURATION.
 * Like: VZVirtualMachine.start.   Since: 0.1. */
POME_API bool pome_vm_start(pome_vm *vm, pome_done *done, void *user, struct pome_error *err);

/* The same, and waits until it is done. timeout_ms: -1 for ever; when it is over the operation goes on. Errors: as pome_vm_start(), and TIMED_OUT.   Since: 0.2. */
POME_API bool pome_vm_start_wait(pome_vm *vm, int timeout_ms, struct pome_error *err);

/* Freezes the guest: no CPU runs, nothing is in flight to disks or network, its counter and timers stand still (it does not see the time that it was paused),
 * but its real-time clock goes on. Memory is kept. State: RUNNING. Errors: INVALID_STATE (also of the completion: the guest stopped at the same moment); TIMED_OUT (of the
 * completion: the host's disk does not answer; the guest goes on).   Like: VZVirtualMachine.pause.   Since: 0.2. */
POME_API bool pome_vm_pause(pome_vm *vm, pome_done *done, void *user, struct pome_error *err);
/* As pome_vm_start_wait().   Since: 0.2. */
POME_API bool pome_vm_pause_wait(pome_vm *vm, int timeout_ms, struct pome_error *err);

/* Lets the guest go on. State: PAUSED. Errors: INVALID_STATE.   Like: VZVirtualMachine.resume.   Since: 0.2. */
POME_API bool pome_vm_resume(pome_vm *vm, pome_done *done, void *user, struct pome_error *err);
/* As pome_vm_start_wait().   Since: 0.2. */
POME_API bool pome_vm_resume_wait(pome_vm *vm, int timeout_ms, struct pome_error *err);

/* Ends the guest at once, as pulling the plug does; what it had written to its disks is in their files. State: RUNNING or PAUSED. Errors: INVALID_STATE.
 * Like: VZVirtualMachine.stop.   Since: 0.1. */
POME_API bool pome_vm_stop(pome_vm *vm, pome_done *done, void *user, struct pome_error *err);
/* As pome_vm_start_wait().   Since: 0.2. */
POME_API bool pome_vm_stop_wait(pome_vm *vm, int timeout_ms, struct pome_error *err);

struct pome_stop_options {
    size_t size;         /* of this struct: POME_STOP_OPTIONS_INIT */
    unsigned timeout_ms; /* how long the guest may take, in which the button is pressed every two seconds (a guest that boots hears nothing), before POME_VM_EVENT_STOP_IGNORED; time in which it is paused does not count. 0: no limit */
    bool force;          /* stop it then, as pome_vm_stop() does */
};
#define POME_STOP_OPTIONS_INIT {sizeof(struct pome_stop_options), 0, false}

/* Presses the power button; the guest may ignore it. options: NULL for one press, without a time limit. State: RUNNING. Any thread. Errors: INVALID_STATE.
 * Like: VZVirtualMachine.requestStop.   Since: 0.1. */
POME_API bool pome_vm_request_stop(pome_vm *vm, const struct pome_stop_options *options, struct pome_error *err);

/* Presses the reset button: the guest starts anew, also when the configuration says that it stops at a reset. State: RUNNING. Any thread. Errors: INVALID_STATE.
 * Like: VZVirtualMachine._resetWithType (private).   Since: 0.2. */
POME_API bool pome_vm_reset(pome_vm *vm, struct pome_error *err);

/* Waits until the machine is STOPPED or in ERROR, dispatching. timeout_ms -1: for ever. Errors: TIMED_OUT.   Since: 0.1. */
POME_API bool pome_vm_wait(pome_vm *vm, int timeout_ms, struct pome_error *err);

/* Counters of the machine's CPUs as JSON text; the caller frees it with free(). NULL when memory is short.  Since: 0.1. */
POME_API char *pome_vm_stats_json(const pome_vm *vm);

#ifdef __cplusplus
}
#endif
#endif
