/* virtio_rng.h - entropy device (VIRTIO 1.2, 5.4): bytes from the host's getrandom. */
#ifndef DEV_VIRTIO_RNG_H
#define DEV_VIRTIO_RNG_H

#include "dev/virtio.h"

struct virtio *virtio_rng_create(struct bus *bus); /* NULL: no memory */

#endif
