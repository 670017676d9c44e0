/* unix_socket.h - sockets with a path at which the machine's user finds something of it. */
#ifndef BACKEND_UNIX_SOCKET_H
#define BACKEND_UNIX_SOCKET_H

#include <pome/error.h>

enum { UNIX_SOCKET_PATH_MAX = 108 };

/* A stream socket that listens at path, mode 0600; not blocking when that is said. One that nobody listens to any more is replaced. The caller
 * removes the path. -1 and *err: BUSY, INVALID_CONFIGURATION (too long), PERMISSION, NOT_FOUND. */
int unix_socket_listen(const char *path, int flags, struct pome_error *err);

#endif
