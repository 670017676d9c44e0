/* virtio_net.h - network device (VIRTIO 1.2, 5.1) on a backend/ network. */
#ifndef DEV_VIRTIO_NET_H
#define DEV_VIRTIO_NET_H

#include "backend/net.h"
#include "dev/virtio.h"

/* net: owned from here on. mac: 6 bytes, unicast. mtu: largest IP packet, told to the driver unless the network knows better; 0: not told. NULL: no memory. */
struct virtio *virtio_net_create(struct bus *bus, struct net *net, const uint8_t mac[6], unsigned mtu);

/* Frames that have left one side and not reached the other, for a saved machine: with the loop standing still, when the queues are saved or were
 * loaded. Errors: as net_load. */
void virtio_net_save(struct virtio *v, struct records *out);
bool virtio_net_load(struct virtio *v, const uint8_t *records, size_t bytes, struct pome_error *err);

#endif
