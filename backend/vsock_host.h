/*
 * vsock_host.h - the host's end of a machine's sockets: who may connect to the guest, and where the guest's own connections go.
 *
 * To the guest: a program connects to the unix socket at `path`, says "CONNECT <port>\n", and reads "OK <port>\n" when the guest has
 * accepted; then the bytes are the guest's. If the guest refuses, the connection is closed. (Firecracker's and Cloud Hypervisor's way, that
 * systemd's ssh proxy speaks as vsock-mux.) From the guest: a connection to port N of the host goes to a listener that was made with
 * vsock_host_listen, else to whoever listens on the unix socket "<path>_<N>", else it is refused.
 *
 * Threads: vsock_host_give and vsock_host_listen from any; the rest on the loop's thread, or when it does not run.
 */
#ifndef BACKEND_VSOCK_HOST_H
#define BACKEND_VSOCK_HOST_H

#include "base/loop.h"

#include <stdint.h>

struct vsock_host;

/* path: at most 95 bytes; a socket there that nobody listens to is replaced. NULL: nobody can connect from outside. Errors: BUSY, PERMISSION,
 * INVALID_CONFIGURATION. */
struct vsock_host *vsock_host_create(struct loop *loop, const char *path, struct pome_error *err);
void vsock_host_destroy(struct vsock_host *h); /* removes the socket; NULL allowed */

/* connect: on the loop's thread, a stream that wants to the guest's port. It is the client's; after the guest accepted, "OK <port>\n" comes first. */
struct vsock_host_client {
    void (*connect)(void *ctx, uint32_t port, int fd);
    void *ctx;
};
void vsock_host_attach(struct vsock_host *h, const struct vsock_host_client *client); /* NULL: detach */

/* A stream for the guest's connection to a port of the host, not blocking; -1: nobody is there. from: the guest's port. */
int vsock_host_reach(struct vsock_host *h, uint32_t port, uint32_t from);

/* Takes a stream on which the other side is going to say "CONNECT <port>\n". */
void vsock_host_give(struct vsock_host *h, int fd);

/* From now on the guest's connections to this port come out of the descriptor that is returned: a SOCK_SEQPACKET socket, one message for each: the
 * guest's port (4 bytes, host's order) and the stream (SCM_RIGHTS). It ends when it is closed. -1 and *err: BUSY. */
int vsock_host_listen(struct vsock_host *h, uint32_t port, struct pome_error *err);

#endif
