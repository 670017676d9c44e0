/*
 * route.h - the calls of the control socket. A new one: its row in routes.inc, its function route_NAME in a file of this folder, and its
 * place in docs/openapi.json (a test compares them).
 */
#ifndef CONTROL_ROUTE_H
#define CONTROL_ROUTE_H

#include "control/connection.h"

/* One request being answered: every route calls one of call_reply, call_accept, call_fail, call_begin once. */
struct call {
    struct control_server *server; /* with its machine and bundle */
    struct connection *connection;
    const struct http_request *request;
    json_t *body; /* an object; NULL: the request had none */
};

/* Answers with JSON. Steals the reference. etag: may be NULL. */
void call_reply(struct call *c, int status, json_t *body, const char *etag);
/* 202 and the machine's status: the request will be carried out; events say when. */
void call_accept(struct call *c);
/* Answers with the error, its HTTP status, and what was found (an array or NULL, stolen). */
void call_fail(struct call *c, const struct pome_error *err, json_t *findings);

/* For an operation of pome/vm.h, which ends later: begins it; the request is answered then, with the machine's status or the error. Until then nothing else is
 * answered on this connection. */
typedef bool call_operation(pome_vm *vm, pome_done *done, void *user, struct pome_error *err);
void call_begin(struct call *c, call_operation *operation);

/* What call_begin is made of, for operations with other arguments: the user of call_done, a pome_done. */
struct deferred *call_defer(struct call *c);
void call_done(void *user, const struct pome_error *err);
/* Nobody waits for it any more. */
void call_forget(struct deferred *d);

/* A text of the body; NULL: it is not there, or no text. */
const char *call_text(const struct call *c, const char *key);

/* The machine as GET /v1/machine shows it. New reference. */
json_t *describe_machine(const struct control_server *s);
/* "2026-11-23T01:02:03.456789Z" */
json_t *describe_time(int64_t ns);
json_t *describe_error(const struct pome_error *err);
bool state_from_name(const char *name, enum pome_vm_state *state);
bool reason_from_name(const char *name, enum pome_stop_reason *reason);

#define ROUTE(method, path, name, summary) void route_##name(struct call *c);
#include "control/routes.inc"
#undef ROUTE

/* Finds the route of a request and runs it; body: the request's. */
void route_request(struct control_server *s, struct connection *connection, const struct http_request *r, const char *body);

#endif
