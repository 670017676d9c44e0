/* state.h - in one word what a machine does. */
#ifndef CLI_STATE_H
#define CLI_STATE_H

#include <pome/control.h>

struct machine_state {
    const char *name; /* "running", "paused", ...; "in use" (no machine: an installation), "stopped", "saved" (stopped, and can go on), "not installed", "damaged" */
    int pid;          /* of the process that has it; 0: none, or not known */
    bool serves;      /* status is filled */
    char socket[108]; /* its path */
    struct pome_control_status status;
};

/* Of one that nobody has in use: "stopped", "saved", "not installed". */
const char *machine_at_rest(const pome_bundle *b);

/* b NULL: damaged. */
void machine_state(const pome_bundle *b, struct machine_state *m);

#endif
