/*
 * address.h - where the socket of a machine is: FOLDER/DEVICE-INODE.sock, after the bundle's folder.
 *
 * The lock of a bundle is on its folder's inode, and so is the name of its socket: whoever finds a bundle locked finds the socket, without a
 * registry, also after the bundle was moved. FOLDER is the first that is this user's alone: $XDG_RUNTIME_DIR/pome, /run/user/UID/pome,
 * /tmp/pome-UID; whoever connects looks in all of them, because a service and a login have different environments.
 */
#ifndef CONTROL_ADDRESS_H
#define CONTROL_ADDRESS_H

#include <pome/error.h>

#include <sys/un.h>

enum { ADDRESS_BYTES = sizeof((struct sockaddr_un *)0)->sun_path };

/* Listens for the machine whose bundle's folder is at bundle_path, which the caller has locked: a socket that is there already is a dead
 * process's and is replaced. Removes other dead ones too. -1 on failure. */
int address_listen(const char *bundle_path, char path[ADDRESS_BYTES], struct pome_error *err);

/* Connects, and makes sure that the other side is this user (or root). path: of the socket. -1: os_errno ENOENT or ECONNREFUSED: nobody is there. */
int address_connect(const char *bundle_path, char path[ADDRESS_BYTES], struct pome_error *err);

/* Whether the process at the other end is this user's or root's. */
bool address_peer_is_trusted(int fd);

#endif
