/* virtio_vsock_test.c - a driver and the socket device: connections both ways, credit, ends, resets, and drivers that lie. */
#include "dev/test_rig.h"
#include "dev/virtio_vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define F_BASE (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | BIT(0))
#define OUT    (RIG_RAM + 1 * MiB)
#define IN     (RIG_RAM + 2 * MiB) /* buffers for packets: 16 of 64 KiB */
#define STEP   0x10000
#define NEXT   1
#define WRITE  2

enum { RX, TX, EVENT };

static struct rig r;
static struct vsock_host *host;
static char path[64];
static unsigned offered, taken; /* packets from the device: buffers given, packets looked at */
static uint32_t room;           /* of the guest, as its packets say */
static uint32_t fwd;

static void give_buffers(unsigned n)
{
    while (n--) {
        unsigned i = offered++ % RIG_QUEUE;
        rig_desc(&r, RX, i, IN + (uint64_t)STEP * i, STEP, WRITE, 0);
        rig_offer(&r, RX, (uint16_t)i);
    }
    rig_notify(&r, RX);
}

static void start(void)
{
    snprintf(path, sizeof path, "/tmp/pome-vsock-test-%d", (int)getpid());
    rig_init(&r);
    host = vsock_host_create(r.loop, path, NULL);
    assert_non_null(host);
    rig_plug(&r, virtio_vsock_create(&r.bus, host));
    assert_int_equal(rig_start(&r, F_BASE), 15);
    offered = taken = 0;
    room = 65536;
    fwd = 0;
    give_buffers(RIG_QUEUE);
}

static void finish(void)
{
    rig_finish(&r);
    assert_int_equal(access(path, F_OK), -1);
}

/* The next packet from the device; data: its bytes. False: none comes. */
static bool next(struct vsock_header *h, const uint8_t **data)
{
    for (unsigned tries = 0; le16_get(mem_ptr(r.mem, r.q[RX].used + 2, 2, false)) == (uint16_t)taken; tries++) {
        if (tries == 30)
            return false;
        rig_run_loop(&r, 1);
    }
    const uint8_t *entry = mem_ptr(r.mem, r.q[RX].used + 4 + 8 * (taken++ % RIG_QUEUE), 8, false);
    const uint8_t *p = mem_ptr(r.mem, IN + (uint64_t)STEP * le32_get(entry), STEP, false);
    vsock_header_read(h, p);
    assert_int_equal(le32_get(entry + 4), VSOCK_HEADER + h->bytes);
    assert_int_equal(h->src_cid, 2);
    assert_int_equal(h->dst_cid, 3);
    if (data)
        *data = p + VSOCK_HEADER;
    return true;
}

static struct vsock_header expect(unsigned op)
{
    struct vsock_header h;
    if (!next(&h, NULL))
        fail_msg("no packet, wanted op %u", op);
    if (h.op != op)
        fail_msg("op %u, wanted %u", h.op, op);
    give_buffers(1);
    return h;
}

static void expect_nothing(void)
{
    struct vsock_header h;
    if (next(&h, NULL))
        fail_msg("op %u, wanted nothing", h.op);
}

static void send_packet(struct vsock_header h, const void *data)
{
    uint8_t *p = mem_ptr(r.mem, OUT, VSOCK_HEADER + STEP, true);
    if (!h.src_cid)
        h.src_cid = 3;
    if (!h.dst_cid)
        h.dst_cid = 2;
    if (!h.type)
        h.type = 1;
    h.buf_alloc = room;
    h.fwd_cnt = fwd;
    vsock_header_write(&h, p);
    if (data)
        memcpy(p + VSOCK_HEADER, data, h.bytes);
    rig_desc(&r, TX, 0, OUT, VSOCK_HEADER, NEXT, 1);
    rig_desc(&r, TX, 1, OUT + VSOCK_HEADER, data ? h.bytes : 0, 0, 0);
    rig_offer(&r, TX, 0);
    rig_notify(&r, TX);
    assert_int_equal(rig_wait(&r, TX), 0);
}

