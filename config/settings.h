/*
 * settings.h - what a bundle's Config.json says: the part of a machine that its user chooses.
 *
 * {"version": 1, "cpuCount": 2, "memorySize": 2147483648, "cpuModel": "default"} and, when there are any, lists of devices. Schema:
 * docs/config.schema.json; keys: pome-config(5); what is allowed: config/rules.h.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "base/findings.h"

#include <stddef.h>
#include <stdint.h>

enum { SETTINGS_MAX_BYTES = 65536, SETTINGS_MAX_CPUS = 32, SETTINGS_MAX_ITEMS = 16, SETTINGS_MAX_PORTS = 14, SETTINGS_MAX_COMMAND_LINE = 2047 };
#define SETTINGS_MIN_MEMORY (UINT64_C(128) << 20)
#define SETTINGS_MAX_MEMORY (UINT64_C(254) << 30)

/* Words are kept as their number in the table of settings.c; 0 is the first one, the default. */
enum { SETTINGS_APPLE, SETTINGS_GENERIC };                          /* platform */
enum { SETTINGS_BOOT_ROM, SETTINGS_BOOT_LINUX, SETTINGS_BOOT_EFI }; /* boot.type */
enum { SETTINGS_VIRTIO, SETTINGS_USB, SETTINGS_NVME };              /* disks[].type */
enum { SETTINGS_CACHING_AUTOMATIC, SETTINGS_UNCACHED, SETTINGS_CACHED };       /* cachingMode */
enum { SETTINGS_SYNC_FULL, SETTINGS_SYNC_FSYNC, SETTINGS_SYNC_NONE };       /* synchronizationMode */
enum { SETTINGS_NAT, SETTINGS_BRIDGED, SETTINGS_SOCKET };           /* networks[].type */
enum { SETTINGS_TCP, SETTINGS_UDP };                                /* forwards[].protocol */
enum { SETTINGS_INPUT_USB, SETTINGS_INPUT_MAC };                    /* keyboards[].type, pointingDevices[].type */

struct settings_disk_modes {
    uint32_t caching, synchronization;
};

struct settings_disk {
    uint32_t type;
    char file[128]; /* in the bundle */
    char identifier[64];
    bool read_only;
    struct settings_disk_modes modes;
};

struct settings_network {
    uint32_t type;
    char interface[64];
    char socket[108]; /* path of a datagram socket */
    char mac[64];     /* "06:e8:a3:b0:23:b4"; empty: settings_mac_of */
    uint32_t mtu;     /* 0: default */
    uint32_t isolation; /* enum net_isolation */
};

struct settings_forward { /* a port of the host that leads into the guest */
    uint32_t protocol;
    char host_address[46]; /* empty: 127.0.0.1 */
    uint32_t host_port, guest_port;
};

struct settings_display {
    uint32_t width, height, ppi;
};

struct settings_share {
    char tag[64], path[512];
    bool writable;
};

struct settings_port { /* of the console device; without socket and file: a socket that bundle_port_path finds */
    uint32_t type;
    char name[41]; /* of consolePorts; those of serialPorts are hvc0, hvc1, ... */
    char socket[108], file[256];
};

struct settings_device { /* a device of which only the kind is known */
    uint32_t type;
};

