/* running.c - what the verbs for running machines have in common. */
#include "cli/running.h"

#include "cli/output.h"

#include <stdio.h>
#include <time.h>

const char *running_hint(const struct pome_error *err)
{
    switch (err->code) {
    case POME_ERROR_NOT_FOUND: return "\"pome list\" shows all machines";
    case POME_ERROR_INVALID_STATE: return "\"pome list\" shows what each machine does; \"pome start NAME --detach\" starts one";
    case POME_ERROR_TIMED_OUT: return "it may be stopped by a signal, or wait for a slow disk: look at its process";
    case POME_ERROR_CONFLICT: return "read it again (pome get NAME --json) and repeat";
    default: return NULL;
    }
}

pome_control *running_connect(const char *name, const char *what, int *status)
{
    struct pome_error err = {0};
    pome_control *c = pome_control_connect(name, &err);
    if (!c)
        *status = cli_fail(&err, running_hint(&err), "cannot %s \"%s\"", what, name);
    return c;
}

pome_control *running_listen(const char *name, struct pome_error *err)
{
    pome_control *c = pome_control_connect(name, err);
    if (c && pome_control_listen(c, err))
        return c;
    if (c && err->code == POME_ERROR_NOT_FOUND) /* its process has ended meanwhile */
        err->code = POME_ERROR_INVALID_STATE;
    pome_control_free(c);
    return NULL;
}

int64_t running_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool running_wait_unlocked(const char *name, int timeout_ms)
{
    static const struct timespec pause = {0, 10000000};
    int64_t until = running_now_ms() + timeout_ms;
    pome_bundle *b = pome_bundle_open(name, NULL);
    bool busy = b && pome_bundle_is_in_use(b, NULL);
    while (busy && (timeout_ms < 0 || running_now_ms() < until)) {
        nanosleep(&pause, NULL);
        busy = pome_bundle_is_in_use(b, NULL);
    }
    pome_bundle_free(b);
    return !busy;
}

void running_print(const char *name, const char *state, bool changed)
{
    fputs("{\"name\":", stdout);
    cli_json_string(stdout, name);
    printf(",\"state\":\"%s\",\"changed\":%s}\n", state, changed ? "true" : "false");
}
