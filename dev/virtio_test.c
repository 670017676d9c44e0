/* virtio_test.c - conversations as a driver has them, well-behaved and otherwise, through the PCI transport. */
#include "dev/test_rig.h"
#include "dev/virtio_blk.h"
#include "dev/virtio_console.h"
#include "dev/virtio_input.h"
#include "dev/virtio_rng.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#define F_BASE (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC)
#define DATA   (RIG_RAM + 1 * MiB)
#define NEXT   1
#define WRITE  2
#define INDIRECT 4
#define DISK_BYTES (1 * MiB)

static struct rig r;
static struct disk_pool *pool;
static char path[64];

static void make_disk_file(void)
{
    snprintf(path, sizeof path, "/tmp/pome-virtio-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < DISK_BYTES / 512; i++) {
        uint8_t sector[512];
        memset(sector, (int)i, sizeof sector);
        assert_int_equal(write(fd, sector, 512), 512);
    }
    close(fd);
}

static void start_blk(bool read_only, uint64_t features)
{
    rig_init(&r);
    make_disk_file();
    pool = disk_pool_create(r.loop, 2, NULL);
    struct disk *d = disk_open(pool, path, read_only, NULL);
    assert_non_null(d);
    rig_plug(&r, virtio_blk_create(&r.bus, d, "serial-7", 1, false));
    assert_int_equal(rig_start(&r, features), 15);
}

static void finish_blk(void)
{
    assert_true(disk_pool_drain(pool, 5000));
    disk_pool_destroy(pool);
    rig_finish(&r);
    unlink(path);
}

/* One request of header, data and status in descriptors 0, 1, 2. Returns the status byte, or -1 if no answer came. */
static int request(uint32_t type, uint64_t sector, uint32_t bytes, bool in)
{
    uint8_t *header = mem_ptr(r.mem, DATA, 17, true);
    le32_put(header, type);
    le32_put(header + 4, 0);
    le64_put(header + 8, sector);
    header[16] = 0xee;
    rig_desc(&r, 0, 0, DATA, 16, NEXT, bytes ? 1 : 2);
    rig_desc(&r, 0, 1, DATA + 0x1000, bytes, (uint16_t)(NEXT | (in ? WRITE : 0)), 2);
    rig_desc(&r, 0, 2, DATA + 16, 1, WRITE, 0);
    rig_offer(&r, 0, 0);
    rig_notify(&r, 0);
    int64_t n = rig_wait(&r, 0);
    if (n < 0)
        return -1;
    assert_int_equal(n, 1 + (in && !header[16] ? (type == 8 && bytes > 20 ? 20 : bytes) : 0));
    return header[16];
}

static void blk_reads_and_writes(void **state)
{
    start_blk(false, F_BASE);
    uint8_t *data = mem_ptr(r.mem, DATA + 0x1000, 4096, true);
    assert_int_equal(rig_read(&r, RIG_CONFIG, 8), DISK_BYTES / 512);
    assert_int_equal(request(0, 7, 1024, true), 0);
    assert_int_equal(data[0], 7);
    assert_int_equal(data[1023], 8);
    memset(data, 0xa5, 4096);
    assert_int_equal(request(1, 100, 4096, false), 0);
    assert_int_equal(request(4, 0, 0, false), 0);
    memset(data, 0, 4096);
    assert_int_equal(request(0, 100, 4096, true), 0);
    assert_int_equal(data[4095], 0xa5);
    assert_int_equal(request(8, 0, 20, true), 0);
    assert_string_equal((char *)data, "serial-7");
    assert_int_equal(request(0, DISK_BYTES / 512, 512, true), 1);     /* past the end */
    assert_int_equal(request(0, DISK_BYTES / 512 - 1, 1024, true), 1);
    assert_int_equal(request(0, UINT64_MAX / 512, 512, true), 1);
    assert_int_equal(request(0, 0, 100, true), 1);                    /* not whole sectors */
    assert_int_equal(request(0, 0, 512, false), 1);                   /* wrong direction */
    assert_int_equal(request(99, 0, 512, true), 2);
    finish_blk();
}

static char fault_text[240];

static void on_fault(void *ctx, const char *text)
{
    snprintf(fault_text, sizeof fault_text, "%s", text);
}

/* A limit on the size of files stands for a full disk: the guest gets an error, the machine's user is told. */
static void blk_tells_when_the_host_has_no_room(void **state)
{
    struct rlimit old, small = {65536, 65536};
    start_blk(false, F_BASE);
    r.bus.fault = on_fault;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int in_bounds = request(1, 0, 512, false), beyond = request(1, 1024, 512, false);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(in_bounds, 0);
    assert_int_equal(beyond, 1);
    assert_non_null(strstr(fault_text, "writing failed: File too large"));
    finish_blk();
}

