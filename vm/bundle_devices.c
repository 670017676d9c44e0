/* bundle_devices.c - from Config.json to the machine's description (see bundle_devices.h). */
#include "vm/bundle_devices.h"

#include "base/bits.h"
#include "base/error.h"
#include "bundle/warm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void init_forwards(struct bundle_devices *d, const struct settings *s, struct net_user_options *user)
{
    for (size_t i = 0; i < s->n_forwards; i++) {
        const struct settings_forward *f = &s->forwards[i];
        d->forwards[i] = (struct net_forward){ .udp = f->protocol == SETTINGS_UDP, .host_port = (uint16_t)f->host_port,
                                               .guest_port = (uint16_t)f->guest_port };
        memcpy(d->forwards[i].host_address, f->host_address, sizeof f->host_address);
    }
    user->forwards = d->forwards;
    user->n_forwards = s->n_forwards;
}

static bool init_networks(struct bundle_devices *d, const struct bundle *b, const struct settings *s, struct pome_error *err)
{
    static const enum net_isolation isolations[] = { NET_OPEN, NET_NO_HOST, NET_CLOSED };
    bool forwarded = false;
    size_t n = 0;
    for (size_t i = 0; i < s->n_networks; i++) {
        const struct settings_network *from = &s->networks[i];
        if (from->type == SETTINGS_BRIDGED)
            continue;
        if (n == MACHINE_MAX_NETWORKS)
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "networks: more than %d", MACHINE_MAX_NETWORKS);
        struct machine_network *to = &d->networks[n++];
        *to = (struct machine_network){ .kind = from->type == SETTINGS_NAT ? MACHINE_NETWORK_USER : MACHINE_NETWORK_UNIX,
                                        .mtu = from->mtu, .path = from->socket, .user.isolation = isolations[from->isolation] };
        if (!settings_parse_mac(from->mac, to->mac))
            settings_mac_of(b->ecid, (unsigned)i, to->mac);
        if (from->type == SETTINGS_NAT && !forwarded) {
            init_forwards(d, s, &to->user);
            forwarded = true;
        }
    }
    d->peripherals.networks = d->networks;
    d->peripherals.n_networks = n;
    return true;
}

/* A machine is more than its sockets: without a place for them it starts all the same. */
static void init_sockets(struct bundle_devices *d, const struct bundle *b, struct log *log)
{
    struct pome_error err;
    if (bundle_socket_path(b, d->socket_path, &err))
        d->sockets.path = d->socket_path;
    else
        log_host(log, "org.pome.machine", "device", LOG_LEVEL_ERROR, "sockets: %s", err.message);
    d->peripherals.sockets = &d->sockets;
}

static bool init_port(struct bundle_devices *d, const struct bundle *b, const char *name, const struct settings_port *from, struct pome_error *err)
{
    size_t n = d->peripherals.n_ports++;
    bool terminal = !from->name[0];
    d->ports[n] = (struct machine_port){ .name = terminal ? NULL : from->name, .terminal = terminal, .in_fd = -1, .out_fd = -1 };
    if (from->file[0]) {
        d->ports[n].file = from->file;
        return true;
    }
    d->ports[n].socket = d->port_paths[n];
    return bundle_port_path(b, name, d->port_paths[n], err);
}

/* Serial ports come first: port 0 is the one that a driver without MULTIPORT knows. */
static bool init_ports(struct bundle_devices *d, const struct bundle *b, const struct settings *s, struct pome_error *err)
{
    char name[24];
    d->peripherals.ports = d->ports;
    if (s->n_serial + s->n_ports > SETTINGS_MAX_PORTS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "consolePorts: more than %d with the serial ports", SETTINGS_MAX_PORTS);
    for (size_t i = 0; i < s->n_serial; i++) {
        snprintf(name, sizeof name, "hvc%zu", i);
        if (!init_port(d, b, name, &s->serial[i], err))
            return pome_fail_context(err, "serialPorts[%zu]", i);
    }
    for (size_t i = 0; i < s->n_ports; i++)
        if (!init_port(d, b, s->ports[i].name, &s->ports[i], err))
            return pome_fail_context(err, "consolePorts[%zu]", i);
    return true;
}

static void init_shares(struct bundle_devices *d, const struct settings *s)
{
    for (size_t i = 0; i < s->n_shares; i++)
        d->shares[i] = (struct machine_share){ .tag = s->shares[i].tag, .path = s->shares[i].path, .writable = s->shares[i].writable };
    d->peripherals.shares = d->shares;
    d->peripherals.n_shares = s->n_shares;
}

/* The same network devices, by what they were then. */
static bool init_origin(struct bundle_devices *d, const struct bundle *b, struct pome_error *err)
{
    struct bundle_warm w;
    bool warm;
    if (!bundle_warm_read(b, &w, &warm, err))
        return false;
    if (!warm)
        return true;
    d->origin.ecid = w.ecid;
    d->origin.n_macs = MIN(w.n_macs, d->peripherals.n_networks);
    for (size_t i = 0; i < d->origin.n_macs; i++) {
        memcpy(d->origin.mac[i], w.mac[i], 6);
        memcpy(d->origin.new_mac[i], d->networks[i].mac, 6);
    }
    return true;
}

bool bundle_devices_init(struct bundle_devices *d, const struct bundle *b, const struct settings *s, struct log *log, struct pome_error *err)
{
    *d = (struct bundle_devices){ 0 };
    d->peripherals.balloon = s->n_balloons;
    if (s->n_sockets)
        init_sockets(d, b, log);
    init_shares(d, s);
    return init_networks(d, b, s, err) && init_ports(d, b, s, err) && init_origin(d, b, err) && bundle_genid(b, d->generation, err);
}
