/*
 * virtio_console.c - console device (VIRTIO 1.2, 5.3). Port 0 has queue 0 to the guest and queue 1 from it, port n > 0 has 2n + 2 and 2n + 3;
 * queues 2 and 3 are for control messages, with MULTIPORT only.
 *
 * Output that a port's console does not take now stays in its chain; the chain is put back and popped again when there is room,
 * with `sent` bytes of it gone already. What the driver is still to be told of a port is a set of bits, sent in the order of `messages`
 * as buffers come: the driver cannot make a queue of answers grow. Whether the host's side is open is compared with what the driver was told
 * last. Input waits until a program of the guest opened the port: Linux drops it before. Deviation: no SIZE, no EMERG_WRITE.
 */
#include "dev/virtio_console.h"

#include <stdlib.h>

enum { CONTROL_RX = 2, CONTROL_TX };
enum { CONFIG_MAX_NR_PORTS = 4, CONFIG_BYTES = 12 };
#define F_MULTIPORT BIT(1)

/* 5.3.6.2 */
enum { DEVICE_READY, DEVICE_ADD, DEVICE_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };
enum { CONTROL_BYTES = 8 }; /* le32 id, le16 event, le16 value */

struct vcon_state {
    uint64_t sent[VIRTIO_CONSOLE_PORTS]; /* bytes of the chain at the head of the port's transmit queue that went out */
    uint32_t due[VIRTIO_CONSOLE_PORTS];  /* sets of DUE_: what the driver is to be told */
    uint32_t ready, told_open, guest_open; /* sets of ports */
};

struct vcon;
struct port {
    struct vcon *d;
    unsigned number;
    struct console *console;
    bool terminal;
    char name[VIRTIO_CONSOLE_NAME_MAX + 1];
};

struct vcon {
    struct virtio v;
    struct virtio_type type; /* with as many queues as there are ports */
    struct port port[VIRTIO_CONSOLE_PORTS];
    unsigned n_ports;
    struct vcon_state s;
};

static const struct state_field state[] = {
    STATE(struct vcon_state, sent),      STATE(struct vcon_state, due),        STATE(struct vcon_state, ready),
    STATE(struct vcon_state, told_open), STATE(struct vcon_state, guest_open),
};
static const struct device_type own_state = { .name = "virtio-console", DEVICE_STATE(struct vcon, s, state) };

static struct vcon *of(struct virtio *v)
{
    return CONTAINER_OF(v, struct vcon, v);
}

static bool multiport(const struct vcon *d)
{
    return d->v.s.features & F_MULTIPORT;
}

static unsigned receive_queue(const struct port *p)
{
    return p->number ? 2 * p->number + 2 : 0;
}

static struct port *port_of(struct vcon *d, unsigned queue)
{
    return &d->port[queue < CONTROL_RX ? 0 : queue / 2 - 1];
}

/* --- data --- */

/* Sends the readable part of a chain from where it was left; false: the console is full. */
static bool send(struct port *p, const struct virtq_chain *c)
{
    uint8_t piece[1024];
    uint64_t *sent = &p->d->s.sent[p->number];
    while (*sent < c->out_bytes) {
        size_t n = virtq_chain_read(c, *sent, piece, sizeof piece), taken = console_put(p->console, piece, n);
        *sent += taken;
        if (taken < n)
            return false;
    }
    *sent = 0;
    return true;
}

