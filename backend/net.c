/* net.c - the queue of frames that came in, and the way to the kinds of networks (see net.h). */
#include "backend/net_kind.h"

#include <stdlib.h>

#define LENGTH 4
#define SKIP   UINT32_MAX /* instead of a length: the next frame lies at the beginning of the ring */

static size_t footprint(size_t bytes)
{
    return LENGTH + align_up(bytes, 4);
}

bool net_init(struct net *n, const struct net_kind *kind, struct loop *loop)
{
    *n = (struct net){ .kind = kind, .loop = loop, .queue.bytes = NET_QUEUE_BYTES };
    n->queue.ring = malloc(NET_QUEUE_BYTES);
    return n->queue.ring;
}

void net_finish(struct net *n)
{
    free(n->queue.ring);
}

uint8_t *net_reserve(struct net *n, size_t bytes)
{
    struct net_queue *q = &n->queue;
    size_t need = footprint(bytes);
    if (!q->n)
        q->first = q->end = 0;
    if (q->end >= q->first && !(q->n && q->end == q->first)) { /* free: from end to the ring's end, and before first */
        if (need <= q->bytes - q->end)
            return q->ring + q->end + LENGTH;
        if (need <= q->first) {
            if (q->bytes - q->end >= LENGTH)
                le32_put(q->ring + q->end, SKIP);
            q->end = 0;
            return q->ring + LENGTH;
        }
    } else if (need <= q->first - q->end) {
        return q->ring + q->end + LENGTH;
    }
    n->was_full = true;
    return NULL;
}

void net_add(struct net *n, size_t bytes)
{
    struct net_queue *q = &n->queue;
    le32_put(q->ring + q->end, (uint32_t)bytes);
    q->end += footprint(bytes);
    q->n++;
}

void net_input(struct net *n)
{
    if (n->queue.n && n->client.input)
        n->client.input(n->client.ctx);
}

/* Where the first frame lies. */
static size_t first(const struct net_queue *q)
{
    bool wraps = q->bytes - q->first < LENGTH || le32_get(q->ring + q->first) == SKIP;
    return wraps ? 0 : q->first;
}

const uint8_t *net_first(const struct net *n, size_t *bytes)
{
    const struct net_queue *q = &n->queue;
    if (!q->n)
        return NULL;
    const uint8_t *at = q->ring + first(q);
    *bytes = le32_get(at);
    return at + LENGTH;
}

void net_next(struct net *n)
{
    struct net_queue *q = &n->queue;
    size_t at = first(q);
    q->first = at + footprint(le32_get(q->ring + at));
    q->n--;
    if (n->was_full && q->n <= 4) { /* not for every frame */
        n->was_full = false;
        if (n->kind->has_room)
            n->kind->has_room(n);
    }
}

void net_attach(struct net *n, const struct net_client *client)
{
    n->client = client ? *client : (struct net_client){ 0 };
}

void net_destroy(struct net *n)
{
    if (n)
        n->kind->destroy(n);
}

unsigned net_abilities(const struct net *n)
{
    return n->abilities;
}

unsigned net_mtu(const struct net *n)
{
    return n->mtu;
}

bool net_put(struct net *n, const uint8_t *header_and_frame, size_t bytes)
{
    return n->kind->put(n, header_and_frame, bytes);
}
