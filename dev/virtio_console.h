/* virtio_console.h - console device (VIRTIO 1.2, 5.3): byte streams to the guest. A port is a terminal of the guest (hvc0, hvc1, ... in Linux), or
 * has a name by which a program finds it (/dev/virtio-ports/NAME). */
#ifndef DEV_VIRTIO_CONSOLE_H
#define DEV_VIRTIO_CONSOLE_H

#include "backend/console.h"
#include "dev/virtio.h"

enum { VIRTIO_CONSOLE_PORTS = 15, VIRTIO_CONSOLE_NAME_MAX = 40 };

struct virtio_console_port {
    struct console *console; /* borrowed */
    const char *name;        /* at most VIRTIO_CONSOLE_NAME_MAX bytes, copied; NULL: none */
    bool terminal;
};

/* n: 1..VIRTIO_CONSOLE_PORTS. A single terminal without a name is a device without MULTIPORT. NULL: no memory. */
struct virtio *virtio_console_create(struct bus *bus, const struct virtio_console_port *ports, size_t n);

#endif