static void op(unsigned what, uint32_t guest_port, uint32_t host_port, uint32_t flags)
{
    send_packet((struct vsock_header){ .src_port = guest_port, .dst_port = host_port, .op = (uint16_t)what, .flags = flags }, NULL);
}

static void data(uint32_t guest_port, uint32_t host_port, const void *bytes, uint32_t n)
{
    send_packet((struct vsock_header){ .src_port = guest_port, .dst_port = host_port, .op = VSOCK_OP_RW, .bytes = n }, bytes);
}

static int caller(const char *line)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(send(fd, line, strlen(line), 0), strlen(line));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void expect_text(int fd, const char *text)
{
    char got[256] = "";
    rig_run_loop(&r, 2);
    assert_int_equal(recv(fd, got, sizeof got, 0), strlen(text));
    assert_string_equal(got, text);
}

static void expect_end(int fd)
{
    char got;
    rig_run_loop(&r, 2);
    assert_true(recv(fd, &got, 1, 0) == 0 || errno == ECONNRESET);
}

/* A program of the host connects, says what it wants at once, and the bytes go both ways. */
static void the_host_connects(void **state)
{
    const uint8_t *bytes;
    start();
    int fd = caller("CONNECT 22\nhello");
    struct vsock_header h = expect(VSOCK_OP_REQUEST);
    assert_int_equal(h.dst_port, 22);
    assert_int_equal(h.type, 1);
    assert_true(h.buf_alloc >= 4096);
    uint32_t port = h.src_port;
    expect_nothing(); /* data waits for the answer */
    op(VSOCK_OP_RESPONSE, 22, port, 0);
    char ok[32];
    snprintf(ok, sizeof ok, "OK %u\n", port);
    expect_text(fd, ok);
    assert_true(next(&h, &bytes));
    assert_int_equal(h.op, VSOCK_OP_RW);
    assert_int_equal(h.bytes, 5);
    assert_memory_equal(bytes, "hello", 5);
    give_buffers(1);
    data(22, port, "guest's", 7);
    expect_text(fd, "guest's");
    close(fd);
    h = expect(VSOCK_OP_SHUTDOWN);
    assert_int_equal(h.flags, VSOCK_SHUT_SEND | VSOCK_SHUT_RECEIVE);
    op(VSOCK_OP_RST, 22, port, 0);
    expect_nothing();
    data(22, port, "late", 4);
    expect(VSOCK_OP_RST);
    finish();
}

static void refusals_and_nonsense(void **state)
{
    start();
    int fd = caller("CONNECT 80\n");
    struct vsock_header h = expect(VSOCK_OP_REQUEST);
    op(VSOCK_OP_RST, 80, h.src_port, 0);
    expect_end(fd);
    close(fd);
    static const char *const lines[] = { "CONNECT\n", "CONNECT 0\n", "GET / HTTP/1.1\n", "CONNECT 99999999999\n", "CONNECT 5 6\n",
                                         "a line that is longer than any that makes sense, without end" };
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        fd = caller(lines[i]);
        expect_end(fd);
        close(fd);
    }
    expect_nothing();
    op(VSOCK_OP_REQUEST, 1000, 5000, 0); /* nobody listens */
    expect(VSOCK_OP_RST);
    send_packet((struct vsock_header){ .src_port = 1, .dst_port = 2, .op = VSOCK_OP_REQUEST, .type = 2 }, NULL);
    assert_int_equal(expect(VSOCK_OP_RST).type, 2);
    send_packet((struct vsock_header){ .src_cid = 77, .src_port = 1, .dst_port = 2, .op = VSOCK_OP_REQUEST }, NULL);
    send_packet((struct vsock_header){ .dst_cid = 77, .src_port = 1, .dst_port = 2, .op = VSOCK_OP_REQUEST }, NULL);
    op(VSOCK_OP_RST, 1, 2, 0); /* resets are never answered */
    expect_nothing();
    finish();
}