static void blk_discards_and_zeroes(void **state)
{
    start_blk(false, F_BASE);
    uint8_t *data = mem_ptr(r.mem, DATA + 0x1000, 4096, true);
    for (unsigned i = 0; i < 2; i++) {
        le64_put(data, 8 + 16 * i);
        le32_put(data + 8, 8);
        le32_put(data + 12, 0);
        assert_int_equal(request(i ? 13 : 11, 0, 16, false), 0);
        assert_int_equal(request(0, 8 + 16 * i, 4096, true), 0);
        assert_int_equal(data[0], 0);
        assert_int_equal(data[4095], 0);
        assert_int_equal(request(0, 16 + 16 * i, 512, true), 0);
        assert_int_equal(data[0], 16 + 16 * i);
    }
    le64_put(data, DISK_BYTES / 512 - 1);
    le32_put(data + 8, 2);
    le32_put(data + 12, 0);
    assert_int_equal(request(11, 0, 16, false), 1);
    le32_put(data + 12, 1);
    assert_int_equal(request(11, 0, 16, false), 2);
    finish_blk();
}

static void blk_read_only_stays_so(void **state)
{
    start_blk(true, F_BASE | BIT(5));
    uint8_t *data = mem_ptr(r.mem, DATA + 0x1000, 512, true);
    memset(data, 0x11, 512);
    assert_int_equal(request(1, 0, 512, false), 1);
    memset(data, 0, 512);
    le32_put(data + 8, 1);
    assert_int_equal(request(11, 0, 16, false), 1);
    assert_int_equal(request(13, 0, 16, false), 1);
    assert_int_equal(request(4, 0, 0, false), 0);
    assert_int_equal(request(0, 3, 512, true), 0);
    assert_int_equal(data[0], 3);
    finish_blk();
}

static void blk_takes_indirect_and_scattered_requests(void **state)
{
    start_blk(false, F_BASE);
    uint8_t *p = mem_ptr(r.mem, DATA, 0x4000, true);
    le32_put(p, 0);
    le64_put(p + 8, 5);
    /* header in two pieces; data in 512 pieces with a hole of zero length; status behind data in one buffer */
    uint8_t *table = p + 0x3000;
    const struct {
        uint64_t gpa;
        uint32_t bytes, flags;
    } rows[] = { { DATA, 3, 0 }, { DATA + 3, 13, 0 }, { DATA + 0x1000, 300, 2 }, { DATA + 0x1800, 0, 2 }, { DATA + 0x112c, 213, 2 } };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        le64_put(table + 16 * i, rows[i].gpa);
        le32_put(table + 16 * i + 8, rows[i].bytes);
        le16_put(table + 16 * i + 12, (uint16_t)(rows[i].flags | (i + 1 < ARRAY_SIZE(rows) ? NEXT : 0)));
        le16_put(table + 16 * i + 14, (uint16_t)(i + 1));
    }
    rig_desc(&r, 0, 3, DATA + 0x3000, 16 * ARRAY_SIZE(rows), INDIRECT, 0);
    rig_offer(&r, 0, 3);
    rig_notify(&r, 0);
    assert_int_equal(rig_wait(&r, 0), 513);
    assert_int_equal(p[0x1000], 5);
    assert_int_equal(p[0x1000 + 511], 5);
    assert_int_equal(p[0x1000 + 512], 0); /* status */
    finish_blk();
}

/* ---- malformed queues: the device needs reset, works again after it, and nothing else happened ---- */

