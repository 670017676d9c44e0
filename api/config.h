/* config.h - the inside of a pome_config, shared by config.c and vm.c. */
#ifndef API_CONFIG_H
#define API_CONFIG_H

#include <pome/config.h>

#include "api/device.h"
#include "api/devices.h"

enum { CONFIG_MAX_DISKS = 16 };

enum config_boot { CONFIG_BOOT_LINUX, CONFIG_BOOT_EFI, CONFIG_BOOT_DARWIN, CONFIG_BOOT_ROM };

struct config_disk {
    char *path, *identifier; /* identifier NULL: none */
    bool read_only;
    enum pome_disk_caching_mode caching;
    enum pome_disk_synchronization_mode synchronization;
};

struct pome_config {
    unsigned n_cpus;
    uint64_t ram_bytes;
    char *cpu_model;
    enum config_boot boot;
    char *kernel_path, *initrd_path, *command_line; /* Linux, Darwin */
    char *device_tree_path, *trust_cache_path;      /* Darwin */
    unsigned revision;
    char *firmware_path, *variables_path;           /* EFI; the first: of a boot ROM */
    struct config_disk disks[CONFIG_MAX_DISKS];
    size_t n_disks;
    int console_in, console_out;
    bool has_serial_port; /* as an object: the next one is a terminal of the console device */
    bool stops_at_reset;
    char *translation_cache;
    struct config_devices devices;
    struct config_objects objects;
};

#endif
