/*
 * virtio_console.c - console device (VIRTIO 1.2, 5.3), one port: queue 0 to the guest, queue 1 from it.
 *
 * Output that the console does not take now stays in its chain; the chain is put back and popped again when there is room,
 * with `sent` bytes of it gone already. Deviation: no MULTIPORT, no SIZE.
 */
#include "dev/virtio_console.h"

#include <stdlib.h>

enum { RX, TX };

struct vcon_state {
    uint64_t sent; /* bytes of the chain at the head of TX that went out */
};

struct vcon {
    struct virtio v;
    struct console *console;
    struct vcon_state s;
};

static const struct state_field state[] = { STATE(struct vcon_state, sent) };
static const struct device_type own_state = { .name = "virtio-console", DEVICE_STATE(struct vcon, s, state) };

static struct vcon *of(struct virtio *v)
{
    return CONTAINER_OF(v, struct vcon, v);
}

/* Sends the readable part of a chain from d->s.sent on; false: the console is full. */
static bool send(struct vcon *d, const struct virtq_chain *c)
{
    uint8_t piece[1024];
    while (d->s.sent < c->out_bytes) {
        size_t n = virtq_chain_read(c, d->s.sent, piece, sizeof piece), taken = console_put(d->console, piece, n);
        d->s.sent += taken;
        if (taken < n)
            return false;
    }
    d->s.sent = 0;
    return true;
}

static void transmit(struct vcon *d)
{
    struct virtq *q = &d->v.queue[TX];
    struct virtq_chain c;
    unsigned turns = 0;
    do {
        while (virtq_pop(q, &c)) {
            if (!send(d, &c)) {
                virtq_unpop(q); /* `room` comes back here */
                virtq_signal(q);
                return;
            }
            virtq_push(q, c.head, 0);
            if (virtio_had_its_turn(q, &turns))
                break;
        }
    } while (turns < q->s->size && virtq_rearm(q));
    virtq_signal(q);
}

static void receive(struct vcon *d)
{
    struct virtq *q = &d->v.queue[RX];
    struct virtq_chain c;
    uint8_t bytes[1024];
    unsigned turns = 0;
    do {
        while (virtq_pop(q, &c)) {
            size_t n = console_get(d->console, bytes, (size_t)MIN(c.in_bytes, sizeof bytes));
            if (!n) {
                virtq_unpop(q); /* nothing there: `input` comes back here */
                virtq_signal(q);
                return;
            }
            virtq_chain_write(&c, 0, bytes, n);
            virtq_push(q, c.head, (uint32_t)n);
            if (virtio_had_its_turn(q, &turns))
                break;
        }
    } while (turns < q->s->size && virtq_rearm(q));
    virtq_signal(q);
}

static void notify(struct virtio *v, unsigned queue)
{
    if (queue == TX)
        transmit(of(v));
    else
        receive(of(v));
}

static void input(void *ctx)
{
    struct vcon *d = ctx;
    bus_lock(d->v.device.bus);
    virtio_notify(&d->v, RX);
    bus_unlock(d->v.device.bus);
}

static void room(void *ctx)
{
    struct vcon *d = ctx;
    bus_lock(d->v.device.bus);
    virtio_notify(&d->v, TX);
    bus_unlock(d->v.device.bus);
}

static void reset(struct virtio *v)
{
    of(v)->s.sent = 0;
}

static void destroy(struct virtio *v)
{
    console_attach(of(v)->console, NULL);
    free(of(v));
}

static const struct virtio_type vcon_type = {
    .name = "virtio-console",
    .id = 3,
    .class_code = 0x078000, /* communication, other */
    .n_queues = 2,
    .queue_max = 64,
    .config_bytes = 12,
    .notify = notify,
    .reset = reset,
    .destroy = destroy,
    .own = &own_state,
};

struct virtio *virtio_console_create(struct bus *bus, struct console *console)
{
    struct vcon *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->console = console;
    virtio_init(&d->v, &vcon_type, bus);
    console_attach(console, &(struct console_client){ .input = input, .room = room, .ctx = d });
    return &d->v;
}
