/* run_vm.c - runs a machine on this terminal, or in the background. */
#include "cli/run_vm.h"

#include "cli/findings.h"
#include "cli/notify.h"
#include "cli/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The guest only sees an I/O error: that the host's disk is full is for its user to know, at once. A terminal in raw mode needs the CR. */
static void on_event(void *user, pome_vm *vm, const struct pome_vm_event *e)
{
    if (e->kind == POME_VM_EVENT_FAULT)
        fprintf(stderr, "\rpome: %s\r\n  do:  free space on the host's disk, or stop the guest before it loses more\r\n", e->error->message);
}

struct run {
    pome_vm *vm;
    struct terminal *t;
    const struct run_options *o;
    pome_control_server *server; /* NULL: none */
    bool closed, left, saved; /* the terminal's input has ended; the user wants to leave; the machine is saved */
};

/* True: it is saved. False: it goes on, and the user was told why. A terminal in raw mode needs the CR. */
static bool save(struct run *r)
{
    struct pome_error err = {0};
    if (!r->o->can_be_saved) {
        fputs("\r\npome: this machine has nowhere to be saved to\r\n", stderr);
        return false;
    }
    bool ok = pome_vm_pause_wait(r->vm, -1, &err) && pome_vm_save_wait(r->vm, r->o->saved, &r->o->save, -1, &err);
    if (!ok) {
        fprintf(stderr, "\r\npome: cannot save the machine\r\n  why: %s\r\n  do:  it goes on; try again, or shut it down\r\n", err.message);
        pome_vm_resume_wait(r->vm, -1, NULL);
    }
    return ok;
}

