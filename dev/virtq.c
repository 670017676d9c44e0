/* virtq.c - the split virtqueue (see virtq.h; VIRTIO 1.2, 2.7). */
#include "dev/virtq.h"

#include "dev/virtio.h"
#include "mem/lazy.h"

#include <stdio.h>

/* struct virtq_desc, 2.7.5 */
#define DESC_BYTES    16u
#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY     1u

struct desc {
    uint64_t gpa;
    uint32_t bytes;
    uint16_t flags, next;
};

static bool tracing(void)
{
    static int on = -1;
    int v = __atomic_load_n(&on, __ATOMIC_RELAXED);
    if (v < 0)
        __atomic_store_n(&on, v = bus_trace_on("virtq"), __ATOMIC_RELAXED);
    return v;
}

static uint16_t load16(const uint8_t *p)
{
    return __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_ACQUIRE);
}

static void store16(uint8_t *p, uint16_t v)
{
    __atomic_store_n((uint16_t *)(void *)p, v, __ATOMIC_RELEASE);
}

/* The event fields lie behind the rings (2.7.6, 2.7.8). */
static const uint8_t *used_event(const struct virtq *q)
{
    return q->avail + 4 + 2 * (size_t)q->s->size;
}
static uint8_t *avail_event(const struct virtq *q)
{
    return q->used + 4 + 8 * (size_t)q->s->size;
}

static bool has(const struct virtq *q, uint64_t feature)
{
    return q->dev->s.features & feature;
}

bool virtq_enable(struct virtq *q)
{
    const struct virtq_state *s = q->s;
    const struct mem *mem = q->dev->device.bus->mem;
    if (!is_pow2(s->size) || s->size > q->max || s->desc % 16 || s->avail % 2 || s->used % 4)
        return false;
    q->desc = mem_ptr(mem, s->desc, DESC_BYTES * (uint64_t)s->size, false);
    q->avail = mem_ptr(mem, s->avail, 6 + 2 * (uint64_t)s->size, false);
    q->used = mem_ptr(mem, s->used, 6 + 8 * (uint64_t)s->size, true);
    return q->desc && q->avail && q->used;
}

void virtq_reset(struct virtq *q)
{
    *q->s = (struct virtq_state){ .size = q->max, .vector = 0xffff };
    q->desc = q->avail = NULL;
    q->used = NULL;
}

static struct desc desc_read(const uint8_t *table, unsigned i)
{
    const uint8_t *p = table + (size_t)i * DESC_BYTES;
    struct desc d = { le64_get(p), le32_get(p + 8), le16_get(p + 12), le16_get(p + 14) };
    __atomic_signal_fence(__ATOMIC_ACQ_REL); /* d is a copy: the compiler must not look again */
    return d;
}

/* Adds one buffer to the chain; NULL or what is wrong with it. */
static const char *add_buffer(struct virtq *q, struct virtq_chain *c, const struct desc *d)
{
    bool in = d->flags & DESC_WRITE;
    if (!in && c->n_in)
        return "a readable buffer after a writable one";
    if (c->n_out + c->n_in == VIRTQ_MAX)
        return "chain too long";
    void *hva = mem_ptr(q->dev->device.bus->mem, d->gpa, d->bytes, in);
    if (!hva)
        return "a buffer outside memory";
    if (!q->unread)
        mem_touch(q->dev->device.bus->mem, hva, d->bytes); /* it may be given to a system call */
    c->iov[c->n_out + c->n_in] = (struct iovec){ .iov_base = hva, .iov_len = d->bytes };
    *(in ? &c->n_in : &c->n_out) += 1;
    *(in ? &c->in_bytes : &c->out_bytes) += d->bytes;
    return NULL;
}

/* Walks the chain from descriptor i of a table of n; a chain of more than n links must loop. */
static const char *walk(struct virtq *q, struct virtq_chain *c, const uint8_t *table, unsigned n, unsigned i,
                        bool indirect)
{
    for (unsigned links = 0; links < n; links++) {
        if (i >= n)
            return "a descriptor index out of range";
        struct desc d = desc_read(table, i);
        if (d.flags & DESC_INDIRECT) {
            if (indirect || !has(q, VIRTIO_F_INDIRECT_DESC))
                return indirect ? "an indirect table in an indirect table" : "an indirect table that was not agreed on";
            if (d.flags & (DESC_NEXT | DESC_WRITE))
                return "an indirect table with further flags";
            unsigned entries = d.bytes / DESC_BYTES;
            if (!entries || d.bytes % DESC_BYTES || entries > VIRTQ_MAX)
                return "an indirect table of bad size";
            const uint8_t *inner = mem_ptr(q->dev->device.bus->mem, d.gpa, d.bytes, false);
            return inner ? walk(q, c, inner, entries, 0, true) : "an indirect table outside memory";
        }
        const char *why = add_buffer(q, c, &d);
        if (why)
            return why;
        if (!(d.flags & DESC_NEXT))
            return NULL;
        i = d.next;
    }
    return "a chain that loops";
}

