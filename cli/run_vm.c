/* run_vm.c - runs a machine on this terminal. */
#include "cli/run_vm.h"

#include "cli/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The guest only sees an I/O error: that the host's disk is full is for its user to know, at once. A terminal in raw mode needs the CR. */
static void on_event(void *user, pome_vm *vm, const struct pome_vm_event *e)
{
    if (e->kind == POME_VM_EVENT_FAULT)
        fprintf(stderr, "\rpome: %s\r\n  do:  free space on the host's disk, or stop the guest before it loses more\r\n", e->error->message);
}

/* One round of waiting: true while the machine goes on. *left: the user wants to leave. */
static bool serve(pome_vm *vm, struct terminal *t, bool *closed, bool *left)
{
    struct pollfd p[4] = {
        {.fd = pome_vm_fd(vm), .events = POLLIN},
        {.fd = terminal_signal_fd(), .events = POLLIN},
        {.fd = *closed || !terminal_reads(t) ? -1 : t->in_fd, .events = POLLIN},
        {.fd = terminal_waits(t) ? t->guest_in[1] : -1, .events = POLLOUT},
    };
    if (poll(p, 4, -1) < 0 && errno != EINTR)
        return false;
    enum pome_vm_state state = pome_vm_dispatch(vm);
    if (state == POME_VM_STOPPED || state == POME_VM_ERROR)
        return false;
    if (terminal_signal()) {
        *left = true;
        return false;
    }
    if (p[3].revents)
        terminal_write(t);
    if (!p[2].revents)
        return true;
    switch (terminal_read(t)) {
    case TERMINAL_EXIT: *left = true; return false;
    case TERMINAL_POWER: pome_vm_request_stop(vm, NULL, NULL); return true;
    case TERMINAL_CLOSED: *closed = true; return true;
    case TERMINAL_NONE:
    case TERMINAL_HELP: return true;
    }
    return true;
}

static int status_of(pome_vm *vm)
{
    switch (pome_vm_stop_reason(vm)) {
    case POME_STOP_GUEST_OFF: return CLI_OK;
    case POME_STOP_GUEST_RESET: cli_note("the guest asked for a reboot"); return CLI_OK;
    case POME_STOP_REQUEST: return CLI_OK;
    case POME_STOP_GUEST_PANIC:
        cli_fail(pome_vm_error(vm), NULL, "the guest crashed");
        return CLI_FAILED;
    default: cli_fail(pome_vm_error(vm), NULL, "the machine stopped"); return CLI_FAILED;
    }
}

int run_vm(pome_vm *vm, struct terminal *t, bool print_stats)
{
    struct pome_error err = {0};
    if (!pome_vm_subscribe(vm, on_event, NULL, &err) || !pome_vm_start(vm, NULL, NULL, &err)) {
        terminal_close(t);
        cli_fail(&err, NULL, "cannot start the machine");
        return CLI_FAILED;
    }
    bool closed = false, left = false;
    while (serve(vm, t, &closed, &left))
        ;
    if (left)
        pome_vm_stop_wait(vm, -1, NULL);
    terminal_close(t);
    if (print_stats) {
        char *json = pome_vm_stats_json(vm);
        if (json)
            fprintf(stderr, "%s\n", json);
        free(json);
    }
    if (left)
        return terminal_signal() ? 128 + terminal_signal() : 130;
    return status_of(vm);
}
