/*
 * cycles.c - a machine that is saved and restored again and again goes on as if nothing had been.
 *
 *     cycles KERNEL INITRD COMMAND-LINE CPUS CYCLES SEED FILE [DISK]...
 *
 * Boots, and at random moments pauses, saves to FILE, frees the machine, makes a new one, restores, resumes. The guest's console goes to standard output.
 * After CYCLES the guest runs until it powers off. POME_SAVES_MS=a,b: so long (milliseconds) it runs between two saves (20,400).
 * POME_SAVES_NAT=h:g: it has a network with address translation, port h of the host forwarded to g; POME_SAVES_SOCKET=path: one by frames.
 * POME_SAVES_WHEN=path: begins when this file is there, and removes it after the last save.
 */
#include <pome/devices.h>
#include <pome/save.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char **arguments;
static int n_disks;

static void fail(const char *what, const struct pome_error *err)
{
    fprintf(stderr, "cycles: %s: %s\n", what, err->message);
    exit(1);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void add_networks(pome_config *c)
{
    struct pome_error err = {0};
    struct pome_network_options nat = POME_NETWORK_OPTIONS_INIT, frames = POME_NETWORK_OPTIONS_INIT;
    struct pome_forward_options f = POME_FORWARD_OPTIONS_INIT;
    const char *ports = getenv("POME_SAVES_NAT");
    nat.mac_address = "06:00:00:00:00:07";
    frames.mac_address = "06:00:00:00:00:08";
    frames.kind = POME_NETWORK_SOCKET;
    frames.path = getenv("POME_SAVES_SOCKET");
    if (ports && (sscanf(ports, "%u:%u", &f.host_port, &f.guest_port) != 2 || !pome_config_add_network(c, &nat, &err) || !pome_config_add_forward(c, &f, &err)))
        fail("network", &err);
    if (frames.path && !pome_config_add_network(c, &frames, &err))
        fail("network", &err);
}

static pome_vm *make(void)
{
    struct pome_error err = {0};
    pome_config *c = pome_config_new();
    pome_config_set_cpu_count(c, (unsigned)atoi(arguments[4]));
    pome_config_set_memory_size(c, UINT64_C(512) << 20);
    pome_config_set_console(c, -1, STDOUT_FILENO);
    if (!pome_config_set_linux_boot(c, arguments[1], arguments[2], arguments[3], &err))
        fail("configuration", &err);
    for (int i = 0; i < n_disks; i++) {
        struct pome_disk_options d = POME_DISK_OPTIONS_INIT;
        d.path = arguments[8 + i];
        if (!pome_config_add_disk(c, &d, &err))
            fail("disk", &err);
    }
    add_networks(c);
    pome_vm *vm = pome_vm_new(c, &err);
    if (!vm)
        fail("machine", &err);
    pome_config_free(c);
    return vm;
}

/* True while the guest runs. */
static bool run_for(pome_vm *vm, int ms)
{
    int64_t end = now_ms() + ms;
    for (int64_t left; (left = end - now_ms()) > 0;) {
        struct pollfd p = {.fd = pome_vm_fd(vm), .events = POLLIN};
        poll(&p, 1, (int)left);
        if (pome_vm_dispatch(vm) != POME_VM_RUNNING)
            return false;
    }
    return true;
}

static pome_vm *cycle(pome_vm *vm, const char *file, int64_t *saving, int64_t *restoring)
{
    struct pome_error err = {0};
    int64_t t = now_ms();
    if (!pome_vm_pause_wait(vm, -1, &err))
        return vm; /* the guest stopped at the same moment */
    if (!pome_vm_save_wait(vm, file, NULL, -1, &err))
        fail("save", &err);
    *saving += now_ms() - t;
    pome_vm_free(vm);
    t = now_ms();
    vm = make();
    if (!pome_vm_restore_wait(vm, file, NULL, -1, &err))
        fail("restore", &err);
    if (!pome_vm_resume_wait(vm, -1, &err))
        fail("resume", &err);
    *restoring += now_ms() - t;
    return vm;
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    if (argc < 8) {
        fputs("cycles KERNEL INITRD COMMAND-LINE CPUS CYCLES SEED FILE [DISK]...\n", stderr);
        return 2;
    }
    arguments = argv;
    n_disks = argc - 8;
    int cycles = atoi(argv[5]), done = 0, low = 20, high = 400;
    if (getenv("POME_SAVES_MS"))
        sscanf(getenv("POME_SAVES_MS"), "%d,%d", &low, &high);
    const char *when = getenv("POME_SAVES_WHEN");
    srandom((unsigned)atoi(argv[6]));
    int64_t saving = 0, restoring = 0;
    pome_vm *vm = make();
    if (!pome_vm_start_wait(vm, -1, &err))
        fail("start", &err);
    while (when && access(when, F_OK) && run_for(vm, 20))
        ;
    for (; done < cycles && run_for(vm, low + (int)(random() % (high - low + 1))); done++)
        vm = cycle(vm, argv[7], &saving, &restoring);
    if (when)
        unlink(when);
    if (!pome_vm_wait(vm, 600000, &err))
        fail("the guest's end", &err);
    enum pome_stop_reason why = pome_vm_stop_reason(vm);
    fprintf(stderr, "cycles: %d, saving %lld ms, restoring %lld ms each; the guest's end: %s\n", done, (long long)(done ? saving / done : 0),
            (long long)(done ? restoring / done : 0), pome_stop_reason_name(why));
    if (pome_vm_error(vm)->code)
        fprintf(stderr, "cycles: %s\n", pome_vm_error(vm)->message);
    pome_vm_free(vm);
    unlink(argv[7]);
    return why == POME_STOP_GUEST_OFF && done == cycles ? 0 : 1;
}
