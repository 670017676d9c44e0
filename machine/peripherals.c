/*
 * peripherals.c - makes the devices of peripherals.h.
 *
 * A network device keeps its slot whatever else the machine has: guests name their interfaces after it.
 */
#include "machine/peripherals.h"

#include "base/error.h"
#include "dev/virtio_net.h"
#include "dev/virtio_vsock.h"
#include "machine/board.h"

#include <fcntl.h>

enum { FIRST_NETWORK_SLOT = PCI_SLOTS - MACHINE_MAX_NETWORKS, SOCKETS_SLOT = FIRST_NETWORK_SLOT - 1 };

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

struct vsock_host *machine_vsock_host(const struct machine *m)
{
    return m->vsock_host;
}

bool machine_plug_peripherals(struct machine *m, unsigned slot, struct pome_error *err)
{
    const struct machine_peripherals *p = m->config.peripherals;
    if (!p)
        return true;
    if (p->n_networks > MACHINE_MAX_NETWORKS)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "networks: found %zu, at most %d", p->n_networks, MACHINE_MAX_NETWORKS);
    for (size_t i = 0; i < p->n_networks; i++)
        if (!plug_network(m, FIRST_NETWORK_SLOT + (unsigned)i, &p->networks[i], err))
            return pome_fail_context(err, "networks[%zu]", i);
    if (p->sockets && !plug_sockets(m, p->sockets, err))
        return pome_fail_context(err, "sockets");
    return true;
}
