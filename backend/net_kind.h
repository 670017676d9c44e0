/* net_kind.h - inside backend/: what all kinds of networks have in common. */
#ifndef BACKEND_NET_KIND_H
#define BACKEND_NET_KIND_H

#include "backend/net.h"
#include "base/bits.h"
#include "base/error.h"

#define NET_QUEUE_BYTES (2 * MiB)

/* Frames one after the other in a ring, each in one piece: length (u32), bytes. */
struct net_queue {
    uint8_t *ring;
    size_t bytes, first, end, n;
};

struct net_kind {
    bool (*put)(struct net *n, const uint8_t *header_and_frame, size_t bytes);
    void (*has_room)(struct net *n); /* the queue was full and is not any more; NULL: never mind */
    void (*destroy)(struct net *n);  /* frees it */
    /* Saved state of its own; NULL: none. load gets each record, between `forget` (to the state of a new one) and `loaded`. */
    const char *of_address; /* the record that is left out when the guest has another one; NULL: none */
    void (*save)(struct net *n, struct records *out);
    bool (*forget)(struct net *n, struct pome_error *err);
    bool (*load)(struct net *n, const struct record *r, struct pome_error *err);
    void (*loaded)(struct net *n);
};

struct net {
    const struct net_kind *kind;
    struct loop *loop;
    struct net_client client;
    struct net_queue queue; /* of what came in */
    bool was_full;
    unsigned abilities, mtu;
};

bool net_init(struct net *n, const struct net_kind *kind, struct loop *loop);
void net_finish(struct net *n);

/* Where a frame of at most `bytes` bytes with its header can be written; NULL: the queue is full. Then net_add with its length. */
uint8_t *net_reserve(struct net *n, size_t bytes);
void net_add(struct net *n, size_t bytes);
void net_input(struct net *n); /* tells the client about frames added */

#endif
