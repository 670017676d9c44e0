/*
 * pome/state.h - the states of a machine, what may be done in which, and what it tells.
 */
#ifndef POME_STATE_H
#define POME_STATE_H

#include <pome/error.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The states of a machine. The numbers are those of Apple's.
 * Like: VZVirtualMachineState.   Since: 0.1. */
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
enum { POME_VM_STATE_COUNT = 10 };

/* What can be done with a machine; in which states is the library's table, which pome_vm_operation() shows.   Since: 0.2. */
enum pome_vm_operation {
    POME_VM_OP_START = 0,
    POME_VM_OP_PAUSE = 1,
    POME_VM_OP_RESUME = 2,
    POME_VM_OP_STOP = 3,
    POME_VM_OP_REQUEST_STOP = 4,
    POME_VM_OP_RESET = 5,
    POME_VM_OP_SAVE = 6,
    POME_VM_OP_RESTORE = 7,
};
enum { POME_VM_OPERATION_COUNT = 8 };

/* Why a machine stopped. */
enum pome_stop_reason {
    POME_STOP_NONE = 0,        /* it did not */
    POME_STOP_GUEST_OFF = 1,   /* the guest powered off */
    POME_STOP_GUEST_RESET = 2, /* the guest rebooted and pome_config_set_stops_at_reset() was given */
    POME_STOP_GUEST_PANIC = 3, /* the guest's kernel reported a panic */
    POME_STOP_REQUEST = 4,     /* pome_vm_stop() */
    POME_STOP_ERROR = 5,       /* Pome could not go on: pome_vm_error() */
};

/* One row of the table of operations.   Since: 0.2. */
struct pome_vm_operation_info {
    size_t size;                 /* of this struct: POME_VM_OPERATION_INFO_INIT */
    const char *name;            /* "request-stop"; static */
    uint32_t allowed;            /* bit 1 << state for each state that allows it */
    enum pome_error_code refused; /* the error in every other state */
    enum pome_vm_state during, done, failed; /* the state while it goes on, after it, and when it failed; all equal: it changes no state */
};

#define POME_VM_OPERATION_INFO_INIT                                                                                                \
    {                                                                                                                              \
        .size = sizeof(struct pome_vm_operation_info)                                                                              \
    }

/* The row of an operation; false when there is no such number. Any thread.   Since: 0.2. */
POME_API bool pome_vm_operation(unsigned operation, struct pome_vm_operation_info *info);

/* "running"; "unknown" for a number that is not in the list. Static storage. Any thread.   Since: 0.2. */
POME_API const char *pome_vm_state_name(enum pome_vm_state state);

/* "guest-off"; "unknown" for a number that is not in the list. Static storage. Any thread.   Since: 0.2. */
POME_API const char *pome_stop_reason_name(enum pome_stop_reason reason);

/* What happened to a machine. */
enum pome_vm_event_kind {
    POME_VM_EVENT_STATE = 1,        /* the state is `state` now, it was `before`. Like: VZVirtualMachine.state, observed */
    POME_VM_EVENT_STOPPED = 2,      /* stopped, or in error: `reason`; `error` for PANIC and ERROR. Like: guestDidStop, didStopWithError */
    POME_VM_EVENT_GUEST_RESET = 3,  /* the guest rebooted, `count` times since the last such event, and runs again */
    POME_VM_EVENT_GUEST_PANIC = 4,  /* the guest's kernel reports a panic: `error` says which; STOPPED follows */
    POME_VM_EVENT_FAULT = 5,        /* the host could not do something for the guest (its disk is full): `error`. The guest saw an I/O error and goes on */
    POME_VM_EVENT_STOP_IGNORED = 6, /* the time given to pome_vm_request_stop() is over and the guest still runs */
    POME_VM_EVENT_PROGRESS = 7,     /* of the operation under way: `fraction` 0..1 */
};

struct pome_vm_event {
    size_t size; /* of this struct, as the library knows it */
    enum pome_vm_event_kind kind;
    enum pome_vm_state state, before;
    enum pome_stop_reason reason;
    const struct pome_error *error; /* NULL: none. Borrowed during the call */
    uint32_t count;
    double fraction;
};

#ifdef __cplusplus
}
#endif
#endif
