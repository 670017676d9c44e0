/* virtio_balloon.h - memory balloon (VIRTIO 1.2, 5.5): the guest gives memory back that it does not need. */
#ifndef DEV_VIRTIO_BALLOON_H
#define DEV_VIRTIO_BALLOON_H

#include "dev/virtio.h"

struct virtio *virtio_balloon_create(struct bus *bus); /* NULL: no memory */

/* How much memory the guest is to give up. Machine lock held. */
void virtio_balloon_set(struct virtio *v, uint64_t bytes);

/* 5.5.6.3: what the guest says about its memory, in bytes and counts; UINT64_MAX: it did not say. */
enum balloon_stat {
    BALLOON_SWAP_IN, BALLOON_SWAP_OUT, BALLOON_MAJOR_FAULTS, BALLOON_MINOR_FAULTS, BALLOON_FREE, BALLOON_TOTAL, BALLOON_AVAILABLE,
    BALLOON_CACHES, BALLOON_STATS,
};

struct balloon_status {
    uint64_t wanted, actual;        /* bytes in the balloon: as they should be, and are */
    uint64_t returned;              /* bytes that went back to the host since the machine was made, by balloon and reports */
    uint64_t stat[BALLOON_STATS];   /* as of the last answer */
    uint64_t answers;               /* how many there were */
};
/* Tells the status, and asks the guest for new statistics, which the next call may see. Machine lock held. */
void virtio_balloon_status(struct virtio *v, struct balloon_status *out);

#endif