static void loops(void)
{
    rig_desc(&r, 0, 0, DATA, 16, NEXT, 1);
    rig_desc(&r, 0, 1, DATA, 16, NEXT, 0);
}
static void next_out_of_range(void)
{
    rig_desc(&r, 0, 0, DATA, 16, NEXT, RIG_QUEUE);
}
static void outside_memory(void)
{
    rig_desc(&r, 0, 0, RIG_RAM + RIG_RAM_BYTES, 16, 0, 0);
}
static void over_the_end(void)
{
    rig_desc(&r, 0, 0, RIG_RAM + RIG_RAM_BYTES - 8, 16, 0, 0);
}
static void wraps_around(void)
{
    rig_desc(&r, 0, 0, UINT64_MAX - 7, 16, 0, 0);
}
static void four_gigabytes(void)
{
    rig_desc(&r, 0, 0, DATA, UINT32_MAX, 0, 0);
}
static void into_registers(void)
{
    rig_desc(&r, 0, 0, RIG_BAR, 16, NEXT, 1);
    rig_desc(&r, 0, 1, RIG_NOTIFY, 4, WRITE, 0);
}
static void readable_after_writable(void)
{
    rig_desc(&r, 0, 0, DATA, 16, NEXT | WRITE, 1);
    rig_desc(&r, 0, 1, DATA, 16, 0, 0);
}
static void no_status(void)
{
    rig_desc(&r, 0, 0, DATA, 16, 0, 0);
}
static void short_header(void)
{
    rig_desc(&r, 0, 0, DATA, 15, NEXT, 1);
    rig_desc(&r, 0, 1, DATA + 16, 1, WRITE, 0);
}
static void table(uint32_t bytes, uint16_t flags, uint16_t inner_flags)
{
    uint8_t *t = mem_ptr(r.mem, DATA + 0x3000, 16, true);
    le64_put(t, DATA + 0x3000);
    le32_put(t + 8, 16);
    le16_put(t + 12, inner_flags);
    rig_desc(&r, 0, 0, DATA + 0x3000, bytes, (uint16_t)(INDIRECT | flags), 0);
}
static void indirect_in_indirect(void)
{
    table(16, 0, INDIRECT);
}
static void indirect_empty(void)
{
    table(0, 0, 0);
}
static void indirect_odd(void)
{
    table(17, 0, 0);
}
static void indirect_huge(void)
{
    table(16 * 70000, 0, 0);
}
static void indirect_with_next(void)
{
    table(16, NEXT, 0);
}
static void indirect_loops(void)
{
    table(16, 0, NEXT);
}
static void indirect_outside(void)
{
    rig_desc(&r, 0, 0, RIG_RAM - 8, 16, INDIRECT, 0);
}

static void runs_ahead(void)
{
    r.q[0].index += 100;
}

static void bad_chains_break_only_the_device(void **state)
{
    static void (*const make[])(void) = {
        loops,        next_out_of_range,    outside_memory, over_the_end, wraps_around,  four_gigabytes,
        into_registers, readable_after_writable, no_status, short_header, indirect_in_indirect, indirect_empty,
        indirect_odd, indirect_huge,        indirect_with_next, indirect_loops, indirect_outside, runs_ahead,
    };
    start_blk(false, F_BASE);
    for (size_t i = 0; i < ARRAY_SIZE(make); i++) {
        make[i]();
        rig_offer(&r, 0, 0);
        rig_notify(&r, 0);
        if (!(rig_read(&r, RIG_COMMON + 0x14, 1) & 0x40))
            fail_msg("case %zu: the device does not need reset", i);
        assert_int_equal(le16_get(mem_ptr(r.mem, r.q[0].used + 2, 2, false)), 0);
        rig_notify(&r, 0);
        rig_reset(&r);
        assert_int_equal(rig_read(&r, RIG_COMMON + 0x14, 1), 0);
        assert_int_equal(rig_start(&r, F_BASE), 15);
        assert_int_equal(request(0, 9, 512, true), 0);
        rig_reset(&r);
        assert_int_equal(rig_start(&r, F_BASE), 15);
    }
    finish_blk();
}

static void indirect_needs_agreement(void **state)
{
    start_blk(false, VIRTIO_F_VERSION_1);
    table(16, 0, 0);
    rig_offer(&r, 0, 0);
    rig_notify(&r, 0);
    assert_true(rig_read(&r, RIG_COMMON + 0x14, 1) & 0x40);
    finish_blk();
}

static void an_enabled_queue_is_frozen(void **state)
{
    start_blk(false, F_BASE);
    rig_write(&r, RIG_COMMON + 0x16, 2, 0);
    static const uint64_t sizes[] = { 0, 3, 256, 512, 65535 };
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        rig_write(&r, RIG_COMMON + 0x18, 2, sizes[i]);
        assert_int_equal(rig_read(&r, RIG_COMMON + 0x18, 2), RIG_QUEUE);
    }
    rig_write(&r, RIG_COMMON + 0x20, 8, 0);
    rig_write(&r, RIG_COMMON + 0x28, 8, 0);
    rig_write(&r, RIG_COMMON + 0x30, 8, 0);
    assert_int_equal(rig_read(&r, RIG_COMMON + 0x20, 8), r.q[0].desc);
    assert_int_equal(request(0, 9, 512, true), 0);
    rig_write(&r, RIG_COMMON + 0x16, 2, 77); /* no such queue */
    assert_int_equal(rig_read(&r, RIG_COMMON + 0x18, 2), 0);
    rig_write(&r, RIG_COMMON + 0x1c, 2, 1);
    rig_write(&r, RIG_COMMON + 0x20, 8, 0);
    for (unsigned i = 0; i < 8; i++)
        rig_notify(&r, i);
    assert_int_equal(request(0, 9, 512, true), 0);
    finish_blk();
}

