/*
 * pome/socket.h - streams between programs of the host and programs in a guest, without a network.
 *
 * A machine with a socket device (pome_config_add_sockets(), "sockets" in a bundle's Config.json) has ports, as Linux's AF_VSOCK has: the host is CID 2
 * there, the guest 3. Connections do not survive a restore of a saved machine: both sides see them reset.
 *
 * From other programs: connect to the unix socket of the machine (pome_bundle_socket_path(), or the path given to
 * pome_config_add_sockets()), write "CONNECT <port>\n", read "OK <number>\n" when the guest has accepted; ssh does that with
 * `pome vsock` as its ProxyCommand. The guest's connections to port N go to whoever listens on the unix socket "<path>_<N>".
 */
#ifndef POME_SOCKET_H
#define POME_SOCKET_H

#include <pome/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Connects to a port on which a program in the guest listens. Waits for its answer.
 * timeout_ms: -1: for ever. Any thread.
 * Returns: a descriptor of a connected stream, which blocks; the caller's to close. -1 and *err: NOT_FOUND (nobody listens there, or the guest has no
 * driver), TIMED_OUT, INVALID_CONFIGURATION (no socket device).
 * Like:   VZVirtioSocketDevice.connect(toPort:).   Since: 0.2. */
POME_API int pome_vm_socket_connect_wait(pome_vm *vm, uint32_t port, int timeout_ms, struct pome_error *err);

/* Takes the guest's connections to a port of the host from now on. Any thread.
 * Returns: a descriptor that is readable when one waits for pome_socket_accept(); the caller's: closing it ends the listening. -1 and *err: BUSY
 * (somebody listens already), INVALID_CONFIGURATION (no socket device).
 * Like:   VZVirtioSocketDevice.setSocketListener(_:forPort:).   Since: 0.2. */
POME_API int pome_vm_socket_listen(pome_vm *vm, uint32_t port, struct pome_error *err);

/* The next connection of a listener; waits for it. guest_port: where it comes from; NULL: not wanted.
 * Returns: a connected stream, the caller's. -1 and *err: IO (the machine is gone).
 * Like:   VZVirtioSocketListenerDelegate.   Since: 0.2. */
POME_API int pome_socket_accept(int listener, uint32_t *guest_port, struct pome_error *err);

/* The same as pome_vm_socket_connect_wait() for a machine that runs anywhere on this host, by the path of its unix socket.
 * Errors: NOT_FOUND (no machine there, or nobody listens in the guest), TIMED_OUT, PERMISSION.   Since: 0.2. */
POME_API int pome_socket_connect_path(const char *path, uint32_t port, int timeout_ms, struct pome_error *err);

/* Where the unix socket of a bundle's machine is while it runs. path: at least 108 bytes. Errors: PERMISSION (no folder for sockets that is this
 * user's alone).   Since: 0.2. */
POME_API bool pome_bundle_socket_path(const pome_bundle *bundle, char *path, size_t size, struct pome_error *err);

/* Connects to a serial ("hvc0") or console port of a bundle's machine, which runs in any process of this host: what is written the guest reads, and the other way
 * round. One program at a time: a second one waits until the first has gone.
 * Returns: a connected stream, which blocks; the caller's. -1 and *err: NOT_FOUND (no such port, or the machine does not run), INVALID_STATE (the port leads to a file),
 * PERMISSION.   Since: 0.2. */
POME_API int pome_bundle_port_connect(const pome_bundle *bundle, const char *name, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
