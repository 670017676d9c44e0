/*
 * device.c - pome/device.h: boot loaders, platforms and devices as objects.
 *
 * An object keeps what it was made with; when it is given to a configuration it is added as pome_config_add_disk() and its like do,
 * which check it.
 */
#include "api/device.h"

#include "api/config.h"
#include "base/bits.h"
#include "base/error.h"
#include "config/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pome_device {
    enum pome_device_kind kind;
    char *text[3];
    union {
        struct pome_disk_options disk;
        struct pome_network_options network;
        struct pome_share_options share;
        struct pome_console_port_options port;
        int fds[2];
    };
};

/* --- kinds --- */

static bool add_disk(pome_config *c, const pome_device *d, struct pome_error *err)
{
    return pome_config_add_disk(c, &d->disk, err);
}

static bool add_network(pome_config *c, const pome_device *d, struct pome_error *err)
{
    return pome_config_add_network(c, &d->network, err);
}

static bool add_serial_port(pome_config *c, const pome_device *d, struct pome_error *err)
{
    struct pome_console_port_options o = POME_CONSOLE_PORT_OPTIONS_INIT;
    if (!c->has_serial_port) {
        pome_config_set_console(c, d->fds[0], d->fds[1]);
        c->has_serial_port = true;
        return true;
    }
    o.in_fd = d->fds[0];
    o.out_fd = d->fds[1];
    return pome_config_add_console_port(c, &o, err);
}

static bool add_console_port(pome_config *c, const pome_device *d, struct pome_error *err)
{
    return pome_config_add_console_port(c, &d->port, err);
}

static bool add_sockets(pome_config *c, const pome_device *d, struct pome_error *err)
{
    return pome_config_add_sockets(c, NULL, err);
}

static bool add_share(pome_config *c, const pome_device *d, struct pome_error *err)
{
    return pome_config_add_share(c, &d->share, err);
}

static bool add_balloon(pome_config *c, const pome_device *d, struct pome_error *err)
{
    c->devices.has_balloon = true; /* there is one at most */
    return true;
}

static bool add_nothing(pome_config *c, const pome_device *d, struct pome_error *err)
{
    return true; /* every machine has it */
}

static const struct kind {
    enum pome_device_kind kind;
    const char *maker; /* of a kind that needs options; NULL: pome_device_new() */
    const char *name, *apple;
    bool (*add)(pome_config *c, const pome_device *d, struct pome_error *err); /* NULL: Pome has no such device yet */
} kinds[] = {
    {POME_DEVICE_DISK, "pome_disk_new", "virtio block device", "VZVirtioBlockDeviceConfiguration", add_disk},
    {POME_DEVICE_NETWORK, "pome_network_new", "virtio network device", "VZVirtioNetworkDeviceConfiguration", add_network},
    {POME_DEVICE_SERIAL_PORT, "pome_serial_port_new", "serial port", "VZVirtioConsoleDeviceSerialPortConfiguration", add_serial_port},
    {POME_DEVICE_ENTROPY, NULL, "virtio entropy device", "VZVirtioEntropyDeviceConfiguration", add_nothing},
    {POME_DEVICE_SOCKET, NULL, "virtio socket device", "VZVirtioSocketDeviceConfiguration", add_sockets},
    {POME_DEVICE_DIRECTORY, "pome_directory_new", "virtio file system device", "VZVirtioFileSystemDeviceConfiguration", add_share},
    {POME_DEVICE_BALLOON, NULL, "virtio memory balloon", "VZVirtioTraditionalMemoryBalloonDeviceConfiguration", add_balloon},
    {POME_DEVICE_CONSOLE, "pome_console_port_new", "port of the virtio console device", "VZVirtioConsoleDeviceConfiguration", add_console_port},
    {POME_DEVICE_GRAPHICS, NULL, "graphics device", "VZVirtioGraphicsDeviceConfiguration", NULL},
    {POME_DEVICE_KEYBOARD, NULL, "keyboard", "VZUSBKeyboardConfiguration", NULL},
    {POME_DEVICE_POINTING, NULL, "pointing device", "VZUSBScreenCoordinatePointingDeviceConfiguration", NULL},
    {POME_DEVICE_SOUND, NULL, "virtio sound device", "VZVirtioSoundDeviceConfiguration", NULL},
    {POME_DEVICE_NVME, NULL, "NVMe controller", "VZNVMExpressControllerDeviceConfiguration", NULL},
    {POME_DEVICE_USB, NULL, "USB controller", "VZXHCIControllerConfiguration", NULL},
};

static const struct kind *kind_of(enum pome_device_kind kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].kind == kind)
            return &kinds[i];
    return NULL;
}

bool pome_device_info(unsigned number, struct pome_device_info *info)
{
    if (number >= ARRAY_SIZE(kinds))
        return false;
    const struct kind *k = &kinds[number];
    const struct pome_device_info full = {info->size, k->kind, k->name, k->apple, k->add != NULL};
    memcpy(info, &full, MIN(info->size, sizeof full));
    return true;
}

