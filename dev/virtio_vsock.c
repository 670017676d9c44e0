/*
 * virtio_vsock.c - socket device (VIRTIO 1.2, 5.10), streams: queue 0 to the guest, queue 1 from it, queue 2 events.
 *
 * How it works. A connection is a pair of ports and a stream of the host (backend/vsock_host). Bytes from the guest go into the stream at
 * once; what does not fit is kept, at most BUFFER bytes, which is what we told the guest that we have (buf_alloc); it may send more when
 * we tell it how many we got rid of (fwd_cnt). The same the other way round: no more is read from the stream than the guest has room
 * for. What is to be said about a connection besides data (accept, reset, credit) is a set of bits in it, so that a guest that gives no
 * buffers costs no memory; resets for packets that belong to nothing wait in a short list, and when that is full the guest's packets wait.
 *
 * Everything happens on the loop, under the machine lock, but for a reset of the device. A connection that is over is only marked `dead`, and
 * freed by a task of the loop, after all events that the loop has fetched already were told.
 *
 * Connections do not survive a restore: the guest is told to forget them (5.10.6.7). No seqpacket.
 */
#include "dev/virtio_vsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RX, TX, EVENT };

#define TYPE_STREAM     1
#define BUFFER          (64 * 1024u)
#define PACKET          (64 * 1024u) /* data in one packet to the guest */
#define MAX_CONNECTIONS 256
#define MAX_STRAYS      64
#define TURN            64 /* packets, then others have their turn */
#define EVENT_RESET     0  /* 5.10.6.7: VIRTIO_VSOCK_EVENT_TRANSPORT_RESET */
#define FIRST_HOST_PORT 0x40000000u /* of connections that the host makes */

struct connection {
    struct vsock *d;
    struct connection *next;
    uint32_t host_port, guest_port;
    int fd;
    struct loop_watch watch;
    uint32_t events; /* watched for; 0: not watched */
    bool open;       /* both sides have agreed */
    bool says_ok;    /* the host's side waits for "OK" */
    bool readable;   /* there may be bytes in the stream */
    bool ended;      /* the stream said that no more come */
    bool dead;
    unsigned guest_shut; /* VSOCK_SHUT_*: what the guest said */
    unsigned say;        /* bits of the VSOCK_OP_* that are to be sent */
    uint32_t shut_flags; /* of a SHUTDOWN to be sent */
    uint32_t guest_buf_alloc, guest_fwd_cnt, sent; /* bytes sent to the guest: sent - guest_fwd_cnt are with it */
    uint32_t received, forwarded, told;            /* bytes of the guest: got, given to the stream, the latter as the guest knows it */
    uint8_t *kept;                                 /* received - forwarded bytes, from `first` on */
    size_t first;
};

struct vsock_state {
    uint32_t reset_event; /* 1: the guest is to be told that all connections are gone */
};

struct vsock {
    struct virtio v;
    struct vsock_state s;
    struct vsock_host *host;
    struct connection *list;
    unsigned n;
    uint32_t next_port;
    struct vsock_header stray[MAX_STRAYS]; /* resets for packets that belong to nothing */
    unsigned n_strays;
    struct loop_task from_guest, to_guest, sweep;
};

static const struct state_field state[] = { STATE(struct vsock_state, reset_event) };

static struct vsock *of(struct virtio *v)
{
    return CONTAINER_OF(v, struct vsock, v);
}

void vsock_header_read(struct vsock_header *h, const uint8_t b[VSOCK_HEADER])
{
    *h = (struct vsock_header){ le64_get(b),      le64_get(b + 8),  le32_get(b + 16), le32_get(b + 20), le32_get(b + 24),
                                le16_get(b + 28), le16_get(b + 30), le32_get(b + 32), le32_get(b + 36), le32_get(b + 40) };
}

