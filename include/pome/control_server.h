/*
 * pome/control_server.h - makes a machine that runs in this process reachable: HTTP and JSON on a unix socket (docs/openapi.json).
 *
 * One socket per machine, named after the bundle's folder, so that whoever finds the bundle finds it. Only processes of the same user (and root) are answered. Threads: as a pome_vm's; the library starts none for this. Poll
 * pome_control_server_fd(), call pome_vm_dispatch() and then pome_control_server_dispatch().
 */
#ifndef POME_CONTROL_SERVER_H
#define POME_CONTROL_SERVER_H

#include <pome/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_control_server pome_control_server;

struct pome_control_server_options {
    size_t size;    /* of this struct: POME_CONTROL_SERVER_OPTIONS_INIT */
    int from_guest; /* reading end of the pipe whose writing end is the machine's console_out; -1: none */
    int to_guest;   /* writing end of the pipe whose reading end is its console_in; -1: none. Both are made non-blocking */
    int copy_to;    /* where the guest's output goes besides, byte for byte: a terminal, standard output; -1: nowhere. The guest
                     * waits for a slow one, as it does for a console_out */
};
#define POME_CONTROL_SERVER_OPTIONS_INIT                                                                                           \
    {                                                                                                                              \
        sizeof(struct pome_control_server_options), -1, -1, -1                                                                     \
    }

/* Begins to serve. The bundle is the one that the machine was made from; it and the machine are borrowed and must outlive the server, the
 * descriptors too.
 * Owner:  the caller, who ends it with pome_control_server_free().
 * Errors: PERMISSION (no folder for sockets that is this user's alone), BUSY (another one serves the machine), IO, OUT_OF_MEMORY. Since: 0.2. */
POME_API pome_control_server *pome_control_server_new(pome_bundle *bundle, pome_vm *vm, const struct pome_control_server_options *options,
                                                      struct pome_error *err);

/* Tells whoever listens how it ended, gives them a second to hear it, and removes the socket. NULL is fine.   Since: 0.2. */
POME_API void pome_control_server_free(pome_control_server *server);

/* Readable when pome_control_server_dispatch() has something to do. Borrowed.   Since: 0.2. */
POME_API int pome_control_server_fd(const pome_control_server *server);

/* Answers what came, passes console bytes on. Does not block.   Since: 0.2. */
POME_API void pome_control_server_dispatch(pome_control_server *server);

/* True when all that the guest said so far was written to copy_to: a stopped machine's owner dispatches until then.   Since: 0.2. */
POME_API bool pome_control_server_is_drained(const pome_control_server *server);

/* The socket's path. Borrowed.   Since: 0.2. */
POME_API const char *pome_control_server_path(const pome_control_server *server);

#ifdef __cplusplus
}
#endif
#endif
