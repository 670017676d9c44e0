/*
 * virtio_balloon.c - memory balloon (VIRTIO 1.2, 5.5): pages that the guest gives up (queue 0), takes back (queue 1), statistics
 * and reports of free pages (the queues after that, as many as were agreed on).
 *
 * Memory goes back to the host by mem_discard: the guest's next access finds zeros. Host addresses stay valid, so nothing that vCPUs or
 * devices remember becomes wrong. To take pages back the guest need not ask, it just uses them. No more than MOST bytes of page
 * numbers are taken in one request.
 *
 * The buffer for statistics stays in its queue; it is looked at when the guest puts it there, and given back to ask for new ones.
 */
#include "dev/virtio_balloon.h"

#include <stdlib.h>

enum { INFLATE, DEFLATE };

/* 5.5.3 */
#define F_STATS     BIT(1)
#define F_OOM       BIT(2) /* the guest may take pages back rather than run out of memory */
#define F_REPORTING BIT(5)

#define PAGE 4096u
#define MOST 65536u

enum { CONFIG_NUM_PAGES = 0, CONFIG_ACTUAL = 4, CONFIG_BYTES = 8 };

struct balloon_state {
    uint64_t stat[BALLOON_STATS];
    uint64_t answers;
};

struct balloon {
    struct virtio v;
    struct balloon_state s;
    uint64_t returned;
};

static const struct state_field state[] = { STATE(struct balloon_state, stat), STATE(struct balloon_state, answers) };
static const struct device_type own_state = { .name = "virtio-balloon", DEVICE_STATE(struct balloon, s, state) };

static struct balloon *of(struct virtio *v)
{
    return CONTAINER_OF(v, struct balloon, v);
}

/* 5.5.2: Linux numbers only the queues that were agreed on; -1: there is none. */
static int stats_queue(const struct balloon *b)
{
    return b->v.s.features & F_STATS ? 2 : -1;
}
static int report_queue(const struct balloon *b)
{
    return b->v.s.features & F_REPORTING ? 2 + (stats_queue(b) > 0) : -1;
}

/* A run of pages that lie next to each other. */
struct run {
    uint64_t gpa, bytes;
};

static void discard_run(struct balloon *b, const struct run *r)
{
    struct mem *mem = b->v.device.bus->mem;
    void *hva = r->bytes ? mem_ptr(mem, r->gpa, r->bytes, true) : NULL;
    if (hva)
        b->returned += mem_discard(mem, hva, r->bytes);
}

/* Page numbers, 32 bits each. What is no memory is ignored. */
static void inflate(struct balloon *b, const struct virtq_chain *c)
{
    struct run run = { 0 };
    uint8_t numbers[1024];
    for (uint64_t at = 0; at < c->out_bytes; at += sizeof numbers) {
        size_t n = virtq_chain_read(c, at, numbers, sizeof numbers);
        for (size_t i = 0; i + 4 <= n; i += 4) {
            uint64_t gpa = (uint64_t)le32_get(numbers + i) * PAGE;
            if (gpa + PAGE == run.gpa)
                run.gpa = gpa;
            else if (gpa != run.gpa + run.bytes || !run.bytes) {
                discard_run(b, &run);
                run = (struct run){ .gpa = gpa };
            }
            run.bytes += PAGE;
        }
    }
    discard_run(b, &run);
}

/* 5.5.6.7: the buffers are the free pages themselves. */
static void take_report(struct balloon *b, const struct virtq_chain *c)
{
    for (unsigned i = c->n_out; i < c->n_out + c->n_in; i++)
        b->returned += mem_discard(b->v.device.bus->mem, c->iov[i].iov_base, c->iov[i].iov_len);
}

/* 5.5.6.3: tag (16 bits), value (64 bits), packed. */
static void read_stats(struct balloon *b, const struct virtq_chain *c)
{
    uint8_t entry[10];
    for (unsigned i = 0; i < 32 && virtq_chain_read(c, 10 * i, entry, 10) == 10; i++)
        if (le16_get(entry) < BALLOON_STATS)
            b->s.stat[le16_get(entry)] = le64_get(entry + 2);
    b->s.answers++;
}

static void look_at_stats(struct balloon *b, struct virtq *q)
{
    struct virtq_chain c;
    if (!virtq_pop(q, &c))
        return;
    read_stats(b, &c);
    virtq_unpop(q); /* ask_for_stats gives it back */
}

static void ask_for_stats(struct balloon *b)
{
    struct virtq_chain c;
    if (stats_queue(b) < 0)
        return;
    struct virtq *q = &b->v.queue[stats_queue(b)];
    if (!virtq_pop(q, &c))
        return;
    virtq_push(q, c.head, 0);
    virtq_rearm(q);
    virtq_signal(q);
}

static void notify(struct virtio *v, unsigned queue)
{
    struct balloon *b = of(v);
    struct virtq *q = &v->queue[queue];
    struct virtq_chain c;
    unsigned turns = 0;
    if ((int)queue == stats_queue(b)) {
        look_at_stats(b, q);
        return;
    }
    q->unread = queue != INFLATE && (int)queue == report_queue(b);
    do {
        while (virtq_pop(q, &c)) {
            if (q->unread) {
                take_report(b, &c);
            } else if (c.out_bytes > MOST) {
                virtq_unpop(q);
                virtio_break(v, queue, "too many pages in one request");
                return;
            } else if (queue == INFLATE) {
                inflate(b, &c);
            }
            virtq_push(q, c.head, 0);
            if (virtio_had_its_turn(q, &turns))
                break;
        }
    } while (turns < q->s->size && virtq_rearm(q));
    virtq_signal(q);
}

/* The driver says how many pages the balloon holds. */
static void config_written(struct virtio *v, uint32_t offset, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        if (offset + i >= CONFIG_ACTUAL && offset + i < CONFIG_BYTES)
            v->s.config[offset + i] = (uint8_t)(value >> 8 * i);
}

void virtio_balloon_set(struct virtio *v, uint64_t bytes)
{
    uint8_t pages[4];
    le32_put(pages, (uint32_t)(bytes / PAGE));
    virtio_config_changed(v, CONFIG_NUM_PAGES, pages, sizeof pages);
}

void virtio_balloon_status(struct virtio *v, struct balloon_status *out)
{
    struct balloon *b = of(v);
    *out = (struct balloon_status){ .wanted = (uint64_t)le32_get(v->s.config + CONFIG_NUM_PAGES) * PAGE,
                                    .actual = (uint64_t)le32_get(v->s.config + CONFIG_ACTUAL) * PAGE,
                                    .returned = b->returned, .answers = b->s.answers };
    memcpy(out->stat, b->s.stat, sizeof out->stat);
    ask_for_stats(b);
}

static void reset(struct virtio *v)
{
    struct balloon *b = of(v);
    b->s.answers = 0;
    memset(b->s.stat, 0xff, sizeof b->s.stat);
}

static void destroy(struct virtio *v)
{
    free(of(v));
}

static const struct virtio_type balloon_type = {
    .name = "virtio-balloon",
    .id = 5,
    .class_code = 0x00ff00,
    .n_queues = 4,
    .queue_max = 128,
    .features = F_STATS | F_OOM | F_REPORTING,
    .config_bytes = CONFIG_BYTES,
    .notify = notify,
    .config_written = config_written,
    .reset = reset,
    .destroy = destroy,
    .own = &own_state,
};

struct virtio *virtio_balloon_create(struct bus *bus)
{
    struct balloon *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    virtio_init(&b->v, &balloon_type, bus);
    reset(&b->v);
    return &b->v;
}
