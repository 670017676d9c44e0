/*
 * virtio_net.c - network device (VIRTIO 1.2, 5.1): queue 0 to the guest, queue 1 from it.
 *
 * How it works. Both directions run on the loop; a notification only posts a task. Frames from the guest are copied out of
 * its memory, several in a row, under the machine lock, then given to the network without it: whatever the network does with
 * them keeps no vCPU waiting. Frames for the guest wait in the network's bounded queue until there are buffers.
 *
 * Checksums that the guest leaves to us are completed here, unless the network takes them as they are: a loop over bytes in the host
 * costs less than one in translated code. Segments longer than the MTU are for networks that want them.
 *
 * Frames that the guest got wrong (no header, a checksum outside the frame) are dropped, as a network does; rings that are
 * wrong break the device (virtq_pop). No control queue, one pair of queues.
 */
#include "dev/virtio_net.h"

#include "base/error.h"

#include <stdlib.h>

enum { RX, TX };

/* 5.1.3 */
#define F_CSUM       BIT(0)
#define F_GUEST_CSUM BIT(1)
#define F_MTU        BIT(3)
#define F_MAC        BIT(5)
#define F_HOST_TSO4  BIT(11)
#define F_HOST_TSO6  BIT(12)
#define F_MRG_RXBUF  BIT(15)
#define F_STATUS     BIT(16)

/* struct virtio_net_config, 5.1.4 */
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_PAIRS = 8, CONFIG_MTU = 10, CONFIG_BYTES = 12 };
#define S_LINK_UP 1

/* struct virtio_net_hdr, 5.1.6 */
enum { HDR_FLAGS = 0, HDR_GSO_TYPE = 1, HDR_CSUM_START = 6, HDR_CSUM_OFFSET = 8, HDR_NUM_BUFFERS = 10 };
#define HDR_NEEDS_CSUM 1

#define BATCH_BYTES  (4 * (NET_HEADER + NET_FRAME_MAX))
#define BATCH_FRAMES 128
#define MAX_BUFFERS  64 /* for one frame: 5.1.6.3.1 has them of 1526 bytes at least */

struct vnet {
    struct virtio v;
    struct net *net;
    struct loop_task send, receive;
    bool waits_for_room; /* of the network */
    /* Frames from the guest, with headers: [first, n) were not given to the network yet. */
    uint8_t *batch;
    struct {
        uint32_t at, bytes;
    } frame[BATCH_FRAMES];
    unsigned first, n;
    uint32_t batch_bytes;
};

static struct vnet *of(struct virtio *v)
{
    return CONTAINER_OF(v, struct vnet, v);
}

/* ---- from the guest ---- */