/* Takes what the guest connected to out of a listener. */
static int take(int listener, uint32_t *from)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = { from, sizeof *from };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    assert_int_equal(recvmsg(listener, &m, MSG_DONTWAIT), sizeof *from);
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int guest_connects(int listener, uint32_t guest_port, uint32_t host_port)
{
    uint32_t from;
    op(VSOCK_OP_REQUEST, guest_port, host_port, 0);
    expect(VSOCK_OP_RESPONSE);
    int fd = take(listener, &from);
    assert_int_equal(from, guest_port);
    return fd;
}

static void the_guest_connects(void **state)
{
    struct pome_error err;
    start();
    int l = vsock_host_listen(host, 5000, NULL);
    assert_true(l >= 0);
    assert_int_equal(vsock_host_listen(host, 5000, &err), -1);
    assert_int_equal(err.code, POME_ERROR_BUSY);
    int fd = guest_connects(l, 1024, 5000);
    op(VSOCK_OP_REQUEST, 1024, 5000, 0); /* twice */
    expect(VSOCK_OP_RST);
    data(1024, 5000, "request", 7);
    expect_text(fd, "request");
    op(VSOCK_OP_SHUTDOWN, 1024, 5000, VSOCK_SHUT_SEND); /* half an end */
    expect_end(fd);
    assert_int_equal(send(fd, "answer", 6, 0), 6);
    struct vsock_header h;
    const uint8_t *bytes;
    assert_true(next(&h, &bytes));
    assert_memory_equal(bytes, "answer", 6);
    give_buffers(1);
    op(VSOCK_OP_SHUTDOWN, 1024, 5000, VSOCK_SHUT_SEND | VSOCK_SHUT_RECEIVE);
    expect(VSOCK_OP_RST);
    rig_run_loop(&r, 2);
    assert_true(send(fd, "x", 1, MSG_NOSIGNAL) < 0);
    close(fd);
    close(l);
    op(VSOCK_OP_REQUEST, 1025, 5000, 0); /* the listener is gone */
    expect(VSOCK_OP_RST);
    l = vsock_host_listen(host, 5000, NULL);
    assert_true(l >= 0);
    close(l);
    char name[80]; /* and by name */
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(name, sizeof name, "%s_7000", path);
    strcpy(a.sun_path, name);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s, 1), 0);
    op(VSOCK_OP_REQUEST, 1026, 7000, 0);
    expect(VSOCK_OP_RESPONSE);
    data(1026, 7000, "named", 5);
    fd = accept(s, NULL, NULL);
    expect_text(fd, "named");
    close(fd);
    close(s);
    unlink(name);
    finish();
}

/* No more goes to the guest than it has room for; no more is taken from it than we said. */
static void credit_is_kept(void **state)
{
    static uint8_t big[65536];
    struct vsock_header h;
    start();
    int l = vsock_host_listen(host, 9, NULL);
    room = 1000;
    int fd = guest_connects(l, 1, 9);
    assert_int_equal(send(fd, big, 30000, 0), 30000);
    assert_true(next(&h, NULL));
    assert_int_equal(h.bytes, 1000);
    give_buffers(1);
    expect_nothing();
    fwd = 400;
    op(VSOCK_OP_CREDIT_UPDATE, 1, 9, 0);
    assert_true(next(&h, NULL));
    assert_int_equal(h.bytes, 400);
    give_buffers(1);
    expect_nothing();
    fwd = 5000; /* more than it ever got: no room, says arithmetic, and no harm */
    op(VSOCK_OP_CREDIT_UPDATE, 1, 9, 0);
    expect_nothing();
    fwd = 1400;
    room = UINT32_MAX;
    op(VSOCK_OP_CREDIT_REQUEST, 1, 9, 0);
    h = expect(VSOCK_OP_CREDIT_UPDATE);
    assert_true(next(&h, NULL));
    assert_int_equal(h.bytes, 28600);
    give_buffers(1);
    /* The other way: a reader that is slow. */
    for (unsigned i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 31 + i / 256);
    uint32_t sent = 0, told = h.fwd_cnt;
    for (unsigned i = 0; i < 400 && sent - told + 4096 <= h.buf_alloc; i++) {
        data(1, 9, big + sent % 32768, 4096);
        sent += 4096;
        while (next(&h, NULL)) {
            assert_int_equal(h.op, VSOCK_OP_CREDIT_UPDATE);
            told = h.fwd_cnt;
            give_buffers(1);
        }
    }
    assert_true(sent < 400 * 4096); /* it did not take all */
    uint32_t got = 0;
    for (unsigned tries = 0; got < sent && tries < 5000; tries++) {
        uint8_t piece[4096];
        ssize_t n = recv(fd, piece, 4096 - got % 4096, 0);
        if (n <= 0) {
            rig_run_loop(&r, 1);
            continue;
        }
        assert_memory_equal(piece, big + got % 32768, n);
        got += (uint32_t)n;
    }
    assert_int_equal(got, sent);
    do
        assert_true(next(&h, NULL));
    while (h.fwd_cnt != sent && (give_buffers(1), true));
    close(fd);
    close(l);
    finish();
}

