/*
 * virtio.c - status, features, reset of a virtio device (see virtio.h; VIRTIO 1.2, 2.1, 3.1).
 *
 * A reset with requests under way waits: the status keeps reading as before until the last request came back, so that the
 * driver does not reuse buffers that a worker still writes to (2.4.2: the driver waits for 0).
 */
#include "dev/virtio.h"

static void finish_reset(struct virtio *v)
{
    v->resetting = false;
    v->s = (struct virtio_state){ .generation = v->s.generation };
    memcpy(v->s.config, v->initial_config, sizeof v->s.config);
    for (unsigned i = 0; i < v->type->n_queues; i++)
        virtq_reset(&v->queue[i]);
    if (v->type->reset)
        v->type->reset(v);
    if (v->was_reset)
        v->was_reset(v->transport);
}

static bool busy(const struct virtio *v)
{
    for (unsigned i = 0; i < v->type->n_queues; i++)
        if (v->queue[i].in_flight)
            return true;
    return false;
}

/* Of the whole machine: nothing is under way. */
static void reset(void *dev)
{
    struct virtio *v = virtio_of(dev);
    for (unsigned i = 0; i < v->type->n_queues; i++)
        v->queue[i].in_flight = 0;
    finish_reset(v);
}

/* Chains do not survive a save: it is made when none is under way. */
static void restored(void *dev)
{
    struct virtio *v = virtio_of(dev);
    v->s.features &= v->offered;
    for (unsigned i = 0; i < v->type->n_queues; i++)
        if (v->queue[i].s->ready && !virtq_enable(&v->queue[i])) {
            v->queue[i].s->ready = 0;
            v->s.status |= VIRTIO_NEEDS_RESET;
        }
}

static void destroy(void *dev)
{
    struct virtio *v = virtio_of(dev);
    loop_unpost(v->device.bus->loop, &v->again);
    v->type->destroy(v);
}

static const struct state_field state[] = {
    STATE(struct virtio_state, features), STATE(struct virtio_state, status), STATE(struct virtio_state, generation),
    STATE(struct virtio_state, queue),    STATE(struct virtio_state, config),
};

static const struct device_type virtio_device_type = {
    .name = "virtio",
    .reset = reset,
    .restored = restored,
    .destroy = destroy,
    DEVICE_STATE(struct virtio, s, state),
};

static void look_again(void *ctx)
{
    struct virtio *v = ctx;
    bus_lock(v->device.bus);
    unsigned queues = v->again_queues;
    v->again_queues = 0;
    for (unsigned i = 0; i < v->type->n_queues; i++)
        if (queues >> i & 1)
            virtio_notify(v, i);
    bus_unlock(v->device.bus);
}

bool virtio_had_its_turn(struct virtq *q, unsigned *turns)
{
    if (++*turns < q->s->size)
        return false;
    q->dev->again_queues |= 1u << (q - q->dev->queue);
    loop_post(q->dev->device.bus->loop, &q->dev->again);
    return true;
}

void virtio_init(struct virtio *v, const struct virtio_type *type, struct bus *bus)
{
    assert(type->n_queues <= VIRTIO_MAX_QUEUES && type->queue_max <= VIRTQ_MAX && is_pow2(type->queue_max));
    v->device = (struct device){ .type = &virtio_device_type, .bus = bus };
    v->type = type;
    v->again = (struct loop_task){ .fn = look_again, .ctx = v };
    v->offered = type->features | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC;
    for (unsigned i = 0; i < type->n_queues; i++) {
        v->queue[i] = (struct virtq){ .dev = v, .s = &v->s.queue[i], .max = type->queue_max };
        virtq_reset(&v->queue[i]);
    }
}

uint8_t virtio_status(const struct virtio *v)
{
    return (uint8_t)v->s.status;
}

bool virtio_runs(const struct virtio *v)
{
    return v->s.status & VIRTIO_DRIVER_OK && !(v->s.status & VIRTIO_NEEDS_RESET) && !v->held && !v->resetting &&
           v->can_dma(v->transport);
}

static void notify_all(struct virtio *v)
{
    for (unsigned i = 0; i < v->type->n_queues; i++)
        if (v->queue[i].s->ready)
            virtio_notify(v, i);
}

void virtio_set_status(struct virtio *v, uint8_t status)
{
    uint32_t old = v->s.status;
    if (!status) {
        v->resetting = true;
        virtio_done(v);
        return;
    }
    if (v->resetting)
        return;
    bool acceptable = !(v->s.features & ~v->offered) && v->s.features & VIRTIO_F_VERSION_1;
    if (status & VIRTIO_FEATURES_OK && !(old & VIRTIO_FEATURES_OK) && !acceptable)
        status &= (uint8_t)~VIRTIO_FEATURES_OK;
    if (!(status & VIRTIO_FEATURES_OK))
        status &= (uint8_t)~VIRTIO_DRIVER_OK;
    v->s.status = old | (status & ~VIRTIO_NEEDS_RESET); /* 2.1.1: bits are only ever added */
    if (!(old & VIRTIO_DRIVER_OK) && status & VIRTIO_DRIVER_OK)
        notify_all(v);
}

void virtio_notify(struct virtio *v, unsigned queue)
{
    if (queue < v->type->n_queues && v->queue[queue].s->ready && virtio_runs(v))
        v->type->notify(v, queue);
}

void virtio_break(struct virtio *v, unsigned queue, const char *why)
{
    if (v->s.status & VIRTIO_NEEDS_RESET)
        return;
    bus_note(v->device.bus, "%s: queue %u: %s; the device stops until it is reset", v->type->name, queue, why);
    v->s.status |= VIRTIO_NEEDS_RESET;
    if (v->s.status & VIRTIO_DRIVER_OK)
        v->interrupt(v->transport, -1);
}

void virtio_done(struct virtio *v)
{
    if (v->resetting && !busy(v))
        finish_reset(v);
}

void virtio_hold(struct virtio *v, bool held)
{
    v->held = held;
    if (!held)
        notify_all(v);
}

void virtio_config_changed(struct virtio *v, size_t offset, const void *bytes, size_t n)
{
    assert(offset + n <= v->type->config_bytes);
    memcpy(v->s.config + offset, bytes, n);
    memcpy(v->initial_config + offset, bytes, n);
    v->s.generation++;
    if (v->s.status & VIRTIO_DRIVER_OK)
        v->interrupt(v->transport, -1);
}
