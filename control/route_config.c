/*
 * route_config.c - the configuration. Its generation is the ETag: a writer that says If-Match changes what it has read, or is refused
 * (RFC 9110 13.1.1), so that two cannot lose each other's writes.
 */
#include "control/route.h"

#include "base/error.h"

#include <stdlib.h>

static bool has_bundle(struct call *c)
{
    struct pome_error err = {0};
    if (c->server->bundle)
        return true;
    pome_fail(&err, POME_ERROR_INVALID_STATE, "the machine has no bundle");
    call_fail(c, &err, NULL);
    return false;
}

void route_config_get(struct call *c)
{
    struct pome_error err = {0};
    char key[HTTP_TARGET_MAX] = "", generation[POME_GENERATION_BYTES];
    if (!has_bundle(c))
        return;
    http_query(c->request->query, "key", key, sizeof key);
    char *text = pome_bundle_config_generation(c->server->bundle, generation, &err) ? pome_bundle_config_get(c->server->bundle, key, &err) : NULL;
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    free(text);
    if (value)
        call_reply(c, 200, value, generation);
    else
        call_fail(c, &err, NULL);
}

static json_t *text_or_null(const char *s)
{
    return s ? json_string(s) : json_null();
}

static void add_finding(void *user, const struct pome_finding *f)
{
    json_array_append_new(user, json_pack("{s:s,s:s,s:o,s:o,s:i,s:i,s:o,s:o,s:o}", "code", f->code, "severity", pome_severity_name(f->severity), "path",
                                          text_or_null(f->path), "field", text_or_null(f->field), "line", f->line, "column", f->column, "found",
                                          text_or_null(f->found), "expected", text_or_null(f->expected), "advice", text_or_null(f->advice)));
}

void route_config_set(struct call *c)
{
    struct pome_error err = {0};
    char generation[POME_GENERATION_BYTES];
    const char *key = call_text(c, "key"), *value = call_text(c, "value"), *match = c->request->if_match;
    if (!has_bundle(c))
        return;
    if (!key || !value) {
        pome_fail(&err, POME_ERROR_INVALID_DATA, "the body is not {\"key\": TEXT, \"value\": TEXT}");
        call_fail(c, &err, NULL);
        return;
    }
    json_t *findings = json_array();
    if (!pome_bundle_config_set_if(c->server->bundle, *match ? match : NULL, key, value, add_finding, findings, &err) ||
        !pome_bundle_config_generation(c->server->bundle, generation, &err)) {
        call_fail(c, &err, findings);
        return;
    }
    json_decref(findings);
    call_reply(c, 200, json_pack("{s:s,s:b}", "generation", generation, "holds_from_next_start", 1), generation);
    json_t *e = describe_machine(c->server);
    json_object_set_new(e, "event", json_string("config"));
    json_object_set_new(e, "key", json_string(key));
    connections_tell(c->server, NULL, e);
}