static void transmit(struct port *p)
{
    struct virtq *q = &p->d->v.queue[receive_queue(p) + 1];
    struct virtq_chain c;
    unsigned turns = 0;
    do {
        while (virtq_pop(q, &c)) {
            if (!send(p, &c)) {
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

static void receive(struct port *p)
{
    struct virtq *q = &p->d->v.queue[receive_queue(p)];
    struct virtq_chain c;
    uint8_t bytes[1024];
    unsigned turns = 0;
    if (multiport(p->d) && !(p->d->s.guest_open >> p->number & 1))
        return;
    do {
        while (virtq_pop(q, &c)) {
            size_t n = console_get(p->console, bytes, (size_t)MIN(c.in_bytes, sizeof bytes));
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

/* --- control --- */

static const uint16_t messages[] = { DEVICE_ADD, CONSOLE_PORT, PORT_NAME, PORT_OPEN }; /* in this order, when due */
#define DUE_ADD     BIT(0)
#define DUE_CONSOLE BIT(1)
#define DUE_NAME    BIT(2)
#define DUE_OPEN    BIT(3)

/* True when the host's side is not as the driver was told. */
static bool open_changed(const struct vcon *d, const struct port *p)
{
    return d->s.ready >> p->number & 1 && console_is_open(p->console) != (d->s.told_open >> p->number & 1);
}

/* The next thing to tell: the port, and the number in `messages`; NULL: nothing. */
static struct port *next_due(struct vcon *d, unsigned *message)
{
    for (unsigned i = 0; i < d->n_ports; i++) {
        if (open_changed(d, &d->port[i]))
            d->s.due[i] |= DUE_OPEN;
        for (*message = 0; *message < ARRAY_SIZE(messages); ++*message)
            if (d->s.due[i] >> *message & 1)
                return &d->port[i];
    }
    return NULL;
}

static size_t write_message(struct port *p, uint16_t event, uint8_t bytes[CONTROL_BYTES + VIRTIO_CONSOLE_NAME_MAX])
{
    struct vcon_state *s = &p->d->s;
    bool open = console_is_open(p->console);
    size_t name = event == PORT_NAME ? strlen(p->name) : 0;
    if (event == PORT_OPEN)
        s->told_open = (s->told_open & ~(1u << p->number)) | (uint32_t)open << p->number;
    le32_put(bytes, p->number);
    le16_put(bytes + 4, event);
    le16_put(bytes + 6, event == PORT_OPEN ? open : 1);
    memcpy(bytes + CONTROL_BYTES, p->name, name);
    return CONTROL_BYTES + name;
}

static void tell(struct vcon *d)
{
    struct virtq *q = &d->v.queue[CONTROL_RX];
    struct virtq_chain c;
    uint8_t bytes[CONTROL_BYTES + VIRTIO_CONSOLE_NAME_MAX];
    struct port *p;
    unsigned message;
    while (multiport(d) && (p = next_due(d, &message)) && (virtq_pop(q, &c) || (virtq_rearm(q) && virtq_pop(q, &c)))) {
        size_t n = write_message(p, messages[message], bytes);
        d->s.due[p->number] &= ~(1u << message);
        if (c.in_bytes < n) {
            virtq_push(q, c.head, 0);
            virtio_break(&d->v, CONTROL_RX, "a buffer is too small for a control message");
            return;
        }
        virtq_push(q, c.head, (uint32_t)virtq_chain_write(&c, 0, bytes, n));
    }
    virtq_signal(q);
}

static void was_told(struct vcon *d, uint32_t id, uint16_t event, uint16_t value)
{
    if (event == DEVICE_READY && value) {
        for (unsigned i = 0; i < d->n_ports; i++)
            d->s.due[i] |= DUE_ADD;
        return;
    }
    if (id >= d->n_ports)
        return;
    struct port *p = &d->port[id];
    if (event == PORT_READY && value) {
        d->s.due[id] |= (p->terminal ? DUE_CONSOLE : 0) | (p->name[0] ? DUE_NAME : 0);
        d->s.ready |= 1u << id;
        d->s.told_open &= ~(1u << id); /* a port is closed until something else is said */
    } else if (event == PORT_OPEN) {
        d->s.guest_open = (d->s.guest_open & ~(1u << id)) | (value ? 1u << id : 0);
        virtio_notify(&d->v, receive_queue(p));
    }
}

static void take_control(struct vcon *d)
{
    struct virtq *q = &d->v.queue[CONTROL_TX];
    struct virtq_chain c;
    uint8_t bytes[CONTROL_BYTES];
    unsigned turns = 0;
    do {
        while (virtq_pop(q, &c)) {
            bool whole = virtq_chain_read(&c, 0, bytes, sizeof bytes) == sizeof bytes;
            virtq_push(q, c.head, 0);
            if (whole)
                was_told(d, le32_get(bytes), le16_get(bytes + 4), le16_get(bytes + 6));
            if (virtio_had_its_turn(q, &turns))
                break;
        }
    } while (turns < q->s->size && virtq_rearm(q));
    virtq_signal(q);
    tell(d);
}

static void notify(struct virtio *v, unsigned queue)
{
    struct vcon *d = of(v);
    if (queue == CONTROL_RX)
        tell(d);
    else if (queue == CONTROL_TX)
        take_control(d);
    else if (queue & 1)
        transmit(port_of(d, queue));
    else
        receive(port_of(d, queue));
}

/* --- from the consoles, on the loop --- */

static void notify_locked(struct port *p, unsigned queue)
{
    bus_lock(p->d->v.device.bus);
    virtio_notify(&p->d->v, queue);
    bus_unlock(p->d->v.device.bus);
}

static void input(void *ctx)
{
    notify_locked(ctx, receive_queue(ctx));
}

static void room(void *ctx)
{
    notify_locked(ctx, receive_queue(ctx) + 1);
}

static void opened(void *ctx)
{
    notify_locked(ctx, CONTROL_RX);
}

/* --- the device --- */

static void reset(struct virtio *v)
{
    of(v)->s = (struct vcon_state){ 0 };
}

static void destroy(struct virtio *v)
{
    struct vcon *d = of(v);
    for (unsigned i = 0; i < d->n_ports; i++)
        console_attach(d->port[i].console, NULL);
    free(d);
}

static const struct virtio_type vcon_type = {
    .name = "virtio-console",
    .id = 3,
    .class_code = 0x078000, /* communication, other */
    .n_queues = 2,
    .queue_max = 64,
    .config_bytes = CONFIG_BYTES,
    .notify = notify,
    .reset = reset,
    .destroy = destroy,
    .own = &own_state,
};

struct virtio *virtio_console_create(struct bus *bus, const struct virtio_console_port *ports, size_t n)
{
    struct vcon *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    assert(n >= 1 && n <= VIRTIO_CONSOLE_PORTS);
    d->type = vcon_type;
    d->n_ports = (unsigned)n;
    if (n > 1 || ports[0].name || !ports[0].terminal) {
        d->type.features = F_MULTIPORT;
        d->type.n_queues = 2 + 2 * d->n_ports;
    }
    virtio_init(&d->v, &d->type, bus);
    uint8_t max_ports[4];
    le32_put(max_ports, d->n_ports);
    virtio_config_changed(&d->v, CONFIG_MAX_NR_PORTS, max_ports, sizeof max_ports);
    for (unsigned i = 0; i < d->n_ports; i++) {
        struct port *p = &d->port[i];
        *p = (struct port){ .d = d, .number = i, .console = ports[i].console, .terminal = ports[i].terminal };
        if (ports[i].name)
            strncpy(p->name, ports[i].name, VIRTIO_CONSOLE_NAME_MAX);
        console_attach(p->console, &(struct console_client){ .input = input, .room = room, .opened = opened, .ctx = p });
    }
    return &d->v;
}
