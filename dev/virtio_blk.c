/*
 * virtio_blk.c - block device (VIRTIO 1.2, 5.2): one queue, requests run on the disk's worker threads.
 *
 * A request is popped on whatever thread brought the notification, parsed, and either answered at once (small reads of
 * what is in the host's memory, errors) or given to the disk; then its completion comes on the loop, writes the status byte
 * and pushes the chain. Requests under way are bounded by the queue (virtq_pop), so the memory for them is bounded, too; it
 * is kept in a free list.
 *
 * A status byte that the driver cannot be given (no writable byte) breaks the device. No geometry, no SCSI commands.
 */
#include "dev/virtio_blk.h"

#include <stdlib.h>

#define SECTOR      512u
#define HEADER      16u
#define ID_BYTES    20u
#define SEG_MAX     (VIRTQ_MAX - 2)
#define AT_ONCE     (64 * KiB) /* read on the thread that brought the notification */
#define MAX_SECTORS (1u << 22) /* of one discard: 2 GiB */

/* 5.2.3 */
#define F_SEG_MAX      BIT(2)
#define F_RO           BIT(5)
#define F_BLK_SIZE     BIT(6)
#define F_FLUSH        BIT(9)
#define F_DISCARD      BIT(13)
#define F_WRITE_ZEROES BIT(14)

/* struct virtio_blk_config, 5.2.4 */
enum {
    CONFIG_CAPACITY = 0, CONFIG_SEG_MAX = 12, CONFIG_BLK_SIZE = 20, CONFIG_NUM_QUEUES = 34, CONFIG_DISCARD_SECTORS = 36,
    CONFIG_DISCARD_SEGS = 40, CONFIG_DISCARD_ALIGN = 44, CONFIG_ZEROES_SECTORS = 48, CONFIG_ZEROES_SEGS = 52,
    CONFIG_ZEROES_UNMAP = 56, CONFIG_ROLE = 60, CONFIG_BYTES = 64,
};

/* 5.2.6 */
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13, T_APPLE_BARRIER = 0x10000 };
enum { S_OK, S_IOERR, S_UNSUPP };

struct blk {
    struct virtio v;
    struct disk *disk;
    char id[ID_BYTES];
    struct blk_op *idle;
};

/* One request under way. */
struct blk_op {
    struct disk_io io;
    struct blk *blk;
    struct blk_op *next;
    struct virtq_chain chain;
    uint8_t *status;   /* last writable byte of the chain */
    uint32_t in_bytes; /* data that will have been written to the driver */
};

static struct blk_request nothing(uint8_t status)
{
    return (struct blk_request){ .kind = BLK_NOTHING, .status = status };
}

static struct blk_request io(enum disk_op op, uint64_t sector, uint64_t bytes, uint64_t disk_bytes)
{
    if (bytes % SECTOR || sector > disk_bytes / SECTOR || bytes > disk_bytes - sector * SECTOR)
        return nothing(S_IOERR);
    return (struct blk_request){ .kind = BLK_IO, .op = op, .offset = sector * SECTOR, .bytes = bytes };
}

/* 5.2.6: struct virtio_blk_discard_write_zeroes: one segment at a time, as the configuration says. */
static struct blk_request erase(enum disk_op op, uint64_t out_bytes, const uint8_t segment[16], uint64_t disk_bytes)
{
    uint32_t n = le32_get(segment + 8), flags = le32_get(segment + 12);
    if (flags > 1 || (flags && op == DISK_DISCARD))
        return nothing(S_UNSUPP); /* 5.2.6.2: the unmap flag is for zeroes only */
    if (out_bytes != 16 || n > MAX_SECTORS)
        return nothing(S_IOERR);
    return io(op, le64_get(segment), (uint64_t)n * SECTOR, disk_bytes);
}

