/* route_save.c - saving the machine, which must be paused, and snapshots of it. */
#include "control/route.h"

#include "base/error.h"

#include <pome/snapshot.h>
#include <stdlib.h>
#include <string.h>

/* {"key": text} */
static struct pome_save_options options(const struct call *c)
{
    struct pome_save_options o = POME_SAVE_OPTIONS_INIT;
    o.key = call_text(c, "key");
    o.key_size = o.key ? strlen(o.key) : 0;
    return o;
}

/* What is answered when it is done; or now, when it could not begin. */
typedef bool operation(struct call *c, const char *name, struct deferred *d, struct pome_error *err);

static void begin(struct call *c, operation *op, const char *name)
{
    struct pome_error err = {0};
    struct deferred *d = c->server->vm ? call_defer(c) : NULL;
    if (d && op(c, name, d, &err))
        return;
    if (!d)
        pome_fail(&err, c->server->vm ? POME_ERROR_OUT_OF_MEMORY : POME_ERROR_INVALID_STATE, "there is no machine, or no memory");
    c->connection->deferred = NULL;
    free(d);
    call_fail(c, &err, NULL);
}

static bool save(struct call *c, const char *name, struct deferred *d, struct pome_error *err)
{
    const struct pome_save_options o = options(c);
    return pome_vm_save(c->server->vm, NULL, &o, call_done, d, err);
}

static bool snapshot(struct call *c, const char *name, struct deferred *d, struct pome_error *err)
{
    const struct pome_save_options o = options(c);
    return pome_vm_snapshot(c->server->vm, name, &o, call_done, d, err);
}

static bool snapshot_delete(struct call *c, const char *name, struct deferred *d, struct pome_error *err)
{
    return pome_vm_snapshot_delete(c->server->vm, name, call_done, d, err);
}

void route_save(struct call *c)
{
    begin(c, save, NULL);
}

/* {"name": text} */
void route_snapshot(struct call *c)
{
    struct pome_error err = {0};
    const char *name = call_text(c, "name");
    if (name) {
        begin(c, snapshot, name);
        return;
    }
    pome_fail(&err, POME_ERROR_INVALID_DATA, "this call needs {\"name\": \"...\"}");
    call_fail(c, &err, NULL);
}

/* ?name= */
void route_snapshot_delete(struct call *c)
{
    struct pome_error err = {0};
    char name[HTTP_TARGET_MAX];
    if (http_query(c->request->query, "name", name, sizeof name)) {
        begin(c, snapshot_delete, name);
        return;
    }
    pome_fail(&err, POME_ERROR_INVALID_DATA, "this call needs ?name=...");
    call_fail(c, &err, NULL);
}
