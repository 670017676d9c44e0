/* peripherals.h - the devices of a machine that connect it with its surroundings; all may be absent. */
#ifndef MACHINE_PERIPHERALS_H
#define MACHINE_PERIPHERALS_H

#include "backend/net.h"
#include "backend/share.h"
#include "backend/vsock_host.h"

enum { MACHINE_MAX_NETWORKS = 4, MACHINE_MAX_SHARES = 6, MACHINE_MAX_PORTS = 15, MACHINE_UNFINISHED_MAX = 65536 };

enum machine_network_kind {
    MACHINE_NETWORK_USER, /* user-mode NAT */
    MACHINE_NETWORK_FD,   /* a connected socket or a tap device; duplicated */
    MACHINE_NETWORK_UNIX, /* a datagram socket at `path` */
};

struct machine_network {
    enum machine_network_kind kind;
    uint8_t mac[6];
    unsigned mtu; /* 0: the largest that the kind allows */
    int fd;
    const char *path;
    struct net_user_options user; /* but for its mtu */
};

struct machine_share {
    const char *tag, *path; /* 1 to SHARE_TAG_MAX bytes; a folder */
    bool writable;
};

struct machine_sockets {
    const char *path; /* of backend/vsock_host.h; NULL: reachable through machine_vsock_host only */
};

/* A port of the console device, see dev/virtio_console.h: one end is the guest's, the other descriptors, a socket, or a file. */
struct machine_port {
    const char *name; /* NULL: none */
    bool terminal;    /* hvc0, hvc1, ... in Linux */
    int in_fd, out_fd;  /* -1: none. Borrowed while the machine exists */
    const char *socket; /* path, for one program at a time, instead of descriptors; NULL: none */
    const char *file;   /* where what the guest says is appended, instead of out_fd; NULL: none */
    /* This program reads it: sees every byte once, in order, on a thread of its own; NULL: no. `unfinished` copies what it has seen and cannot use before
     * more comes, at most MACHINE_UNFINISHED_MAX bytes, when the machine is saved; a restored machine's tap sees these first. */
    void (*tap)(void *ctx, const uint8_t *bytes, size_t n);
    size_t (*unfinished)(void *ctx, uint8_t *bytes);
    void *ctx;
};

/* Borrowed during machine_create, with all that it points to. */
struct machine_peripherals {
    const struct machine_network *networks;
    size_t n_networks; /* 0..MACHINE_MAX_NETWORKS */
    const struct machine_sockets *sockets; /* NULL: no socket device */
    bool balloon;
    const struct machine_share *shares;
    size_t n_shares; /* 0..MACHINE_MAX_SHARES */
    const struct machine_port *ports;
    size_t n_ports; /* 0..MACHINE_MAX_PORTS */
};

struct machine;
/* Waits until what the guest said on its ports has gone out; at most so long. Any thread. */
void machine_flush_ports(struct machine *m, unsigned timeout_ms);

/* The host's end of the machine's sockets; NULL: it has no socket device. */
struct vsock_host *machine_vsock_host(const struct machine *m);

/* Bytes that the guest is to give up. Any thread. false: it has no balloon. */
bool machine_balloon_set(struct machine *m, uint64_t bytes);
struct machine_balloon {
    uint64_t wanted, actual, returned, total, free, available, caches, major_faults, updates; /* as in dev/virtio_balloon.h */
};
bool machine_balloon_status(struct machine *m, struct machine_balloon *out);

#endif
