/* control_server.c - pome/control_server.h. */
#include "api/bundle.h"
#include "base/bits.h"
#include "base/error.h"
#include "control/server.h"

/* The handle is the server itself. */
static struct control_server *inner(const pome_control_server *s)
{
    return (struct control_server *)(uintptr_t)s;
}

pome_control_server *pome_control_server_new(pome_bundle *bundle, pome_vm *vm, const struct pome_control_server_options *options, struct pome_error *err)
{
    struct pome_control_server_options o = POME_CONTROL_SERVER_OPTIONS_INIT; /* of a caller that was built with an older header: what it does not know is off */
    memcpy(&o, options, MIN(options->size, sizeof o));
    if (!bundle->b->locked) {
        pome_fail(err, POME_ERROR_INVALID_STATE, "%s: no machine was made from this bundle", bundle->b->path);
        return NULL;
    }
    return (pome_control_server *)control_server_create(bundle, vm, &o, err);
}

void pome_control_server_free(pome_control_server *server)
{
    control_server_destroy(inner(server));
}

int pome_control_server_fd(const pome_control_server *server)
{
    return inner(server)->epoll;
}

void pome_control_server_dispatch(pome_control_server *server)
{
    control_server_dispatch(inner(server));
}

bool pome_control_server_is_drained(const pome_control_server *server)
{
    return !hub_copy_is_behind(&inner(server)->hub);
}

const char *pome_control_server_path(const pome_control_server *server)
{
    return inner(server)->path;
}