void vsock_header_write(const struct vsock_header *h, uint8_t b[VSOCK_HEADER])
{
    le64_put(b, h->src_cid);
    le64_put(b + 8, h->dst_cid);
    le32_put(b + 16, h->src_port);
    le32_put(b + 20, h->dst_port);
    le32_put(b + 24, h->bytes);
    le16_put(b + 28, h->type);
    le16_put(b + 30, h->op);
    le32_put(b + 32, h->flags);
    le32_put(b + 36, h->buf_alloc);
    le32_put(b + 40, h->fwd_cnt);
}

/* ---- connections ---- */

static void on_stream(void *ctx, uint32_t events);

static void talk_to_guest(struct vsock *d)
{
    loop_post(d->v.device.bus->loop, &d->to_guest);
}

static void watch(struct connection *c, uint32_t events)
{
    struct loop *loop = c->d->v.device.bus->loop;
    if (c->events == events)
        return;
    if (c->events)
        loop_unwatch(loop, &c->watch);
    c->events = events && loop_watch(loop, &c->watch, c->fd, events, NULL) ? events : 0;
}

/* It is over; sweep ends the stream. Any thread. */
static void bury(struct connection *c)
{
    c->dead = true;
    loop_post(c->d->v.device.bus->loop, &c->d->sweep);
}

static void say(struct connection *c, unsigned op)
{
    c->say |= 1u << op;
    talk_to_guest(c->d);
}

/* Both sides are to forget it: the guest hears a reset, the host's stream ends. */
static void reset_connection(struct connection *c)
{
    struct vsock *d = c->d;
    if (d->n_strays < MAX_STRAYS) /* it need not live for that */
        d->stray[d->n_strays++] = (struct vsock_header){ VSOCK_HOST_CID, VSOCK_GUEST_CID, c->host_port, c->guest_port, .type = TYPE_STREAM,
                                                         .op = VSOCK_OP_RST };
    talk_to_guest(d);
    bury(c);
}

static void sweep(void *ctx)
{
    struct vsock *d = ctx;
    bus_lock(d->v.device.bus);
    for (struct connection **p = &d->list; *p;) {
        struct connection *c = *p;
        if (!c->dead) {
            p = &c->next;
            continue;
        }
        *p = c->next;
        d->n--;
        watch(c, 0);
        close(c->fd);
        free(c->kept);
        free(c);
    }
    bus_unlock(d->v.device.bus);
}

static struct connection *find(struct vsock *d, uint32_t host_port, uint32_t guest_port)
{
    for (struct connection *c = d->list; c; c = c->next)
        if (!c->dead && c->host_port == host_port && c->guest_port == guest_port)
            return c;
    return NULL;
}

/* Takes fd. NULL: too many, or no memory. */
static struct connection *add(struct vsock *d, uint32_t host_port, uint32_t guest_port, int fd)
{
    struct connection *c = d->n < MAX_CONNECTIONS ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        close(fd);
        return NULL;
    }
    *c = (struct connection){ .d = d, .host_port = host_port, .guest_port = guest_port, .fd = fd, .watch = { .fn = on_stream, .ctx = c },
                              .next = d->list };
    d->list = c;
    d->n++;
    return c;
}

static void begin(struct connection *c)
{
    c->open = true;
    watch(c, EPOLLIN);
}

/* ---- from the guest into streams ---- */

