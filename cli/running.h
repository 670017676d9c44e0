/* running.h - what the verbs for running machines have in common. */
#ifndef CLI_RUNNING_H
#define CLI_RUNNING_H

#include <pome/control.h>

/* Connects. NULL: said why, *status is the exit status. */
pome_control *running_connect(const char *name, const char *what, int *status);

/* What to do about an error of a call to a running machine; NULL: the code's own advice. */
const char *running_hint(const struct pome_error *err);

/* Listens on a connection of its own. NULL: the machine has ended, or *err. */
pome_control *running_listen(const char *name, struct pome_error *err);

/* Waits until its process has given the bundle back, so that it can be started again at once. False after the time (-1: none). */
bool running_wait_unlocked(const char *name, int timeout_ms);

/* {"name":...,"state":...} as one line. changed: whether the verb changed anything. */
void running_print(const char *name, const char *state, bool changed);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t running_now_ms(void);

#endif