static void bad(struct virtq *q, const char *why)
{
    virtio_break(q->dev, (unsigned)(q - q->dev->queue), why);
}

bool virtq_pop(struct virtq *q, struct virtq_chain *c)
{
    if (!virtio_runs(q->dev) || !q->s->ready)
        return false;
    uint16_t waiting = (uint16_t)(load16(q->avail + 2) - q->s->next_avail);
    if (!waiting)
        return false;
    if (waiting > q->s->size || q->in_flight >= q->s->size) {
        bad(q, waiting > q->s->size ? "the available index runs ahead" : "more chains than descriptors");
        return false;
    }
    unsigned slot = q->s->next_avail & (q->s->size - 1);
    c->head = load16(q->avail + 4 + 2 * slot);
    c->n_out = c->n_in = 0;
    c->out_bytes = c->in_bytes = 0;
    const char *why = walk(q, c, q->desc, q->s->size, c->head, false);
    if (why) {
        bad(q, why);
        return false;
    }
    q->s->next_avail++;
    q->in_flight++;
    if (tracing())
        fprintf(stderr, "virtq %s.%u pop head %u out %llu in %llu\n", q->dev->type->name,
                (unsigned)(q - q->dev->queue), c->head, (unsigned long long)c->out_bytes,
                (unsigned long long)c->in_bytes);
    return true;
}

void virtq_unpop(struct virtq *q)
{
    q->s->next_avail--;
    q->in_flight--;
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
    assert(q->in_flight);
    q->in_flight--;
    if (!q->s->ready || !q->used)
        return;
    uint8_t *entry = q->used + 4 + 8 * (size_t)(q->s->next_used & (q->s->size - 1));
    le32_put(entry, head);
    le32_put(entry + 4, written);
    store16(q->used + 2, ++q->s->next_used);
    if (tracing())
        fprintf(stderr, "virtq %s.%u push head %u written %u\n", q->dev->type->name, (unsigned)(q - q->dev->queue), head,
                written);
}

/* 2.7.7.1: has the index passed the one the driver waits for? */
static bool wants_interrupt(struct virtq *q)
{
    uint16_t old = q->s->signalled, new = q->s->next_used;
    q->s->signalled = new;
    if (old == new)
        return false;
    if (!has(q, VIRTIO_F_EVENT_IDX))
        return !(load16(q->avail) & AVAIL_NO_INTERRUPT);
    return (uint16_t)(new - load16(used_event(q)) - 1) < (uint16_t)(new - old);
}

void virtq_signal(struct virtq *q)
{
    if (!q->s->ready || !q->used)
        return;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* used index before used_event */
    if (wants_interrupt(q))
        q->dev->interrupt(q->dev->transport, (int)(q - q->dev->queue));
}

bool virtq_rearm(struct virtq *q)
{
    if (!virtio_runs(q->dev) || !q->s->ready)
        return false;
    if (has(q, VIRTIO_F_EVENT_IDX))
        store16(avail_event(q), q->s->next_avail);
    else
        store16(q->used, 0);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* avail_event before the available index */
    return load16(q->avail + 2) != q->s->next_avail;
}

/* Copies n bytes from byte `offset` of iov[0..count) on, or the other way round. */
static size_t copy(const struct iovec *iov, unsigned count, uint64_t offset, uint8_t *bytes, size_t n, bool to_chain)
{
    size_t done = 0;
    for (unsigned i = 0; i < count && done < n; i++) {
        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        uint8_t *at = (uint8_t *)iov[i].iov_base + offset;
        size_t some = MIN(n - done, iov[i].iov_len - (size_t)offset);
        memcpy(to_chain ? at : bytes + done, to_chain ? bytes + done : at, some);
        done += some;
        offset = 0;
    }
    return done;
}

size_t virtq_chain_read(const struct virtq_chain *c, uint64_t offset, void *to, size_t n)
{
    return copy(c->iov, c->n_out, offset, to, n, false);
}

size_t virtq_chain_write(const struct virtq_chain *c, uint64_t offset, const void *from, size_t n)
{
    return copy(c->iov + c->n_out, c->n_in, offset, (uint8_t *)(uintptr_t)from, n, true);
}
