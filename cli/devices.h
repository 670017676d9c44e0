/* devices.h - a machine's connections with its surroundings, as words of the command line. */
#ifndef CLI_DEVICES_H
#define CLI_DEVICES_H

#include "cli/options.h"

#include <pome/devices.h>

struct cli_devices {
    struct cli_list networks, forwards, shares, ports;
    const char *vsock;
    bool balloon;
};

/* Rows of an option table that fill d. */
#define CLI_DEVICE_OPTIONS(d)                                                                                                     \
    {"net", 'n', CLI_LIST, &(d)->networks, "NETWORK", "a network device: user, fd:NUMBER or unix:PATH", 0, 0},                     \
    {"forward", 'f', CLI_LIST, &(d)->forwards, "PORTS", "forward a port to the guest: [tcp:|udp:][ADDRESS:]HOSTPORT:GUESTPORT", 0, 0},    \
    {"share", 0, CLI_LIST, &(d)->shares, "TAG=FOLDER[:rw]", "a folder of this host that the guest can mount (read-only without :rw)", 0, 0}, \
    {"port", 0, CLI_LIST, &(d)->ports, "NAME=SOCKET", "a console port with this name (hvc: a terminal), which programs of this host reach by the unix socket SOCKET", 0, 0}, \
    {"vsock", 0, CLI_TEXT, &(d)->vsock, "PATH", "a socket device, which programs of this host reach by the unix socket PATH", 0, 0}, \
    {"balloon", 0, CLI_FLAG, &(d)->balloon, NULL, "a memory balloon: free memory of the guest goes back to the host", 0, 0}

/* Adds them to a configuration. Errors: INVALID_CONFIGURATION names the word. */
bool cli_add_devices(pome_config *config, const struct cli_devices *d, struct pome_error *err);

/* "tcp:127.0.0.1:2222:22", "8080:80", "udp:[::1]:53:53". address: at least 64 bytes, to which o->host_address will point. */
bool cli_parse_forward(const char *text, struct pome_forward_options *o, char *address, struct pome_error *err);

#endif