static void bad_rings_are_refused(void **state)
{
    static const uint64_t bad[] = { 0, RIG_RAM + 8, RIG_RAM + RIG_RAM_BYTES - 16, UINT64_MAX - 15, RIG_BAR };
    start_blk(false, F_BASE);
    for (size_t i = 0; i < 3 * ARRAY_SIZE(bad); i++) {
        rig_reset(&r);
        rig_write(&r, RIG_COMMON + 0x14, 1, 3);
        rig_write(&r, RIG_COMMON + 0x18, 2, 16);
        for (unsigned part = 0; part < 3; part++) {
            uint64_t a = part == i % 3 ? bad[i / 3] + (part && i / 3 == 1 ? 1 : 0) : RIG_RAM + 0x1000 * part;
            rig_write(&r, RIG_COMMON + 0x20 + 8 * part, 8, a);
        }
        rig_write(&r, RIG_COMMON + 0x1c, 2, 1);
        if (rig_read(&r, RIG_COMMON + 0x1c, 2) || !(rig_read(&r, RIG_COMMON + 0x14, 1) & 0x40))
            fail_msg("case %zu was accepted", i);
    }
    finish_blk();
}

static void features_are_negotiated(void **state)
{
    start_blk(false, F_BASE);
    rig_reset(&r);
    assert_int_equal(rig_start(&r, VIRTIO_F_INDIRECT_DESC) & 12, 0); /* without VERSION_1: neither FEATURES_OK nor DRIVER_OK */
    rig_reset(&r);
    assert_int_equal(rig_start(&r, F_BASE | BIT(7)) & 12, 0); /* SCSI commands: not offered */
    rig_reset(&r);
    assert_int_equal(rig_start(&r, F_BASE), 15);
    rig_write(&r, RIG_COMMON + 0x08, 4, 0);
    rig_write(&r, RIG_COMMON + 0x0c, 4, 0xffffffff); /* too late */
    assert_int_equal(rig_read(&r, RIG_COMMON + 0x0c, 4), VIRTIO_F_INDIRECT_DESC);
    finish_blk();
}

static void resets_wait_for_requests(void **state)
{
    start_blk(false, F_BASE);
    for (unsigned i = 0; i < 300; i++) {
        uint8_t *header = mem_ptr(r.mem, DATA, 17, true);
        memset(header, 0, 17);
        rig_desc(&r, 0, 0, DATA, 16, NEXT, 1);
        rig_desc(&r, 0, 1, DATA + 0x1000, 128 * KiB, NEXT | WRITE, 2);
        rig_desc(&r, 0, 2, DATA + 16, 1, WRITE, 0);
        for (unsigned n = 0; n < 10; n++)
            rig_offer(&r, 0, 0);
        rig_notify(&r, 0);
        assert_int_equal(r.v->queue[0].in_flight, 10); /* too large to be answered at once */
        rig_reset(&r);
        while (rig_read(&r, RIG_COMMON + 0x14, 1))
            rig_run_loop(&r, 0);
        memset(mem_ptr(r.mem, DATA + 0x1000, 128 * KiB, true), 0x77, 128 * KiB);
        assert_int_equal(r.v->queue[0].in_flight, 0);
        assert_int_equal(rig_start(&r, F_BASE), 15);
        assert_int_equal(*(uint8_t *)mem_ptr(r.mem, DATA + 0x2000, 1, false), 0x77);
    }
    assert_int_equal(request(0, 9, 512, true), 0);
    finish_blk();
}

static void submitting_without_reaping_is_bounded(void **state)
{
    start_blk(false, F_BASE);
    rig_desc(&r, 0, 0, DATA, 16, NEXT, 2);
    rig_desc(&r, 0, 2, DATA + 16, 1, WRITE, 0);
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned n = 0; n < RIG_QUEUE; n++)
            rig_offer(&r, 0, 0);
        rig_notify(&r, 0);
        assert_true(r.v->queue[0].in_flight <= RIG_QUEUE);
        if (rig_read(&r, RIG_COMMON + 0x14, 1) & 0x40)
            break; /* it ran ahead: refused */
    }
    finish_blk();
}

