/* virtio_rng.c - entropy device (VIRTIO 1.2, 5.4). A request gets at most 256 bytes: getrandom does not wait for so many. */
#include "dev/virtio_rng.h"

#include <stdlib.h>
#include <sys/random.h>

#define MOST 256

static void notify(struct virtio *v, unsigned queue)
{
    struct virtq *q = &v->queue[queue];
    struct virtq_chain c;
    unsigned turns = 0;
    do {
        while (virtq_pop(q, &c)) {
            uint8_t bytes[MOST];
            ssize_t n = getrandom(bytes, (size_t)MIN(c.in_bytes, MOST), GRND_NONBLOCK);
            size_t written = n > 0 ? virtq_chain_write(&c, 0, bytes, (size_t)n) : 0;
            virtq_push(q, c.head, (uint32_t)written);
            if (virtio_had_its_turn(q, &turns))
                break;
        }
    } while (turns < q->s->size && virtq_rearm(q));
    virtq_signal(q);
}

static void destroy(struct virtio *v)
{
    free(v);
}

static const struct virtio_type rng_type = {
    .name = "virtio-rng",
    .id = 4,
    .class_code = 0x00ff00,
    .n_queues = 1,
    .queue_max = 64,
    .notify = notify,
    .destroy = destroy,
};

struct virtio *virtio_rng_create(struct bus *bus)
{
    struct virtio *v = calloc(1, sizeof *v);
    if (v)
        virtio_init(v, &rng_type, bus);
    return v;
}
