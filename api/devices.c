/* devices.c - pome/devices.h. */
#include "api/devices.h"

#include "api/config.h"
#include "base/bits.h"
#include "base/error.h"
#include "config/settings.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/random.h>

/* --- networks --- */

static bool set_mac(uint8_t mac[6], const char *text, struct pome_error *err)
{
    if (text)
        return settings_parse_mac(text, mac) ||
               pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "network: \"%.40s\" is no unicast MAC address", text);
    if (getrandom(mac, 6, 0) != 6)
        return pome_fail_errno(err, "random numbers");
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 2); /* locally administered, unicast */
    return true;
}

bool pome_config_add_network(pome_config *c, const struct pome_network_options *options, struct pome_error *err)
{
    struct config_devices *d = &c->devices;
    struct pome_network_options o = POME_NETWORK_OPTIONS_INIT;
    memcpy(&o, options, MIN(options->size, sizeof o));
    if (d->n_networks == MACHINE_MAX_NETWORKS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "network number %d: at most %d are possible", MACHINE_MAX_NETWORKS + 1,
                         MACHINE_MAX_NETWORKS);
    if (o.mtu && (o.mtu < 1500 || o.mtu > 65535))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "network: an MTU of %u: 1500 to 65535 are possible", o.mtu);
    if (o.kind == POME_NETWORK_SOCKET ? !o.path : o.kind == POME_NETWORK_FD ? o.fd < 0 : o.kind != POME_NETWORK_NAT)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "network: kind %d without its path or descriptor", (int)o.kind);
    static const enum machine_network_kind kinds[] = { MACHINE_NETWORK_USER, MACHINE_NETWORK_FD, MACHINE_NETWORK_UNIX };
    static const enum net_isolation isolations[] = { NET_OPEN, NET_NO_HOST, NET_CLOSED };
    struct machine_network *n = &d->networks[d->n_networks];
    *n = (struct machine_network){ .kind = kinds[o.kind], .mtu = o.mtu, .fd = o.fd,
                                   .user.isolation = isolations[MIN((unsigned)o.isolation, 2)] };
    if (!set_mac(n->mac, o.mac_address, err))
        return false;
    if (o.path && !(n->path = strdup(o.path)))
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "configuration: out of memory");
    d->n_networks++;
    return true;
}

bool pome_config_add_forward(pome_config *c, const struct pome_forward_options *options, struct pome_error *err)
{
    struct config_devices *d = &c->devices;
    struct pome_forward_options o = POME_FORWARD_OPTIONS_INIT;
    uint8_t binary[16];
    memcpy(&o, options, MIN(options->size, sizeof o));
    const char *address = o.host_address ? o.host_address : "";
    if (d->n_forwards == CONFIG_MAX_FORWARDS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "forwarding: at most %d are possible", CONFIG_MAX_FORWARDS);
    if (!o.host_port || o.host_port > 65535 || !o.guest_port || o.guest_port > 65535)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "forwarding: port %u to port %u: 1 to 65535 are possible", o.host_port,
                         o.guest_port);
    if (address[0] && inet_pton(AF_INET, address, binary) != 1 && inet_pton(AF_INET6, address, binary) != 1)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "forwarding: \"%.60s\" is no address", address);
    struct net_forward *f = &d->forwards[d->n_forwards++];
    *f = (struct net_forward){ .udp = o.udp, .host_port = (uint16_t)o.host_port, .guest_port = (uint16_t)o.guest_port };
    strcpy(f->host_address, address);
    return true;
}

static bool describe_networks(struct config_devices *d, struct machine_peripherals *p, struct pome_error *err)
{
    struct machine_network *nat = NULL;
    for (size_t i = d->n_networks; i-- > 0;)
        if (d->networks[i].kind == MACHINE_NETWORK_USER)
            nat = &d->networks[i];
    if (d->n_forwards && !nat)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "forwarding: there is no network with address translation");
    if (nat) {
        nat->user.forwards = d->forwards;
        nat->user.n_forwards = d->n_forwards;
    }
    p->networks = d->networks;
    p->n_networks = d->n_networks;
    return true;
}

/* --- sockets --- */

