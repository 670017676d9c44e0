/*
 * pome/device.h - boot loaders, platforms and devices as objects, put together as with Apple's configuration classes.
 *
 * Each is made by itself and then given to a configuration, which owns it from then on. pome_config_set_linux_boot(), pome_config_add_disk() and their
 * like make and give in one step. Not thread-safe: one thread at a time.
 */
#ifndef POME_DEVICE_H
#define POME_DEVICE_H

#include <pome/devices.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- boot loaders ---------------------------------------------------------------------------------------------------- */

typedef struct pome_boot_loader pome_boot_loader;

/* Boots a Linux kernel directly; arguments as those of pome_config_set_linux_boot(). Owner: the caller, until it is given to a configuration.
 * Errors: OUT_OF_MEMORY.   Like: VZLinuxBootLoader.   Since: 0.2. */
POME_API pome_boot_loader *pome_linux_boot_loader_new(const char *kernel_path, const char *initrd_path, const char *command_line,
                                                      struct pome_error *err);

/* Boots UEFI firmware; arguments as those of pome_config_set_efi_boot(). Errors: OUT_OF_MEMORY.
 * Like: VZEFIBootLoader.   Since: 0.2. */
POME_API pome_boot_loader *pome_efi_boot_loader_new(const char *firmware_path, const char *variables_path, struct pome_error *err);

/* Boots a Darwin kernel; options as those of pome_config_set_darwin_boot(). Errors: OUT_OF_MEMORY.
 * Like: VZMacOSBootLoader.   Since: 0.2. */
POME_API pome_boot_loader *pome_darwin_boot_loader_new(const struct pome_darwin_boot_options *options, struct pome_error *err);

/* Boots what a restore image installed. It needs what only a bundle has (disk, auxiliary storage, identity): pome_config_validate() refuses it with NOT_SUPPORTED,
 * pome_vm_new_from_bundle() starts such machines. Errors: OUT_OF_MEMORY.
 * Like: VZMacOSBootLoader.   Since: 0.2. */
POME_API pome_boot_loader *pome_restore_image_boot_loader_new(struct pome_error *err);

POME_API void pome_boot_loader_free(pome_boot_loader *loader); /* NULL is fine. Not after it was given away */

/* Gives it to the configuration, instead of the one that it has. On failure the loader stays the caller's. Errors: OUT_OF_MEMORY.
 * Like: VZVirtualMachineConfiguration.bootLoader.   Since: 0.2. */
POME_API bool pome_config_set_boot_loader(pome_config *config, pome_boot_loader *loader, struct pome_error *err);

/* --- platforms ------------------------------------------------------------------------------------------------------- */

typedef struct pome_platform pome_platform;

/* The platform for Linux and UEFI; what a configuration has from the beginning. Errors: OUT_OF_MEMORY.
 * Like: VZGenericPlatformConfiguration.   Since: 0.2. */
POME_API pome_platform *pome_generic_platform_new(struct pome_error *err);

/* The Apple-style platform, whose hardware model, identity and auxiliary storage are those of a bundle. pome_config_validate() refuses it with
 * NOT_SUPPORTED: pome_vm_new_from_bundle() makes such machines. Errors: OUT_OF_MEMORY.
 * Like: VZMacPlatformConfiguration.   Since: 0.2. */
POME_API pome_platform *pome_apple_platform_new(struct pome_error *err);

POME_API void pome_platform_free(pome_platform *platform); /* NULL is fine. Not after it was given away */

/* Gives it to the configuration.   Like: VZVirtualMachineConfiguration.platform.   Since: 0.2. */
POME_API void pome_config_set_platform(pome_config *config, pome_platform *platform);

/* --- devices --------------------------------------------------------------------------------------------------------- */

enum pome_device_kind {
    POME_DEVICE_DISK = 1,
    POME_DEVICE_NETWORK = 2,
    POME_DEVICE_SERIAL_PORT = 3,
    POME_DEVICE_ENTROPY = 4, /* every machine has one */
    POME_DEVICE_SOCKET = 5,
    POME_DEVICE_DIRECTORY = 6,
    POME_DEVICE_BALLOON = 7,
    POME_DEVICE_CONSOLE = 8,
    POME_DEVICE_GRAPHICS = 9,
    POME_DEVICE_KEYBOARD = 10,
    POME_DEVICE_POINTING = 11,
    POME_DEVICE_SOUND = 12,
    POME_DEVICE_NVME = 13,
    POME_DEVICE_USB = 14,
};

