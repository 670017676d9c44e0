/* cmd_control.c - pome stop, pause, resume, wait: a machine that runs in another process. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/running.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

command_run cmd_stop, cmd_pause, cmd_resume, cmd_wait;

enum { SILENT_MS = 3000 }; /* no wait is silent for longer */

/* ---- stop ---- */

/* Listens until the machine has stopped: true, and *last the last event; false: the time is over (-1: never), or *err. */
static bool wait_for_end(pome_control *events, int timeout_ms, const char *notice, struct pome_control_event *last, struct pome_error *err)
{
    int64_t begin = running_now_ms();
    bool noticed = timeout_ms >= 0 && timeout_ms < SILENT_MS;
    for (;;) {
        struct pome_control_event e = POME_CONTROL_EVENT_INIT;
        int64_t past = running_now_ms() - begin, left = timeout_ms < 0 ? INT32_MAX : timeout_ms - past;
        int64_t wait = noticed ? left : left < SILENT_MS - past ? left : SILENT_MS - past;
        if (pome_control_next_event(events, &e, wait > 0 ? (int)wait : 0, err)) {
            *last = e;
            continue;
        }
        if (err->code == POME_ERROR_NOT_FOUND)
            return true;
        if (err->code != POME_ERROR_TIMED_OUT)
            return false;
        if (timeout_ms >= 0 && running_now_ms() - begin >= timeout_ms)
            return false;
        if (!noticed && notice)
            cli_note("%s", notice);
        noticed = true;
    }
}

struct stop {
    const char *name;
    uint64_t timeout_s;
    bool force, json;
};

static int end_of_stop(const struct stop *a, bool changed)
{
    if (!running_wait_unlocked(a->name, 10000)) {
        struct pome_error err = {.code = POME_ERROR_TIMED_OUT, .message = "the guest has stopped, but its process still writes to its disks"};
        return cli_fail(&err, "wait for it: pome wait NAME", "cannot stop \"%s\"", a->name);
    }
    if (a->json)
        running_print(a->name, "stopped", changed);
    else if (!changed)
        cli_note("\"%s\" does not run.", a->name);
    return CLI_OK;
}

/* The power button, then, if that is wanted, the plug. */
static int stop(pome_control *c, pome_control *events, const struct stop *a)
{
    struct pome_error err = {0};
    struct pome_control_event last = POME_CONTROL_EVENT_INIT;
    char notice[200], hint[256];
    struct pome_stop_options limit = POME_STOP_OPTIONS_INIT;
    bool gentle = a->timeout_s || !a->force;
    limit.timeout_ms = (unsigned)a->timeout_s * 1000; /* so long the button is pressed again */
    snprintf(notice, sizeof notice, "Waiting up to %u s for the guest to power off (--timeout; \"pome log stream %.60s\" tells more).", (unsigned)a->timeout_s,
             a->name);
    if (gentle && !pome_control_request_stop(c, &limit, &err)) {
        if (err.code == POME_ERROR_NOT_FOUND || !a->force) /* it has just ended; it is paused */
            return err.code == POME_ERROR_NOT_FOUND ? end_of_stop(a, true)
                                                    : cli_fail(&err, "resume it first, or end it with --force", "cannot stop \"%s\"", a->name);
        gentle = false;
    }
    if (gentle && wait_for_end(events, (int)a->timeout_s * 1000, notice, &last, &err))
        return end_of_stop(a, true);
    if (gentle && !a->force) {
        if (err.code == POME_ERROR_TIMED_OUT)
            snprintf(err.message, sizeof err.message, "the guest was asked to power off %u s ago and still runs", (unsigned)a->timeout_s);
        snprintf(hint, sizeof hint, "give it longer (--timeout), or end it as pulling the plug does: pome stop %.100s --force --timeout 0", a->name);
        return cli_fail(&err, hint, "cannot stop \"%s\"", a->name);
    }
    if (gentle)
        cli_note("The guest did not power off within %u s: it is ended.", (unsigned)a->timeout_s);
    if (!pome_control_stop(c, &err) && err.code != POME_ERROR_NOT_FOUND)
        return cli_fail(&err, NULL, "cannot end \"%s\"", a->name);
    return end_of_stop(a, true);
}

int cmd_stop(int argc, char **argv)
{
    struct stop a = {.timeout_s = 30};
    const struct cli_option options[] = {
        {"timeout", 't', CLI_NUMBER, &a.timeout_s, "SECONDS", "how long the guest may take to power off (30)", 0, 86400},
        {"force", 'f', CLI_FLAG, &a.force, NULL, "then end it, as pulling the plug does; at once with --timeout 0", 0, 0},
        {"json", 0, CLI_FLAG, &a.json, NULL, "print the result as JSON", 0, 0},
        {0},
    };
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 1, &a.name);
    if (status != CLI_GO_ON)
        return status;
    pome_control *c = pome_control_connect(a.name, &err), *events = c ? running_listen(a.name, &err) : NULL;
    if (events)
        status = stop(c, events, &a);
    else if (err.code == POME_ERROR_INVALID_STATE)
        status = end_of_stop(&a, c != NULL); /* what is stopped is as wished */
    else
        status = cli_fail(&err, running_hint(&err), "cannot stop \"%s\"", a.name);
    pome_control_free(events);
    pome_control_free(c);
    return status;
}

