/* state.c - in one word what a machine does. */
#include "cli/state.h"

#include <pome/save.h>

#include <stdio.h>

const char *machine_at_rest(const pome_bundle *b)
{
    return !pome_bundle_is_installed(b) ? "not installed" : pome_bundle_is_saved(b) ? "saved" : "stopped";
}

void machine_state(const pome_bundle *b, struct machine_state *m)
{
    *m = (struct machine_state){.name = "damaged", .status = POME_CONTROL_STATUS_INIT};
    if (!b)
        return;
    if (!pome_bundle_is_in_use(b, &m->pid)) {
        m->name = machine_at_rest(b);
        return;
    }
    pome_control *c = pome_control_connect(pome_bundle_path(b), NULL);
    m->serves = c && pome_control_status(c, &m->status, NULL);
    m->name = m->serves ? pome_vm_state_name(m->status.state) : "in use";
    if (m->serves) {
        m->pid = m->status.pid;
        snprintf(m->socket, sizeof m->socket, "%s", pome_control_path(c));
    }
    pome_control_free(c);
}