struct settings {
    uint32_t platform;
    uint32_t cpu_count;    /* 1..32; fixed when the machine was installed */
    uint64_t memory_bytes; /* 128 MiB..254 GiB, a multiple of 1 MiB */
    char cpu_model[16];    /* "default" or "apple" */
    uint32_t boot;
    char kernel[128], ramdisk[128], firmware[128]; /* in the bundle */
    char command_line[SETTINGS_MAX_COMMAND_LINE + 1];
    struct settings_disk_modes main_disk; /* Disk.img */
    size_t n_disks, n_networks, n_forwards, n_displays, n_shares, n_keyboards, n_pointing, n_serial, n_ports, n_sockets, n_balloons, n_audio;
    struct settings_disk disks[SETTINGS_MAX_ITEMS]; /* besides Disk.img */
    struct settings_network networks[SETTINGS_MAX_ITEMS];
    struct settings_forward forwards[SETTINGS_MAX_ITEMS]; /* of the first network with address translation */
    struct settings_display displays[SETTINGS_MAX_ITEMS];
    struct settings_share shares[SETTINGS_MAX_ITEMS];
    struct settings_port serial[SETTINGS_MAX_ITEMS], ports[SETTINGS_MAX_ITEMS];
    struct settings_device keyboards[SETTINGS_MAX_ITEMS], pointing[SETTINGS_MAX_ITEMS],
        sockets[SETTINGS_MAX_ITEMS], balloons[SETTINGS_MAX_ITEMS], audio[SETTINGS_MAX_ITEMS];
};

/* 2 CPUs, 2 GiB, "default", platform "apple" with its boot ROM. */
void settings_init(struct settings *s);

/* Parses n bytes of JSON and checks them: every fault at once, with line and column. `path` names the file in findings. s is usable
 * when no error was found. */
void settings_parse(const void *bytes, size_t n, const char *path, struct settings *s, struct findings *out);

/* The same, when the first error is enough. Errors: INVALID_CONFIGURATION with the key, what was found, what is needed. */
bool settings_read(const void *bytes, size_t n, const char *what, struct settings *s, struct pome_error *err);

/* Checks all rules that need nothing but the settings. */
void settings_check(const struct settings *s, const char *path, struct findings *out);
bool settings_validate(const struct settings *s, const char *what, struct pome_error *err);

/* Checks that depend on the host, now: its memory, the folders of shares. */
void settings_check_host(const struct settings *s, const char *path, struct findings *out);

/* 1 to 40 letters, digits, dots, minus signs and low lines, beginning with a letter or digit. */
bool settings_port_name_ok(const char *name);

/* 1 to 20 ASCII characters. */
bool settings_disk_identifier_ok(const char *text);

/* "06:e8:a3:b0:23:b4"; false: not so, or not unicast. */
bool settings_parse_mac(const char *text, uint8_t mac[6]);
/* The address of network device `number` of the machine with this ECID: always the same, locally administered. */
void settings_mac_of(uint64_t ecid, unsigned number, uint8_t mac[6]);
/* Writes that address into each network device that has none, and into all that have that of the machine `was`. */
void settings_fill_macs(struct settings *s, uint64_t ecid, uint64_t was);

/* One rule each, for those who have only that number. */
void settings_check_cpus(uint64_t cpus, const char *path, struct findings *out);
void settings_check_memory(uint64_t bytes, const char *path, struct findings *out);

/* What may not change after the installation: a finding for each value of `now` that differs. */
void settings_check_fixed(const struct settings *installed, const struct settings *now, const char *path, struct findings *out);

/* Whether a guest that was started with one could go on with the other: what it sees is the same. What only the host sees may differ. */
bool settings_seen_alike(const struct settings *a, const struct settings *b);

/* Makes it right: wrong values at the top become the defaults, lists with something wrong in them are emptied. */
void settings_mend(struct settings *s);

/* JSON text, NUL-terminated; free() it. NULL when there is no memory. Lists that are empty are left out. */
char *settings_write(const struct settings *s, size_t *n);

/* A value by its path ("memorySize", "disks[0]", "" for all): JSON text without a newline; free() it. NULL when there is none. */
char *settings_get(const struct settings *s, const char *path);

/* Sets one from JSON text, or plain text for strings and sizes ("4GiB"); "" removes it. s is changed only when all is right
 * afterwards; installed: what was fixed when the machine was installed must stay. `what` names the file in findings. Errors are in out. */
bool settings_set(struct settings *s, bool installed, const char *path, const char *value, const char *what, struct findings *out);

#endif
