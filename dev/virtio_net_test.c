/* virtio_net_test.c - a driver and the network device, with a socket pair as the network. */
#include "dev/test_rig.h"
#include "dev/virtio_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define F_BASE    (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC)
#define F_CSUM    BIT(0)
#define F_MERGE   BIT(15)
#define DATA      (RIG_RAM + 1 * MiB)
#define NEXT      1
#define WRITE     2

enum { RX, TX };

static const uint8_t mac[6] = { 0x06, 1, 2, 3, 4, 5 };
static struct rig r;
static int peer; /* the other end of the cable */

static void start(uint64_t features)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
    peer = fd[1];
    rig_init(&r);
    struct net *n = net_fd_create(r.loop, fd[0], NULL);
    assert_non_null(n);
    rig_plug(&r, virtio_net_create(&r.bus, n, mac, 0));
    assert_int_equal(rig_start(&r, features), 15);
}

static void finish(void)
{
    rig_finish(&r);
    close(peer);
}

static void put_header(uint8_t *p, uint8_t flags, uint16_t start_at, uint16_t offset)
{
    memset(p, 0, NET_HEADER);
    p[0] = flags;
    le16_put(p + 6, start_at);
    le16_put(p + 8, offset);
}

static uint16_t used(unsigned queue)
{
    return le16_get(mem_ptr(r.mem, r.q[queue].used + 2, 2, false));
}

static void sends_frames(void **state)
{
    uint8_t got[2000], *p;
    start(F_BASE | F_CSUM);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(rig_read(&r, RIG_CONFIG + i, 1), mac[i]);
    assert_int_equal(rig_read(&r, RIG_CONFIG + 6, 2), 1);
    p = mem_ptr(r.mem, DATA, 4096, true);
    put_header(p, 0, 0, 0);
    memset(p + NET_HEADER, 0x5a, 60);
    rig_desc(&r, TX, 0, DATA, NET_HEADER, NEXT, 1);
    rig_desc(&r, TX, 1, DATA + NET_HEADER, 60, 0, 0);
    rig_offer(&r, TX, 0);
    put_header(p + 1000, 1, 14, 16); /* the checksum is ours to complete */
    memset(p + 1000 + NET_HEADER, 0, 60);
    for (unsigned i = 0; i < 46; i++)
        p[1000 + NET_HEADER + 14 + i] = (uint8_t)(i * 7);
    rig_desc(&r, TX, 2, DATA + 1000, NET_HEADER + 60, 0, 0);
    rig_offer(&r, TX, 2);
    rig_notify(&r, TX);
    assert_int_equal(rig_wait(&r, TX), 0);
    assert_int_equal(recv(peer, got, sizeof got, 0), 60);
    assert_int_equal(got[59], 0x5a);
    assert_int_equal(recv(peer, got, sizeof got, 0), 60);
    uint32_t sum = 0;
    for (unsigned i = 14; i < 60; i += 2)
        sum += be16_get(i == 30 ? p + 1000 + NET_HEADER + 30 : got + i); /* what was there before was part of the sum */
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(be16_get(got + 30), (uint16_t)~sum);
    finish();
}

/* What is no frame is dropped, and the buffers come back. */
static void nonsense_is_dropped(void **state)
{
    uint8_t got[100], *p;
    start(F_BASE | F_CSUM);
    p = mem_ptr(r.mem, DATA, 4096, true);
    put_header(p, 1, 0xffff, 2);      /* beyond the frame */
    put_header(p + 100, 1, 10, 0xffff);
    put_header(p + 200, 1, 59, 0);
    put_header(p + 300, 0, 0, 0);
    p[301] = 1; /* a segment: not agreed on */
    const uint32_t bytes[] = { 72, 72, 72, 72, 12, 3, 0, 128 * 1024 };
    for (unsigned i = 0; i < ARRAY_SIZE(bytes); i++) {
        rig_desc(&r, TX, i, DATA + 100 * i, bytes[i], 0, 0);
        rig_offer(&r, TX, (uint16_t)i);
    }
    rig_notify(&r, TX);
    for (unsigned i = 0; i < ARRAY_SIZE(bytes); i++)
        assert_int_equal(rig_wait(&r, TX), 0);
    assert_true(recv(peer, got, sizeof got, MSG_DONTWAIT) < 0);
    assert_int_equal(rig_read(&r, RIG_COMMON + 0x14, 1), 15);
    finish();
}

