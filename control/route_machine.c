/* route_machine.c - the machine itself: what it does, stopping it, its counters, its events and its console. */
#include "control/route.h"

#include "base/error.h"

#include <pome/balloon.h>

#include <stdlib.h>
#include <string.h>

void route_machine(struct call *c)
{
    call_reply(c, 200, describe_machine(c->server), NULL);
}

void route_pause(struct call *c)
{
    call_begin(c, pome_vm_pause);
}

void route_resume(struct call *c)
{
    call_begin(c, pome_vm_resume);
}

void route_stop(struct call *c)
{
    call_begin(c, pome_vm_stop);
}

/* {"timeout_ms": 0.., "force": bool}: how long the guest may take, and what then; an event says that it ignored the request. */
void route_request_stop(struct call *c)
{
    struct pome_error err = {0};
    struct pome_stop_options o = POME_STOP_OPTIONS_INIT;
    json_int_t ms = c->body ? json_integer_value(json_object_get(c->body, "timeout_ms")) : 0;
    o.timeout_ms = ms > 0 && ms < UINT32_MAX ? (unsigned)ms : 0;
    o.force = c->body && json_is_true(json_object_get(c->body, "force"));
    if (!c->server->vm)
        pome_fail(&err, POME_ERROR_INVALID_STATE, "there is no machine");
    if (c->server->vm && pome_vm_request_stop(c->server->vm, &o, &err))
        call_accept(c);
    else
        call_fail(c, &err, NULL);
}

void route_reset(struct call *c)
{
    struct pome_error err = {0};
    if (!c->server->vm)
        pome_fail(&err, POME_ERROR_INVALID_STATE, "there is no machine");
    if (c->server->vm && pome_vm_reset(c->server->vm, &err))
        call_accept(c);
    else
        call_fail(c, &err, NULL);
}

/* Numbers that the guest does not tell are left out. */
static void put_number(json_t *j, const char *key, uint64_t value)
{
    if (value <= INT64_MAX)
        json_object_set_new(j, key, json_integer((json_int_t)value));
}

static void reply_balloon(struct call *c)
{
    struct pome_error err = {0};
    struct pome_balloon_status s = POME_BALLOON_STATUS_INIT;
    if (!c->server->vm)
        pome_fail(&err, POME_ERROR_INVALID_STATE, "there is no machine");
    if (!c->server->vm || !pome_vm_balloon_status(c->server->vm, &s, &err)) {
        call_fail(c, &err, NULL);
        return;
    }
    json_t *j = json_object();
    put_number(j, "target_bytes", s.target_size);
    put_number(j, "actual_bytes", s.actual_size);
    put_number(j, "returned_bytes", s.returned_size);
    put_number(j, "total_bytes", s.total);
    put_number(j, "free_bytes", s.free);
    put_number(j, "available_bytes", s.available);
    put_number(j, "cache_bytes", s.caches);
    put_number(j, "major_faults", s.major_faults);
    put_number(j, "updates", s.updates);
    call_reply(c, 200, j, NULL);
}

void route_balloon(struct call *c)
{
    reply_balloon(c);
}

/* {"target_bytes": 1..} */
void route_balloon_set(struct call *c)
{
    struct pome_error err = {0};
    json_int_t bytes = c->body ? json_integer_value(json_object_get(c->body, "target_bytes")) : 0;
    bool ok = bytes > 0 || pome_fail(&err, POME_ERROR_INVALID_DATA, "target_bytes: a number of bytes is needed");
    ok = ok && (c->server->vm || pome_fail(&err, POME_ERROR_INVALID_STATE, "there is no machine"));
    if (ok && pome_vm_balloon_set_target(c->server->vm, (uint64_t)bytes, &err))
        reply_balloon(c);
    else
        call_fail(c, &err, NULL);
}

void route_stats(struct call *c)
{
    struct pome_error err = {0};
    char *text = c->server->vm ? pome_vm_stats_json(c->server->vm) : NULL;
    json_t *stats = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (stats) {
        call_reply(c, 200, stats, NULL);
        return;
    }
    pome_fail(&err, POME_ERROR_INTERNAL, "there are no counters");
    call_fail(c, &err, NULL);
}

void route_events(struct call *c)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
    json_t *e = describe_machine(c->server);
    json_object_set_new(e, "event", json_string("state"));
    connection_put(c->connection, head, sizeof head - 1);
    c->connection->mode = CONNECTION_EVENTS;
    connections_tell(c->server, c->connection, e);
}

void route_console(struct call *c)
{
    struct pome_error err = {0};
    struct connection *own = c->connection;
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: pome-console\r\n\r\n";
    char value[16];
    size_t recent = 8192;
    if (strcmp(c->request->upgrade, "pome-console")) {
        pome_fail(&err, POME_ERROR_INVALID_DATA, "this call needs the fields \"Connection: Upgrade\" and \"Upgrade: pome-console\"");
        call_reply(c, 426, json_pack("{s:o}", "error", describe_error(&err)), NULL);
        return;
    }
    if (c->server->hub.from_guest < 0) {
        pome_fail(&err, POME_ERROR_NOT_SUPPORTED, "this machine's console is not served");
        call_fail(c, &err, NULL);
        return;
    }
    if (http_query(c->request->query, "recent", value, sizeof value))
        recent = strtoul(value, NULL, 10);
    own->read_only = http_query(c->request->query, "read_only", value, sizeof value) && strcmp(value, "0");
    own->seen = recent ? hub_recent(&c->server->hub, recent) : c->server->hub.end;
    connection_put(own, head, sizeof head - 1);
    own->mode = CONNECTION_CONSOLE;
}
