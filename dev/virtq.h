/*
 * virtq.h - one split virtqueue (VIRTIO 1.2, 2.7): the door through which guest buffers come in.
 *
 * The ring lies in guest memory, in three parts: the descriptor table (address, length, flags, next), the available ring
 * that the driver fills with heads of chains, the used ring that we fill with heads and lengths. A descriptor may point to
 * a table of further descriptors (indirect). Each side tells the other how far it wants to go before it is notified
 * (used_event, avail_event).
 *
 * virtq_pop turns the next chain into host iovecs. Everything the guest wrote is copied once and checked there: loops,
 * lengths, ranges, directions. A bad chain breaks the device (it "needs reset") and nothing else happens.
 */
#ifndef DEV_VIRTQ_H
#define DEV_VIRTQ_H

#include "bus/bus.h"

#include <sys/uio.h>

#define VIRTQ_MAX 256 /* descriptors in a queue, and in a chain */

/* Guest-visible state. */
struct virtq_state {
    uint64_t desc, avail, used; /* guest physical addresses of the parts */
    uint16_t size;              /* chosen by the driver, a power of two */
    uint16_t ready;
    uint16_t next_avail;  /* index of the next entry that we take from the available ring */
    uint16_t next_used;   /* index of the next entry that we put into the used ring */
    uint16_t signalled;   /* next_used when we last looked whether to interrupt */
    uint16_t vector;      /* MSI-X vector, 0xffff: none */
    uint16_t reserved[2];
};

struct virtio;

struct virtq {
    struct virtio *dev;
    struct virtq_state *s;
    uint16_t max;                /* largest size */
    const uint8_t *desc, *avail; /* in host memory, while ready */
    uint8_t *used;
    unsigned in_flight; /* chains popped, not pushed */
    bool unread;        /* its buffers are taken for their addresses only: what they hold need not have come (mem/lazy.h) */
};

struct virtq_chain {
    uint16_t head;
    unsigned n_out, n_in;        /* iov[0..n_out) we read, iov[n_out..n_out+n_in) we write */
    uint64_t out_bytes, in_bytes;
    struct iovec iov[VIRTQ_MAX];
};

/* The driver says that the queue is ready: resolves its addresses; false: they are no good. */
bool virtq_enable(struct virtq *q);
void virtq_reset(struct virtq *q);

/* Takes the next chain. false: there is none (or the device broke, or is held). */
bool virtq_pop(struct virtq *q, struct virtq_chain *chain);

/* Gives a chain back with the number of bytes written into it, then virtq_signal interrupts if the driver wants it. */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written);
void virtq_signal(struct virtq *q);

/* Asks for a notification of the next available chain; true: there is one already (go on popping). */
bool virtq_rearm(struct virtq *q);
/* Puts back the chain taken last (nothing was pushed since). */
void virtq_unpop(struct virtq *q);

/* Copies between a chain and memory, from byte `offset` of its readable or writable part; returns how many. */
size_t virtq_chain_read(const struct virtq_chain *c, uint64_t offset, void *to, size_t n);
size_t virtq_chain_write(const struct virtq_chain *c, uint64_t offset, const void *from, size_t n);

#endif
