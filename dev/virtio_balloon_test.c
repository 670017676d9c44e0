/* virtio_balloon_test.c - a driver and the balloon: pages that go, reports, statistics, and page numbers of any kind. */
#include "dev/test_rig.h"
#include "dev/virtio_balloon.h"
#include "mem/lazy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define F_ALL  (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | BIT(1) | BIT(2) | BIT(5))
#define DATA   (RIG_RAM + 1 * MiB)
#define VICTIM (RIG_RAM + 2 * MiB)
#define WRITE  2

enum { INFLATE, DEFLATE, STATS, REPORT };

static struct rig r;

static void start(uint64_t features)
{
    rig_init(&r);
    rig_plug(&r, virtio_balloon_create(&r.bus));
    assert_int_equal(rig_start(&r, features), 15);
    memset(mem_ptr(r.mem, VICTIM, 1 * MiB, true), 0xa5, 1 * MiB);
}

static struct balloon_status status(void)
{
    struct balloon_status s;
    bus_lock(&r.bus);
    virtio_balloon_status(r.v, &s);
    bus_unlock(&r.bus);
    return s;
}

static void give(unsigned queue, uint64_t gpa, uint32_t bytes, uint16_t flags)
{
    rig_desc(&r, queue, 0, gpa, bytes, flags, 0);
    rig_offer(&r, queue, 0);
    rig_notify(&r, queue);
}

static uint8_t byte_at(uint64_t gpa)
{
    return *(uint8_t *)mem_ptr(r.mem, gpa, 1, false);
}

static void pages_go_back(void **state)
{
    static const uint32_t pages[] = { 0, 1, 2, 9, 8, 7, 20 };
    start(F_ALL);
    uint8_t *p = mem_ptr(r.mem, DATA, 4096, true);
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        le32_put(p + 4 * i, (uint32_t)(VICTIM / 4096) + pages[i]);
    give(INFLATE, DATA, sizeof pages, 0);
    assert_int_equal(rig_wait(&r, INFLATE), 0);
    for (unsigned page = 0; page < 24; page++) {
        bool gone = page < 3 || (page >= 7 && page < 10) || page == 20;
        assert_int_equal(byte_at(VICTIM + 4096 * page), gone ? 0 : 0xa5);
        assert_int_equal(byte_at(VICTIM + 4096 * page + 4095), gone ? 0 : 0xa5);
    }
    assert_int_equal(status().returned, 7 * 4096);
    give(DEFLATE, DATA, sizeof pages, 0);
    assert_int_equal(rig_wait(&r, DEFLATE), 0);
    rig_finish(&r);
}

static void reports_go_back(void **state)
{
    start(F_ALL);
    rig_desc(&r, REPORT, 0, VICTIM, 8192, WRITE | 1, 1);
    rig_desc(&r, REPORT, 1, VICTIM + 32768 + 100, 8192, WRITE, 0); /* whole pages of it only */
    rig_offer(&r, REPORT, 0);
    rig_notify(&r, REPORT);
    assert_int_equal(rig_wait(&r, REPORT), 0);
    assert_int_equal(byte_at(VICTIM), 0);
    assert_int_equal(byte_at(VICTIM + 8191), 0);
    assert_int_equal(byte_at(VICTIM + 8192), 0xa5);
    assert_int_equal(byte_at(VICTIM + 32768 + 100), 0xa5);
    assert_int_equal(byte_at(VICTIM + 36864), 0);
    assert_int_equal(byte_at(VICTIM + 40960), 0xa5);
    assert_int_equal(status().returned, 3 * 4096);
    rig_finish(&r);
    start(F_ALL & ~BIT(1)); /* without statistics the queue for reports is the third */
    give(STATS, VICTIM, 4096, WRITE);
    assert_int_equal(rig_wait(&r, STATS), 0);
    assert_int_equal(byte_at(VICTIM), 0);
    rig_finish(&r);
}

/* Memory that is still coming (mem/lazy.h): by itself it comes slowly. */
enum { CHUNK = 65536 };
struct coming {
    _Atomic unsigned asked; /* chunks that somebody waited for */
    _Atomic bool go_on;
};
static bool never_zero(void *ctx, size_t chunk)
{
    return false;
}
static bool fill(void *ctx, unsigned worker, size_t chunk, uint8_t *to)
{
    struct coming *c = ctx;
    if (worker == 0)
        c->asked++;
    while (worker == 1 && !c->go_on)
        usleep(1000);
    memset(to, 0x5a, CHUNK);
    return true;
}
static void released(void *ctx)
{
}