/* --- devices --- */

static pome_device *make(enum pome_device_kind kind, struct pome_error *err)
{
    pome_device *d = calloc(1, sizeof *d);
    if (d)
        d->kind = kind;
    else
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "configuration: out of memory");
    return d;
}

/* *text is copied and points to the copy then. */
static bool keep(pome_device *d, size_t i, const char **text, struct pome_error *err)
{
    if (*text && !(*text = d->text[i] = strdup(*text)))
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "configuration: out of memory");
    return true;
}

pome_device *pome_disk_new(const struct pome_disk_options *options, struct pome_error *err)
{
    pome_device *d = make(POME_DEVICE_DISK, err);
    if (!d)
        return NULL;
    d->disk = (struct pome_disk_options)POME_DISK_OPTIONS_INIT;
    memcpy(&d->disk, options, MIN(options->size, sizeof d->disk));
    d->disk.size = sizeof d->disk;
    bool ok = d->disk.path || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "disk: it has no path");
    if (ok && keep(d, 0, &d->disk.path, err) && keep(d, 1, &d->disk.identifier, err))
        return d;
    pome_device_free(d);
    return NULL;
}

pome_device *pome_network_new(const struct pome_network_options *options, struct pome_error *err)
{
    pome_device *d = make(POME_DEVICE_NETWORK, err);
    if (!d)
        return NULL;
    d->network = (struct pome_network_options)POME_NETWORK_OPTIONS_INIT;
    memcpy(&d->network, options, MIN(options->size, sizeof d->network));
    d->network.size = sizeof d->network;
    if (keep(d, 0, &d->network.mac_address, err) && keep(d, 1, &d->network.path, err))
        return d;
    pome_device_free(d);
    return NULL;
}

pome_device *pome_directory_new(const struct pome_share_options *options, struct pome_error *err)
{
    pome_device *d = make(POME_DEVICE_DIRECTORY, err);
    if (!d)
        return NULL;
    d->share = (struct pome_share_options)POME_SHARE_OPTIONS_INIT;
    memcpy(&d->share, options, MIN(options->size, sizeof d->share));
    d->share.size = sizeof d->share;
    bool ok = (d->share.tag && d->share.path) || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "shared folder: it has no tag, or no path");
    if (ok && keep(d, 0, &d->share.tag, err) && keep(d, 1, &d->share.path, err))
        return d;
    pome_device_free(d);
    return NULL;
}

pome_device *pome_serial_port_new(int in_fd, int out_fd, struct pome_error *err)
{
    pome_device *d = make(POME_DEVICE_SERIAL_PORT, err);
    if (d) {
        d->fds[0] = in_fd;
        d->fds[1] = out_fd;
    }
    return d;
}

pome_device *pome_console_port_new(const struct pome_console_port_options *options, struct pome_error *err)
{
    pome_device *d = make(POME_DEVICE_CONSOLE, err);
    if (!d)
        return NULL;
    d->port = (struct pome_console_port_options)POME_CONSOLE_PORT_OPTIONS_INIT;
    memcpy(&d->port, options, MIN(options->size, sizeof d->port));
    d->port.size = sizeof d->port;
    if (keep(d, 0, &d->port.name, err) && keep(d, 1, &d->port.socket_path, err) && keep(d, 2, &d->port.file_path, err))
        return d;
    pome_device_free(d);
    return NULL;
}

pome_device *pome_device_new(enum pome_device_kind kind, struct pome_error *err)
{
    const struct kind *k = kind_of(kind);
    if (k && !k->maker)
        return make(kind, err);
    if (k)
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "a %s needs options: make it with %s()", k->name, k->maker);
    else
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "device: there is no kind %d", (int)kind);
    return NULL;
}

enum pome_device_kind pome_device_kind(const pome_device *d)
{
    return d->kind;
}

void pome_device_free(pome_device *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(d->text); i++)
        free(d->text[i]);
    free(d);
}

bool pome_config_add_device(pome_config *c, pome_device *d, struct pome_error *err)
{
    struct config_objects *o = &c->objects;
    const struct kind *k = kind_of(d->kind);
    if (o->n_devices == CONFIG_MAX_OBJECTS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "devices: at most %d are possible", CONFIG_MAX_OBJECTS);
    if (k->add && !k->add(c, d, err))
        return false;
    o->devices[o->n_devices++] = d;
    return true;
}

const pome_device *pome_config_device(const pome_config *c, size_t number)
{
    return number < c->objects.n_devices ? c->objects.devices[number] : NULL;
}

/* --- boot loaders --- */

enum loader_kind { LINUX, EFI, DARWIN, RESTORE_IMAGE };
enum { LOADER_TEXTS = 5 };

