/*
 * net.h - the host's side of a network device: Ethernet frames out to somebody, and in from them.
 *
 * Each frame has the 12 bytes of VIRTIO's header in front (struct virtio_net_hdr, VIRTIO 1.2, 5.1.6), so that checksums and
 * segments that one side leaves to the other can be handed through. What came in waits in a bounded queue; what finds it full
 * is dropped (user-mode NAT) or stays with the sender (sockets).
 *
 * Threads: everything happens on the loop's thread, or when it does not run; the machine lock is not held.
 */
#ifndef BACKEND_NET_H
#define BACKEND_NET_H

#include "base/loop.h"
#include "base/records.h"

#include <stdint.h>

#define NET_HEADER     12
#define NET_DATA_VALID 2          /* in the first byte of the header */
#define NET_FRAME_MAX  (65535 + 18) /* without header: a whole IP packet, Ethernet and VLAN */

struct net;

/* What the other side can do, bits of net_abilities(). */
enum {
    NET_TAKES_SEGMENTS = 1, /* TCP segments longer than the MTU */
    NET_TAKES_PARTIAL = 2,  /* checksums that the header says are to be completed */
    NET_GIVES_VALID = 4,    /* its frames' headers may say that checksums are right (NET_DATA_VALID) */
};

struct net_client {
    void (*input)(void *ctx); /* net_first has a frame */
    void (*room)(void *ctx);  /* net_put, which refused, takes frames again */
    void (*closed)(void *ctx, const char *why); /* the other side is gone for good */
    void *ctx;
};
void net_attach(struct net *n, const struct net_client *client); /* NULL: detach */
void net_destroy(struct net *n);                                  /* NULL allowed */

unsigned net_abilities(const struct net *n);
unsigned net_mtu(const struct net *n); /* largest IP packet that it gives and takes in one piece; 0: as usual, 1500 */

/* Gives a frame (NET_HEADER bytes more than `bytes`) to the other side. false: not now, the caller keeps it until `room`. */
bool net_put(struct net *n, const uint8_t *header_and_frame, size_t bytes);

/* The frame that came first, with its header, and how long both are; NULL: none. net_next forgets it. */
const uint8_t *net_first(const struct net *n, size_t *bytes);
void net_next(struct net *n);

/* What is on its way, as records, for a saved machine: frames that wait for the guest, and what else the kind of network must not forget. With the
 * loop standing still. What goes to the other side and is on its way there is waited for, a moment. */
void net_save(struct net *n, struct records *out);
/* After it the network is as a new one with that under way. Its connections with the host are ended: the guest is told. renewed: the guest has another
 * address now: what was known of the old one is left out. Errors: RESTORE; and as the network's making has. */
bool net_load(struct net *n, const uint8_t *records, size_t bytes, bool renewed, struct pome_error *err);

/* --- kinds --- */

struct net_forward {
    bool udp;
    char host_address[46]; /* of the host, IPv4 or IPv6; "": 127.0.0.1 */
    uint16_t host_port, guest_port;
};

enum net_isolation {
    NET_OPEN,    /* the guest reaches what this user reaches; the host's loopback as 10.0.2.2 */
    NET_NO_HOST, /* but not the host's loopback */
    NET_CLOSED,  /* nothing: only TCP ports that are forwarded to it */
};

struct net_user_options {
    enum net_isolation isolation;
    const char *host_name; /* that DHCP tells the guest; NULL: none */
    unsigned mtu;          /* 0, or too large: the largest */
    const struct net_forward *forwards;
    size_t n_forwards;
    const char *tftp_root; /* folder whose files the guest can read from 10.0.2.2 by TFTP; NULL: none */
    const char *boot_file; /* that DHCP names for booting from there, relative to it; NULL: none */
};
/* A network of its own with address translation, made by this process without privileges (libslirp): the guest is 10.0.2.15
 * by DHCP, 10.0.2.2 is the way out and the host, 10.0.2.3 answers for names. Errors: BUSY (a port is taken), PERMISSION,
 * INVALID_CONFIGURATION. */
struct net *net_user_create(struct loop *loop, const struct net_user_options *options, struct pome_error *err);

/* Frames through a descriptor, by its kind: a connected datagram socket (one frame each), a stream socket (each frame after its
 * length, 4 bytes, big-endian), or a tap device. Takes fd, also when it fails. Errors: INVALID_CONFIGURATION. */
struct net *net_fd_create(struct loop *loop, int fd, struct pome_error *err);

/* Connects a datagram socket of the Unix domain to the one at path and uses it as net_fd_create does. */
struct net *net_unix_create(struct loop *loop, const char *path, struct pome_error *err);

#endif
