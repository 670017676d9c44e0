/* bundle_disks.c - the disks that a bundle's configuration adds, and the machine of a bundle of the generic platform. */
#include "vm/bundle_disks.h"

#include "vm/bundle_devices.h"

#include "base/bits.h"
#include "base/error.h"
#include "vm/efi_firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* The words of Config.json stand in the same order. */
struct disk_modes bundle_disk_modes(const struct settings_disk_modes *m)
{
    return (struct disk_modes){(enum disk_caching)m->caching, (enum disk_flushing)m->synchronization};
}

bool bundle_disks_init(struct bundle_disks *d, const struct bundle *b, const struct settings *s, size_t room, struct pome_error *err)
{
    d->n = 0;
    if (s->n_disks > room)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %zu disks besides Disk.img, %zu are possible", b->path,
                         s->n_disks, room);
    for (; d->n < s->n_disks; d->n++) {
        const struct settings_disk *from = &s->disks[d->n];
        if (!file_path(b, from->file, d->paths[d->n], err))
            return false;
        d->disks[d->n] = (struct machine_disk){
            .path = d->paths[d->n], .read_only = from->read_only, .serial = from->identifier[0] ? from->identifier : NULL,
            .modes = bundle_disk_modes(&from->modes)};
    }
    return true;
}

static bool find_kernel(const struct bundle *b, const struct settings *s, char kernel[PATH_MAX], char ramdisk[PATH_MAX], struct pome_error *err)
{
    return file_path(b, s->kernel, kernel, err) &&
           (!s->ramdisk[0] || file_path(b, s->ramdisk, ramdisk, err));
}

/* What a machine of the generic platform boots: a kernel in the bundle, or firmware with the bundle's variables. */
struct generic_boot {
    char kernel[PATH_MAX], ramdisk[PATH_MAX], variables[PATH_MAX], code[PATH_MAX];
    struct machine_kernel kernel_boot;
    struct efi_firmware firmware;
};

static bool find_boot(const struct bundle *b, const struct settings *s, struct generic_boot *boot, struct pome_error *err)
{
    boot->firmware = (struct efi_firmware){0};
    if (s->boot == SETTINGS_BOOT_LINUX) {
        boot->kernel_boot = (struct machine_kernel){
            .kernel_path = boot->kernel, .initrd_path = s->ramdisk[0] ? boot->ramdisk : NULL, .cmdline = s->command_line};
        return find_kernel(b, s, boot->kernel, boot->ramdisk, err);
    }
    if (!bundle_member_path(b, BUNDLE_NVRAM, boot->variables))
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: its path is too long", b->path);
    if (s->firmware[0] && !file_path(b, s->firmware, boot->code, err))
        return false;
    return efi_variables_create(boot->variables, err) && efi_firmware_load(s->firmware[0] ? boot->code : NULL, &boot->firmware, err);
}

/* The folder can be read by the guest, so it must be one that the user named, and the file lies in it. */
static bool offer_netboot(const struct bundle *b, const struct bundle_start *start, struct bundle_devices *d, struct pome_error *err)
{
    char path[PATH_MAX];
    struct machine_network *n = d->networks;
    if (!start->netboot_file)
        return true;
    if (!d->peripherals.n_networks || n->kind != MACHINE_NETWORK_USER)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: its first network is not of type \"nat\": Pome cannot offer a boot file there", b->path);
    if (snprintf(path, sizeof path, "%s/%s", start->netboot_root, start->netboot_file) >= (int)sizeof path || access(path, R_OK))
        return pome_fail_errno(err, "%s/%s", start->netboot_root, start->netboot_file);
    n->user.tftp_root = start->netboot_root;
    n->user.boot_file = start->netboot_file;
    return true;
}

static struct vm *create(const struct bundle *b, const struct bundle_start *start, const struct generic_boot *boot,
                         const struct bundle_disks *more, const char *disk_path, struct log *log, struct pome_error *err)
{
    struct bundle_devices devices;
    const struct settings *s = start->settings;
    if (!bundle_devices_init(&devices, b, s, log, err) || !offer_netboot(b, start, &devices, err))
        return NULL;
    struct machine_disk disks[MACHINE_DISKS] = {{.path = disk_path, .serial = "root", .modes = bundle_disk_modes(&s->main_disk)}};
    memcpy(disks + 1, more->disks, more->n * sizeof *disks);
    size_t n = 1 + more->n;
    if (start->medium)
        disks[n++] = (struct machine_disk){.path = start->medium, .read_only = true, .serial = "medium"};
    struct vm_config c = {
        .platform = MACHINE_GENERIC,
        .n_cpus = s->cpu_count,
        .ram_bytes = s->memory_bytes,
        .disks = disks,
        .n_disks = n,
        .ecid = b->ecid,
        .peripherals = &devices.peripherals,
        .kernel_boot = boot->firmware.bytes ? NULL : &boot->kernel_boot,
        .rom = boot->firmware.bytes,
        .rom_bytes = boot->firmware.n,
        .variables = boot->variables,
        .console_in = start->console_in,
        .console_out = start->console_out,
        .stops_at_reset = start->stops_at_reset,
        .origin = devices.origin,
        .log = log,
    };
    memcpy(c.generation, devices.generation, sizeof c.generation);
    if (cpu_model_find(s->cpu_model, &c.cpu_model))
        return vm_create(&c, err);
    pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "cpuModel: \"%s\" is not a CPU model", s->cpu_model);
    return NULL;
}

struct vm *vm_create_generic(const struct bundle *b, const struct bundle_start *start, struct log *log, struct pome_error *err)
{
    char disk_path[PATH_MAX];
    struct vm *vm = NULL;
    if (start->recovery) {
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: a machine of the generic platform has no Recovery", b->path);
        return NULL;
    }
    struct bundle_disks *more = malloc(sizeof *more);
    struct generic_boot *boot = calloc(1, sizeof *boot);
    if (!more || !boot)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", b->path);
    else if (find_boot(b, start->settings, boot, err) && bundle_disks_init(more, b, start->settings, MACHINE_DISKS - 2, err) &&
             file_path(b, bundle_member_name(BUNDLE_DISK), disk_path, err))
        vm = create(b, start, boot, more, disk_path, log, err);
    if (boot)
        efi_firmware_free(&boot->firmware);
    free(boot);
    free(more);
    return vm;
}