static void too_much_is_reset(void **state)
{
    static uint8_t big[60000];
    start();
    int l = vsock_host_listen(host, 9, NULL);
    int fd = guest_connects(l, 1, 9);
    struct vsock_header h = { .op = 0 };
    for (unsigned i = 0; i < 100 && h.op != VSOCK_OP_RST; i++) {
        data(1, 9, big, sizeof big);
        while (h.op != VSOCK_OP_RST && next(&h, NULL))
            give_buffers(1);
    }
    assert_int_equal(h.op, VSOCK_OP_RST);
    close(fd);
    fd = guest_connects(l, 2, 9); /* a length beyond the packet */
    send_packet((struct vsock_header){ .src_port = 2, .dst_port = 9, .op = VSOCK_OP_RW, .bytes = 1000000 }, NULL);
    expect(VSOCK_OP_RST);
    close(fd);
    fd = guest_connects(l, 3, 9);
    op(99, 3, 9, 0);
    expect(VSOCK_OP_RST);
    expect_end(fd);
    close(fd);
    close(l);
    finish();
}

static int guest_open(int l, uint32_t port)
{
    uint32_t from;
    op(VSOCK_OP_REQUEST, port, 9, 0);
    struct vsock_header h;
    assert_true(next(&h, NULL));
    give_buffers(1);
    return h.op == VSOCK_OP_RESPONSE ? take(l, &from) : -1;
}

static void many_connections(void **state)
{
    int fd[300], n = 0;
    start();
    int l = vsock_host_listen(host, 9, NULL);
    while (n < 300 && (fd[n] = guest_open(l, 1000 + (uint32_t)n)) >= 0)
        n++;
    assert_int_equal(n, 256);
    for (int i = 0; i < n; i++)
        assert_int_equal(send(fd[i], &i, 4, 0), 4);
    unsigned seen[256] = { 0 };
    for (int i = 0; i < n; i++) {
        struct vsock_header h;
        const uint8_t *bytes;
        assert_true(next(&h, &bytes));
        assert_int_equal(h.op, VSOCK_OP_RW);
        assert_int_equal(le32_get(bytes), h.dst_port - 1000);
        seen[h.dst_port - 1000]++;
        give_buffers(1);
    }
    for (int i = 0; i < n; i++)
        assert_int_equal(seen[i], 1);
    rig_reset(&r); /* the driver goes: all streams end */
    for (int i = 0; i < n; i++) {
        expect_end(fd[i]);
        close(fd[i]);
    }
    assert_int_equal(rig_start(&r, F_BASE), 15);
    offered = taken = 0;
    give_buffers(RIG_QUEUE);
    int one = guest_connects(l, 5, 9); /* and there is room again */
    close(one);
    close(l);
    finish();
}

