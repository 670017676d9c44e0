/* virtio_console.h - console device (VIRTIO 1.2, 5.3) with one port, hvc0 in Linux. */
#ifndef DEV_VIRTIO_CONSOLE_H
#define DEV_VIRTIO_CONSOLE_H

#include "backend/console.h"
#include "dev/virtio.h"

struct virtio *virtio_console_create(struct bus *bus, struct console *console); /* console: borrowed. NULL: no memory */

#endif