/* One round of waiting: true while the machine goes on. */
static bool serve(struct run *r)
{
    pome_vm *vm = r->vm;
    struct terminal *t = r->t;
    struct pollfd p[5] = {
        {.fd = pome_vm_fd(vm), .events = POLLIN},
        {.fd = terminal_signal_fd(), .events = POLLIN},
        {.fd = r->closed || !terminal_reads(t) ? -1 : t->in_fd, .events = POLLIN},
        {.fd = terminal_waits(t) ? t->guest_in[1] : -1, .events = POLLOUT},
        {.fd = r->server ? pome_control_server_fd(r->server) : -1, .events = POLLIN},
    };
    if (poll(p, 5, -1) < 0 && errno != EINTR)
        return false;
    enum pome_vm_state state = pome_vm_dispatch(vm);
    if (r->server)
        pome_control_server_dispatch(r->server);
    if (state == POME_VM_STOPPED || state == POME_VM_ERROR)
        return false;
    if (terminal_signal()) {
        r->left = true;
        return false;
    }
    if (terminal_save_asked() && (r->saved = save(r)))
        return false;
    if (p[3].revents)
        terminal_write(t);
    if (!p[2].revents)
        return true;
    switch (terminal_read(t)) {
    case TERMINAL_EXIT: r->left = true; return false;
    case TERMINAL_SAVE: return !(r->saved = save(r));
    case TERMINAL_POWER: pome_vm_request_stop(vm, NULL, NULL); return true;
    case TERMINAL_CLOSED: r->closed = true; return true;
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

static void print_differences(pome_vm *vm, const struct run_options *o)
{
    struct cli_findings l;
    cli_findings_begin(&l, stderr, false);
    pome_vm_compare_saved(vm, o->saved, &o->save, cli_finding, &l, NULL);
}

/* The saved machine is removed before the guest goes on: from then on its disks are no longer what they were. */
static bool go_on(pome_vm *vm, const struct run_options *o, struct pome_error *err)
{
    if (!pome_vm_restore_wait(vm, o->saved, &o->save, -1, err)) {
        if (err->code == POME_ERROR_RESTORE)
            print_differences(vm, o);
        return false;
    }
    if (o->saved && unlink(o->saved)) {
        snprintf(err->message, sizeof err->message, "%.200s: %s", o->saved, strerror(errno));
        err->code = POME_ERROR_IO;
        return false;
    }
    return (o->saved || pome_vm_discard_saved(vm, err)) && pome_vm_resume_wait(vm, -1, err);
}

static void print_stats(pome_vm *vm)
{
    char *json = pome_vm_stats_json(vm);
    if (json)
        fprintf(stderr, "%s\n", json);
    free(json);
}

/* Its last words, to a terminal or pipe that takes them slowly; a signal ends the wait. */
static void drain(pome_control_server *server)
{
    while (server && !pome_control_server_is_drained(server) && !terminal_signal()) {
        struct pollfd p[2] = {{.fd = pome_control_server_fd(server), .events = POLLIN}, {.fd = terminal_signal_fd(), .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return;
        pome_control_server_dispatch(server);
    }
}

static void on_start(void *user, const struct pome_error *err)
{
    struct run *r = user;
    if (err)
        return; /* the machine is in error: status_of() says it */
    r->left |= r->o->running && !r->o->running(r->o->user, r->server);
    notify("READY=1\nSTATUS=Running\nMAINPID=%d\n", (int)getpid());
}

static bool begin(struct run *r, struct pome_error *err)
{
    struct pome_control_server_options so = POME_CONTROL_SERVER_OPTIONS_INIT;
    so.from_guest = r->o->from_guest;
    so.to_guest = r->t->guest_in[1];
    so.copy_to = r->o->copy_to;
    if (r->o->bundle && !(r->server = pome_control_server_new(r->o->bundle, r->vm, &so, err)))
        return false;
    if (!pome_vm_subscribe(r->vm, on_event, NULL, err))
        return false;
    if (!r->o->resume)
        return pome_vm_start(r->vm, on_start, r, err);
    if (!go_on(r->vm, r->o, err))
        return false;
    on_start(r, NULL);
    return true;
}

int run_vm(pome_vm *vm, struct terminal *t, const struct run_options *o)
{
    struct pome_error err = {0};
    struct run r = {.vm = vm, .t = t, .o = o};
    if (!begin(&r, &err)) {
        pome_control_server_free(r.server);
        terminal_close(t);
        const char *hint = !o->resume || err.code != POME_ERROR_RESTORE ? NULL
                           : o->saved ? "give the options that it was saved with"
                                      : "set back what differs with \"pome set\"; \"pome start NAME --discard-saved\" starts it anew";
        return cli_fail(&err, hint, o->resume ? "cannot go on from the saved machine" : "cannot start the machine");
    }
    while (!r.left && serve(&r))
        ;
    notify("STOPPING=1\nSTATUS=%s\n", r.left ? "Stopping" : "The guest has ended");
    if (r.left || r.saved)
        pome_vm_stop_wait(vm, -1, NULL);
    drain(r.server);
    pome_control_server_free(r.server);
    terminal_close(t);
    if (o->stats)
        print_stats(vm);
    if (r.saved) {
        cli_note("saved; \"--resume\" goes on from here");
        return CLI_OK;
    }
    if (r.left)
        return terminal_signal() ? 128 + terminal_signal() : 130;
    return status_of(vm);
}

bool read_save_key(const char *path, struct pome_save_options *o, void **key, struct pome_error *err)
{
    enum { MOST = 65536 };
    *key = NULL;
    if (!path)
        return true;
    FILE *f = fopen(path, "rb");
    char *bytes = f ? malloc(MOST) : NULL;
    size_t n = bytes ? fread(bytes, 1, MOST, f) : 0;
    if (f)
        fclose(f);
    if (n && bytes[n - 1] == '\n')
        n--;
    if (!n) {
        free(bytes);
        err->code = POME_ERROR_NOT_FOUND;
        snprintf(err->message, sizeof err->message, "%.200s: cannot be read, or is empty", path);
        return false;
    }
    o->key = *key = bytes;
    o->key_size = n;
    return true;
}
