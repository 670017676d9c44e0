/*
 * pome/control.h - a machine that runs in another process: what it does, and telling it what to do.
 *
 * Every running machine has a socket (pome/control_server.h). A pome_control is a connection to it, used by one thread at a time; calls wait for the
 * answer: ten seconds, or as long as the operation takes. Names are those of pome/bundle.h.
 */
#ifndef POME_CONTROL_H
#define POME_CONTROL_H

#include <pome/balloon.h>
#include <pome/save.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_control pome_control;

/* Connects to a running machine.
 * Owner:  the caller, who ends it with pome_control_free().
 * Errors: NOT_FOUND (no such bundle), INVALID_STATE (it does not run), BUSY (something else has it: an installation, another tool; or it starts
 *         just now), PERMISSION (another user's), IO.   Since: 0.2. */
POME_API pome_control *pome_control_connect(const char *name, struct pome_error *err);
POME_API void pome_control_free(pome_control *control); /* NULL is fine */

struct pome_control_status {
    size_t size; /* of this struct: POME_CONTROL_STATUS_INIT */
    enum pome_vm_state state;
    enum pome_stop_reason stop_reason;
    int pid;              /* of the machine's process */
    int64_t started_ns;   /* since 1970: when the process began to serve */
    unsigned cpu_count;
    uint64_t memory_size; /* bytes: of the configuration, which a start may have overridden */
    unsigned viewers;     /* consoles attached through the socket */
    char generation[POME_GENERATION_BYTES]; /* of its configuration */
};
#define POME_CONTROL_STATUS_INIT                                                                                                   \
    {                                                                                                                              \
        .size = sizeof(struct pome_control_status)                                                                                 \
    }

/* The path of its socket, for programs that speak HTTP themselves. Borrowed. Any thread.   Since: 0.2. */
POME_API const char *pome_control_path(const pome_control *control);

/* Errors of this and all calls below: IO, TIMED_OUT, INVALID_DATA (the other side is no Pome), and those that the call itself has in
 * pome/vm.h and pome/bundle.h, made there and given here.   Since: 0.2. */
POME_API bool pome_control_status(pome_control *control, struct pome_control_status *status, struct pome_error *err);

/* As the functions of the same names in pome/vm.h. stop, pause and resume return when it is done, request_stop and reset when it was asked for.
 * Since: 0.2. */
POME_API bool pome_control_request_stop(pome_control *control, const struct pome_stop_options *options, struct pome_error *err); /* Like: VZVirtualMachine.requestStop */
POME_API bool pome_control_stop(pome_control *control, struct pome_error *err);   /* Like: VZVirtualMachine.stop */
POME_API bool pome_control_reset(pome_control *control, struct pome_error *err);  /* Like: VZVirtualMachine._resetWithType */
POME_API bool pome_control_pause(pome_control *control, struct pome_error *err);  /* Like: VZVirtualMachine.pause */
POME_API bool pome_control_resume(pome_control *control, struct pome_error *err); /* Like: VZVirtualMachine.resume */

/* As pome_vm_balloon_set_target() and pome_vm_balloon_status().   Since: 0.2. */
POME_API bool pome_control_balloon_set_target(pome_control *control, uint64_t bytes, struct pome_error *err);
POME_API bool pome_control_balloon_status(pome_control *control, struct pome_balloon_status *status, struct pome_error *err);

/* As pome_vm_save() into the machine's bundle, and pome_vm_snapshot(); a key of options must be text. To be saved it must be paused.   Since: 0.2. */
POME_API bool pome_control_save(pome_control *control, const struct pome_save_options *options, struct pome_error *err);
POME_API bool pome_control_snapshot(pome_control *control, const char *name, const struct pome_save_options *options, struct pome_error *err);

/* As pome_vm_snapshot_delete().   Since: 0.2. */
POME_API bool pome_control_snapshot_delete(pome_control *control, const char *name, struct pome_error *err);

/* As pome_bundle_config_get() and pome_bundle_config_set_if(), of the running machine's bundle, which only its process may write. What is set
 * holds from the next start on. generation: may be NULL.   Since: 0.2. */
POME_API char *pome_control_config_get(pome_control *control, const char *key, char generation[POME_GENERATION_BYTES], struct pome_error *err);
POME_API bool pome_control_config_set(pome_control *control, const char *if_generation, const char *key, const char *value,
                                      pome_finding_fn *each, void *user, struct pome_error *err);

/* Any call of docs/openapi.json: method "GET", "PUT", "POST"; path "/v1/..."; body JSON text or NULL. Gives the answer's body, which the caller frees with free().
 * Since: 0.2. */
POME_API char *pome_control_call(pome_control *control, const char *method, const char *path, const char *body, struct pome_error *err);

/* --- events --------------------------------------------------------------------------------------------------------- */

struct pome_control_event {
    size_t size;        /* of this struct: POME_CONTROL_EVENT_INIT */
    char type[16];      /* "state", "stopped", "guest-reset", "guest-panic", "fault", "stop-ignored", "progress", "config"; more may come */
    int64_t time_ns;    /* since 1970 */
    enum pome_vm_state state;
    enum pome_stop_reason stop_reason;
    char message[256];  /* of a fault, or why it crashed; else empty */
};
#define POME_CONTROL_EVENT_INIT                                                                                                    \
    {                                                                                                                              \
        .size = sizeof(struct pome_control_event)                                                                                  \
    }

/* Makes a stream of events of this connection, which from then on is for pome_control_next_event() only. The first event is the present state. Since: 0.2. */
POME_API bool pome_control_listen(pome_control *control, struct pome_error *err);

/* Readable when there may be an event. Borrowed.   Since: 0.2. */
POME_API int pome_control_fd(const pome_control *control);

/* The next event. timeout_ms -1: waits for ever. Errors: TIMED_OUT; NOT_FOUND: the machine's process has ended.   Since: 0.2. */
POME_API bool pome_control_next_event(pome_control *control, struct pome_control_event *event, int timeout_ms, struct pome_error *err);

/* --- console -------------------------------------------------------------------------------------------------------- */

/* Makes the guest's console of this connection: what is read from the returned descriptor is what the guest says, beginning with up to `recent` bytes of
 * what it said last (at most 262144, from the beginning of a line), and what is written to it is typed, unless read_only. Several can be attached, all see the same
 * and all may type. One that does not read misses output and is told how much, in the stream. *others (may be NULL): how many are
 * attached besides. The descriptor belongs to control. Returns -1 on failure.   Since: 0.2. */
POME_API int pome_control_console(pome_control *control, bool read_only, size_t recent, unsigned *others, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
