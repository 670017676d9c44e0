/*
 * virtio_input.h - input device (VIRTIO 1.2, 5.8): the machine's power button as a keyboard with one key.
 *
 * Guests whose kernel has no GPIO keys (Debian's cloud kernel) have this driver; logind acts on its power key.
 */
#ifndef DEV_VIRTIO_INPUT_H
#define DEV_VIRTIO_INPUT_H

#include "dev/virtio.h"

struct virtio *virtio_input_create(struct bus *bus); /* NULL: no memory */

/* The power key goes down or up. Nothing happens while the guest has no driver for it. Machine lock held. */
void virtio_input_power(struct virtio *v, bool down);

#endif
