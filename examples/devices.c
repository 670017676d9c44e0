/*
 * devices.c - a machine put together of objects, as with Apple's configuration classes: platform, boot loader, devices; and a conversation with its guest.
 *
 *     devices KERNEL|DISK FOLDER [COMMAND LINE]
 *
 * A Linux kernel is booted directly, a disk through UEFI firmware. The guest has a network of its own (ssh: port 2222 of this host), FOLDER to read
 * (mount -t virtiofs here /mnt), a balloon, and sockets: what connects to port 1024 of the host (socat - VSOCK-CONNECT:2:1024) is greeted.
 */
#include <pome/device.h>
#include <pome/socket.h>

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { GREETING_PORT = 1024 };

/* Gives a device to the configuration. One that could not be made is told by the call that should have made it. */
static bool add(pome_config *c, pome_device *d, struct pome_error *err)
{
    if (d && pome_config_add_device(c, d, err))
        return true;
    pome_device_free(d);
    return false;
}

static bool set_boot(pome_config *c, const char *path, const char *command_line, struct pome_error *err)
{
    struct pome_disk_options disk = POME_DISK_OPTIONS_INIT;
    enum pome_kernel_kind kind;
    bool kernel = pome_kernel_kind(path, &kind, NULL);
    disk.path = path;
    disk.identifier = "system"; /* /dev/disk/by-id/virtio-system */
    pome_boot_loader *loader = kernel ? pome_linux_boot_loader_new(path, NULL, command_line, err) : pome_efi_boot_loader_new(NULL, NULL, err);
    if (!loader || !pome_config_set_boot_loader(c, loader, err)) {
        pome_boot_loader_free(loader);
        return false;
    }
    return kernel || add(c, pome_disk_new(&disk, err), err);
}

static bool add_devices(pome_config *c, const char *folder, struct pome_error *err)
{
    struct pome_network_options network = POME_NETWORK_OPTIONS_INIT;
    struct pome_forward_options ssh = POME_FORWARD_OPTIONS_INIT;
    struct pome_share_options here = POME_SHARE_OPTIONS_INIT;
    ssh.host_port = 2222;
    ssh.guest_port = 22;
    here.tag = "here";
    here.path = folder;
    return add(c, pome_serial_port_new(STDIN_FILENO, STDOUT_FILENO, err), err) && add(c, pome_network_new(&network, err), err) &&
           pome_config_add_forward(c, &ssh, err) && add(c, pome_directory_new(&here, err), err) &&
           add(c, pome_device_new(POME_DEVICE_ENTROPY, err), err) && add(c, pome_device_new(POME_DEVICE_BALLOON, err), err) &&
           pome_config_add_sockets(c, NULL, err);
}

static void greet(int listener)
{
    uint32_t port;
    int fd = pome_socket_accept(listener, &port, NULL);
    if (fd >= 0) {
        dprintf(fd, "Hello, port %u.\n", port);
        close(fd);
    }
}

static void on_event(void *over, pome_vm *vm, const struct pome_vm_event *e)
{
    if (e->kind == POME_VM_EVENT_STOPPED)
        *(bool *)over = true;
}

static void finding(void *user, const struct pome_finding *f)
{
    fprintf(stderr, "devices: %s: found %s, needed %s\n", f->field, f->found, f->expected);
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    bool over = false;
    if (argc < 3 || argc > 4) {
        fputs("usage: devices KERNEL|DISK FOLDER [COMMAND LINE]\n", stderr);
        return 2;
    }
    pome_config *config = pome_config_new();
    pome_config_set_stops_at_reset(config, true);
    bool ok = set_boot(config, argv[1], argc > 3 ? argv[3] : NULL, &err) && add_devices(config, argv[2], &err) &&
              pome_config_validate(config, finding, NULL, &err);
    pome_vm *vm = ok ? pome_vm_new(config, &err) : NULL;
    pome_config_free(config);
    int listener = vm ? pome_vm_socket_listen(vm, GREETING_PORT, &err) : -1;
    if (listener < 0 || !pome_vm_subscribe(vm, on_event, &over, &err) || !pome_vm_start_wait(vm, -1, &err)) {
        fprintf(stderr, "devices: %s\n", err.message);
        pome_vm_free(vm);
        return 1;
    }
    while (!over) {
        struct pollfd p[2] = {{.fd = pome_vm_fd(vm), .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        if (poll(p, 2, -1) > 0 && p[1].revents)
            greet(listener);
        pome_vm_dispatch(vm);
    }
    int status = pome_vm_stop_reason(vm) == POME_STOP_ERROR || pome_vm_stop_reason(vm) == POME_STOP_GUEST_PANIC;
    close(listener);
    pome_vm_free(vm);
    return status;
}