static void receives_frames(void **state)
{
    uint8_t frame[1500];
    start(F_BASE | F_MERGE);
    uint8_t *p = mem_ptr(r.mem, DATA, 8192, true);
    for (unsigned i = 0; i < sizeof frame; i++)
        frame[i] = (uint8_t)(i * 11);
    send(peer, frame, sizeof frame, 0);
    rig_run_loop(&r, 5);
    assert_int_equal(used(RX), 0); /* it waits for buffers */
    for (unsigned i = 0; i < 2; i++) {
        rig_desc(&r, RX, i, DATA + 1000 * i, 512, WRITE, 0);
        rig_offer(&r, RX, (uint16_t)i);
    }
    rig_notify(&r, RX);
    rig_run_loop(&r, 5);
    assert_int_equal(used(RX), 0); /* for all of it */
    for (unsigned i = 2; i < 4; i++) {
        rig_desc(&r, RX, i, DATA + 1000 * i, 512, WRITE, 0);
        rig_offer(&r, RX, (uint16_t)i);
    }
    rig_notify(&r, RX);
    assert_int_equal(rig_wait(&r, RX), 512);
    assert_int_equal(rig_wait(&r, RX), 512);
    assert_int_equal(rig_wait(&r, RX), 12 + 1500 - 1024);
    assert_int_equal(used(RX), 3);
    assert_int_equal(le16_get(p + 10), 3);
    assert_memory_equal(p + 12, frame, 500);
    assert_memory_equal(p + 1000, frame + 500, 512);
    assert_memory_equal(p + 2000, frame + 1012, 488);
    finish();
}

static void without_merging_one_buffer_must_do(void **state)
{
    uint8_t frame[600] = { 1, 2, 3 };
    start(F_BASE);
    rig_desc(&r, RX, 0, DATA, 512, WRITE, 0);
    rig_desc(&r, RX, 1, DATA + 1000, 612, WRITE, 0);
    rig_offer(&r, RX, 0);
    rig_offer(&r, RX, 1);
    send(peer, frame, 600, 0); /* too long for the first: lost */
    send(peer, frame, 600, 0);
    assert_int_equal(rig_wait(&r, RX), 0);
    assert_int_equal(rig_wait(&r, RX), 612);
    assert_int_equal(le16_get(mem_ptr(r.mem, DATA + 1010, 2, false)), 1);
    finish();
}

/* A guest that takes nothing costs a bounded amount of memory, and afterwards all goes on. */
static void floods_do_not_freeze_it(void **state)
{
    uint8_t frame[1514] = { 0 };
    start(F_BASE | F_MERGE);
    unsigned sent = 0;
    for (unsigned i = 0; i < 20000; i++) {
        sent += send(peer, frame, sizeof frame, MSG_DONTWAIT) > 0;
        if (i % 64 == 0)
            rig_run_loop(&r, 0);
    }
    assert_true(sent > 500 && sent < 20000);
    unsigned got = 0;
    for (unsigned tries = 0; tries < 20000 && got < sent; tries++) {
        for (unsigned i = 0; i < 4; i++) {
            rig_desc(&r, RX, i, DATA + 2048 * i, 2048, WRITE, 0);
            rig_offer(&r, RX, (uint16_t)i);
        }
        rig_notify(&r, RX);
        for (unsigned k = 0; k < 4 && got < sent; k++, got++)
            assert_int_equal(rig_wait(&r, RX), NET_HEADER + sizeof frame);
    }
    assert_int_equal(got, sent);
    finish();
}

static unsigned received(void)
{
    uint8_t got[2000];
    unsigned n = 0;
    while (recv(peer, got, sizeof got, MSG_DONTWAIT) >= 0)
        n++;
    return n;
}

static void hold(bool held)
{
    bus_lock(&r.bus);
    virtio_hold(r.v, held);
    bus_unlock(&r.bus);
    rig_run_loop(&r, 5);
}

/* A frame that the network did not take yet is saved with the machine: it is not sent as well, however the saved machine ends. */
static void held_frames_are_not_sent(void **state)
{
    unsigned taken = 0;
    start(F_BASE);
    rig_desc(&r, TX, 0, DATA, NET_HEADER + 1000, 0, 0);
    do {
        rig_offer(&r, TX, 0);
        rig_notify(&r, TX);
        rig_run_loop(&r, 1);
    } while (used(TX) == (uint16_t)++taken); /* until one waits, and another behind it */
    hold(true);
    unsigned sent = received();
    assert_true(sent > 1 && sent < taken);
    rig_run_loop(&r, 5);
    assert_int_equal(received(), 0);
    hold(false);
    assert_int_equal(received(), taken - sent);
    finish();
}

