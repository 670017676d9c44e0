/*
 * clones.c - many machines from one warm snapshot: each is cloned in the background, goes on where the snapshot was taken, and runs until it powers off
 * or this program is told to end (SIGINT, SIGTERM). One loop, nothing waits.
 *
 *     clones NAME SNAPSHOT COUNT
 *
 * NAME/SNAPSHOT: as of "pome snapshot create" of a machine that ran. The clones are called NAME-1, NAME-2, ...
 */
#include <pome/save.h>
#include <pome/snapshot.h>
#include <pome/task.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>

enum { MOST = 64 };

struct clone {
    char name[256];
    pome_bundle *bundle;
    pome_vm *vm;
};
static struct clone clones[MOST];
static unsigned n_clones;

static void complain(const char *what, const struct pome_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err->message);
}

static void resumed(void *user, const struct pome_error *err)
{
    struct clone *c = user;
    if (err)
        complain(c->name, err);
    else
        printf("%s goes on\n", c->name);
    fflush(stdout);
}

/* Its memory is there as soon as it is touched. From the moment it goes on the saved machine is used up. */
static void restored(void *user, const struct pome_error *err)
{
    struct clone *c = user;
    struct pome_error why = {0};
    if (err)
        complain(c->name, err);
    else if (!pome_vm_discard_saved(c->vm, &why) || !pome_vm_resume(c->vm, resumed, c, &why))
        complain(c->name, &why);
}

static bool go_on(struct clone *c, struct pome_error *err)
{
    struct pome_start_options o = POME_START_OPTIONS_INIT;
    c->vm = pome_vm_new_from_bundle(c->bundle, &o, err);
    return c->vm && pome_vm_restore(c->vm, NULL, NULL, restored, c, err);
}

static pome_task *begin(pome_bundle *bundle, const char *snapshot, struct pome_error *err)
{
    struct clone *c = &clones[n_clones];
    struct pome_task_options o = POME_TASK_OPTIONS_INIT;
    snprintf(c->name, sizeof c->name, "%.200s-%u", pome_bundle_name(bundle), n_clones + 1);
    o.kind = POME_TASK_SNAPSHOT_CLONE_WARM;
    o.bundle = bundle;
    o.snapshot = snapshot;
    o.name = c->name;
    return pome_task_start(&o, NULL, NULL, NULL, NULL, err);
}

/* False: an error. *over: a clone was made, and goes on. */
static bool look(pome_task *task, bool *over, struct pome_error *err)
{
    *over = pome_task_dispatch(task);
    if (!*over)
        return true;
    struct clone *c = &clones[n_clones++];
    return pome_task_wait(task, 0, err) && (c->bundle = pome_task_take_bundle(task)) && go_on(c, err);
}

static unsigned running(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < n_clones; i++)
        n += clones[i].vm && pome_vm_dispatch(clones[i].vm) != POME_VM_STOPPED;
    return n;
}

static bool serve(pome_bundle *bundle, const char *snapshot, unsigned wanted, int signals, struct pome_error *err)
{
    pome_task *task = NULL;
    bool ok = true;
    while (ok && (n_clones < wanted || running())) {
        bool over = false;
        if (!task && n_clones < wanted && !(task = begin(bundle, snapshot, err)))
            return false;
        struct pollfd p[2 + MOST] = {{.fd = signals, .events = POLLIN}, {.fd = task ? pome_task_fd(task) : -1, .events = POLLIN}};
        for (unsigned i = 0; i < n_clones; i++)
            p[2 + i] = (struct pollfd){.fd = clones[i].vm ? pome_vm_fd(clones[i].vm) : -1, .events = POLLIN};
        poll(p, 2 + n_clones, -1);
        if (p[0].revents)
            break;
        ok = !task || look(task, &over, err);
        if (over) {
            pome_task_free(task);
            task = NULL;
        }
    }
    pome_task_free(task);
    return ok;
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    unsigned wanted = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
    if (!wanted || wanted > MOST) {
        fprintf(stderr, "usage: %s NAME SNAPSHOT COUNT (1 to %d)\n", argv[0], MOST);
        return 2;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    pome_bundle *bundle = pome_bundle_open(argv[1], &err);
    bool ok = bundle && serve(bundle, argv[2], wanted, signals, &err);
    if (!ok)
        complain(argv[1], &err);
    for (unsigned i = 0; i < n_clones; i++) {
        pome_vm_free(clones[i].vm);
        pome_bundle_free(clones[i].bundle);
    }
    pome_bundle_free(bundle);
    return ok ? 0 : 1;
}