struct pome_boot_loader {
    enum loader_kind kind;
    char *text[LOADER_TEXTS];
    unsigned revision; /* DARWIN */
};

static pome_boot_loader *make_loader(enum loader_kind kind, const char *const text[LOADER_TEXTS], struct pome_error *err)
{
    pome_boot_loader *l = calloc(1, sizeof *l);
    bool ok = l != NULL;
    for (size_t i = 0; ok && i < LOADER_TEXTS; i++)
        ok = !text[i] || (l->text[i] = strdup(text[i]));
    if (ok) {
        l->kind = kind;
        return l;
    }
    pome_boot_loader_free(l);
    pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "configuration: out of memory");
    return NULL;
}

pome_boot_loader *pome_linux_boot_loader_new(const char *kernel_path, const char *initrd_path, const char *command_line, struct pome_error *err)
{
    return make_loader(LINUX, (const char *const[LOADER_TEXTS]){kernel_path, initrd_path, command_line}, err);
}

pome_boot_loader *pome_efi_boot_loader_new(const char *firmware_path, const char *variables_path, struct pome_error *err)
{
    return make_loader(EFI, (const char *const[LOADER_TEXTS]){firmware_path, variables_path}, err);
}

pome_boot_loader *pome_darwin_boot_loader_new(const struct pome_darwin_boot_options *options, struct pome_error *err)
{
    struct pome_darwin_boot_options o = {0};
    memcpy(&o, options, MIN(options->size, sizeof o));
    pome_boot_loader *l = make_loader(
        DARWIN, (const char *const[LOADER_TEXTS]){o.kernel_path, o.command_line, o.device_tree_path, o.ramdisk_path, o.trust_cache_path}, err);
    if (l)
        l->revision = o.revision;
    return l;
}

pome_boot_loader *pome_restore_image_boot_loader_new(struct pome_error *err)
{
    return make_loader(RESTORE_IMAGE, (const char *const[LOADER_TEXTS]){NULL}, err);
}

void pome_boot_loader_free(pome_boot_loader *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < LOADER_TEXTS; i++)
        free(l->text[i]);
    free(l);
}

static bool set_darwin(pome_config *c, const pome_boot_loader *l, struct pome_error *err)
{
    const struct pome_darwin_boot_options o = {sizeof o, l->text[0], l->text[1], l->text[2], l->text[3], l->text[4], l->revision};
    return pome_config_set_darwin_boot(c, &o, err);
}

bool pome_config_set_boot_loader(pome_config *c, pome_boot_loader *l, struct pome_error *err)
{
    bool ok = l->kind == LINUX ? pome_config_set_linux_boot(c, l->text[0], l->text[1], l->text[2], err)
              : l->kind == EFI ? pome_config_set_efi_boot(c, l->text[0], l->text[1], err)
              : l->kind == DARWIN ? set_darwin(c, l, err)
                               : true;
    if (!ok)
        return false;
    c->objects.restore_image_loader = l->kind == RESTORE_IMAGE;
    pome_boot_loader_free(l); /* the configuration has what it said */
    return true;
}

/* --- platforms --- */

struct pome_platform {
    bool apple;
};

static pome_platform *make_platform(bool apple, struct pome_error *err)
{
    pome_platform *p = calloc(1, sizeof *p);
    if (p)
        p->apple = apple;
    else
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "configuration: out of memory");
    return p;
}

pome_platform *pome_generic_platform_new(struct pome_error *err)
{
    return make_platform(false, err);
}

pome_platform *pome_apple_platform_new(struct pome_error *err)
{
    return make_platform(true, err);
}

void pome_platform_free(pome_platform *p)
{
    free(p);
}

void pome_config_set_platform(pome_config *c, pome_platform *p)
{
    c->objects.apple_platform = p->apple;
    pome_platform_free(p);
}

/* --- inside --- */

void config_objects_free(struct config_objects *o)
{
    for (size_t i = 0; i < o->n_devices; i++)
        pome_device_free(o->devices[i]);
}

bool config_objects_check(const struct config_objects *o, struct findings *out)
{
    size_t before = out->errors;
    if (o->apple_platform)
        findings_add(out, &config_rules[RULE_BUNDLE_ONLY], NULL, "platform", "the Apple-style platform without a bundle");
    if (o->restore_image_loader)
        findings_add(out, &config_rules[RULE_BUNDLE_ONLY], NULL, "bootLoader", "the loader of an installed machine without a bundle");
    for (size_t i = 0; i < o->n_devices; i++) {
        char field[32];
        const struct kind *k = kind_of(o->devices[i]->kind);
        snprintf(field, sizeof field, "devices[%zu]", i);
        if (!k->add)
            findings_add(out, &config_rules[RULE_DEVICE_MISSING], NULL, field, "a %s", k->name);
    }
    return out->errors == before;
}
