/*
 * epoll.c - a machine in an epoll loop. The library's threads never call this program: the loop polls one descriptor and dispatches.
 *
 *     epoll KERNEL [INITRD [COMMAND LINE]]        Ctrl-C presses the power button; ten seconds later the plug is pulled
 */
#include <pome/vm.h>

#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void started(void *user, const struct pome_error *err)
{
    fprintf(stderr, err ? "cannot start: %s\n" : "it runs%s\n", err ? err->message : "");
}

static void on_event(void *user, pome_vm *vm, const struct pome_vm_event *e)
{
    if (e->kind == POME_VM_EVENT_STATE)
        fprintf(stderr, "%s -> %s\n", pome_vm_state_name(e->before), pome_vm_state_name(e->state));
    if (e->kind == POME_VM_EVENT_STOPPED) {
        fprintf(stderr, "stopped: %s%s%s\n", pome_stop_reason_name(e->reason), e->error ? ", " : "", e->error ? e->error->message : "");
        *(bool *)user = true;
    }
    if (e->kind == POME_VM_EVENT_STOP_IGNORED)
        fprintf(stderr, "it ignores the power button\n");
}

static void press_power_button(pome_vm *vm)
{
    struct pome_stop_options o = POME_STOP_OPTIONS_INIT;
    o.timeout_ms = 10000;
    o.force = true;
    pome_vm_request_stop(vm, &o, NULL); /* refused when it does not run: then it ends anyway */
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    bool over = false;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC), loop = epoll_create1(EPOLL_CLOEXEC);

    pome_config *config = pome_config_new();
    pome_config_set_console(config, STDIN_FILENO, STDOUT_FILENO);
    pome_config_set_stops_at_reset(config, true);
    bool ok = argc > 1 && pome_config_set_linux_boot(config, argv[1], argc > 2 ? argv[2] : NULL, argc > 3 ? argv[3] : NULL, &err);
    pome_vm *vm = ok ? pome_vm_new(config, &err) : NULL;
    pome_config_free(config);
    if (!vm || !pome_vm_subscribe(vm, on_event, &over, &err) || !pome_vm_start(vm, started, NULL, &err)) {
        fprintf(stderr, "%s\n", argc > 1 ? err.message : "usage: epoll KERNEL [INITRD [COMMAND LINE]]");
        pome_vm_free(vm);
        return argc > 1 ? 1 : 2;
    }
    epoll_ctl(loop, EPOLL_CTL_ADD, pome_vm_fd(vm), &(struct epoll_event){.events = EPOLLIN, .data.fd = pome_vm_fd(vm)});
    epoll_ctl(loop, EPOLL_CTL_ADD, signals, &(struct epoll_event){.events = EPOLLIN, .data.fd = signals});
    while (!over) {
        struct epoll_event e;
        struct signalfd_siginfo info;
        if (epoll_wait(loop, &e, 1, -1) == 1 && e.data.fd == signals && read(signals, &info, sizeof info) > 0)
            press_power_button(vm);
        pome_vm_dispatch(vm);
    }
    int status = pome_vm_stop_reason(vm) == POME_STOP_ERROR || pome_vm_stop_reason(vm) == POME_STOP_GUEST_PANIC;
    pome_vm_free(vm);
    return status;
}