static void messages_and_wires(void **state)
{
    start_blk(false, F_BASE);
    assert_int_equal(request(0, 1, 512, true), 0); /* no MSI-X yet: INTx of slot 1 is line 1 */
    assert_true(r.intx[1]);
    assert_true(rig_read(&r, RIG_CFG(PCI_STATUS), 2) & BIT(3));
    assert_int_equal(rig_read(&r, RIG_BAR + 0x1000, 1), 1);
    assert_false(r.intx[1]);
    unsigned cap = (unsigned)rig_read(&r, RIG_CFG(PCI_CAPS), 1);
    while (rig_read(&r, RIG_CFG(cap), 1) != 0x11)
        cap = (unsigned)rig_read(&r, RIG_CFG(cap + 1), 1);
    rig_write(&r, RIG_MSIX, 4, RIG_DOORBELL + 0x40);
    rig_write(&r, RIG_MSIX + 8, 4, 100);
    rig_write(&r, RIG_CFG(cap + 2), 2, 0x8000);
    assert_int_equal(request(0, 1, 512, true), 0); /* the vector is masked: pending */
    assert_int_equal(r.messages, 0);
    assert_int_equal(rig_read(&r, RIG_MSIX + 0x800, 4), 1);
    rig_write(&r, RIG_MSIX + 12, 4, 0);
    assert_int_equal(r.messages, 1);
    assert_int_equal(r.last_message, 100);
    assert_int_equal(rig_read(&r, RIG_MSIX + 0x800, 4), 0);
    rig_write(&r, RIG_CFG(cap + 2), 2, 0xc000); /* all masked */
    assert_int_equal(request(0, 1, 512, true), 0);
    assert_int_equal(r.messages, 1);
    rig_write(&r, RIG_CFG(cap + 2), 2, 0x8000);
    assert_int_equal(r.messages, 2);
    for (unsigned i = 0; i < 64; i++) { /* any address: nothing but the doorbell is reached */
        rig_write(&r, RIG_MSIX, 8, UINT64_C(0x9e3779b97f4a7c15) * (i + 1));
        assert_int_equal(request(0, 1, 512, true), 0);
    }
    assert_int_equal(r.messages, 2);
    assert_false(r.intx[1]);
    finish_blk();
}

static void event_index_saves_interrupts(void **state)
{
    start_blk(false, F_BASE | VIRTIO_F_EVENT_IDX);
    uint8_t *used_event = mem_ptr(r.mem, r.q[0].avail + 4 + 2 * RIG_QUEUE, 2, true);
    le16_put(used_event, 2); /* interrupt when the third is used */
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(request(0, 1, 512, true), 0);
        assert_int_equal(r.intx[1], i == 2);
        rig_read(&r, RIG_BAR + 0x1000, 1);
        assert_int_equal(le16_get(mem_ptr(r.mem, r.q[0].used + 4 + 8 * RIG_QUEUE, 2, false)), i + 1); /* avail_event */
    }
    finish_blk();
}

static void bars_move(void **state)
{
    start_blk(false, F_BASE);
    rig_write(&r, RIG_CFG(PCI_BAR0), 4, 0xffffffff);
    assert_int_equal(rig_read(&r, RIG_CFG(PCI_BAR0), 4), 0xffffc000);
    rig_write(&r, RIG_CFG(PCI_BAR0), 4, RIG_WINDOW + 0x400000);
    assert_int_equal(rig_read(&r, RIG_COMMON + 0x14, 1), 0xff);
    assert_int_equal(rig_read(&r, RIG_WINDOW + 0x400014, 1), 15);
    rig_write(&r, RIG_CFG(PCI_BAR0), 4, RIG_RAM); /* on top of memory: not reached */
    mem_write(r.mem, RIG_RAM + 0x14, "m", 1);
    uint64_t v;
    assert_false(bus_read(&r.bus, RIG_RAM + 0x14, 1, &v));
    rig_write(&r, RIG_CFG(PCI_BAR0), 4, RIG_MSIX); /* on top of the other BAR */
    rig_read(&r, RIG_MSIX, 4);
    rig_write(&r, RIG_CFG(PCI_COMMAND), 2, 0);
    assert_int_equal(rig_read(&r, RIG_MSIX, 4), 0xffffffff);
    assert_int_equal(rig_read(&r, RIG_ECAM + (2 << 15), 4), 0xffffffff); /* empty slot */
    assert_int_equal(rig_read(&r, RIG_CFG(0), 4), 0x10421af4);
    finish_blk();
}

static void configuration_space_reaches_the_bar(void **state)
{
    start_blk(false, F_BASE);
    unsigned cap = (unsigned)rig_read(&r, RIG_CFG(PCI_CAPS), 1);
    while (rig_read(&r, RIG_CFG(cap), 1) != 9 || rig_read(&r, RIG_CFG(cap + 3), 1) != 5)
        cap = (unsigned)rig_read(&r, RIG_CFG(cap + 1), 1);
    rig_write(&r, RIG_CFG(cap + 8), 4, 0x2000);
    rig_write(&r, RIG_CFG(cap + 12), 4, 4);
    assert_int_equal(rig_read(&r, RIG_CFG(cap + 16), 4), DISK_BYTES / 512);
    rig_write(&r, RIG_CFG(cap + 8), 4, 0x14);
    rig_write(&r, RIG_CFG(cap + 12), 4, 1);
    rig_write(&r, RIG_CFG(cap + 16), 1, 0);
    assert_int_equal(rig_read(&r, RIG_COMMON + 0x14, 1), 0);
    rig_write(&r, RIG_CFG(cap + 8), 4, 0xfffffffc);
    rig_write(&r, RIG_CFG(cap + 12), 4, 4);
    rig_read(&r, RIG_CFG(cap + 16), 4);
    rig_write(&r, RIG_CFG(cap + 16), 4, 1);
    finish_blk();
}