struct pome_device_info {
    size_t size; /* of this struct: POME_DEVICE_INFO_INIT */
    enum pome_device_kind kind;
    const char *name;  /* "virtio block device"; static */
    const char *apple; /* "VZVirtioBlockDeviceConfiguration"; static */
    bool supported;    /* else pome_config_validate() refuses it with NOT_SUPPORTED */
};
#define POME_DEVICE_INFO_INIT                                                                                                      \
    {                                                                                                                              \
        .size = sizeof(struct pome_device_info)                                                                                    \
    }
/* The kinds that there are: number 0, 1, ... until it returns false.   Since: 0.2. */
POME_API bool pome_device_info(unsigned number, struct pome_device_info *info);

typedef struct pome_device pome_device;

/* A disk; options as those of pome_config_add_disk(), copied. Owner: the caller, until it is given to a configuration. Errors: OUT_OF_MEMORY,
 * INVALID_CONFIGURATION (no path).   Like: VZVirtioBlockDeviceConfiguration with VZDiskImageStorageDeviceAttachment.   Since: 0.2. */
POME_API pome_device *pome_disk_new(const struct pome_disk_options *options, struct pome_error *err);

/* A network device; options as those of pome_config_add_network(), copied. Errors: OUT_OF_MEMORY.
 * Like: VZVirtioNetworkDeviceConfiguration.   Since: 0.2. */
POME_API pome_device *pome_network_new(const struct pome_network_options *options, struct pome_error *err);

/* A shared folder; options as those of pome_config_add_share(), copied. Errors: OUT_OF_MEMORY, INVALID_CONFIGURATION (no tag or path).
 * Like: VZVirtioFileSystemDeviceConfiguration with VZSingleDirectoryShare.   Since: 0.2. */
POME_API pome_device *pome_directory_new(const struct pome_share_options *options, struct pome_error *err);

/* A serial port: what the guest reads, and where it writes; -1: none. The first one that is added is the board's UART, which firmware knows, too, as by
 * pome_config_set_console(); those after it are terminals of the console device (hvc0, hvc1, ...). Errors: OUT_OF_MEMORY.
 * Like: VZVirtioConsoleDeviceSerialPortConfiguration with VZFileHandleSerialPortAttachment.   Since: 0.2. */
POME_API pome_device *pome_serial_port_new(int in_fd, int out_fd, struct pome_error *err);

/* A port of the console device; options as those of pome_config_add_console_port(), copied. Errors: OUT_OF_MEMORY.
 * Like: VZVirtioConsoleDeviceConfiguration with VZVirtioConsolePortConfiguration.   Since: 0.2. */
POME_API pome_device *pome_console_port_new(const struct pome_console_port_options *options, struct pome_error *err);

/* A device that needs nothing to be said about it. Errors: INVALID_CONFIGURATION (a kind that has a function of its own, which the message names; no kind at all), OUT_OF_MEMORY.
 * Like: VZVirtioEntropyDeviceConfiguration, and the classes that pome_device_info() names.   Since: 0.2. */
POME_API pome_device *pome_device_new(enum pome_device_kind kind, struct pome_error *err);

POME_API enum pome_device_kind pome_device_kind(const pome_device *device);
POME_API void pome_device_free(pome_device *device); /* NULL is fine. Not after it was given away */

/* Gives it to the configuration. On failure the device stays the caller's. Devices that Pome does not have yet can be added; pome_config_validate() then names each.
 * Errors: INVALID_CONFIGURATION (too many of its kind, an option that cannot be), OUT_OF_MEMORY.
 * Like: VZVirtualMachineConfiguration.storageDevices, networkDevices, serialPorts, and the other arrays of devices.   Since: 0.2. */
POME_API bool pome_config_add_device(pome_config *config, pome_device *device, struct pome_error *err);

/* The devices that were added with pome_config_add_device(), in that order; NULL past the last. Borrowed.   Since: 0.2. */
POME_API const pome_device *pome_config_device(const pome_config *config, size_t number);

#ifdef __cplusplus
}
#endif
#endif
