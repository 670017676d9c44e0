/* bundle_devices.h - the devices that a bundle's configuration asks for, besides disks. Inside vm/ only. */
#ifndef VM_BUNDLE_DEVICES_H
#define VM_BUNDLE_DEVICES_H

#include "bundle/genid.h"
#include "vm/bundle_vm.h"

/* For as long as the machine is made. */
struct bundle_devices {
    struct machine_peripherals peripherals;
    struct machine_network networks[MACHINE_MAX_NETWORKS];
    struct net_forward forwards[SETTINGS_MAX_ITEMS];
    struct machine_sockets sockets;
    struct machine_share shares[SETTINGS_MAX_ITEMS];
    char socket_path[BUNDLE_SOCKET_PATH_MAX];
    struct machine_port ports[SETTINGS_MAX_PORTS];
    char port_paths[SETTINGS_MAX_PORTS][BUNDLE_SOCKET_PATH_MAX];
    struct vm_origin origin; /* of a warm clone */
    uint8_t generation[BUNDLE_GENID_BYTES];
};

/* With the settings s. Points into d, b and s. log: may be NULL. Devices that Pome does not have are left out (config/rules.h warns of them). Errors: INVALID_CONFIGURATION. */
bool bundle_devices_init(struct bundle_devices *d, const struct bundle *b, const struct settings *s, struct log *log, struct pome_error *err);

#endif