/* A guest that gives no buffers for answers is not read any more, and costs no memory. */
static void resets_are_bounded(void **state)
{
    rig_init(&r);
    snprintf(path, sizeof path, "/tmp/pome-vsock-test-%d", (int)getpid());
    host = vsock_host_create(r.loop, NULL, NULL);
    rig_plug(&r, virtio_vsock_create(&r.bus, host));
    assert_int_equal(rig_start(&r, F_BASE), 15);
    offered = taken = 0;
    struct vsock_header h = { 3, 2, 1, 1, .type = 1, .op = VSOCK_OP_RW };
    vsock_header_write(&h, mem_ptr(r.mem, OUT, VSOCK_HEADER, true));
    unsigned used = 0;
    for (unsigned i = 0; i < 100; i++) {
        rig_desc(&r, TX, i % RIG_QUEUE, OUT, VSOCK_HEADER, 0, 0);
        rig_offer(&r, TX, (uint16_t)(i % RIG_QUEUE));
        rig_notify(&r, TX);
        rig_run_loop(&r, 0);
        used = le16_get(mem_ptr(r.mem, r.q[TX].used + 2, 2, false));
        if (used < i + 1)
            break;
    }
    assert_true(used >= 16 && used < 64);
    give_buffers(RIG_QUEUE);
    for (unsigned i = 0; i < used + 1; i++)
        expect(VSOCK_OP_RST);
    rig_finish(&r);
}

static void small_buffers_break_it(void **state)
{
    rig_init(&r);
    host = vsock_host_create(r.loop, NULL, NULL);
    rig_plug(&r, virtio_vsock_create(&r.bus, host));
    assert_int_equal(rig_start(&r, F_BASE), 15);
    rig_desc(&r, RX, 0, IN, 20, WRITE, 0);
    rig_offer(&r, RX, 0);
    rig_notify(&r, RX);
    rig_run_loop(&r, 2);
    assert_int_equal(rig_read(&r, RIG_COMMON + 0x14, 1), 15 | 0x40);
    rig_finish(&r);
}

/* After a restore the guest is told that its connections are gone. */
static void restored_machines_forget(void **state)
{
    start();
    int l = vsock_host_listen(host, 9, NULL);
    int fd = guest_connects(l, 1, 9);
    rig_desc(&r, EVENT, 0, OUT + 0x8000, 8, WRITE, 0);
    rig_offer(&r, EVENT, 0);
    rig_notify(&r, EVENT);
    rig_run_loop(&r, 2);
    assert_int_equal(le16_get(mem_ptr(r.mem, r.q[EVENT].used + 2, 2, false)), 0);
    bus_lock(&r.bus);
    r.v->type->own->restored(r.v);
    bus_unlock(&r.bus);
    assert_int_equal(rig_wait(&r, EVENT), 4);
    assert_int_equal(le32_get(mem_ptr(r.mem, OUT + 0x8000, 4, false)), 0);
    expect_end(fd);
    data(1, 9, "x", 1);
    expect(VSOCK_OP_RST);
    close(fd);
    close(l);
    finish();
}

static void names_are_taken(void **state)
{
    struct pome_error err;
    start();
    assert_null(vsock_host_create(r.loop, path, &err));
    assert_int_equal(err.code, POME_ERROR_BUSY);
    assert_null(vsock_host_create(r.loop, "/nowhere/s", &err));
    finish();
    int s = socket(AF_UNIX, SOCK_STREAM, 0); /* what a killed process left is replaced */
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    strcpy(a.sun_path, path);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    close(s);
    start();
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_connects),     cmocka_unit_test(refusals_and_nonsense),    cmocka_unit_test(the_guest_connects),
        cmocka_unit_test(credit_is_kept),        cmocka_unit_test(too_much_is_reset),        cmocka_unit_test(many_connections),
        cmocka_unit_test(resets_are_bounded),    cmocka_unit_test(small_buffers_break_it),   cmocka_unit_test(restored_machines_forget),
        cmocka_unit_test(names_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
