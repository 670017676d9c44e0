/* devices.h - the inside of pome/devices.h: what a configuration says of them, and the machine's description made of it. */
#ifndef API_DEVICES_H
#define API_DEVICES_H

#include <pome/devices.h>

#include "config/settings.h"
#include "vm/vm.h"

enum { CONFIG_MAX_FORWARDS = 16 };

struct config_devices {
    struct machine_network networks[MACHINE_MAX_NETWORKS]; /* paths are ours */
    size_t n_networks;
    struct net_forward forwards[CONFIG_MAX_FORWARDS];
    size_t n_forwards;
    bool has_sockets, has_balloon;
    struct machine_share shares[MACHINE_MAX_SHARES]; /* texts are ours */
    size_t n_shares;
    struct machine_sockets sockets; /* its path is ours */
    struct machine_port ports[SETTINGS_MAX_PORTS]; /* texts are ours */
    size_t n_ports;
};

void config_devices_free(struct config_devices *d);

/* Fills what lies in d into p; p points into d. Errors: INVALID_CONFIGURATION. */
bool config_devices_describe(struct config_devices *d, struct machine_peripherals *p, struct pome_error *err);

#endif