bool pome_config_add_sockets(pome_config *c, const char *path, struct pome_error *err)
{
    struct config_devices *d = &c->devices;
    if (d->has_sockets)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "socket device: there is one already");
    if (path && (!path[0] || strlen(path) > 95))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.100s: a path of %zu bytes, 1 to 95 are possible", path, strlen(path));
    if (path && !(d->sockets.path = strdup(path)))
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "configuration: out of memory");
    d->has_sockets = true;
    return true;
}

/* --- consoles --- */

static bool check_port(const struct config_devices *d, const struct pome_console_port_options *o, struct pome_error *err)
{
    if (d->n_ports == SETTINGS_MAX_PORTS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "console port: at most %d are possible", SETTINGS_MAX_PORTS);
    if (o->name && !settings_port_name_ok(o->name))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "console port \"%.60s\": 1 to 40 letters, digits, \".\", \"-\" and \"_\" are possible", o->name);
    if (o->socket_path && (o->socket_path[0] == 0 || strlen(o->socket_path) >= 108 || o->file_path || o->in_fd >= 0 || o->out_fd >= 0))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "console port: a socket, with a path of 1 to 107 bytes, and nothing else; or a file or descriptors");
    for (size_t i = 0; o->name && i < d->n_ports; i++)
        if (d->ports[i].name && !strcmp(d->ports[i].name, o->name))
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "console port \"%s\": there is one of that name already", o->name);
    return true;
}

static bool copy_text(const char **to, const char *text)
{
    return !text || (*to = strdup(text));
}

bool pome_config_add_console_port(pome_config *c, const struct pome_console_port_options *options, struct pome_error *err)
{
    struct config_devices *d = &c->devices;
    struct pome_console_port_options o = POME_CONSOLE_PORT_OPTIONS_INIT;
    memcpy(&o, options, MIN(options->size, sizeof o));
    if (!check_port(d, &o, err))
        return false;
    struct machine_port *p = &d->ports[d->n_ports++];
    *p = (struct machine_port){ .terminal = !o.name, .in_fd = o.in_fd, .out_fd = o.out_fd };
    return (copy_text(&p->name, o.name) && copy_text(&p->socket, o.socket_path) && copy_text(&p->file, o.file_path)) ||
           pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "configuration: out of memory");
}

/* --- shared folders --- */

bool pome_config_add_share(pome_config *c, const struct pome_share_options *options, struct pome_error *err)
{
    struct config_devices *d = &c->devices;
    struct pome_share_options o = POME_SHARE_OPTIONS_INIT;
    memcpy(&o, options, MIN(options->size, sizeof o));
    if (d->n_shares == MACHINE_MAX_SHARES)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "share: at most %d are possible", MACHINE_MAX_SHARES);
    if (!o.tag || !o.tag[0] || strlen(o.tag) > SHARE_TAG_MAX || !o.path)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "share \"%.60s\": a tag of 1 to %d bytes and a path are needed",
                         o.tag ? o.tag : "", SHARE_TAG_MAX);
    for (size_t i = 0; i < d->n_shares; i++)
        if (!strcmp(d->shares[i].tag, o.tag))
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "share \"%s\": there is one of that tag already", o.tag);
    struct machine_share *s = &d->shares[d->n_shares++];
    *s = (struct machine_share){ .tag = strdup(o.tag), .path = strdup(o.path), .writable = o.writable };
    return (s->tag && s->path) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "configuration: out of memory");
}

/* --- all --- */

void config_devices_free(struct config_devices *d)
{
    for (size_t i = 0; i < d->n_networks; i++)
        free((void *)(uintptr_t)d->networks[i].path);
    free((void *)(uintptr_t)d->sockets.path);
    for (size_t i = 0; i < d->n_shares; i++) {
        free((void *)(uintptr_t)d->shares[i].tag);
        free((void *)(uintptr_t)d->shares[i].path);
    }
    for (size_t i = 0; i < d->n_ports; i++) {
        free((void *)(uintptr_t)d->ports[i].name);
        free((void *)(uintptr_t)d->ports[i].socket);
        free((void *)(uintptr_t)d->ports[i].file);
    }
}

bool config_devices_describe(struct config_devices *d, struct machine_peripherals *p, struct pome_error *err)
{
    *p = (struct machine_peripherals){ .sockets = d->has_sockets ? &d->sockets : NULL, .balloon = d->has_balloon,
                                        .shares = d->shares, .n_shares = d->n_shares, .ports = d->ports, .n_ports = d->n_ports };
    return describe_networks(d, p, err);
}
