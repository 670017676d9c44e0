/* test_rig.c - see test_rig.h. */
#include "dev/test_rig.h"

#include <stdlib.h>

#define PART 0x4000 /* of memory, for each queue's rings */

static void ring(void *ctx, uint64_t offset, uint32_t data)
{
    struct rig *r = ctx;
    r->messages++;
    r->last_message = data;
}

static void wire(void *ctx, unsigned number, bool level)
{
    struct rig *r = ctx;
    r->intx[number] = level;
}

static void note(void *ctx, const char *text)
{
    struct rig *r = ctx;
    r->notes++;
}

void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->mem = mem_create();
    r->loop = loop_create(NULL);
    bool ok = r->mem && r->loop && mem_add_ram(r->mem, RIG_RAM, RIG_RAM_BYTES, NULL);
    if (!ok)
        abort();
    bus_init(&r->bus, r->mem, r->loop);
    r->bus.note = note;
    r->bus.note_ctx = r;
    r->bus.doorbell.gpa = RIG_DOORBELL;
    r->bus.doorbell.bytes = 0x10000;
    r->bus.doorbell.ring = ring;
    r->bus.doorbell.ctx = r;
    struct irq_line lines[4];
    for (unsigned i = 0; i < 4; i++)
        lines[i] = (struct irq_line){ .set = wire, .ctx = r, .number = i };
    pci_bus_init(&r->pci, &r->bus, RIG_ECAM, 1 * MiB, lines);
    pci_bus_add_window(&r->pci, RIG_WINDOW, 16 * MiB);
}

void rig_plug(struct rig *r, struct virtio *v)
{
    r->v = v;
    r->t = virtio_pci_create(&r->pci, 1, v);
    if (!r->t)
        abort();
    rig_write(r, RIG_CFG(PCI_BAR0), 4, RIG_BAR);
    rig_write(r, RIG_CFG(PCI_BAR0 + 4), 4, RIG_MSIX);
    rig_write(r, RIG_CFG(PCI_COMMAND), 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void rig_finish(struct rig *r)
{
    if (r->t) {
        struct device *dev = virtio_pci_device(r->t);
        dev->type->destroy(dev);
        r->v->device.type->destroy(&r->v->device);
    }
    bus_finish(&r->bus);
    loop_destroy(r->loop);
    mem_destroy(r->mem);
}

uint64_t rig_read(struct rig *r, uint64_t gpa, unsigned bytes)
{
    uint64_t v = 0;
    bus_read(&r->bus, gpa, bytes, &v);
    return v;
}

void rig_write(struct rig *r, uint64_t gpa, unsigned bytes, uint64_t value)
{
    bus_write(&r->bus, gpa, bytes, value);
}

void rig_reset(struct rig *r)
{
    rig_write(r, RIG_COMMON + 0x14, 1, 0);
}

static void start_queue(struct rig *r, unsigned i)
{
    struct rig_queue *q = &r->q[i];
    uint64_t base = RIG_RAM + i * PART;
    *q = (struct rig_queue){ .desc = base, .avail = base + 0x1000, .used = base + 0x2000, .size = RIG_QUEUE };
    memset(mem_ptr(r->mem, base, PART, true), 0, PART);
    rig_write(r, RIG_COMMON + 0x16, 2, i);
    rig_write(r, RIG_COMMON + 0x18, 2, q->size);
    rig_write(r, RIG_COMMON + 0x1a, 2, i);
    rig_write(r, RIG_COMMON + 0x20, 8, q->desc);
    rig_write(r, RIG_COMMON + 0x28, 4, q->avail);
    rig_write(r, RIG_COMMON + 0x2c, 4, q->avail >> 32);
    rig_write(r, RIG_COMMON + 0x30, 8, q->used);
    rig_write(r, RIG_COMMON + 0x1c, 2, 1);
}

uint8_t rig_start(struct rig *r, uint64_t features)
{
    rig_write(r, RIG_COMMON + 0x14, 1, 1);
    rig_write(r, RIG_COMMON + 0x14, 1, 3);
    for (unsigned word = 0; word < 2; word++) {
        rig_write(r, RIG_COMMON + 0x08, 4, word);
        rig_write(r, RIG_COMMON + 0x0c, 4, features >> 32 * word);
    }
    rig_write(r, RIG_COMMON + 0x14, 1, 11);
    for (unsigned i = 0; i < r->v->type->n_queues; i++)
        start_queue(r, i);
    rig_write(r, RIG_COMMON + 0x14, 1, 15);
    return (uint8_t)rig_read(r, RIG_COMMON + 0x14, 1);
}

void rig_desc(struct rig *r, unsigned queue, unsigned i, uint64_t gpa, uint32_t bytes, uint16_t flags, uint16_t next)
{
    uint8_t *p = mem_ptr(r->mem, r->q[queue].desc + 16 * i, 16, true);
    le64_put(p, gpa);
    le32_put(p + 8, bytes);
    le16_put(p + 12, flags);
    le16_put(p + 14, next);
}

void rig_offer(struct rig *r, unsigned queue, uint16_t head)
{
    struct rig_queue *q = &r->q[queue];
    le16_put(mem_ptr(r->mem, q->avail + 4 + 2 * (q->index % q->size), 2, true), head);
    le16_put(mem_ptr(r->mem, q->avail + 2, 2, true), ++q->index);
}

void rig_notify(struct rig *r, unsigned queue)
{
    rig_write(r, RIG_NOTIFY + 4 * queue, 2, queue);
}

struct run {
    struct loop *loop;
    struct loop_task again;
    unsigned rounds;
};

/* A task that is posted by a task waits for the next round. */
static void stop_later(void *ctx)
{
    struct run *run = ctx;
    if (run->rounds--)
        loop_post(run->loop, &run->again);
    else
        loop_stop(run->loop);
}

/* On a busy host the time may be over before the loop has begun: what is ready has its rounds all the same. */
void rig_run_loop(struct rig *r, unsigned ms)
{
    struct run run = { .loop = r->loop, .again = { .fn = stop_later, .ctx = &run }, .rounds = ms ? 10 : 0 };
    struct loop_timer timer = { .fn = stop_later, .ctx = &run };
    loop_timer_set(r->loop, &timer, loop_now_ns() + (uint64_t)ms * 1000000);
    loop_run(r->loop);
}

int64_t rig_wait(struct rig *r, unsigned queue)
{
    struct rig_queue *q = &r->q[queue];
    for (int i = 0; i < 60000; i++) {
        if (le16_get(mem_ptr(r->mem, q->used + 2, 2, false)) != q->seen) {
            const uint8_t *e = mem_ptr(r->mem, q->used + 4 + 8 * (q->seen++ % q->size), 8, false);
            return le32_get(e + 4);
        }
        rig_run_loop(r, 1);
    }
    return -1;
}
