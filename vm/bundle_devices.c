/* bundle_devices.c - from Config.json to the machine's description (see bundle_devices.h). */
#include "vm/bundle_devices.h"

#include "base/bits.h"
#include "base/error.h"

#include <inttypes.h>
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

static bool init_networks(struct bundle_devices *d, const struct bundle *b, struct pome_error *err)
{
    static const enum net_isolation isolations[] = { NET_OPEN, NET_NO_HOST, NET_CLOSED };
    const struct settings *s = &b->settings;
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
    if (!b->settings.n_sockets)
        return;
    if (bundle_socket_path(b, d->socket_path, &err))
        d->sockets.path = d->socket_path;
    else
        log_host(log, "org.pome.machine", "device", LOG_LEVEL_ERROR, "sockets: %s", err.message);
    d->peripherals.sockets = &d->sockets;
}

static void init_shares(struct bundle_devices *d, const struct settings *s)
{
    for (size_t i = 0; i < s->n_shares; i++)
        d->shares[i] = (struct machine_share){ .tag = s->shares[i].tag, .path = s->shares[i].path, .writable = s->shares[i].writable };
    d->peripherals.shares = d->shares;
    d->peripherals.n_shares = s->n_shares;
}

bool bundle_devices_init(struct bundle_devices *d, const struct bundle *b, struct log *log, struct pome_error *err)
{
    *d = (struct bundle_devices){ 0 };
    d->peripherals.balloon = b->settings.n_balloons;
    init_sockets(d, b, log);
    init_shares(d, &b->settings);
    return init_networks(d, b, err);
}
