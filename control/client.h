/* client.h - the other end of a control socket: one request, one answer; then, if wanted, a stream. Blocks, with a limit. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include "control/address.h"
#include "control/http.h"

#include <pome/error.h>

#include <jansson.h>

enum { CLIENT_TIMEOUT_MS = 10000, CLIENT_ANSWER_MAX = 4 << 20, CLIENT_EVENT_MAX = 65536 };

struct client {
    int fd;
    char path[ADDRESS_BYTES]; /* of the socket */
    size_t n; /* bytes of `in` that were read and not used */
    char in[CLIENT_EVENT_MAX + 4096];
};

struct client *client_open(const char *bundle_path, struct pome_error *err);
void client_close(struct client *c);

/* One call. timeout_ms: how long the answer may take, -1: for ever. if_match, body: may be NULL. *etag: may be NULL. The answer's body, of a call that succeeded; what the server says went wrong is *err, and
 * *findings (may be NULL) what it found, a new reference or NULL. */
json_t *client_call(struct client *c, int timeout_ms, const char *method, const char *target, const char *if_match, json_t *body, char etag[80], json_t **findings,
                    struct pome_error *err);

/* Sends a request whose answer becomes a stream; status is what is needed. upgrade: NULL, or the protocol. */
bool client_stream(struct client *c, const char *target, const char *upgrade, int status, struct pome_error *err);

/* The next line of a stream of events. timeout_ms -1: for ever. Errors: TIMED_OUT, NOT_FOUND (it has ended), INVALID_DATA, IO. */
json_t *client_event(struct client *c, int timeout_ms, struct pome_error *err);

#endif
