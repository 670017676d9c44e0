/* server.h - the control socket of one machine. Inside control/ only, but for control_server_*, which api/ gives to applications. */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include "control/address.h"
#include "control/hub.h"

#include <pome/control_server.h>

enum {
    SERVER_CONNECTIONS = 64,
    SERVER_REQUEST_MS = 10000,       /* for a whole request to come, and for an answer to be taken */
    SERVER_IDLE_MS = 300000,         /* between requests */
    SERVER_PARTING_MS = 2000,        /* after the last answer, for the other side to close */
    SERVER_BACKLOG_BYTES = 256 << 10, /* of events that a listener has not read; it is dropped then */
};

/* Calls fn(ctx) when the descriptor is ready; one per descriptor. */
struct server_watch {
    void (*fn)(void *ctx, uint32_t events);
    void *ctx;
    int fd;
    uint32_t events; /* asked for now; 0 with fd >= 0: not registered */
};

struct connection;

struct control_server {
    pome_bundle *bundle;
    pome_vm *vm; /* NULL only while requests are fuzzed: then no operation is carried out */
    struct hub hub;
    int epoll, timer;
    struct server_watch listening, ticking, output, input, copy;
    char path[ADDRESS_BYTES];
    int64_t started_ns;
    bool input_waits;           /* a viewer's bytes did not fit */
    struct connection *connections;
    unsigned n_connections;
};

bool server_watch(struct control_server *s, struct server_watch *w, int fd, uint32_t events);

struct control_server *control_server_create(pome_bundle *bundle, pome_vm *vm, const struct pome_control_server_options *o, struct pome_error *err);
void control_server_destroy(struct control_server *s);
void control_server_dispatch(struct control_server *s);

/* Fills *s with what a server without sockets has: for tests and fuzzing of requests. */
void control_server_init(struct control_server *s, pome_bundle *bundle, pome_vm *vm);

#endif
