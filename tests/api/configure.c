/* configure.c - a configuration put together from objects starts; what Pome does not have is named, every piece of it. */
#include "kit.h"

#include <pome/device.h>

static unsigned found[2]; /* device-not-supported, bundle-only */

static void each(void *user, const struct pome_finding *f)
{
    found[0] += !strcmp(f->code, "device-not-supported");
    found[1] += !strcmp(f->code, "bundle-only");
}

/* Every kind of the table can be made and added; validation names those that are not there, and only those. */
static void kinds(const char *kernel)
{
    struct pome_device_info info = POME_DEVICE_INFO_INIT;
    unsigned missing = 0, added = 0;
    pome_config *c = pome_config_new();
    CHECK(pome_config_set_boot_loader(c, pome_linux_boot_loader_new(kernel, NULL, NULL, &err), &err));
    pome_config_set_platform(c, pome_generic_platform_new(&err));
    for (unsigned i = 0; pome_device_info(i, &info); i++) {
        pome_device *d = pome_device_new(info.kind, &err);
        if (!d)
            continue; /* it needs options */
        CHECK(pome_device_kind(d) == info.kind && pome_config_add_device(c, d, &err));
        CHECK(pome_config_device(c, added) == d);
        missing += !info.supported;
        added++;
    }
    CHECK(missing && !pome_config_device(c, added));
    CHECK(!pome_config_validate(c, each, NULL, &err) && err.code == POME_ERROR_NOT_SUPPORTED && found[0] == missing && !found[1]);
    CHECK(!pome_vm_new(c, &err) && err.code == POME_ERROR_NOT_SUPPORTED);
    pome_config_free(c);
}

static void only_in_bundles(void)
{
    pome_config *c = pome_config_new();
    CHECK(pome_config_set_boot_loader(c, pome_restore_image_boot_loader_new(&err), &err));
    pome_config_set_platform(c, pome_apple_platform_new(&err));
    CHECK(!pome_config_validate(c, each, NULL, &err) && err.code == POME_ERROR_NOT_SUPPORTED && found[1] == 2);
    pome_config_free(c);
}

static void too_many_disks(const char *kernel)
{
    struct pome_disk_options o = POME_DISK_OPTIONS_INIT;
    pome_device *d = NULL;
    pome_config *c = pome_config_new();
    CHECK(!pome_disk_new(&o, &err) && err.code == POME_ERROR_INVALID_CONFIGURATION);
    o.path = kernel;
    o.read_only = true;
    for (int i = 0; i < 17; i++) {
        CHECK((d = pome_disk_new(&o, &err)));
        CHECK(pome_config_add_device(c, d, &err) == (i < 16));
    }
    CHECK(err.code == POME_ERROR_INVALID_CONFIGURATION);
    pome_device_free(d); /* it stayed ours */
    pome_config_free(c);
}

/* A second serial port, and ports with names. */
static void ports(pome_config *c)
{
    struct pome_console_port_options port = POME_CONSOLE_PORT_OPTIONS_INIT;
    CHECK(!pome_device_new(POME_DEVICE_CONSOLE, &err) && strstr(err.message, "pome_console_port_new()"));
    CHECK(!pome_device_new(POME_DEVICE_DIRECTORY, &err) && strstr(err.message, "pome_directory_new()"));
    CHECK(pome_config_add_device(c, pome_serial_port_new(-1, -1, &err), &err));
    port.name = "org.test";
    port.file_path = "/dev/null";
    CHECK(pome_config_add_device(c, pome_console_port_new(&port, &err), &err));
    pome_device *d = pome_console_port_new(&port, &err);
    CHECK(d && !pome_config_add_device(c, d, &err) && err.code == POME_ERROR_INVALID_CONFIGURATION); /* twice the name */
    pome_device_free(d);
    port.name = "a name";
    CHECK(!pome_config_add_console_port(c, &port, &err) && err.code == POME_ERROR_INVALID_CONFIGURATION);
    port.name = NULL;
    port.socket_path = "/tmp/socket";
    CHECK(!pome_config_add_console_port(c, &port, &err) && err.code == POME_ERROR_INVALID_CONFIGURATION); /* and a file */
}

static void starts(const char *kernel)
{
    pome_config *c = pome_config_new();
    struct pome_share_options share = POME_SHARE_OPTIONS_INIT;
    CHECK(!pome_directory_new(&share, &err) && err.code == POME_ERROR_INVALID_CONFIGURATION);
    share.tag = "docs";
    share.path = "/usr/share";
    CHECK(pome_config_add_device(c, pome_directory_new(&share, &err), &err));
    CHECK(pome_config_set_boot_loader(c, pome_linux_boot_loader_new(kernel, NULL, "quiet", &err), &err));
    CHECK(pome_config_add_device(c, pome_serial_port_new(-1, -1, &err), &err));
    ports(c);
    CHECK(pome_config_add_device(c, pome_device_new(POME_DEVICE_ENTROPY, &err), &err));
    CHECK(pome_config_validate(c, NULL, NULL, &err));
    pome_vm *vm = pome_vm_new(c, &err);
    pome_config_free(c);
    CHECK(vm && pome_vm_start_wait(vm, LONG_MS, &err) && pome_vm_stop_wait(vm, LONG_MS, &err));
    pome_vm_free(vm);
}

int main(int argc, char **argv)
{
    kinds(argv[1]);
    only_in_bundles();
    too_many_disks(argv[1]);
    starts(argv[1]);
    return 0;
}
