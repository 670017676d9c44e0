/* control.c - pome/control.h: a machine that runs in another process. */
#include <pome/control.h>

#include "base/error.h"
#include "bundle/bundle.h"
#include "control/client.h"
#include "control/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct pome_control {
    struct client *client;
};

/* Nobody listens: why not, in the words of who asked for a machine. */
static void explain(const char *path, struct pome_error *err)
{
    struct pome_error ignored;
    struct bundle *b = bundle_open(path, &ignored);
    int pid = 0;
    bool busy = b && bundle_in_use(b, &pid);
    bundle_close(b);
    if (!busy)
        pome_fail(err, POME_ERROR_INVALID_STATE, "%s: does not run", path);
    else if (pid)
        pome_fail(err, POME_ERROR_BUSY, "%s: is in use by process %d, which serves no machine (an installation? or it starts just now)", path, pid);
    else
        pome_fail(err, POME_ERROR_BUSY, "%s: is in use by another process, which serves no machine", path);
}

pome_control *pome_control_connect(const char *name, struct pome_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    struct pome_error why = {0};
    if (!bundle_resolve(name, path, err))
        return NULL;
    if (stat(path, &st)) {
        if (errno == ENOENT)
            pome_fail(err, POME_ERROR_NOT_FOUND, "there is no bundle at %s", path);
        else
            pome_fail_errno(err, "%s", path);
        return NULL;
    }
    pome_control *c = calloc(1, sizeof *c);
    if (!c)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to connect", path);
    else if (!(c->client = client_open(path, &why))) {
        if (why.os_errno == ENOENT || why.os_errno == ECONNREFUSED)
            explain(path, &why);
        if (err)
            *err = why;
    }
    if (c && c->client)
        return c;
    free(c);
    return NULL;
}

void pome_control_free(pome_control *c)
{
    if (!c)
        return;
    client_close(c->client);
    free(c);
}

const char *pome_control_path(const pome_control *c)
{
    return c->client->path;
}

/* ---- calls ---- */