static void tiny_buffers_break_it(void **state)
{
    uint8_t frame[1514] = { 0 };
    start(F_BASE | F_MERGE);
    for (unsigned i = 0; i < RIG_QUEUE; i++) { /* chains of 12 bytes, then the same again without end */
        rig_desc(&r, RX, i, DATA + 16 * i, 12, WRITE, 0);
        rig_offer(&r, RX, (uint16_t)i);
    }
    rig_notify(&r, RX);
    send(peer, frame, sizeof frame, 0);
    rig_run_loop(&r, 5);
    assert_int_equal(used(RX), 0); /* not enough: it waits */
    rig_desc(&r, TX, 0, UINT64_MAX - 5, 100, 0, 0);
    rig_offer(&r, TX, 0);
    rig_notify(&r, TX);
    rig_run_loop(&r, 5);
    assert_int_equal(rig_read(&r, RIG_COMMON + 0x14, 1), 15 | 0x40);
    rig_reset(&r);
    assert_int_equal(rig_start(&r, F_BASE), 15);
    finish();
}

static void the_link_goes_down(void **state)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    rig_init(&r);
    rig_plug(&r, virtio_net_create(&r.bus, net_fd_create(r.loop, fd[0], NULL), mac, 0));
    assert_int_equal(rig_start(&r, F_BASE | BIT(16)), 15);
    rig_write(&r, RIG_COMMON + 0x10, 2, 0);
    assert_int_equal(rig_read(&r, RIG_CONFIG + 6, 2), 1);
    close(fd[1]);
    rig_run_loop(&r, 5);
    assert_int_equal(rig_read(&r, RIG_CONFIG + 6, 2), 0);
    assert_true(r.intx[1] || r.intx[0] || r.intx[2] || r.intx[3] || r.messages);
    rig_finish(&r);
}

static void user_nat_is_offered_with_all_it_can(void **state)
{
    rig_init(&r);
    struct net *n = net_user_create(r.loop, &(struct net_user_options){ .isolation = NET_CLOSED }, NULL);
    assert_non_null(n);
    rig_plug(&r, virtio_net_create(&r.bus, n, mac, 0));
    assert_int_equal(rig_start(&r, r.v->offered), 15);
    assert_true(r.v->offered & BIT(11) && r.v->offered & BIT(12) && r.v->offered & BIT(3) && r.v->offered & BIT(1));
    assert_int_equal(rig_read(&r, RIG_CONFIG + 10, 2), 16384);
    /* ARP for the gateway goes out, the answer comes in. */
    static const uint8_t arp[42] = { 255, 255, 255, 255, 255, 255, 6, 1, 2, 3, 4, 5, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
                                     6, 1, 2, 3, 4, 5, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2 };
    uint8_t *p = mem_ptr(r.mem, DATA, 8192, true);
    put_header(p, 0, 0, 0);
    memcpy(p + NET_HEADER, arp, sizeof arp);
    rig_desc(&r, RX, 0, DATA + 4096, 2048, WRITE, 0);
    rig_offer(&r, RX, 0);
    rig_desc(&r, TX, 0, DATA, NET_HEADER + sizeof arp, 0, 0);
    rig_offer(&r, TX, 0);
    rig_notify(&r, TX);
    assert_true(rig_wait(&r, RX) >= NET_HEADER + 42);
    assert_int_equal(p[4096], NET_DATA_VALID);
    assert_int_equal(p[4096 + NET_HEADER + 21], 2); /* ARP reply */
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_frames),
        cmocka_unit_test(nonsense_is_dropped),
        cmocka_unit_test(receives_frames),
        cmocka_unit_test(without_merging_one_buffer_must_do),
        cmocka_unit_test(floods_do_not_freeze_it),
        cmocka_unit_test(held_frames_are_not_sent),
        cmocka_unit_test(tiny_buffers_break_it),
        cmocka_unit_test(the_link_goes_down),
        cmocka_unit_test(user_nat_is_offered_with_all_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
