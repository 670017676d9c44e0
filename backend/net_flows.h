/*
 * net_flows.h - which TCP connections go over a cable, seen from the frames, and how to end one at its guest's end alone.
 *
 * A machine that is restored has connections whose other ends died with the process that held them. The guest may wait on one without ever sending
 * anything. So it is asked: a SYN inside a connection is answered by an ACK that has the number awaited next (RFC 5961, 4.2), and a reset with exactly
 * this number ends the connection (RFC 5961, 3.2).
 *
 * Frames are hostile; what is no TCP in IPv4 or IPv6 (without extension headers) is none of our business.
 */
#ifndef BACKEND_NET_FLOWS_H
#define BACKEND_NET_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NET_FLOWS_MAX = 1024,     /* the oldest make room for more: such a connection ends when the guest sends on it, or by its own time-outs */
    NET_FLOW_BYTES = 12 + 36 + 1, /* of one, saved */
    NET_FLOW_SEGMENT_MAX = 14 + 40 + 20,
};

struct net_flow {
    uint8_t guest_mac[6], peer_mac[6];
    struct net_flow_key {
        uint8_t guest[16], peer[16]; /* of IPv4: the first four */
        uint8_t guest_port[2], peer_port[2];
        uint8_t v6;
    } key;
    bool guest_finished, peer_finished; /* FIN */
    bool ended;                         /* its peer is no more */
};

struct net_flows {
    size_t n, n_ended;
    struct net_flow flow[NET_FLOWS_MAX]; /* oldest first */
};

/* A frame passes. */
void net_flows_see(struct net_flows *f, const uint8_t *frame, size_t bytes, bool from_guest);

/* A frame of the guest: true: it belongs to an ended connection; `reset` (of *n bytes; 0: no answer is due) goes to the guest. */
bool net_flows_ends(struct net_flows *f, const uint8_t *frame, size_t bytes, uint8_t reset[NET_FLOW_SEGMENT_MAX], size_t *n);

/* What is sent to the guest so that it answers; its length. */
size_t net_flow_ask(const struct net_flow *flow, uint8_t to[NET_FLOW_SEGMENT_MAX]);

void net_flow_save(const struct net_flow *flow, uint8_t to[NET_FLOW_BYTES]);
/* Adds one as ended; false: these bytes are no connection, or there is no room. */
bool net_flows_load(struct net_flows *f, const uint8_t *bytes, size_t n);

#endif
