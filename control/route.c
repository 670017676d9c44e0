/* route.c - finds the call that a request means, and answers. */
#include "control/route.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_DEPTH = 16 };

static const struct route {
    const char *method, *path;
    void (*run)(struct call *c);
    const char *name, *summary;
} routes[] = {
#define ROUTE(method, path, name, summary) {method, path, route_##name, #name, summary},
#include "control/routes.inc"
#undef ROUTE
};

/* ---- answers ---- */

static const struct {
    int32_t code;
    int status;
} statuses[] = {
    {POME_ERROR_INVALID_CONFIGURATION, 422}, {POME_ERROR_INVALID_STATE, 409}, {POME_ERROR_INVALID_STATE_TRANSITION, 409},
    {POME_ERROR_NOT_FOUND, 404},             {POME_ERROR_EXISTS, 409},        {POME_ERROR_BUSY, 423},
    {POME_ERROR_PERMISSION, 403},            {POME_ERROR_NOT_SUPPORTED, 501}, {POME_ERROR_INVALID_DATA, 400},
    {POME_ERROR_OUT_OF_DISK_SPACE, 507},     {POME_ERROR_CONFLICT, 412},      {POME_ERROR_OPERATION_CANCELLED, 409},
};

static int status_of(int32_t code)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].code == code)
            return statuses[i].status;
    return 500;
}

void call_reply(struct call *c, int status, json_t *body, const char *etag)
{
    char head[512], tag[96] = "";
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    size_t n = text ? strlen(text) : 0;
    if (etag)
        snprintf(tag, sizeof tag, "ETag: \"%.80s\"\r\n", etag);
    if (c->request->close)
        c->connection->closing = true;
    int h = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s%s\r\n", status,
                     http_reason(status), n + (text != NULL), tag, c->request->close ? "Connection: close\r\n" : "");
    connection_put(c->connection, head, (size_t)h);
    if (text) {
        connection_put(c->connection, text, n);
        connection_put(c->connection, "\n", 1);
    }
    free(text);
    json_decref(body);
}

void call_accept(struct call *c)
{
    call_reply(c, 202, describe_machine(c->server), NULL);
}

void call_fail(struct call *c, const struct pome_error *err, json_t *findings)
{
    json_t *e = describe_error(err);
    if (findings)
        json_object_set_new(e, "findings", findings);
    call_reply(c, status_of(err->code), json_pack("{s:o}", "error", e), NULL);
}

/* ---- answers that come later ---- */

struct deferred {
    struct connection *connection; /* NULL: it is gone */
    bool close;
};

struct deferred *call_defer(struct call *c)
{
    struct deferred *d = malloc(sizeof *d);
    if (d)
        *d = (struct deferred){c->connection, c->request->close};
    c->connection->deferred = d;
    return d;
}

void call_forget(struct deferred *d)
{
    d->connection = NULL;
}

void call_done(void *user, const struct pome_error *err)
{
    struct deferred *d = user;
    struct connection *own = d->connection;
    const struct http_request request = {.close = d->close};
    free(d);
    if (!own)
        return;
    struct call c = {.server = own->server, .connection = own, .request = &request};
    own->deferred = NULL;
    if (err)
        call_fail(&c, err, NULL);
    else
        call_reply(&c, 200, describe_machine(c.server), NULL);
    connection_go_on(own);
}

void call_begin(struct call *c, call_operation *operation)
{
    struct pome_error err = {0};
    struct deferred *d = c->server->vm ? call_defer(c) : NULL;
    if (d && operation(c->server->vm, call_done, d, &err))
        return;
    if (!d)
        pome_fail(&err, c->server->vm ? POME_ERROR_OUT_OF_MEMORY : POME_ERROR_INVALID_STATE, "there is no machine, or no memory");
    c->connection->deferred = NULL;
    free(d);
    call_fail(c, &err, NULL);
}

static void fail(struct call *c, int status, enum pome_error_code code, const char *format, const char *a, const char *b)
{
    struct pome_error err = {0};
    char text[200];
    snprintf(text, sizeof text, format, a, b);
    pome_fail(&err, code, "%s", text);
    call_reply(c, status, json_pack("{s:o}", "error", describe_error(&err)), NULL);
}

const char *call_text(const struct call *c, const char *key)
{
    return c->body ? json_string_value(json_object_get(c->body, key)) : NULL;
}

/* ---- finding ---- */

void route_index(struct call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "method", routes[i].method, "path", routes[i].path, "operation", routes[i].name,
                                              "summary", routes[i].summary));
    call_reply(c, 200, json_pack("{s:o}", "calls", list), NULL);
}

static const struct route *find(const struct http_request *r, bool *path_known)
{
    *path_known = false;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(routes[i].path, r->path))
            continue;
        *path_known = true;
        if (!strcmp(routes[i].method, r->method))
            return &routes[i];
    }
    return NULL;
}

static bool read_body(struct call *c, const char *bytes, size_t n)
{
    json_error_t why;
    if (!n)
        return true;
    c->body = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(c->body))
        return true;
    fail(c, 400, POME_ERROR_INVALID_DATA, "the body is no JSON object%s%s", c->body ? "" : ": ", c->body ? "" : why.text);
    return false;
}

void route_request(struct control_server *s, struct connection *connection, const struct http_request *r, const char *body)
{
    struct call c = {.server = s, .connection = connection, .request = r};
    bool path_known;
    const struct route *route = find(r, &path_known);
    if (!route && !path_known)
        fail(&c, 404, POME_ERROR_NOT_FOUND, "%s %.100s: there is no such call; GET /v1 lists them", r->method, r->path);
    else if (!route)
        fail(&c, 405, POME_ERROR_NOT_FOUND, "%s %.100s: this call has another method; GET /v1 lists them", r->method, r->path);
    else if (read_body(&c, body, r->body_bytes))
        route->run(&c);
    json_decref(c.body);
}
