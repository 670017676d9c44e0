/*
 * peripherals.c - makes the devices of peripherals.h.
 *
 * A network device keeps its slot whatever else the machine has: guests name their interfaces after it.
 */
#include "machine/peripherals.h"

#include "base/error.h"
#include "dev/virtio_balloon.h"
#include "dev/virtio_fs.h"
#include "dev/virtio_net.h"
#include "dev/virtio_vsock.h"
#include "machine/board.h"

#include <fcntl.h>

enum { FIRST_NETWORK_SLOT = PCI_SLOTS - MACHINE_MAX_NETWORKS, SOCKETS_SLOT = FIRST_NETWORK_SLOT - 1, BALLOON_SLOT = SOCKETS_SLOT - 1,
       PORTS_SLOT = BALLOON_SLOT - 1, LAST_SHARE_SLOT = PORTS_SLOT - 1 };

unsigned machine_network_slot(unsigned i)
{
    return FIRST_NETWORK_SLOT + i;
}

static struct net *connect_network(struct loop *loop, const struct machine_network *c, struct pome_error *err)
{
    struct net_user_options user = c->user;
    int fd;
    switch (c->kind) {
    case MACHINE_NETWORK_USER:
        user.mtu = c->mtu;
        return net_user_create(loop, &user, err);
    case MACHINE_NETWORK_UNIX: return net_unix_create(loop, c->path, err);
    case MACHINE_NETWORK_FD:
        if ((fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3)) >= 0)
            return net_fd_create(loop, fd, err);
        pome_fail_errno(err, "file descriptor %d", c->fd);
    }
    return NULL;
}

static bool plug_network(struct machine *m, unsigned slot, const struct machine_network *c, struct pome_error *err)
{
    struct net *n = connect_network(m->config.loop, c, err);
    if (!n)
        return false;
    struct virtio *v = virtio_net_create(&m->bus, n, c->mac, c->mtu);
    if (!v)
        net_destroy(n);
    return machine_plug(m, slot, v, err);
}

static bool plug_sockets(struct machine *m, const struct machine_sockets *c, struct pome_error *err)
{
    struct vsock_host *h = vsock_host_create(m->config.loop, c->path, err);
    if (!h)
        return false;
    struct virtio *v = virtio_vsock_create(&m->bus, h);
    if (!v)
        vsock_host_destroy(h);
    m->vsock_host = v ? h : NULL;
    return machine_plug(m, SOCKETS_SLOT, v, err);
}

static bool plug_share(struct machine *m, unsigned slot, const struct machine_share *c, struct pome_error *err)
{
    if (slot > LAST_SHARE_SLOT)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "no room on the PCI bus beside the disks");
    struct share *s = share_create(c->path, c->writable, err);
    if (!s)
        return false;
    struct virtio *v = virtio_fs_create(&m->bus, s, c->tag);
    if (!v)
        share_destroy(s);
    m->share[m->n_shares++] = v;
    return machine_plug(m, slot, v, err);
}

bool machine_drain_shares(struct machine *m, unsigned timeout_ms)
{
    bool idle = true;
    for (size_t i = 0; i < m->n_shares; i++)
        idle &= virtio_fs_drain(m->share[i], timeout_ms);
    return idle;
}

struct vsock_host *machine_vsock_host(const struct machine *m)
{
    return m->vsock_host;
}

bool machine_balloon_set(struct machine *m, uint64_t bytes)
{
    if (!m->balloon)
        return false;
    bus_lock(&m->bus);
    virtio_balloon_set(m->balloon, bytes);
    bus_unlock(&m->bus);
    return true;
}

bool machine_balloon_status(struct machine *m, struct machine_balloon *out)
{
    struct balloon_status s;
    if (!m->balloon)
        return false;
    bus_lock(&m->bus);
    virtio_balloon_status(m->balloon, &s);
    bus_unlock(&m->bus);
    *out = (struct machine_balloon){ s.wanted, s.actual, s.returned, s.stat[BALLOON_TOTAL], s.stat[BALLOON_FREE], s.stat[BALLOON_AVAILABLE],
                                     s.stat[BALLOON_CACHES], s.stat[BALLOON_MAJOR_FAULTS], s.answers };
    return true;
}

bool machine_plug_peripherals(struct machine *m, unsigned slot, struct pome_error *err)
{
    const struct machine_peripherals *p = m->config.peripherals;
    if (!p)
        return true;
    if (p->n_shares > MACHINE_MAX_SHARES)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "shares: found %zu, at most %d", p->n_shares, MACHINE_MAX_SHARES);
    for (size_t i = 0; i < p->n_shares; i++)
        if (!plug_share(m, slot++, &p->shares[i], err))
            return pome_fail_context(err, "shares[%zu]", i);
    if (p->n_networks > MACHINE_MAX_NETWORKS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "networks: found %zu, at most %d", p->n_networks, MACHINE_MAX_NETWORKS);
    if (p->n_networks)
        memcpy(m->first_mac, p->networks[0].mac, sizeof m->first_mac);
    for (size_t i = 0; i < p->n_networks; i++)
        if (!plug_network(m, FIRST_NETWORK_SLOT + (unsigned)i, &p->networks[i], err))
            return pome_fail_context(err, "networks[%zu]", i);
    if (p->sockets && !plug_sockets(m, p->sockets, err))
        return pome_fail_context(err, "sockets");
    if (p->balloon && !machine_plug(m, BALLOON_SLOT, m->balloon = virtio_balloon_create(&m->bus), err))
        return false;
    return machine_plug_ports(m, PORTS_SLOT, p->ports, p->n_ports, err);
}
