/* bundle_disks.c - the disks that a bundle's configuration adds, and the machine of a bundle of the generic platform. */
#include "vm/bundle_disks.h"

#include "vm/bundle_devices.h"

#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MACHINE_DISKS = 16 };

/* The path of a file in the bundle, which must not lead out of it. */
static bool file_path(const struct bundle *b, const char *file, char path[PATH_MAX], struct pome_error *err)
{
    struct stat st;
    if (snprintf(path, PATH_MAX, "%s/%s", b->path, file) >= PATH_MAX)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: its path is too long", b->path);
    if (fstatat(b->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: is missing, Config.json names it", path)
                               : pome_fail_errno(err, "%s", path);
    return S_ISREG(st.st_mode) || pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: is no regular file", path);
}

bool bundle_disks_init(struct bundle_disks *d, const struct bundle *b, size_t room, struct pome_error *err)
{
    const struct settings *s = &b->settings;
    d->n = 0;
    if (s->n_disks > room)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %zu disks besides Disk.img, %zu are possible", b->path,
                         s->n_disks, room);
    for (; d->n < s->n_disks; d->n++) {
        const struct settings_disk *from = &s->disks[d->n];
        if (!file_path(b, from->file, d->paths[d->n], err))
            return false;
        d->disks[d->n] = (struct machine_disk){
            .path = d->paths[d->n], .read_only = from->read_only, .serial = from->identifier[0] ? from->identifier : NULL};
    }
    return true;
}

static bool find_kernel(const struct bundle *b, char kernel[PATH_MAX], char ramdisk[PATH_MAX], struct pome_error *err)
{
    if (b->settings.boot != SETTINGS_BOOT_LINUX)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED,
                         "%s: it boots by EFI, which Pome does not have yet; with a kernel in the bundle (boot.type \"linux\", "
                         "boot.kernel) it starts",
                         b->path);
    return file_path(b, b->settings.kernel, kernel, err) &&
           (!b->settings.ramdisk[0] || file_path(b, b->settings.ramdisk, ramdisk, err));
}

struct vm *vm_create_generic(const struct bundle *b, const struct bundle_start *start, struct log *log, struct pome_error *err)
{
    char kernel[PATH_MAX], ramdisk[PATH_MAX], disk_path[PATH_MAX];
    const struct settings *s = &b->settings;
    struct bundle_devices devices;
    struct bundle_disks *more = malloc(sizeof *more);
    bool ok = more || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", b->path);
    if (ok && start->recovery)
        ok = pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: a machine of the generic platform has no Recovery", b->path);
    ok = ok && bundle_devices_init(&devices, b, log, err) && find_kernel(b, kernel, ramdisk, err) && bundle_disks_init(more, b, MACHINE_DISKS - 1, err) &&
         file_path(b, bundle_member_name(BUNDLE_DISK), disk_path, err);
    struct vm *vm = NULL;
    if (ok) {
        struct machine_disk disks[MACHINE_DISKS] = {{.path = disk_path, .serial = "root"}};
        memcpy(disks + 1, more->disks, more->n * sizeof *disks);
        const struct machine_linux linux_boot = {kernel, s->ramdisk[0] ? ramdisk : NULL, s->command_line};
        struct vm_config c = {
            .platform = MACHINE_GENERIC,
            .n_cpus = s->cpu_count,
            .ram_bytes = start->memory_bytes ? start->memory_bytes : s->memory_bytes,
            .disks = disks,
            .n_disks = 1 + more->n,
            .ecid = b->ecid,
            .peripherals = &devices.peripherals,
            .linux_boot = &linux_boot,
            .console_in = start->console_in,
            .console_out = start->console_out,
            .stops_at_reset = start->stops_at_reset,
            .log = log,
        };
        if (cpu_model_find(s->cpu_model, &c.cpu_model))
            vm = vm_create(&c, err);
        else
            pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "cpuModel: \"%s\" is not a CPU model", s->cpu_model);
    }
    free(more);
    return vm;
}