static bool try_later(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* The guest has said that it sends no more, and all of it is through. */
static void finish_sending(struct connection *c)
{
    if (c->guest_shut == (VSOCK_SHUT_SEND | VSOCK_SHUT_RECEIVE))
        reset_connection(c); /* 5.10.6.6: the answer to a clean end */
    else if (c->guest_shut & VSOCK_SHUT_SEND)
        shutdown(c->fd, SHUT_WR);
}

static void tell_credit(struct connection *c)
{
    if (BUFFER - (c->received - c->told) < BUFFER / 2)
        say(c, VSOCK_OP_CREDIT_UPDATE);
}

/* Writes what is kept. False: the connection is over. */
static bool flush(struct connection *c)
{
    while (c->received != c->forwarded) {
        ssize_t n = send(c->fd, c->kept + c->first, c->received - c->forwarded, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && !try_later()) {
            reset_connection(c);
            return false;
        }
        if (n < 0) {
            watch(c, c->events | EPOLLOUT);
            return true;
        }
        c->first += (size_t)n;
        c->forwarded += (uint32_t)n;
    }
    c->first = 0;
    watch(c, c->events & ~(uint32_t)EPOLLOUT);
    tell_credit(c);
    if (c->guest_shut)
        finish_sending(c);
    return !c->dead;
}

/* Keeps bytes [offset, offset + n) of a packet. False: no memory. */
static bool keep(struct connection *c, const struct virtq_chain *chain, uint64_t offset, size_t n)
{
    size_t before = c->received - c->forwarded;
    if (!c->kept && !(c->kept = malloc(BUFFER)))
        return false;
    memmove(c->kept, c->kept + c->first, before);
    c->first = 0;
    virtq_chain_read(chain, offset, c->kept + before, n);
    c->received += (uint32_t)n;
    return true;
}

/* Bytes of the guest: straight from its memory into the stream as far as that takes them. */
static void take_data(struct connection *c, const struct virtq_chain *chain, uint32_t n)
{
    uint8_t piece[16384];
    uint32_t done = 0;
    if (!c->open || c->guest_shut & VSOCK_SHUT_SEND || n > BUFFER - (c->received - c->forwarded)) {
        reset_connection(c); /* more than it was allowed to send */
        return;
    }
    while (done < n && c->received == c->forwarded) {
        size_t some = virtq_chain_read(chain, VSOCK_HEADER + (uint64_t)done, piece, MIN(n - done, sizeof piece));
        ssize_t sent = send(c->fd, piece, some, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && !try_later()) {
            reset_connection(c);
            return;
        }
        if (sent < 0)
            break;
        done += (uint32_t)sent;
        c->received += (uint32_t)sent;
        c->forwarded = c->received;
    }
    if (done < n && !keep(c, chain, VSOCK_HEADER + (uint64_t)done, n - done))
        reset_connection(c);
    else if (done < n)
        watch(c, c->events | EPOLLOUT);
    else
        tell_credit(c);
}

static void accepted(struct connection *c)
{
    char text[32];
    int n = snprintf(text, sizeof text, "OK %u\n", c->host_port);
    if (c->open)
        return;
    if (c->says_ok && send(c->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
        reset_connection(c);
    else
        begin(c);
}

static void refuse(struct vsock *d, const struct vsock_header *h)
{
    if (h->op != VSOCK_OP_RST && d->n_strays < MAX_STRAYS)
        d->stray[d->n_strays++] = (struct vsock_header){ h->dst_cid, h->src_cid, h->dst_port, h->src_port, .type = h->type, .op = VSOCK_OP_RST };
    talk_to_guest(d);
}

static void request(struct vsock *d, const struct vsock_header *h)
{
    bool possible = d->n < MAX_CONNECTIONS && !find(d, h->dst_port, h->src_port);
    int fd = !possible ? -1 : vsock_host_reach(d->host, h->dst_port, h->src_port);
    struct connection *c = fd >= 0 ? add(d, h->dst_port, h->src_port, fd) : NULL;
    if (!c) {
        refuse(d, h);
        return;
    }
    c->guest_buf_alloc = h->buf_alloc;
    c->guest_fwd_cnt = h->fwd_cnt;
    say(c, VSOCK_OP_RESPONSE);
    begin(c);
}

static void guest_shuts(struct connection *c, uint32_t flags)
{
    c->guest_shut |= flags & (VSOCK_SHUT_SEND | VSOCK_SHUT_RECEIVE);
    if (c->guest_shut & VSOCK_SHUT_RECEIVE)
        watch(c, c->events & ~(uint32_t)EPOLLIN);
    if (c->received == c->forwarded)
        finish_sending(c);
}

static void take_packet(struct vsock *d, const struct virtq_chain *chain)
{
    uint8_t bytes[VSOCK_HEADER];
    struct vsock_header h;
    if (virtq_chain_read(chain, 0, bytes, sizeof bytes) < sizeof bytes)
        return;
    vsock_header_read(&h, bytes);
    if (h.src_cid != VSOCK_GUEST_CID || h.dst_cid != VSOCK_HOST_CID)
        return; /* 5.10.6.4.1: nobody to answer to */
    struct connection *c = h.type == TYPE_STREAM ? find(d, h.dst_port, h.src_port) : NULL;
    if (h.type == TYPE_STREAM && h.op == VSOCK_OP_REQUEST) {
        request(d, &h);
        return;
    }
    if (!c || h.bytes > chain->out_bytes - VSOCK_HEADER) {
        if (c)
            reset_connection(c);
        else
            refuse(d, &h);
        return;
    }
    c->guest_buf_alloc = h.buf_alloc;
    c->guest_fwd_cnt = h.fwd_cnt;
    switch (h.op) {
    case VSOCK_OP_RESPONSE: accepted(c); break;
    case VSOCK_OP_RST: bury(c); break;
    case VSOCK_OP_SHUTDOWN: guest_shuts(c, h.flags); break;
    case VSOCK_OP_RW: take_data(c, chain, h.bytes); break;
    case VSOCK_OP_CREDIT_REQUEST: say(c, VSOCK_OP_CREDIT_UPDATE); break;
    case VSOCK_OP_CREDIT_UPDATE: break;
    default: reset_connection(c); break;
    }
    if (!c->dead && c->readable)
        talk_to_guest(d); /* it may have room again */
}

static void from_guest(void *ctx)
{
    struct vsock *d = ctx;
    struct virtq *q = &d->v.queue[TX];
    struct virtq_chain c;
    unsigned n = 0;
    bus_lock(d->v.device.bus);
    do {
        while (n < TURN && d->n_strays < MAX_STRAYS / 2 && virtq_pop(q, &c)) {
            take_packet(d, &c);
            virtq_push(q, c.head, 0);
            n++;
        }
    } while (n < TURN && d->n_strays < MAX_STRAYS / 2 && virtq_rearm(q));
    virtq_signal(q);
    if (n == TURN)
        loop_post(d->v.device.bus->loop, &d->from_guest);
    bus_unlock(d->v.device.bus);
}

/* ---- to the guest ---- */

/* How many more bytes the guest has room for; its numbers may be anything. */
static uint32_t credit(const struct connection *c)
{
    uint32_t there = c->sent - c->guest_fwd_cnt;
    return there < c->guest_buf_alloc ? c->guest_buf_alloc - there : 0;
}

static struct vsock_header header_of(const struct connection *c, unsigned op)
{
    return (struct vsock_header){ VSOCK_HOST_CID, VSOCK_GUEST_CID, c->host_port, c->guest_port, .type = TYPE_STREAM, .op = (uint16_t)op,
                                  .flags = op == VSOCK_OP_SHUTDOWN ? c->shut_flags : 0, .buf_alloc = BUFFER, .fwd_cnt = c->forwarded };
}

static void put(struct virtq *q, const struct virtq_chain *chain, const struct vsock_header *h)
{
    uint8_t bytes[VSOCK_HEADER];
    vsock_header_write(h, bytes);
    virtq_chain_write(chain, 0, bytes, sizeof bytes);
    virtq_push(q, chain->head, VSOCK_HEADER + h->bytes);
}

static bool has_data(const struct connection *c)
{
    return c->open && c->readable && !c->ended && !(c->guest_shut & VSOCK_SHUT_RECEIVE) && credit(c);
}

/* The stream said that no more comes. When its other side is gone altogether the guest need not send any more, either. */
static void stream_ended(struct connection *c)
{
    char byte;
    c->ended = true;
    c->readable = false;
    bool gone = send(c->fd, &byte, 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
    c->shut_flags = VSOCK_SHUT_SEND | (gone ? VSOCK_SHUT_RECEIVE : 0);
    watch(c, c->events & ~(uint32_t)EPOLLIN);
    say(c, VSOCK_OP_SHUTDOWN);
}

/* Data of the stream into a chain. False: there was none, the chain is as it was. */
static bool put_data(struct connection *c, struct virtq *q, const struct virtq_chain *chain)
{
    struct iovec iov[VIRTQ_MAX];
    unsigned n = 0;
    uint64_t skip = VSOCK_HEADER, room = MIN(MIN(chain->in_bytes - VSOCK_HEADER, credit(c)), PACKET);
    for (unsigned i = chain->n_out; i < chain->n_out + chain->n_in && room; i++) {
        struct iovec v = chain->iov[i];
        size_t cut = MIN(skip, v.iov_len);
        skip -= cut;
        v.iov_base = (char *)v.iov_base + cut;
        v.iov_len = MIN(v.iov_len - cut, room);
        room -= v.iov_len;
        iov[n++] = v;
    }
    ssize_t got = readv(c->fd, iov, (int)n);
    if (got > 0) {
        struct vsock_header h = header_of(c, VSOCK_OP_RW);
        h.bytes = (uint32_t)got;
        c->sent += (uint32_t)got;
        c->told = c->forwarded;
        put(q, chain, &h);
        return true;
    }
    if (got < 0 && try_later()) {
        c->readable = false;
        watch(c, c->events | EPOLLIN);
    } else if (got < 0) {
        reset_connection(c);
    } else {
        stream_ended(c);
    }
    return false;
}

/* One packet about this connection; false: nothing to say. */
static bool speak_for(struct connection *c, struct virtq *q, const struct virtq_chain *chain)
{
    for (unsigned op = VSOCK_OP_REQUEST; op <= VSOCK_OP_CREDIT_REQUEST; op++) {
        if (!(c->say >> op & 1))
            continue;
        c->say &= ~(1u << op);
        c->told = c->forwarded;
        struct vsock_header h = header_of(c, op);
        put(q, chain, &h);
        return true;
    }
    return has_data(c) && chain->in_bytes > VSOCK_HEADER && put_data(c, q, chain);
}

/* The next packet for the guest into a chain. False: there is none. */
static bool speak(struct vsock *d, struct virtq *q, const struct virtq_chain *chain)
{
    if (d->n_strays) {
        put(q, chain, &d->stray[0]);
        memmove(d->stray, d->stray + 1, --d->n_strays * sizeof *d->stray);
        if (d->n_strays < MAX_STRAYS / 2)
            loop_post(d->v.device.bus->loop, &d->from_guest);
        return true;
    }
    struct connection *c = d->list;
    while (c && (c->dead || !speak_for(c, q, chain)))
        c = c->next;
    if (!c || !c->next)
        return c;
    struct connection **last = &d->list; /* to the end of the list: all have their turn */
    for (struct connection **p = &d->list; *p; p = &(*p)->next)
        last = &(*p)->next;
    for (struct connection **p = &d->list; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            break;
        }
    c->next = NULL;
    *last = c;
    return true;
}

static void tell_reset(struct vsock *d)
{
    struct virtq *q = &d->v.queue[EVENT];
    struct virtq_chain c;
    static const uint8_t event[4] = { EVENT_RESET };
    if (!d->s.reset_event || !virtq_pop(q, &c))
        return;
    virtq_push(q, c.head, (uint32_t)virtq_chain_write(&c, 0, event, sizeof event));
    virtq_signal(q);
    d->s.reset_event = 0;
}

static void to_guest(void *ctx)
{
    struct vsock *d = ctx;
    struct virtq *q = &d->v.queue[RX];
    struct virtq_chain c;
    unsigned n = 0;
    bus_lock(d->v.device.bus);
    tell_reset(d);
    bool more = true;
    do {
        while (n < TURN && more && virtq_pop(q, &c)) {
            if (c.in_bytes < VSOCK_HEADER) {
                virtq_unpop(q);
                virtio_break(&d->v, RX, "a buffer too small for a packet's header");
                break;
            }
            more = speak(d, q, &c);
            if (!more)
                virtq_unpop(q);
            n++;
        }
    } while (n < TURN && more && virtq_rearm(q));
    virtq_signal(q);
    if (n == TURN && more)
        talk_to_guest(d);
    bus_unlock(d->v.device.bus);
}

/* ---- the host's side ---- */

static void on_stream(void *ctx, uint32_t events)
{
    struct connection *c = ctx; /* not freed: sweep runs after all events of this round */
    struct vsock *d = c->d;
    bus_lock(d->v.device.bus);
    if (!c->dead && events & EPOLLOUT)
        flush(c);
    if (!c->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        c->readable = !c->ended;
        if (c->ended || c->guest_shut & VSOCK_SHUT_RECEIVE)
            reset_connection(c); /* the other side is gone, and there is nothing to read */
        else
            watch(c, c->events & ~(uint32_t)EPOLLIN); /* until it is read */
        talk_to_guest(d);
    }
    bus_unlock(d->v.device.bus);
}

static void host_connects(void *ctx, uint32_t port, int fd)
{
    struct vsock *d = ctx;
    bus_lock(d->v.device.bus);
    if (!(d->v.s.status & VIRTIO_DRIVER_OK)) {
        close(fd); /* no driver, nobody to accept it */
    } else {
        do
            d->next_port = d->next_port < FIRST_HOST_PORT ? FIRST_HOST_PORT : d->next_port + 1;
        while (find(d, d->next_port, port));
        struct connection *c = add(d, d->next_port, port, fd);
        if (c) {
            c->says_ok = true;
            say(c, VSOCK_OP_REQUEST);
        }
    }
    bus_unlock(d->v.device.bus);
}

/* ---- the device ---- */

static void notify(struct virtio *v, unsigned queue)
{
    struct vsock *d = of(v);
    loop_post(v->device.bus->loop, queue == TX ? &d->from_guest : &d->to_guest);
}

static void forget(struct vsock *d)
{
    for (struct connection *c = d->list; c; c = c->next)
        bury(c);
    d->n_strays = 0;
}

static void reset(struct virtio *v)
{
    forget(of(v));
    of(v)->s.reset_event = 0;
}

static void restored(void *dev)
{
    struct vsock *d = of(dev);
    forget(d);
    d->s.reset_event = 1;
    talk_to_guest(d);
}

static void destroy(struct virtio *v)
{
    struct vsock *d = of(v);
    struct loop *loop = v->device.bus->loop;
    forget(d);
    sweep(d);
    loop_unpost(loop, &d->from_guest);
    loop_unpost(loop, &d->to_guest);
    loop_unpost(loop, &d->sweep);
    vsock_host_attach(d->host, NULL);
    vsock_host_destroy(d->host);
    free(d);
}

static const struct device_type own_state = { .name = "virtio-vsock", .restored = restored, DEVICE_STATE(struct vsock, s, state) };

static const struct virtio_type vsock_type = {
    .name = "virtio-vsock",
    .id = 19,
    .class_code = 0x078000, /* communication, other */
    .n_queues = 3,
    .queue_max = VIRTQ_MAX,
    .features = BIT(0), /* VIRTIO_VSOCK_F_STREAM */
    .config_bytes = 8,
    .notify = notify,
    .reset = reset,
    .destroy = destroy,
    .own = &own_state,
};

struct virtio *virtio_vsock_create(struct bus *bus, struct vsock_host *host)
{
    struct vsock *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->host = host;
    d->from_guest = (struct loop_task){ .fn = from_guest, .ctx = d };
    d->to_guest = (struct loop_task){ .fn = to_guest, .ctx = d };
    d->sweep = (struct loop_task){ .fn = sweep, .ctx = d };
    virtio_init(&d->v, &vsock_type, bus);
    le64_put(d->v.initial_config, VSOCK_GUEST_CID);
    memcpy(d->v.s.config, d->v.initial_config, sizeof d->v.s.config);
    vsock_host_attach(host, &(struct vsock_host_client){ .connect = host_connects, .ctx = d });
    return &d->v;
}
