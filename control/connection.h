/* connection.h - one connection to the control socket: requests and answers, or a stream of events, or a console. Inside control/ only. */
#ifndef CONTROL_CONNECTION_H
#define CONTROL_CONNECTION_H

#include "control/http.h"
#include "control/server.h"

#include <jansson.h>

enum connection_mode { CONNECTION_REQUESTS, CONNECTION_EVENTS, CONNECTION_CONSOLE, CONNECTION_PARTING };

struct deferred;

struct connection {
    struct control_server *server;
    struct connection *next;
    struct server_watch watch;
    enum connection_mode mode;
    uint64_t deadline_ns; /* 0: none */
    bool closing, dead;   /* closing: when everything was written */
    struct deferred *deferred; /* an answer that comes later */
    bool read_only, deaf; /* a viewer that may not type; one that reads no more, but what it typed is to be read */
    uint64_t seen;        /* of the console: its next byte */
    char *out;
    size_t out_at, out_n, out_room;
    size_t in_n;
    char in[HTTP_HEAD_MAX + HTTP_BODY_MAX];
};

/* A connection over fd (-1: none, bytes come by connection_feed). NULL when there are too many, or no memory. */
struct connection *connection_create(struct control_server *s, int fd);
void connection_destroy(struct connection *c);

/* n bytes came; answers go to `out`. Never more than fit: returns how many were taken. */
size_t connection_feed(struct connection *c, const char *bytes, size_t n);

/* Adds bytes to what is to be written. Too many, or no memory: the connection dies. */
void connection_put(struct connection *c, const void *bytes, size_t n);

/* Answers further requests, after a deferred answer. */
void connection_go_on(struct connection *c);

/* Writes what can be written, asks for what is to be waited for. */
void connection_flush(struct connection *c);

/* Console bytes on: what the guest said, to a viewer; what a viewer typed, to the guest. */
void connection_pump(struct connection *c);

/* A line of JSON for every listener, or for one only. Steals the reference. */
void connections_tell(struct control_server *s, struct connection *only, json_t *event);

/* Drops those whose time is over, and frees the dead. */
void connections_sweep(struct control_server *s);

unsigned connections_viewing(const struct control_server *s);

#endif
