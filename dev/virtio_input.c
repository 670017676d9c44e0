/*
 * virtio_input.c - input device (VIRTIO 1.2, 5.8) with the power key only.
 *
 * The driver asks for a piece of the description by writing select and subsel; size and data then say it (5.8.4). A key
 * event is two 8-byte events in queue 0: the key, then a synchronisation. What the driver sends (LEDs) is taken and ignored.
 */
#include "dev/virtio_input.h"

#include <stdlib.h>

enum { EVENTS, STATUS };
enum { SELECT, SUBSEL, SIZE, DATA = 8 };

/* 5.8.2 */
enum { CFG_ID_NAME = 1, CFG_ID_SERIAL, CFG_ID_DEVIDS, CFG_PROP_BITS = 0x10, CFG_EV_BITS, CFG_ABS_INFO };

/* Linux input-event-codes.h, which 5.8.4 refers to */
#define EV_SYN    0
#define EV_KEY    1
#define KEY_POWER 116
#define BUS_VIRTUAL 6

static const char name[] = "Pome power button";

static void describe(uint8_t *c)
{
    uint8_t select = c[SELECT], subsel = c[SUBSEL], *data = c + DATA;
    memset(c + SIZE, 0, VIRTIO_CONFIG_BYTES - SIZE);
    if (select == CFG_ID_NAME && !subsel) {
        c[SIZE] = sizeof name - 1;
        memcpy(data, name, sizeof name - 1);
    } else if (select == CFG_ID_DEVIDS && !subsel) {
        c[SIZE] = 8;
        le16_put(data, BUS_VIRTUAL);
        le16_put(data + 2, 0x1af4);
        le16_put(data + 4, 1);
        le16_put(data + 6, 1);
    } else if (select == CFG_EV_BITS && subsel == EV_KEY) {
        c[SIZE] = KEY_POWER / 8 + 1;
        data[KEY_POWER / 8] = 1 << KEY_POWER % 8;
    }
}

static void config_written(struct virtio *v, uint32_t offset, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        if (offset + i <= SUBSEL)
            v->s.config[offset + i] = (uint8_t)(value >> 8 * i);
    describe(v->s.config);
}

static void notify(struct virtio *v, unsigned queue)
{
    struct virtq *q = &v->queue[queue];
    struct virtq_chain c;
    unsigned turns = 0;
    if (queue != STATUS)
        return; /* buffers for events wait until there is one */
    do {
        while (virtq_pop(q, &c)) {
            virtq_push(q, c.head, 0);
            if (virtio_had_its_turn(q, &turns))
                break;
        }
    } while (turns < q->s->size && virtq_rearm(q));
    virtq_signal(q);
}

static void put_event(struct virtq *q, uint16_t type, uint16_t code, uint32_t value)
{
    struct virtq_chain c;
    uint8_t event[8];
    if (!virtq_pop(q, &c))
        return; /* no room: the guest has no interest */
    le16_put(event, type);
    le16_put(event + 2, code);
    le32_put(event + 4, value);
    virtq_push(q, c.head, (uint32_t)virtq_chain_write(&c, 0, event, sizeof event));
}

void virtio_input_power(struct virtio *v, bool down)
{
    struct virtq *q = &v->queue[EVENTS];
    put_event(q, EV_KEY, KEY_POWER, down);
    put_event(q, EV_SYN, 0, 0);
    virtq_signal(q);
}

static void destroy(struct virtio *v)
{
    free(v);
}

static const struct virtio_type input_type = {
    .name = "virtio-input",
    .id = 18,
    .class_code = 0x098000, /* input device, other */
    .n_queues = 2,
    .queue_max = 64,
    .config_bytes = VIRTIO_CONFIG_BYTES,
    .notify = notify,
    .config_written = config_written,
    .destroy = destroy,
};

struct virtio *virtio_input_create(struct bus *bus)
{
    struct virtio *v = calloc(1, sizeof *v);
    if (v)
        virtio_init(v, &input_type, bus);
    return v;
}