static void a_report_waits_for_no_memory(void **state)
{
    const uint64_t more = RIG_RAM + 1 * GiB;
    struct coming c = { 0 };
    struct mem_source source = { CHUNK, never_zero, fill, released, &c };
    start(F_ALL);
    assert_true(mem_add_ram(r.mem, more, 1 * MiB, NULL));
    if (!mem_lazy_start(r.mem, more, &source, NULL)) {
        rig_finish(&r);
        skip(); /* this host has no userfaultfd */
    }
    give(REPORT, more + 4 * CHUNK, 8 * CHUNK, WRITE);
    assert_int_equal(rig_wait(&r, REPORT), 0);
    assert_int_equal(c.asked, 0);
    assert_int_equal(byte_at(more + 5 * CHUNK), 0x5a); /* and it keeps what it had */
    assert_int_equal(c.asked, 1);
    c.go_on = true;
    mem_settle(r.mem);
    rig_finish(&r);
}

static void any_page_number_does_no_harm(void **state)
{
    start(F_ALL);
    uint8_t *p = mem_ptr(r.mem, DATA, 4096, true);
    for (unsigned i = 0; i < 1024; i++)
        le32_put(p + 4 * i, i % 3 ? UINT32_MAX - i : (uint32_t)(RIG_RAM / 4096) - i - 1);
    le32_put(p, (uint32_t)((RIG_RAM + RIG_RAM_BYTES) / 4096) - 1); /* a run over the end of memory */
    le32_put(p + 4, (uint32_t)((RIG_RAM + RIG_RAM_BYTES) / 4096));
    give(INFLATE, DATA, 4095, 0);
    assert_int_equal(rig_wait(&r, INFLATE), 0);
    assert_int_equal(status().returned, 0);
    assert_int_equal(byte_at(VICTIM), 0xa5);
    give(INFLATE, DATA, 128 * 1024, 0);
    rig_run_loop(&r, 1);
    assert_int_equal(rig_read(&r, RIG_COMMON + 0x14, 1), 15 | 0x40);
    rig_finish(&r);
}

static void put_stat(uint8_t *p, uint16_t tag, uint64_t value)
{
    le16_put(p, tag);
    le64_put(p + 2, value);
}

static void statistics_are_asked_for(void **state)
{
    start(F_ALL);
    uint8_t *p = mem_ptr(r.mem, DATA, 4096, true);
    assert_true(status().stat[BALLOON_FREE] == UINT64_MAX);
    put_stat(p, BALLOON_FREE, 123456);
    put_stat(p + 10, BALLOON_TOTAL, 999);
    put_stat(p + 20, 60000, 1); /* one that we do not know */
    give(STATS, DATA, 30, 0);
    assert_int_equal(le16_get(mem_ptr(r.mem, r.q[STATS].used + 2, 2, false)), 0); /* it is kept */
    assert_int_equal(r.v->queue[STATS].in_flight, 0);                            /* but nothing is under way */
    struct balloon_status s = status();
    assert_int_equal(s.stat[BALLOON_FREE], 123456);
    assert_int_equal(s.stat[BALLOON_TOTAL], 999);
    assert_int_equal(s.answers, 1);
    assert_int_equal(rig_wait(&r, STATS), 0); /* now new ones are wanted */
    put_stat(p, BALLOON_FREE, 5);
    give(STATS, DATA, 30, 0);
    s = status();
    assert_int_equal(s.stat[BALLOON_FREE], 5);
    assert_int_equal(s.answers, 2);
    rig_finish(&r);
}

static void the_size_is_agreed_on(void **state)
{
    start(F_ALL);
    bus_lock(&r.bus);
    virtio_balloon_set(r.v, 3 * MiB);
    bus_unlock(&r.bus);
    assert_int_equal(rig_read(&r, RIG_CONFIG, 4), 768);
    assert_true(r.intx[0] || r.intx[1] || r.intx[2] || r.intx[3]);
    rig_write(&r, RIG_CONFIG + 4, 1, 0x80);
    rig_write(&r, RIG_CONFIG + 5, 1, 0x02);
    rig_write(&r, RIG_CONFIG, 1, 0x77); /* not the driver's */
    struct balloon_status s = status();
    assert_int_equal(s.wanted, 3 * MiB);
    assert_int_equal(s.actual, 640 * 4096);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_go_back),
        cmocka_unit_test(reports_go_back),
        cmocka_unit_test(a_report_waits_for_no_memory),
        cmocka_unit_test(any_page_number_does_no_harm),
        cmocka_unit_test(statistics_are_asked_for),
        cmocka_unit_test(the_size_is_agreed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
