/*
 * snapshots.c - named states of a machine: taken, listed as a tree, gone back to, removed; and one of a machine that runs, with its memory.
 *
 *     snapshots NAME list | create SNAPSHOT | restore SNAPSHOT | delete SNAPSHOT
 *     snapshots NAME run SNAPSHOT        starts the machine, or goes on where it was saved, its console on this terminal; SIGUSR1 takes SNAPSHOT, SIGTERM ends it
 */
#include <pome/bundle.h>
#include <pome/snapshot.h>
#include <pome/vm.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static bool print(void *user, const struct pome_snapshot *s)
{
    printf("%*s%s%s%s\n", (int)s->depth * 2, "", s->name, s->has_memory ? ", with memory" : "", s->is_current ? "  <- here" : "");
    return true;
}

/* What is to be done when the machine is there: 1 take the snapshot, 2 end. */
static int asked(int signals)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info)
        return 0;
    return info.ssi_signo == SIGUSR1 ? 1 : 2;
}

static bool live(pome_bundle *bundle, const char *name, int signals, struct pome_error *err)
{
    struct pome_start_options o = POME_START_OPTIONS_INIT;
    o.console_in = STDIN_FILENO;
    o.console_out = STDOUT_FILENO;
    pome_vm *vm = pome_vm_new_from_bundle(bundle, &o, err);
    bool saved = vm && pome_bundle_is_saved(bundle);
    bool ok = vm && (saved ? pome_vm_restore_wait(vm, NULL, NULL, -1, err) && pome_vm_discard_saved(vm, err) && pome_vm_resume_wait(vm, -1, err)
                           : pome_vm_start_wait(vm, -1, err));
    fputs(!ok ? "" : saved ? "it goes on\n" : "it runs\n", stderr);
    while (ok && pome_vm_state(vm) != POME_VM_STOPPED && pome_vm_state(vm) != POME_VM_ERROR) {
        struct pollfd p[] = {{.fd = pome_vm_fd(vm), .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        poll(p, 2, -1);
        int what = p[1].revents ? asked(signals) : 0;
        if (what == 1 && (ok = pome_vm_snapshot_wait(vm, name, NULL, -1, err)))
            fprintf(stderr, "snapshot %s is there\n", name);
        if (what == 2)
            ok = pome_vm_stop_wait(vm, -1, err);
        pome_vm_dispatch(vm);
    }
    pome_vm_free(vm);
    return ok;
}

static bool work(pome_bundle *bundle, const char *what, const char *name, int signals, struct pome_error *err)
{
    if (!strcmp(what, "list"))
        return pome_snapshot_list(bundle, print, NULL, err);
    if (!strcmp(what, "create"))
        return pome_snapshot_create(bundle, name, NULL, NULL, NULL, err);
    if (!strcmp(what, "restore"))
        return pome_snapshot_restore(bundle, name, NULL, NULL, NULL, err);
    if (!strcmp(what, "delete"))
        return pome_snapshot_delete(bundle, name, err);
    return live(bundle, name, signals, err);
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    const char *what = argc > 2 ? argv[2] : "";
    bool known = !strcmp(what, "create") || !strcmp(what, "restore") || !strcmp(what, "delete") || !strcmp(what, "run");
    if (argc != (known ? 4 : 3) || !(known || !strcmp(what, "list"))) {
        fprintf(stderr, "usage: %s NAME list | create SNAPSHOT | restore SNAPSHOT | delete SNAPSHOT | run SNAPSHOT\n", argv[0]);
        return 2;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    pome_bundle *bundle = pome_bundle_open(argv[1], &err);
    bool ok = bundle && work(bundle, what, argv[3], signals, &err);
    if (!ok)
        fprintf(stderr, "%s: %s\n", pome_error_name(err.code), err.message);
    pome_bundle_free(bundle);
    return ok ? 0 : 1;
}
