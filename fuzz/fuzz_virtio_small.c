/* fuzz_virtio_small.c - a driver of any kind against the console (with one port, and with two), entropy and input devices; the first byte chooses. */
#include "dev/virtio_console.h"
#include "dev/virtio_input.h"
#include "dev/virtio_rng.h"
#include "fuzz/virtio_ops.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig rig[4];
static struct console *console, *port;

static void start(void)
{
    for (unsigned i = 0; i < 4; i++)
        rig_init(&rig[i]);
    console = console_create(rig[0].loop, &(struct console_options){ .in_fd = -1, .out_fd = -1 }, NULL);
    if (!console)
        abort();
    rig_plug(&rig[0], virtio_console_create(&rig[0].bus, &(struct virtio_console_port){ .console = console, .terminal = true }, 1));
    port = console_create(rig[3].loop, &(struct console_options){ .in_fd = -1, .out_fd = -1 }, NULL);
    if (!port)
        abort();
    const struct virtio_console_port ports[] = { { port, NULL, true }, { port, "org.test", false } };
    rig_plug(&rig[3], virtio_console_create(&rig[3].bus, ports, 2));
    rig_plug(&rig[1], virtio_rng_create(&rig[1].bus));
    rig_plug(&rig[2], virtio_input_create(&rig[2].bus));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!console)
        start();
    if (!size)
        return 0;
    struct rig *r = &rig[data[0] % 4];
    if (r == &rig[0])
        console_type(console, data, size);
    if (r == &rig[3])
        console_type(port, data, size);
    ops_run(r, data + 1, size - 1);
    if (r == &rig[2]) {
        bus_lock(&r->bus);
        virtio_input_power(r->v, size & 1);
        bus_unlock(&r->bus);
    }
    return 0;
}
