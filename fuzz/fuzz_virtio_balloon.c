/* fuzz_virtio_balloon.c - a driver of any kind against the balloon, whose status is asked for in between. */
#include "dev/virtio_balloon.h"
#include "fuzz/virtio_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig rig;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct balloon_status s;
    if (!rig.v) {
        rig_init(&rig);
        rig_plug(&rig, virtio_balloon_create(&rig.bus));
    }
    size_t half = size / 2;
    ops_run(&rig, data, half);
    bus_lock(&rig.bus);
    virtio_balloon_status(rig.v, &s);
    virtio_balloon_set(rig.v, size * 4096);
    bus_unlock(&rig.bus);
    ops_run(&rig, data + half, size - half);
    return 0;
}