/* ---- pause, resume ---- */

static int one_call(int argc, char **argv, bool (*call)(pome_control *, struct pome_error *), const char *what, const char *state)
{
    const char *name;
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "print the result as JSON", 0, 0}, {0}};
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    pome_control *c = running_connect(name, what, &status);
    if (!c)
        return status;
    if (call(c, &err)) {
        status = CLI_OK;
        if (json)
            running_print(name, state, true);
    } else {
        status = cli_fail(&err, err.code == POME_ERROR_INVALID_STATE ? "\"pome status NAME\" shows its state" : running_hint(&err), "cannot %s \"%s\"", what, name);
    }
    pome_control_free(c);
    return status;
}

int cmd_pause(int argc, char **argv)
{
    return one_call(argc, argv, pome_control_pause, "pause", "paused");
}

int cmd_resume(int argc, char **argv)
{
    return one_call(argc, argv, pome_control_resume, "resume", "running");
}

/* ---- wait ---- */

struct wait {
    const char *name;
    int64_t until_ms; /* -1: for ever */
    bool json;
};

static int left_ms(const struct wait *w)
{
    int64_t left = w->until_ms - running_now_ms();
    return w->until_ms < 0 ? -1 : left > 0 ? (int)left : 0;
}

static int timed_out(const struct wait *w, const char *state)
{
    struct pome_error err = {.code = POME_ERROR_TIMED_OUT};
    snprintf(err.message, sizeof err.message, "the time is over and it is not %s", state);
    return cli_fail(&err, "give it longer with --timeout, or look: pome status NAME", "cannot wait for \"%s\"", w->name);
}

static int wait_stopped(const struct wait *w)
{
    struct pome_error err = {0};
    struct pome_control_event last = POME_CONTROL_EVENT_INIT;
    pome_control *events = running_listen(w->name, &err);
    if (events && !wait_for_end(events, left_ms(w), NULL, &last, &err)) {
        pome_control_free(events);
        return err.code == POME_ERROR_TIMED_OUT ? timed_out(w, "stopped") : cli_fail(&err, running_hint(&err), "cannot wait for \"%s\"", w->name);
    }
    if (!events && err.code != POME_ERROR_INVALID_STATE && err.code != POME_ERROR_BUSY)
        return cli_fail(&err, running_hint(&err), "cannot wait for \"%s\"", w->name);
    pome_control_free(events);
    if (!running_wait_unlocked(w->name, left_ms(w)))
        return timed_out(w, "stopped");
    bool crashed = last.stop_reason == POME_STOP_GUEST_PANIC || last.stop_reason == POME_STOP_ERROR;
    if (w->json) {
        fputs("{\"name\":", stdout);
        cli_json_string(stdout, w->name);
        printf(",\"state\":\"stopped\",\"stop_reason\":\"%s\"}\n", pome_stop_reason_name(last.stop_reason));
    }
    if (crashed)
        fprintf(stderr, "pome wait: \"%s\" crashed: %s\n  do:  pome log show %s --last boot\n", w->name, last.message, w->name);
    return crashed ? CLI_FAILED : CLI_OK;
}

/* There is nothing to listen to before it runs: looks ten times a second. */
static int wait_running(const struct wait *w)
{
    for (;;) {
        struct pome_error err = {0};
        struct pome_control_status s = POME_CONTROL_STATUS_INIT;
        pome_control *c = pome_control_connect(w->name, &err);
        bool runs = c && pome_control_status(c, &s, &err) && s.state == POME_VM_RUNNING;
        pome_control_free(c);
        if (runs && w->json)
            running_print(w->name, "running", false);
        if (runs)
            return CLI_OK;
        if (err.code == POME_ERROR_NOT_FOUND || err.code == POME_ERROR_PERMISSION)
            return cli_fail(&err, running_hint(&err), "cannot wait for \"%s\"", w->name);
        if (!left_ms(w))
            return timed_out(w, "running");
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
}

int cmd_wait(int argc, char **argv)
{
    struct wait w = {.until_ms = -1};
    const char *state = "stopped";
    uint64_t timeout = UINT64_MAX;
    const struct cli_option options[] = {
        {"for", 'f', CLI_TEXT, &state, "STATE", "stopped (default) or running", 0, 0},
        {"timeout", 't', CLI_NUMBER, &timeout, "SECONDS", "give up after that long (default: never)", 0, 86400},
        {"json", 0, CLI_FLAG, &w.json, NULL, "print the state, and why it stopped, as JSON", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 1, 1, &w.name);
    if (status != CLI_GO_ON)
        return status;
    if (strcmp(state, "stopped") && strcmp(state, "running"))
        return cli_usage("wait", "--for %s: needs stopped or running", state);
    if (timeout != UINT64_MAX)
        w.until_ms = running_now_ms() + (int64_t)timeout * 1000;
    return *state == 's' ? wait_stopped(&w) : wait_running(&w);
}