struct blk_request blk_parse(const uint8_t header[16], uint64_t out_bytes, uint64_t in_bytes, const uint8_t segment[16],
                             uint64_t disk_bytes, bool read_only)
{
    uint32_t type = le32_get(header);
    uint64_t sector = le64_get(header + 8);
    if (read_only && (type == T_OUT || type == T_DISCARD || type == T_WRITE_ZEROES))
        return nothing(S_IOERR);
    switch (type) {
    case T_IN: return out_bytes ? nothing(S_IOERR) : io(DISK_READ, sector, in_bytes, disk_bytes);
    case T_OUT: return in_bytes ? nothing(S_IOERR) : io(DISK_WRITE, sector, out_bytes, disk_bytes);
    case T_APPLE_BARRIER: /* what was written before is on the medium before what comes after */
    case T_FLUSH: return (struct blk_request){ .kind = BLK_IO, .op = DISK_FLUSH };
    case T_GET_ID: return (struct blk_request){ .kind = BLK_ID };
    case T_DISCARD: return erase(DISK_DISCARD, out_bytes, segment, disk_bytes);
    case T_WRITE_ZEROES: return erase(DISK_WRITE_ZEROES, out_bytes, segment, disk_bytes);
    }
    return nothing(S_UNSUPP);
}

static void finish(struct blk *b, struct blk_op *op, uint8_t status)
{
    struct virtq *q = &b->v.queue[0];
    uint32_t written = status == S_OK ? op->in_bytes : 0;
    *op->status = status;
    virtq_push(q, op->chain.head, written + 1);
    op->next = b->idle;
    b->idle = op;
}

static void done(struct disk_io *disk_io)
{
    struct blk_op *op = CONTAINER_OF(disk_io, struct blk_op, io);
    struct blk *b = op->blk;
    struct bus *bus = b->v.device.bus;
    bus_lock(bus);
    if (op->io.error)
        bus_fault(bus, "%s: %s failed: %s", disk_path(b->disk), op->io.op == DISK_READ ? "reading" : "writing",
                 strerror(op->io.error));
    finish(b, op, op->io.error ? S_IOERR : S_OK);
    virtq_signal(&b->v.queue[0]);
    virtio_done(&b->v);
    bus_unlock(bus);
}

/* Cuts n bytes off the front of an iovec array; off its end. */
static void cut_front(struct iovec **iov, unsigned *count, size_t n)
{
    for (; n && *count; (*iov)++, (*count)--) {
        if (n < (*iov)->iov_len) {
            (*iov)->iov_base = (char *)(*iov)->iov_base + n;
            (*iov)->iov_len -= n;
            return;
        }
        n -= (*iov)->iov_len;
    }
}

/* Takes the last byte, which is there, off the writable part: the status byte. */
static uint8_t *cut_status(struct virtq_chain *c)
{
    struct iovec *last = &c->iov[c->n_out + c->n_in - 1];
    for (; !last->iov_len; last--)
        c->n_in--;
    last->iov_len--;
    c->in_bytes--;
    return (uint8_t *)last->iov_base + last->iov_len;
}

static void start_io(struct blk *b, struct blk_op *op, const struct blk_request *r)
{
    struct virtq_chain *c = &op->chain;
    op->io.op = r->op;
    op->io.offset = r->offset;
    op->io.bytes = r->bytes;
    op->io.done = done;
    op->in_bytes = r->op == DISK_READ ? (uint32_t)r->bytes : 0;
    if (r->op == DISK_READ) {
        op->io.iov = c->iov + c->n_out;
        op->io.n_iov = c->n_in;
    } else {
        op->io.iov = c->iov;
        op->io.n_iov = c->n_out;
        cut_front(&op->io.iov, &op->io.n_iov, HEADER);
    }
    disk_submit(b->disk, &op->io);
}

/* Small reads of what the host has in memory cost less than waking a worker, and a later interrupt. */
static bool read_at_once(struct blk *b, struct blk_op *op, const struct blk_request *r)
{
    struct virtq_chain *c = &op->chain;
    if (r->op != DISK_READ || r->bytes > AT_ONCE || !disk_read_now(b->disk, r->offset, r->bytes, c->iov + c->n_out, c->n_in))
        return false;
    op->in_bytes = (uint32_t)r->bytes;
    finish(b, op, S_OK);
    return true;
}

