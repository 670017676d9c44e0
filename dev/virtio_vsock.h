/* virtio_vsock.h - socket device (VIRTIO 1.2, 5.10): streams between programs in the guest and programs of the host. */
#ifndef DEV_VIRTIO_VSOCK_H
#define DEV_VIRTIO_VSOCK_H

#include "backend/vsock_host.h"
#include "dev/virtio.h"

enum { VSOCK_HOST_CID = 2, VSOCK_GUEST_CID = 3 }; /* the host has no addresses of its own to mix these up with */

/* host: owned from here on. NULL: no memory. */
struct virtio *virtio_vsock_create(struct bus *bus, struct vsock_host *host);

/* The header of a packet, 5.10.6. */
struct vsock_header {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, bytes;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
};
enum { VSOCK_HEADER = 44 };
enum { VSOCK_OP_REQUEST = 1, VSOCK_OP_RESPONSE, VSOCK_OP_RST, VSOCK_OP_SHUTDOWN, VSOCK_OP_RW, VSOCK_OP_CREDIT_UPDATE, VSOCK_OP_CREDIT_REQUEST };
enum { VSOCK_SHUT_RECEIVE = 1, VSOCK_SHUT_SEND = 2 };
void vsock_header_read(struct vsock_header *h, const uint8_t bytes[VSOCK_HEADER]);
void vsock_header_write(const struct vsock_header *h, uint8_t bytes[VSOCK_HEADER]);

#endif