char *pome_control_call(pome_control *c, const char *method, const char *path, const char *body, struct pome_error *err)
{
    json_t *b = body ? json_loads(body, 0, NULL) : NULL;
    if (body && !b) {
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: the body is no JSON", path);
        return NULL;
    }
    json_t *answer = client_call(c->client, -1, method, path, NULL, b, NULL, NULL, err);
    char *text = answer ? json_dumps(answer, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;
    json_decref(b);
    json_decref(answer);
    return text;
}

static void read_state(const json_t *j, enum pome_vm_state *state, enum pome_stop_reason *reason)
{
    state_from_name(json_string_value(json_object_get(j, "state")), state);
    reason_from_name(json_string_value(json_object_get(j, "stop_reason")), reason);
}

bool pome_control_status(pome_control *c, struct pome_control_status *status, struct pome_error *err)
{
    struct pome_control_status s = {.size = status->size};
    json_t *j = client_call(c->client, CLIENT_TIMEOUT_MS, "GET", "/v1/machine", NULL, NULL, NULL, NULL, err);
    if (!j)
        return false;
    const char *generation = json_string_value(json_object_get(j, "generation"));
    read_state(j, &s.state, &s.stop_reason);
    s.pid = (int)json_integer_value(json_object_get(j, "pid"));
    s.started_ns = json_integer_value(json_object_get(j, "started_ns"));
    s.cpu_count = (unsigned)json_integer_value(json_object_get(j, "cpu_count"));
    s.memory_size = (uint64_t)json_integer_value(json_object_get(j, "memory_bytes"));
    s.viewers = (unsigned)json_integer_value(json_object_get(j, "viewers"));
    snprintf(s.generation, sizeof s.generation, "%s", generation ? generation : "");
    memcpy(status, &s, status->size < sizeof s ? status->size : sizeof s);
    json_decref(j);
    return true;
}

static bool post(pome_control *c, const char *path, struct pome_error *err)
{
    json_t *j = client_call(c->client, -1, "POST", path, NULL, NULL, NULL, NULL, err);
    json_decref(j);
    return j != NULL;
}

bool pome_control_request_stop(pome_control *c, const struct pome_stop_options *options, struct pome_error *err)
{
    struct pome_stop_options o = POME_STOP_OPTIONS_INIT;
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    json_t *body = json_pack("{s:I,s:b}", "timeout_ms", (json_int_t)o.timeout_ms, "force", o.force);
    json_t *j = client_call(c->client, CLIENT_TIMEOUT_MS, "POST", "/v1/machine/request-stop", NULL, body, NULL, NULL, err);
    json_decref(body);
    json_decref(j);
    return j != NULL;
}

bool pome_control_balloon_set_target(pome_control *c, uint64_t bytes, struct pome_error *err)
{
    json_t *body = json_pack("{s:I}", "target_bytes", bytes > INT64_MAX ? (json_int_t)INT64_MAX : (json_int_t)bytes);
    json_t *j = client_call(c->client, CLIENT_TIMEOUT_MS, "PUT", "/v1/machine/balloon", NULL, body, NULL, NULL, err);
    json_decref(body);
    json_decref(j);
    return j != NULL;
}

static uint64_t number_or_unknown(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    return json_is_integer(v) ? (uint64_t)json_integer_value(v) : UINT64_MAX;
}

bool pome_control_balloon_status(pome_control *c, struct pome_balloon_status *status, struct pome_error *err)
{
    json_t *j = client_call(c->client, CLIENT_TIMEOUT_MS, "GET", "/v1/machine/balloon", NULL, NULL, NULL, NULL, err);
    if (!j)
        return false;
    const struct pome_balloon_status s = {
        .size = status->size, .target_size = number_or_unknown(j, "target_bytes"), .actual_size = number_or_unknown(j, "actual_bytes"),
        .returned_size = number_or_unknown(j, "returned_bytes"), .total = number_or_unknown(j, "total_bytes"), .free = number_or_unknown(j, "free_bytes"),
        .available = number_or_unknown(j, "available_bytes"), .caches = number_or_unknown(j, "cache_bytes"),
        .major_faults = number_or_unknown(j, "major_faults"), .updates = number_or_unknown(j, "updates"),
    };
    memcpy(status, &s, status->size < sizeof s ? status->size : sizeof s);
    json_decref(j);
    return true;
}

bool pome_control_stop(pome_control *c, struct pome_error *err)
{
    return post(c, "/v1/machine/stop", err);
}

bool pome_control_reset(pome_control *c, struct pome_error *err)
{
    return post(c, "/v1/machine/reset", err);
}

bool pome_control_pause(pome_control *c, struct pome_error *err)
{
    return post(c, "/v1/machine/pause", err);
}

bool pome_control_resume(pome_control *c, struct pome_error *err)
{
    return post(c, "/v1/machine/resume", err);
}

static bool post_save(pome_control *c, const char *path, const char *name, const struct pome_save_options *options, struct pome_error *err)
{
    struct pome_save_options o = POME_SAVE_OPTIONS_INIT;
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    json_t *body = json_object();
    bool ok = body && (!name || !json_object_set_new(body, "name", json_string(name))) &&
              (!o.key || !json_object_set_new(body, "key", json_stringn(o.key, o.key_size)));
    if (!ok)
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the key is no text: for a machine of another process it must be");
    json_t *j = ok ? client_call(c->client, -1, "POST", path, NULL, body, NULL, NULL, err) : NULL;
    json_decref(body);
    json_decref(j);
    return j != NULL;
}

bool pome_control_save(pome_control *c, const struct pome_save_options *options, struct pome_error *err)
{
    return post_save(c, "/v1/machine/save", NULL, options, err);
}

bool pome_control_snapshot(pome_control *c, const char *name, const struct pome_save_options *options, struct pome_error *err)
{
    return post_save(c, "/v1/machine/snapshot", name, options, err);
}

bool pome_control_snapshot_delete(pome_control *c, const char *name, struct pome_error *err)
{
    char target[HTTP_TARGET_MAX] = "/v1/machine/snapshot?name=";
    http_escape(name, target + strlen(target), sizeof target - strlen(target));
    json_t *j = client_call(c->client, -1, "DELETE", target, NULL, NULL, NULL, NULL, err);
    json_decref(j);
    return j != NULL;
}

/* ---- configuration ---- */

char *pome_control_config_get(pome_control *c, const char *key, char generation[POME_GENERATION_BYTES], struct pome_error *err)
{
    char target[HTTP_TARGET_MAX] = "/v1/config?key=", etag[80];
    http_escape(key, target + strlen(target), sizeof target - strlen(target));
    json_t *j = client_call(c->client, CLIENT_TIMEOUT_MS, "GET", target, NULL, NULL, etag, NULL, err);
    char *text = j ? json_dumps(j, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;
    if (text && generation)
        snprintf(generation, POME_GENERATION_BYTES, "%.32s", etag);
    json_decref(j);
    return text;
}

static const char *text_of(const json_t *o, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : otherwise;
}

static void give_findings(const json_t *list, pome_finding_fn *each, void *user)
{
    size_t i;
    json_t *f;
    json_array_foreach(list, i, f)
    {
        const char *severity = text_of(f, "severity", "error");
        const struct pome_finding finding = {
            .size = sizeof finding,
            .code = text_of(f, "code", ""),
            .severity = !strcmp(severity, "note") ? POME_FINDING_NOTE : !strcmp(severity, "warning") ? POME_FINDING_WARNING : POME_FINDING_ERROR,
            .path = text_of(f, "path", NULL),
            .field = text_of(f, "field", NULL),
            .line = (int)json_integer_value(json_object_get(f, "line")),
            .column = (int)json_integer_value(json_object_get(f, "column")),
            .found = text_of(f, "found", ""),
            .expected = text_of(f, "expected", ""),
            .advice = text_of(f, "advice", ""),
        };
        each(user, &finding);
    }
}

bool pome_control_config_set(pome_control *c, const char *if_generation, const char *key, const char *value, pome_finding_fn *each, void *user,
                             struct pome_error *err)
{
    json_t *findings = NULL, *body = json_pack("{s:s,s:s}", "key", key, "value", value);
    if (!body)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the key or the value is not UTF-8", key);
    json_t *j = client_call(c->client, CLIENT_TIMEOUT_MS, "PUT", "/v1/config", if_generation, body, NULL, &findings, err);
    if (each && findings)
        give_findings(findings, each, user);
    json_decref(findings);
    json_decref(body);
    json_decref(j);
    return j != NULL;
}

/* ---- streams ---- */

bool pome_control_listen(pome_control *c, struct pome_error *err)
{
    return client_stream(c->client, "/v1/events", NULL, 200, err);
}

int pome_control_fd(const pome_control *c)
{
    return c->client->fd;
}

bool pome_control_next_event(pome_control *c, struct pome_control_event *event, int timeout_ms, struct pome_error *err)
{
    struct pome_control_event e = {.size = event->size};
    json_t *j = client_event(c->client, timeout_ms, err);
    if (!j)
        return false;
    read_state(j, &e.state, &e.stop_reason);
    snprintf(e.type, sizeof e.type, "%.15s", text_of(j, "event", ""));
    snprintf(e.message, sizeof e.message, "%.255s", text_of(json_object_get(j, "error"), "message", ""));
    e.time_ns = json_integer_value(json_object_get(j, "time_ns"));
    memcpy(event, &e, event->size < sizeof e ? event->size : sizeof e);
    json_decref(j);
    return true;
}

int pome_control_console(pome_control *c, bool read_only, size_t recent, unsigned *others, struct pome_error *err)
{
    char target[96];
    struct pome_control_status status = POME_CONTROL_STATUS_INIT;
    if (!pome_control_status(c, &status, err))
        return -1;
    if (others)
        *others = status.viewers;
    snprintf(target, sizeof target, "/v1/console?read_only=%d&recent=%zu", read_only, recent);
    return client_stream(c->client, target, "pome-console", 101, err) ? c->client->fd : -1;
}