/* False: the request was answered at once. */
static bool start(struct blk *b, struct blk_op *op)
{
    struct virtq_chain *c = &op->chain;
    uint8_t header[HEADER], segment[16] = { 0 };
    op->in_bytes = 0;
    op->status = cut_status(c);
    virtq_chain_read(c, 0, header, sizeof header);
    virtq_chain_read(c, HEADER, segment, sizeof segment);
    struct blk_request r = blk_parse(header, c->out_bytes - HEADER, c->in_bytes, segment, disk_bytes(b->disk),
                                     disk_is_read_only(b->disk));
    if (r.kind == BLK_IO && r.bytes > INT32_MAX && r.op <= DISK_WRITE)
        r = nothing(S_IOERR); /* more than "written" can say */
    if (r.kind == BLK_IO && read_at_once(b, op, &r))
        return false;
    if (r.kind == BLK_IO) {
        start_io(b, op, &r);
        return true;
    }
    if (r.kind == BLK_ID) {
        op->in_bytes = (uint32_t)virtq_chain_write(c, 0, b->id, (size_t)MIN(ID_BYTES, c->in_bytes));
        r.status = S_OK;
    }
    finish(b, op, r.status);
    return false;
}

static struct blk_op *take_op(struct blk *b)
{
    struct blk_op *op = b->idle;
    if (op)
        b->idle = op->next;
    else if ((op = malloc(sizeof *op)))
        op->blk = b;
    return op;
}

static void notify(struct virtio *v, unsigned queue)
{
    struct blk *b = CONTAINER_OF(v, struct blk, v);
    struct virtq *q = &v->queue[queue];
    unsigned answered = 0;
    do {
        for (struct blk_op *op; (op = take_op(b));) {
            if (!virtq_pop(q, &op->chain)) {
                op->next = b->idle;
                b->idle = op;
                break;
            }
            if (op->chain.out_bytes < HEADER || !op->chain.in_bytes) {
                q->in_flight--;
                op->next = b->idle;
                b->idle = op;
                virtio_break(v, queue, "a request without header or status byte");
                break;
            }
            if (!start(b, op) && virtio_had_its_turn(q, &answered))
                break;
        }
    } while (answered < q->s->size && virtq_rearm(q));
    if (answered)
        virtq_signal(q);
}

static void destroy(struct virtio *v)
{
    struct blk *b = CONTAINER_OF(v, struct blk, v);
    for (struct blk_op *op; (op = b->idle);) {
        b->idle = op->next;
        free(op);
    }
    disk_close(b->disk);
    free(b);
}

static const struct virtio_type blk_type = {
    .name = "virtio-blk",
    .id = 2,
    .class_code = 0x010000, /* mass storage, SCSI */
    .n_queues = 1,
    .queue_max = VIRTQ_MAX,
    .features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_DISCARD | F_WRITE_ZEROES,
    .config_bytes = CONFIG_BYTES,
    .notify = notify,
    .destroy = destroy,
};

static void fill_config(uint8_t *c, uint64_t bytes, uint32_t role)
{
    le64_put(c + CONFIG_CAPACITY, bytes / SECTOR);
    le32_put(c + CONFIG_SEG_MAX, SEG_MAX);
    le32_put(c + CONFIG_BLK_SIZE, SECTOR);
    le16_put(c + CONFIG_NUM_QUEUES, 1);
    le32_put(c + CONFIG_DISCARD_SECTORS, MAX_SECTORS);
    le32_put(c + CONFIG_DISCARD_SEGS, 1);
    le32_put(c + CONFIG_DISCARD_ALIGN, 8); /* sectors: holes are made of 4 KiB blocks */
    le32_put(c + CONFIG_ZEROES_SECTORS, MAX_SECTORS);
    le32_put(c + CONFIG_ZEROES_SEGS, 1);
    c[CONFIG_ZEROES_UNMAP] = 1;
    le32_put(c + CONFIG_ROLE, role);
}

struct virtio *virtio_blk_create(struct bus *bus, struct disk *disk, const char *serial, uint32_t role, bool apple)
{
    struct blk *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->disk = disk;
    if (serial)
        memcpy(b->id, serial, strnlen(serial, ID_BYTES));
    virtio_init(&b->v, &blk_type, bus);
    if (apple)
        b->v.pci = (struct virtio_pci_id){ .vendor = 0x106b, .device = 0x1a00 };
    if (disk_is_read_only(disk))
        b->v.offered = (b->v.offered | F_RO) & ~(F_DISCARD | F_WRITE_ZEROES);
    fill_config(b->v.initial_config, disk_bytes(disk), role);
    memcpy(b->v.s.config, b->v.initial_config, sizeof b->v.s.config);
    return &b->v;
}
