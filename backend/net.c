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

/* ---- saved ---- */

static const char waiting[] = "to the guest"; /* a frame with its header */

void net_save(struct net *n, struct records *out)
{
    size_t bytes;
    if (n->kind->save)
        n->kind->save(n, out);
    const struct net_queue queue = n->queue;
    for (const uint8_t *frame; (frame = net_first(n, &bytes)); n->queue.first = first(&n->queue) + footprint(bytes), n->queue.n--)
        records_put(out, waiting, frame, bytes);
    n->queue = queue;
}

static bool load_frame(struct net *n, const struct record *r, struct pome_error *err)
{
    uint8_t *at = r->n > NET_HEADER && r->n <= NET_HEADER + NET_FRAME_MAX ? net_reserve(n, r->n) : NULL;
    if (!at)
        return pome_fail(err, POME_ERROR_RESTORE, "network: a waiting frame of %u bytes", r->n);
    memcpy(at, r->bytes, r->n);
    net_add(n, r->n);
    return true;
}

bool net_load(struct net *n, const uint8_t *records, size_t bytes, bool renewed, struct pome_error *err)
{
    struct records_reader from = {records, records + bytes};
    struct record r;
    n->queue.n = 0;
    if (n->kind->forget && !n->kind->forget(n, err))
        return false;
    while (records_next(&from, &r)) {
        if (renewed && n->kind->of_address && !strcmp(r.name, n->kind->of_address))
            continue;
        if (!strcmp(r.name, waiting) ? !load_frame(n, &r, err) : n->kind->load && !n->kind->load(n, &r, err))
            return false;
    }
    if (from.at != from.end)
        return pome_fail(err, POME_ERROR_RESTORE, "network: what follows its records is none");
    if (n->kind->loaded)
        n->kind->loaded(n);
    net_input(n);
    return true;
}