static void held_devices_take_nothing(void **state)
{
    start_blk(false, F_BASE);
    bus_lock(&r.bus);
    virtio_hold(r.v, true);
    bus_unlock(&r.bus);
    uint8_t *header = mem_ptr(r.mem, DATA, 17, true);
    memset(header, 0, 16);
    rig_desc(&r, 0, 0, DATA, 16, NEXT, 1);
    rig_desc(&r, 0, 1, DATA + 0x1000, 512, NEXT | WRITE, 2);
    rig_desc(&r, 0, 2, DATA + 16, 1, WRITE, 0);
    rig_offer(&r, 0, 0);
    rig_notify(&r, 0);
    assert_int_equal(r.v->queue[0].in_flight, 0);
    bus_lock(&r.bus);
    virtio_hold(r.v, false);
    bus_unlock(&r.bus);
    assert_int_equal(rig_wait(&r, 0), 513);
    finish_blk();
}

/* A second CPU that rewrites descriptors, tables, indices and headers all the time while requests are taken. */
static bool scribbling;
static void *scribble(void *ctx)
{
    uint64_t x = 88172645463325252;
    uint8_t *rings = mem_ptr(r.mem, RIG_RAM, 0x4000, true), *table = mem_ptr(r.mem, DATA + 0x3000, 0x400, true);
    while (__atomic_load_n(&scribbling, __ATOMIC_RELAXED)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        uint8_t *at = x & 1 ? rings + (x >> 8) % 0x120 : table + (x >> 8) % 0x400; /* mostly descriptors */
        if ((x & 0xff) < 4)
            at = rings + 0x1000 + (x >> 8) % 64; /* the available ring */
        __atomic_store_n(at, (uint8_t)(x >> 32), __ATOMIC_RELAXED);
        for (volatile unsigned wait = 0; wait < 300; wait++)
            ; /* often enough to hit, seldom enough that many requests are whole */
    }
    return NULL;
}

/* An indirect table of 20: header, data in pieces, status. */
static void fill_table(uint8_t *table)
{
    for (unsigned i = 0; i < 20; i++) {
        le64_put(table + 16 * i, i ? i < 19 ? DATA + 0x8000 + 512 * i : DATA + 16 : DATA);
        le32_put(table + 16 * i + 8, i ? i < 19 ? 512 : 1 : 16);
        le16_put(table + 16 * i + 12, (uint16_t)((i ? WRITE : 0) | (i < 19 ? NEXT : 0)));
        le16_put(table + 16 * i + 14, (uint16_t)(i + 1));
    }
}