/* RFC 1071 over bytes [start, n), stored at start + offset. False: these are not in the frame. */
static bool complete_checksum(uint8_t *frame, size_t n, size_t start, size_t offset)
{
    uint64_t sum = 0;
    size_t i = start;
    if (start >= n || offset + 2 > n - start)
        return false;
    for (; i + 4 <= n; i += 4)
        sum += le32_get(frame + i);
    for (; i + 2 <= n; i += 2)
        sum += le16_get(frame + i);
    if (i < n)
        sum += frame[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    le16_put(frame + start + offset, sum == 0xffff ? 0xffff : (uint16_t)~sum);
    return true;
}

/* Makes of a frame and its header what the network understands; false: nothing of the kind. */
static bool prepare(struct vnet *d, uint8_t *header, size_t bytes)
{
    unsigned abilities = net_abilities(d->net);
    uint8_t *frame = header + NET_HEADER;
    if (header[HDR_GSO_TYPE] && !(d->v.s.features & (F_HOST_TSO4 | F_HOST_TSO6)))
        return false;
    if (!(header[HDR_FLAGS] & HDR_NEEDS_CSUM) || abilities & NET_TAKES_PARTIAL)
        return true;
    header[HDR_FLAGS] = 0;
    return complete_checksum(frame, bytes - NET_HEADER, le16_get(header + HDR_CSUM_START), le16_get(header + HDR_CSUM_OFFSET));
}

/* Copies frames from the queue until the batch is full; true: there may be more. With the lock held. */
static bool gather(struct vnet *d)
{
    struct virtq *q = &d->v.queue[TX];
    struct virtq_chain c;
    bool more = false;
    d->first = d->n = d->batch_bytes = 0;
    do {
        while (!(more = d->n == BATCH_FRAMES || BATCH_BYTES - d->batch_bytes < NET_HEADER + NET_FRAME_MAX) && virtq_pop(q, &c)) {
            uint8_t *at = d->batch + d->batch_bytes;
            if (c.out_bytes > NET_HEADER && c.out_bytes <= NET_HEADER + NET_FRAME_MAX) {
                size_t bytes = virtq_chain_read(&c, 0, at, (size_t)c.out_bytes);
                if (prepare(d, at, bytes)) {
                    d->frame[d->n].at = d->batch_bytes;
                    d->frame[d->n++].bytes = (uint32_t)bytes;
                    d->batch_bytes += (uint32_t)bytes;
                }
            }
            virtq_push(q, c.head, 0);
        }
    } while (!more && virtq_rearm(q));
    virtq_signal(q);
    return more;
}

/* False: the network takes no more now. Without the lock. */
static bool give(struct vnet *d)
{
    for (; d->first < d->n; d->first++)
        if (!net_put(d->net, d->batch + d->frame[d->first].at, d->frame[d->first].bytes)) {
            d->waits_for_room = true;
            return false;
        }
    return true;
}

static bool is_held(struct vnet *d)
{
    bus_lock(d->v.device.bus);
    bool held = d->v.held;
    bus_unlock(d->v.device.bus);
    return held;
}

/* Of a held device the frames that wait may be in a saved machine by now, which sends them: here they go when it is let go. */
static void send(void *ctx)
{
    struct vnet *d = ctx;
    if (d->waits_for_room || (d->first < d->n && is_held(d)) || !give(d))
        return;
    bus_lock(d->v.device.bus);
    bool more = gather(d);
    bus_unlock(d->v.device.bus);
    if (give(d) && more)
        loop_post(d->v.device.bus->loop, &d->send);
}

static void room(void *ctx)
{
    struct vnet *d = ctx;
    d->waits_for_room = false;
    loop_post(d->v.device.bus->loop, &d->send);
}

/* ---- to the guest ---- */

enum outcome { DELIVERED, NO_BUFFERS, DROPPED };

static void put_back(struct virtq *q, unsigned n)
{
    while (n--)
        virtq_unpop(q);
}

/* One frame with its header into one chain, or with MRG_RXBUF into as many as it needs (5.1.6.4). */
static enum outcome deliver(struct vnet *d, const uint8_t *frame, size_t bytes)
{
    struct virtq *q = &d->v.queue[RX];
    struct virtq_chain c, first = { .n_in = 0 };
    uint16_t head[MAX_BUFFERS], n = 0;
    uint32_t written[MAX_BUFFERS];
    bool merge = d->v.s.features & F_MRG_RXBUF;
    for (size_t done = 0; done < bytes; n++) {
        if (n == MAX_BUFFERS || !virtq_pop(q, &c)) {
            put_back(q, n);
            if (n == MAX_BUFFERS)
                virtio_break(&d->v, RX, "receive buffers too small for a frame");
            return NO_BUFFERS;
        }
        if (!n && c.in_bytes < (merge ? NET_HEADER : bytes)) {
            virtq_push(q, c.head, 0);
            return DROPPED;
        }
        head[n] = c.head;
        written[n] = (uint32_t)virtq_chain_write(&c, 0, frame + done, (size_t)MIN(c.in_bytes, bytes - done));
        done += written[n];
        if (!n)
            first = c;
    }
    static const uint8_t no_flags;
    uint8_t num_buffers[2];
    le16_put(num_buffers, n);
    virtq_chain_write(&first, HDR_NUM_BUFFERS, num_buffers, 2);
    if (!(d->v.s.features & F_GUEST_CSUM))
        virtq_chain_write(&first, HDR_FLAGS, &no_flags, 1);
    for (unsigned i = 0; i < n; i++)
        virtq_push(q, head[i], written[i]);
    return DELIVERED;
}

/* With the lock held. */
static void receive_frames(struct vnet *d)
{
    struct virtq *q = &d->v.queue[RX];
    size_t bytes;
    unsigned turns = 0;
    for (const uint8_t *frame; (frame = net_first(d->net, &bytes));) {
        if (turns++ == BATCH_FRAMES) { /* others want the lock, too */
            loop_post(d->v.device.bus->loop, &d->receive);
            break;
        }
        if (!virtio_runs(&d->v)) { /* held: later; without a driver: nobody wants it */
            if (d->v.held)
                break;
            net_next(d->net);
        } else if (deliver(d, frame, bytes) != NO_BUFFERS) {
            net_next(d->net);
        } else if (!virtq_rearm(q)) {
            break;
        }
    }
    virtq_signal(q);
}

static void receive(void *ctx)
{
    struct vnet *d = ctx;
    bus_lock(d->v.device.bus);
    receive_frames(d);
    bus_unlock(d->v.device.bus);
}

static void input(void *ctx)
{
    struct vnet *d = ctx;
    loop_post(d->v.device.bus->loop, &d->receive);
}

static void closed(void *ctx, const char *why)
{
    static const uint8_t down[2];
    struct vnet *d = ctx;
    bus_lock(d->v.device.bus);
    bus_fault(d->v.device.bus, "virtio-net: its network is gone: %s", why);
    virtio_config_changed(&d->v, CONFIG_STATUS, down, sizeof down);
    bus_unlock(d->v.device.bus);
}

/* ---- saved ---- */

static const char to_send[] = "to the network"; /* a frame that the network did not take yet */

void virtio_net_save(struct virtio *v, struct records *out)
{
    struct vnet *d = of(v);
    net_save(d->net, out);
    for (unsigned i = d->first; i < d->n; i++)
        records_put(out, to_send, d->batch + d->frame[i].at, d->frame[i].bytes);
}

bool virtio_net_load(struct virtio *v, const uint8_t *records, size_t bytes, struct pome_error *err)
{
    struct vnet *d = of(v);
    struct records_reader from = {records, records + bytes};
    struct record r;
    d->first = d->n = d->batch_bytes = 0;
    d->waits_for_room = false;
    while (records_next(&from, &r)) {
        if (strcmp(r.name, to_send))
            continue;
        if (d->n == BATCH_FRAMES || r.n <= NET_HEADER || r.n > BATCH_BYTES - d->batch_bytes)
            return pome_fail(err, POME_ERROR_RESTORE, "virtio-net: more frames to send than it ever has");
        memcpy(d->batch + d->batch_bytes, r.bytes, r.n);
        d->frame[d->n].at = d->batch_bytes;
        d->frame[d->n++].bytes = r.n;
        d->batch_bytes += r.n;
    }
    /* Another machine goes on with this one's memory: the driver may look at its address again. */
    bool renewed = memcmp(v->s.config + CONFIG_MAC, v->initial_config + CONFIG_MAC, 6);
    if (renewed)
        virtio_config_changed(v, CONFIG_MAC, v->initial_config + CONFIG_MAC, 6);
    if (!net_load(d->net, records, bytes, renewed, err))
        return false;
    loop_post(v->device.bus->loop, &d->send);
    return true;
}

/* ---- the device ---- */

static void notify(struct virtio *v, unsigned queue)
{
    struct vnet *d = of(v);
    loop_post(v->device.bus->loop, queue == TX ? &d->send : &d->receive);
}

static void destroy(struct virtio *v)
{
    struct vnet *d = of(v);
    loop_unpost(v->device.bus->loop, &d->send);
    loop_unpost(v->device.bus->loop, &d->receive);
    net_attach(d->net, NULL);
    net_destroy(d->net);
    free(d->batch);
    free(d);
}

static const struct virtio_type net_type = {
    .name = "virtio-net",
    .id = 1,
    .class_code = 0x020000, /* network, Ethernet */
    .n_queues = 2,
    .queue_max = VIRTQ_MAX,
    .features = F_CSUM | F_MAC | F_MRG_RXBUF | F_STATUS,
    .config_bytes = CONFIG_BYTES,
    .notify = notify,
    .destroy = destroy,
};

static uint64_t more_features(const struct net *net, unsigned mtu)
{
    unsigned abilities = net_abilities(net);
    return (abilities & NET_TAKES_SEGMENTS ? F_HOST_TSO4 | F_HOST_TSO6 : 0) | (abilities & NET_GIVES_VALID ? F_GUEST_CSUM : 0) |
           (mtu ? F_MTU : 0);
}

struct virtio *virtio_net_create(struct bus *bus, struct net *net, const uint8_t mac[6], unsigned mtu)
{
    struct vnet *d = calloc(1, sizeof *d);
    if (!d || !(d->batch = malloc(BATCH_BYTES))) {
        free(d);
        return NULL;
    }
    d->net = net;
    d->send = (struct loop_task){ .fn = send, .ctx = d };
    d->receive = (struct loop_task){ .fn = receive, .ctx = d };
    virtio_init(&d->v, &net_type, bus);
    mtu = net_mtu(net) ? net_mtu(net) : mtu;
    d->v.offered |= more_features(net, mtu);
    uint8_t *c = d->v.initial_config;
    memcpy(c + CONFIG_MAC, mac, 6);
    le16_put(c + CONFIG_STATUS, S_LINK_UP);
    le16_put(c + CONFIG_PAIRS, 1);
    le16_put(c + CONFIG_MTU, (uint16_t)mtu);
    memcpy(d->v.s.config, c, sizeof d->v.s.config);
    net_attach(net, &(struct net_client){ .input = input, .room = room, .closed = closed, .ctx = d });
    return &d->v;
}
