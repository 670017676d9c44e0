/*
 * configure.c - runs the new system once in a machine of our own.
 *
 * The guest leaves the system as a tar archive on its second disk. What it says goes to a file; its last word is
 * "POME-CONFIGURED <status>" (guest/root/usr/lib/pome/configure). A guest that dies without it, or takes longer than the
 * limit, is a failed build.
 */
#include "restore/build/configure.h"

#include "base/bits.h"
#include "base/error.h"
#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 200, LIMIT_S = 1200, SILENCE_S = 300, CONSOLE_BYTES = 22000, COMMAND_LINE_MAX = 200 };

#define ARCHIVE_MAX (64 * GiB) /* sparse: only what is written takes room */

static int64_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static bool wait_for_end(struct vm *vm, const struct configure *c, int console, struct pome_error *err)
{
    int64_t begun = now_s(), heard = begun;
    off_t bytes = 0;
    struct vm_event e;
    while (vm_state(vm) == POME_VM_RUNNING) {
        struct pollfd p = {.fd = vm_fd(vm), .events = POLLIN};
        struct stat s = {0};
        poll(&p, 1, TICK_MS);
        while (vm_take_event(vm, &e))
            ; /* the state says enough */
        fstat(console, &s);
        if (!c->tick(c->user, (double)s.st_size / CONSOLE_BYTES))
            return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
        if (s.st_size > bytes)
            heard = now_s();
        bytes = s.st_size;
        if (now_s() - heard > SILENCE_S || now_s() - begun > LIMIT_S)
            return pome_fail(err, POME_ERROR_TIMED_OUT, "the machine that configures the packages did not end in %lld s (log: %s)",
                             (long long)(now_s() - begun), c->log_path);
    }
    switch (vm_stop_reason(vm)) {
    case POME_STOP_GUEST_OFF: return true;
    case POME_STOP_GUEST_PANIC:
    case POME_STOP_ERROR:
        if (err)
            vm_error(vm, err);
        return pome_fail_context(err, "the machine that configures the packages");
    default: return pome_fail(err, POME_ERROR_GUEST_CRASHED, "the machine that configures the packages restarted (log: %s)", c->log_path);
    }
}

/* Copies the console into the log; the status that the guest reported, -1: none. */
static int read_console(const struct configure *c)
{
    char line[512];
    int status = -1;
    FILE *f = fopen(c->console, "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *mark = strstr(line, "POME-CONFIGURED ");
        if (mark)
            status = atoi(mark + strlen("POME-CONFIGURED "));
        for (char *p = line; *p; p++)
            if ((unsigned char)*p < ' ' && *p != '\n')
                *p = ' ';
        fputs(line, c->log);
    }
    if (f)
        fclose(f);
    return status;
}

/* The disk that takes the archive. What follows its end reads as zero, which ends an archive too. */
static bool make_archive(const char *path, struct pome_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && !ftruncate(fd, ARCHIVE_MAX);
    if (!ok)
        pome_fail_errno(err, "%s", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool run(const struct configure *c, int console, struct pome_error *err)
{
    char command_line[COMMAND_LINE_MAX], archive[PATH_MAX];
    snprintf(command_line, sizeof command_line, "console=ttyAMA0 root=/dev/vda rw init=/usr/lib/pome/configure pome.date=%lld",
             (long long)c->date);
    snprintf(archive, sizeof archive, "%s.new", c->archive);
    const struct machine_kernel boot = {.kernel_path = c->kernel, .initrd_path = c->ramdisk, .cmdline = command_line};
    const struct machine_disk disks[] = {{.path = c->os_image}, {.path = archive}};
    const struct vm_config config = {
        .platform = MACHINE_GENERIC,
        .n_cpus = 1, /* one order of things */
        .ram_bytes = GiB,
        .disks = disks,
        .n_disks = ARRAY_SIZE(disks),
        .kernel_boot = &boot,
        .console_in = -1,
        .console_out = console,
        .stops_at_reset = true,
    };
    if (!make_archive(archive, err))
        return false;
    struct vm *vm = vm_create(&config, err);
    bool ok = vm && vm_operate_wait(vm, POME_VM_OP_START, NULL, err) && wait_for_end(vm, c, console, err);
    vm_destroy(vm);
    return ok;
}

static bool take_archive(const struct configure *c, struct pome_error *err)
{
    char archive[PATH_MAX];
    snprintf(archive, sizeof archive, "%s.new", c->archive);
    return !rename(archive, c->archive) || pome_fail_errno(err, "%s", archive);
}

bool image_configure(const struct configure *c, struct pome_error *err)
{
    int console = open(c->console, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (console < 0)
        return pome_fail_errno(err, "%s", c->console);
    bool ok = run(c, console, err);
    close(console);
    int status = read_console(c);
    if (!ok)
        return false;
    if (!status)
        return take_archive(c, err);
    if (status < 0)
        return pome_fail(err, POME_ERROR_GUEST_CRASHED, "the machine that configures the packages ended early (log: %s)", c->log_path);
    return pome_fail(err, POME_ERROR_IO, "a package could not be configured in the machine, status %d (log: %s)", status, c->log_path);
}