static void memory_changes_under_our_feet(void **state)
{
    const char *scale = getenv("POME_TEST_SCALE");
    start_blk(false, F_BASE);
    pthread_t thread;
    unsigned whole = 0, broken = 0;
    scribbling = true;
    pthread_create(&thread, NULL, scribble, NULL);
    for (unsigned i = 0, n = 2000 * (scale ? (unsigned)atoi(scale) : 1); i < n; i++) {
        uint8_t *header = mem_ptr(r.mem, DATA, 17, true);
        memset(header, 0, 17);
        fill_table(mem_ptr(r.mem, DATA + 0x3000, 16 * 20, true));
        for (unsigned k = 0; k < 16; k += 4) {
            rig_desc(&r, 0, k, DATA, 16, NEXT, (uint16_t)(k + 1));
            rig_desc(&r, 0, k + 1, DATA + 0x8000, 512u << i % 9, NEXT | WRITE, (uint16_t)(k + 2));
            rig_desc(&r, 0, k + 2, DATA + 16, 1, WRITE, 0);
            rig_desc(&r, 0, k + 3, DATA + 0x3000, 16 * 20, INDIRECT, 0);
            rig_offer(&r, 0, (uint16_t)k);
            rig_offer(&r, 0, (uint16_t)(k + 3));
        }
        rig_notify(&r, 0);
        *(rig_read(&r, RIG_COMMON + 0x14, 1) & 0x40 ? &broken : &whole) += 1;
        rig_reset(&r);
        for (unsigned tries = 0; rig_read(&r, RIG_COMMON + 0x14, 1); tries++) {
            assert_true(tries < 10000); /* seconds: a request was lost */
            rig_run_loop(&r, tries > 100);
        }
        rig_start(&r, F_BASE);
    }
    __atomic_store_n(&scribbling, false, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    rig_reset(&r);
    assert_int_equal(rig_start(&r, F_BASE), 15);
    assert_int_equal(request(0, 9, 512, true), 0); /* none the worse */
    print_message("%u rounds broke the device, %u did not\n", broken, whole);
    finish_blk();
}

static void rng_gives_bytes(void **state)
{
    rig_init(&r);
    rig_plug(&r, virtio_rng_create(&r.bus));
    assert_int_equal(rig_start(&r, F_BASE), 15);
    uint8_t *data = mem_ptr(r.mem, DATA, 4096, true);
    rig_desc(&r, 0, 0, DATA, 100, NEXT | WRITE, 1);
    rig_desc(&r, 0, 1, DATA + 200, 28, WRITE, 0);
    rig_offer(&r, 0, 0);
    rig_notify(&r, 0);
    assert_int_equal(rig_wait(&r, 0), 128);
    unsigned zeroes = 0;
    for (unsigned i = 0; i < 100; i++)
        zeroes += !data[i];
    assert_true(zeroes < 20);
    assert_int_equal(data[100], 0);
    rig_desc(&r, 0, 0, DATA, 1 * MiB, WRITE, 0); /* a lot at once: some of it */
    rig_offer(&r, 0, 0);
    rig_notify(&r, 0);
    int64_t n = rig_wait(&r, 0);
    assert_true(n > 0 && n <= 4096);
    rig_finish(&r);
}

static struct console *start_console(int out_fd)
{
    rig_init(&r);
    struct console *c = console_create(r.loop, &(struct console_options){ .in_fd = -1, .out_fd = out_fd }, NULL);
    rig_plug(&r, virtio_console_create(&r.bus, &(struct virtio_console_port){ .console = c, .terminal = true }, 1));
    assert_int_equal(rig_start(&r, F_BASE), 15);
    return c;
}

/* The device goes before its console. */
static void finish_console(struct console *c)
{
    struct device *t = virtio_pci_device(r.t);
    struct virtio *v = r.v;
    t->type->destroy(t);
    v->device.type->destroy(&v->device);
    console_destroy(c, 1000);
    r.t = NULL;
    rig_finish(&r);
}

/* More than the ring and the pipe hold: chains stay with the device until somebody reads, and none is lost. */
static void console_output_waits(void **state)
{
    enum { BYTES = 40000, CHAINS = 10 };
    static uint8_t got[BYTES * CHAINS];
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    struct console *c = start_console(fd[1]);
    uint8_t *data = mem_ptr(r.mem, DATA, BYTES, true);
    for (unsigned i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 3 + i / 256);
    for (unsigned i = 0; i < CHAINS; i++) {
        rig_desc(&r, 1, i, DATA, BYTES, 0, 0);
        rig_offer(&r, 1, (uint16_t)i);
    }
    rig_notify(&r, 1);
    rig_run_loop(&r, 20);
    uint16_t used = le16_get(mem_ptr(r.mem, r.q[1].used + 2, 2, false));
    assert_true(used >= 1 && used < CHAINS);
    assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
    size_t n = 0;
    for (unsigned tries = 0; n < sizeof got && tries < 20000; tries++) {
        ssize_t some = read(fd[0], got + n, sizeof got - n);
        n += some > 0 ? (size_t)some : 0;
        rig_run_loop(&r, 1);
    }
    assert_int_equal(n, sizeof got);
    for (unsigned i = 0; i < CHAINS; i++)
        assert_memory_equal(got + (size_t)i * BYTES, data, BYTES);
    assert_int_equal(le16_get(mem_ptr(r.mem, r.q[1].used + 2, 2, false)), CHAINS);
    finish_console(c);
    close(fd[0]);
    close(fd[1]);
}

static void power_button_is_a_key(void **state)
{
    rig_init(&r);
    rig_plug(&r, virtio_input_create(&r.bus));
    bus_lock(&r.bus);
    virtio_input_power(r.v, true); /* nobody listens */
    bus_unlock(&r.bus);
    assert_int_equal(rig_start(&r, F_BASE), 15);
    rig_write(&r, RIG_CONFIG, 1, 1); /* name */
    char name[40] = { 0 };
    for (unsigned i = 0; i < rig_read(&r, RIG_CONFIG + 2, 1); i++)
        name[i] = (char)rig_read(&r, RIG_CONFIG + 8 + i, 1);
    assert_string_equal(name, "Pome power button");
    rig_write(&r, RIG_CONFIG, 1, 0x11); /* keys */
    rig_write(&r, RIG_CONFIG + 1, 1, 1);
    assert_int_equal(rig_read(&r, RIG_CONFIG + 2, 1), 15);
    assert_int_equal(rig_read(&r, RIG_CONFIG + 8 + 116 / 8, 1), 1 << 116 % 8);
    rig_write(&r, RIG_CONFIG + 1, 1, 3); /* axes: none */
    assert_int_equal(rig_read(&r, RIG_CONFIG + 2, 1), 0);
    for (unsigned i = 0; i < 4; i++) {
        rig_desc(&r, 0, i, DATA + 8 * i, 8, WRITE, 0);
        rig_offer(&r, 0, (uint16_t)i);
    }
    rig_notify(&r, 0);
    for (unsigned down = 2; down-- > 0;) {
        bus_lock(&r.bus);
        virtio_input_power(r.v, down);
        bus_unlock(&r.bus);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(rig_wait(&r, 0), 8);
        uint64_t key = le64_get(mem_ptr(r.mem, DATA + (down ? 0 : 16), 8, false));
        assert_int_equal(key, 1 | 116 << 16 | (uint64_t)down << 32);
        assert_int_equal(le64_get(mem_ptr(r.mem, DATA + (down ? 8 : 24), 8, false)), 0);
    }
    bus_lock(&r.bus);
    virtio_input_power(r.v, true); /* no room */
    bus_unlock(&r.bus);
    rig_desc(&r, 1, 0, DATA, 8, 0, 0); /* a LED, say */
    rig_offer(&r, 1, 0);
    rig_notify(&r, 1);
    assert_int_equal(rig_wait(&r, 1), 0);
    rig_finish(&r);
}

/* A driver that refills for ever does not keep the lock for ever. */
static void endless_work_is_cut_in_turns(void **state)
{
    rig_init(&r);
    rig_plug(&r, virtio_rng_create(&r.bus));
    assert_int_equal(rig_start(&r, F_BASE), 15);
    rig_desc(&r, 0, 0, DATA, 8, WRITE, 0);
    for (unsigned i = 0; i < RIG_QUEUE; i++)
        rig_offer(&r, 0, 0);
    rig_notify(&r, 0);
    assert_int_equal(le16_get(mem_ptr(r.mem, r.q[0].used + 2, 2, false)), RIG_QUEUE);
    for (unsigned i = 0; i < 3; i++)
        rig_offer(&r, 0, 0); /* without a notification: the device comes back by itself */
    rig_run_loop(&r, 2);
    assert_int_equal(le16_get(mem_ptr(r.mem, r.q[0].used + 2, 2, false)), RIG_QUEUE + 3);
    rig_finish(&r);
}

static void console_talks_both_ways(void **state)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    struct console *c = start_console(fd[1]);
    mem_write(r.mem, DATA, "hello", 5);
    rig_desc(&r, 1, 0, DATA, 2, NEXT, 1);
    rig_desc(&r, 1, 1, DATA + 2, 3, 0, 0);
    rig_offer(&r, 1, 0);
    rig_notify(&r, 1);
    assert_int_equal(rig_wait(&r, 1), 0);
    char text[6] = { 0 };
    assert_int_equal(read(fd[0], text, 5), 5);
    assert_string_equal(text, "hello");
    rig_desc(&r, 0, 0, DATA + 64, 64, WRITE, 0);
    rig_offer(&r, 0, 0);
    rig_notify(&r, 0);
    assert_int_equal(console_type(c, (const uint8_t *)"typed", 5), 5);
    assert_int_equal(rig_wait(&r, 0), 5);
    assert_memory_equal(mem_ptr(r.mem, DATA + 64, 5, false), "typed", 5);
    finish_console(c);
    close(fd[0]);
    close(fd[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blk_reads_and_writes),
        cmocka_unit_test(blk_tells_when_the_host_has_no_room),
        cmocka_unit_test(blk_discards_and_zeroes),
        cmocka_unit_test(blk_read_only_stays_so),
        cmocka_unit_test(blk_takes_indirect_and_scattered_requests),
        cmocka_unit_test(bad_chains_break_only_the_device),
        cmocka_unit_test(indirect_needs_agreement),
        cmocka_unit_test(an_enabled_queue_is_frozen),
        cmocka_unit_test(bad_rings_are_refused),
        cmocka_unit_test(features_are_negotiated),
        cmocka_unit_test(resets_wait_for_requests),
        cmocka_unit_test(submitting_without_reaping_is_bounded),
        cmocka_unit_test(messages_and_wires),
        cmocka_unit_test(event_index_saves_interrupts),
        cmocka_unit_test(bars_move),
        cmocka_unit_test(configuration_space_reaches_the_bar),
        cmocka_unit_test(held_devices_take_nothing),
        cmocka_unit_test(memory_changes_under_our_feet),
        cmocka_unit_test(rng_gives_bytes),
        cmocka_unit_test(console_talks_both_ways),
        cmocka_unit_test(console_output_waits),
        cmocka_unit_test(power_button_is_a_key),
        cmocka_unit_test(endless_work_is_cut_in_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
