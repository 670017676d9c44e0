/*
 * virtio_fs.c - file system device (VIRTIO 1.2, 5.11): requests of the FUSE protocol, queue 0 those that must not wait, queue 1 all others.
 *
 * A request goes to the share's thread, which answers it in place and gives the chain back. Requests under way are bounded by the queues.
 * Deviation: queue 0 is served by the same thread, so it waits for a request that the host is slow at.
 *
 * What the guest knows of files are numbers that the share gave it: they are saved with the names that they stand for (backend/share_saved.c).
 */
#include "dev/virtio_fs.h"

#include <stdlib.h>

enum { CONFIG_TAG = 0, CONFIG_QUEUES = 36, CONFIG_BYTES = 40 };

struct fs {
    struct virtio v;
    struct share *share;
    struct fs_op *idle;
};

struct fs_op {
    struct share_request r;
    struct fs *fs;
    struct fs_op *next;
    unsigned queue;
    struct virtq_chain chain;
};

static struct fs *of(struct virtio *v)
{
    return CONTAINER_OF(v, struct fs, v);
}

static void done(struct share_request *r)
{
    struct fs_op *op = CONTAINER_OF(r, struct fs_op, r);
    struct fs *d = op->fs;
    struct virtq *q = &d->v.queue[op->queue];
    bus_lock(d->v.device.bus);
    virtq_push(q, op->chain.head, r->written);
    virtq_signal(q);
    op->next = d->idle;
    d->idle = op;
    virtio_done(&d->v);
    bus_unlock(d->v.device.bus);
}

static struct fs_op *take_op(struct fs *d)
{
    struct fs_op *op = d->idle;
    if (op)
        d->idle = op->next;
    else if ((op = malloc(sizeof *op)))
        op->fs = d;
    return op;
}

static void notify(struct virtio *v, unsigned queue)
{
    struct fs *d = of(v);
    struct virtq *q = &v->queue[queue];
    do {
        for (struct fs_op *op; (op = take_op(d));) {
            if (!virtq_pop(q, &op->chain)) {
                op->next = d->idle;
                d->idle = op;
                break;
            }
            struct virtq_chain *c = &op->chain;
            op->queue = queue;
            op->r = (struct share_request){ .out = c->iov, .n_out = c->n_out, .in = c->iov + c->n_out, .n_in = c->n_in, .done = done };
            share_submit(d->share, &op->r);
        }
    } while (virtq_rearm(q));
}

bool virtio_fs_drain(struct virtio *v, unsigned timeout_ms)
{
    return share_drain(of(v)->share, timeout_ms);
}

void virtio_fs_save(struct virtio *v, struct records *out)
{
    share_save(of(v)->share, out);
}

bool virtio_fs_load(struct virtio *v, const uint8_t *bytes, size_t n, struct pome_error *err)
{
    unsigned lost;
    if (!share_load(of(v)->share, bytes, n, &lost, err))
        return false;
    if (lost)
        bus_note(v->device.bus, "virtio-fs: %u files and folders that the guest knew are not there any more", lost);
    return true;
}

static void destroy(struct virtio *v)
{
    struct fs *d = of(v);
    share_destroy(d->share);
    for (struct fs_op *op; (op = d->idle);) {
        d->idle = op->next;
        free(op);
    }
    free(d);
}

static const struct virtio_type fs_type = {
    .name = "virtio-fs",
    .id = 26,
    .class_code = 0x018000, /* mass storage, other */
    .n_queues = 2,
    .queue_max = VIRTQ_MAX,
    .config_bytes = CONFIG_BYTES,
    .notify = notify,
    .destroy = destroy,
};

struct virtio *virtio_fs_create(struct bus *bus, struct share *share, const char *tag)
{
    struct fs *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->share = share;
    virtio_init(&d->v, &fs_type, bus);
    memcpy(d->v.initial_config + CONFIG_TAG, tag, strnlen(tag, SHARE_TAG_MAX + 1));
    le32_put(d->v.initial_config + CONFIG_QUEUES, 1);
    memcpy(d->v.s.config, d->v.initial_config, sizeof d->v.s.config);
    return &d->v;
}
