/* fuzz_backdoor.c - a boot ROM of any kind at the backdoor: registers of every unit, requests anywhere in memory, and outside. */
#include "dev/backdoor.h"
#include "dev/test_rig.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE UINT64_C(0x30000000)

static struct rig rig;
static struct disk_pool *pool;

static struct disk *make_disk(off_t bytes)
{
    char path[] = "/tmp/pome-fuzz-disk-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || ftruncate(fd, bytes))
        abort();
    struct disk *d = disk_open(pool, path, false, NULL);
    unlink(path);
    close(fd);
    if (!d)
        abort();
    return d;
}

static void start(void)
{
    rig_init(&rig);
    pool = disk_pool_create(rig.loop, 1, NULL);
    if (!pool)
        abort();
    bus_map(&rig.bus, BASE, BACKDOOR_BYTES, backdoor_create(&rig.bus, make_disk(1 << 20), make_disk(4096)));
}

static uint64_t number(const uint8_t **p, const uint8_t *end, unsigned bytes)
{
    uint64_t v = 0;
    for (; bytes && *p < end; bytes--)
        v = v << 8 | *(*p)++;
    return v;
}

/* A request in memory that is nearly right: what the input says is changed about it. */
static void request(const uint8_t **p, const uint8_t *end)
{
    uint8_t r[64] = { 0 };
    le64_put(r, RIG_RAM + 48);
    le32_put(r + 8, 16);
    le64_put(r + 16, RIG_RAM + 4096);
    le32_put(r + 24, 512 * (1 + (uint32_t)number(p, end, 1) % 8));
    le32_put(r + 28, number(p, end, 1) & 1 ? 0x30001 : 0x10001);
    le64_put(r + 32, RIG_RAM + 100);
    le32_put(r + 40, 1);
    le32_put(r + 56, (uint32_t)number(p, end, 2));
    for (unsigned n = (unsigned)number(p, end, 1) % 4; n; n--)
        r[number(p, end, 1) % sizeof r] = (uint8_t)number(p, end, 1);
    mem_write(rig.mem, RIG_RAM, r, sizeof r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t units[] = { 0, 0x10000, 0x100000, 0x20000 };
    const uint8_t *p = data, *end = data + size;
    uint64_t v;
    if (!pool)
        start();
    while (p < end) {
        uint8_t op = *p++;
        uint64_t unit = BASE + units[op >> 2 & 3];
        switch (op & 3) {
        case 0: bus_read(&rig.bus, unit + number(&p, end, 2), 1u << (op >> 4 & 3), &v); break;
        case 1: bus_write(&rig.bus, unit + number(&p, end, 2), 1u << (op >> 4 & 3), number(&p, end, 8)); break;
        case 2:
            request(&p, end);
            bus_write(&rig.bus, unit + 0x408, 8, RIG_RAM);
            break;
        case 3: bus_write(&rig.bus, unit + 0x408, 8, RIG_RAM + number(&p, end, 3)); break;
        }
    }
    return 0;
}
