/* fuzz_virtio_blk.c - a driver of any kind against the block device: ring, transport, request parser, disk. */
#include "dev/virtio_blk.h"
#include "fuzz/virtio_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig rig;
static struct disk_pool *pool;

static void start(void)
{
    char path[] = "/tmp/pome-fuzz-disk-XXXXXX";
    int fd = mkstemp(path);
    rig_init(&rig);
    pool = disk_pool_create(rig.loop, 1, NULL);
    if (fd < 0 || ftruncate(fd, 1 << 20) || !pool)
        abort();
    struct disk *d = disk_open(pool, path, false, NULL);
    unlink(path);
    close(fd);
    if (!d)
        abort();
    rig_plug(&rig, virtio_blk_create(&rig.bus, d, "fuzz", 1, true));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!pool)
        start();
    ops_run(&rig, data, size);
    if (!disk_pool_drain(pool, 10000))
        abort();
    for (unsigned i = 0; i < rig.v->type->n_queues; i++)
        if (rig.v->queue[i].in_flight)
            abort(); /* a request got lost */
    return 0;
}
