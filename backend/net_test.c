/* net_test.c - networks: the queue of frames, the three forms of descriptors, user-mode NAT from the guest's side of the cable. */
#include "backend/net_flows.h"
#include "backend/net_kind.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;
static unsigned inputs, rooms, closings;

static void on_input(void *ctx)
{
    inputs++;
}
static void on_room(void *ctx)
{
    rooms++;
}
static void on_closed(void *ctx, const char *why)
{
    closings++;
}

static void attach(struct net *n)
{
    inputs = rooms = closings = 0;
    net_attach(n, &(struct net_client){ .input = on_input, .room = on_room, .closed = on_closed });
}

static int setup(void **state)
{
    loop = loop_create(NULL);
    return !loop;
}

static int teardown(void **state)
{
    loop_destroy(loop);
    return 0;
}

static struct loop_task again;
static unsigned rounds;

/* A task that is posted by a task waits for the next round. */
static void stop_later(void *ctx)
{
    if (rounds--)
        loop_post(loop, &again);
    else
        loop_stop(loop);
}

/* On a busy host the time may be over before the loop has begun: what is ready has its rounds all the same. */
static void run(unsigned ms)
{
    struct loop_timer t = { .fn = stop_later };
    again.fn = stop_later;
    rounds = 10;
    loop_timer_set(loop, &t, loop_now_ns() + ms * UINT64_C(1000000));
    loop_run(loop);
}

/* ---- the queue ---- */

static void no_destroy(struct net *n)
{
}

/* Frames of all lengths come out as they went in, however often the ring goes round. */
static void frames_stay_in_order(void **state)
{
    static const struct net_kind none = { .destroy = no_destroy };
    struct net n;
    assert_true(net_init(&n, &none, loop));
    unsigned in = 0, out = 0, seed = 1, refused = 0;
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 1103515245 + 12345;
        size_t bytes = 1 + (seed >> 8) % (in % 7 ? 1514 : NET_FRAME_MAX);
        if (seed >> 28 < 9) {
            uint8_t *at = net_reserve(&n, bytes);
            refused += !at;
            if (!at)
                continue;
            assert_true(at >= n.queue.ring && at + bytes <= n.queue.ring + n.queue.bytes);
            memset(at, (int)in, bytes);
            le32_put(at, in++);
            net_add(&n, MAX(bytes, 4));
        } else if (n.queue.n) {
            size_t got;
            const uint8_t *at = net_first(&n, &got);
            assert_int_equal(le32_get(at), out);
            assert_int_equal(at[got - 1], got > 4 ? (uint8_t)out : at[got - 1]);
            out++;
            net_next(&n);
        }
    }
    assert_true(refused > 100 && out > 10000);
    net_finish(&n);
}

/* ---- descriptors ---- */

static void put_text(struct net *n, const char *text)
{
    uint8_t frame[NET_HEADER + 100] = { 0 };
    strcpy((char *)frame + NET_HEADER, text);
    assert_true(net_put(n, frame, NET_HEADER + strlen(text)));
}

static void expect_text(struct net *n, const char *text)
{
    size_t got;
    const uint8_t *at = net_first(n, &got);
    assert_non_null(at);
    assert_int_equal(got, NET_HEADER + strlen(text));
    assert_memory_equal(at + NET_HEADER, text, strlen(text));
    net_next(n);
}

static void datagrams_are_frames(void **state)
{
    int fd[2];
    char text[100] = "";
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
    struct net *n = net_fd_create(loop, fd[0], NULL);
    assert_non_null(n);
    attach(n);
    put_text(n, "to the host");
    assert_int_equal(recv(fd[1], text, sizeof text, 0), 11);
    assert_string_equal(text, "to the host");
    send(fd[1], "one", 3, 0);
    send(fd[1], "two", 3, 0);
    run(5);
    assert_true(inputs);
    expect_text(n, "one");
    expect_text(n, "two");
    uint8_t big[NET_HEADER + 1500] = { 0 }; /* a reader that is slow is waited for */
    unsigned sent = 0;
    while (net_put(n, big, sizeof big))
        assert_true(++sent < 100000);
    assert_int_equal(rooms, 0);
    while (recv(fd[1], big, sizeof big, MSG_DONTWAIT) >= 0)
        ;
    run(5);
    assert_true(rooms > 0);
    assert_true(net_put(n, big, sizeof big));
    net_destroy(n);
    close(fd[1]);
}

static void streams_carry_lengths(void **state)
{
    int fd[2];
    uint8_t text[100];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    struct net *n = net_fd_create(loop, fd[0], NULL);
    attach(n);
    put_text(n, "hello");
    assert_int_equal(recv(fd[1], text, sizeof text, 0), 9);
    assert_memory_equal(text, "\0\0\0\5hello", 9);
    for (unsigned i = 0; i < 14; i++) { /* byte by byte */
        assert_int_equal(send(fd[1], &"\0\0\0\3one\0\0\0\3two"[i], 1, 0), 1);
        run(1);
    }
    expect_text(n, "one");
    expect_text(n, "two");
    assert_int_equal(closings, 0);
    send(fd[1], "\1\0\0\0", 4, 0); /* 16 MiB */
    run(5);
    assert_int_equal(closings, 1);
    put_text(n, "nobody there");
    net_destroy(n);
    close(fd[1]);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    n = net_fd_create(loop, fd[0], NULL);
    attach(n);
    close(fd[1]);
    run(5);
    assert_int_equal(closings, 1);
    net_destroy(n);
}

static void files_are_refused(void **state)
{
    struct pome_error err;
    char name[] = "/tmp/pome-net-test-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    assert_null(net_fd_create(loop, fd, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
    assert_null(net_unix_create(loop, "/nowhere/at/all", &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
}

/* ---- user-mode NAT ---- */

static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

/* Asks who has 10.0.2.<last>. */
static void ask(struct net *n, uint8_t last)
{
    uint8_t f[NET_HEADER + 42] = { 0 }, *e = f + NET_HEADER;
    memset(e, 0xff, 6);
    memcpy(e + 6, guest_mac, 6);
    memcpy(e + 12, (uint8_t[]){ 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 }, 10);
    memcpy(e + 22, guest_mac, 6);
    memcpy(e + 28, (uint8_t[]){ 10, 0, 2, 15 }, 4);
    memcpy(e + 38, (uint8_t[]){ 10, 0, 2, last }, 4);
    net_put(n, f, sizeof f);
    run(20);
}

/* True: somebody answered. */
static bool arp(struct net *n, uint8_t last)
{
    ask(n, last);
    bool answered = false;
    size_t got;
    for (const uint8_t *a; (a = net_first(n, &got)); net_next(n))
        answered |= got >= NET_HEADER + 42 && a[NET_HEADER + 21] == 2 && a[NET_HEADER + 31] == last;
    return answered;
}

static void the_gateway_answers(void **state)
{
    struct pome_error err;
    struct net *n = net_user_create(loop, &(struct net_user_options){ 0 }, &err);
    assert_non_null(n);
    attach(n);
    assert_true(net_mtu(n) > 9000);
    assert_true(arp(n, 2));
    assert_true(arp(n, 3));
    assert_false(arp(n, 77));
    uint8_t junk[NET_HEADER + 64];
    for (unsigned i = 0; i < 20000; i++) { /* nothing of this is a packet */
        size_t bytes = NET_HEADER + 1 + i % 64;
        for (size_t k = 0; k < bytes; k++)
            junk[k] = (uint8_t)rand();
        net_put(n, junk, bytes);
    }
    run(5);
    net_destroy(n);
}

static uint16_t free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return ntohs(a.sin_port);
}

/* A connection to the forwarded port becomes a SYN on the cable; the port is taken as long as the network is there. */
static void ports_are_forwarded(void **state)
{
    struct pome_error err = { 0 };
    struct net_forward f = { .host_port = free_port(), .guest_port = 22 };
    const struct net_user_options o = { .forwards = &f, .n_forwards = 1, .isolation = NET_CLOSED };
    struct net *n = net_user_create(loop, &o, &err);
    if (!n)
        fail_msg("%s", err.message);
    attach(n);
    assert_null(net_user_create(loop, &o, &err));
    assert_int_equal(err.code, POME_ERROR_BUSY);
    char why[96];
    snprintf(why, sizeof why, "forwards[0]: TCP port %u of 127.0.0.1 is in use by process %d (net_test)", f.host_port, (int)getpid());
    assert_string_equal(err.message, why);
    assert_true(arp(n, 2)); /* it knows us from now on */
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(f.host_port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    run(50);
    bool syn = false;
    size_t got;
    for (const uint8_t *p; (p = net_first(n, &got)); net_next(n)) {
        const uint8_t *ip = p + NET_HEADER + 14, *tcp = ip + 20;
        syn |= got >= NET_HEADER + 54 && ip[9] == 6 && be16_get(tcp + 2) == 22 && tcp[13] & 2;
    }
    assert_true(syn);
    close(fd);
    net_destroy(n);
    strcpy(f.host_address, "example");
    assert_null(net_user_create(loop, &o, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
}

/* ---- connections and saved networks ---- */

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* A segment between 10.0.2.15:1234 and 10.0.2.2:80 with its header of 12 bytes; its length. */
static size_t segment(uint8_t *f, bool from_guest, uint8_t flags, uint32_t seq, uint32_t ack)
{
    static const uint8_t guest[4] = { 10, 0, 2, 15 }, peer[4] = { 10, 0, 2, 2 }, peer_mac[6] = { 0x52, 0x55, 10, 0, 2, 2 };
    uint8_t *e = f + NET_HEADER, *ip = e + 14, *tcp = ip + 20;
    memset(f, 0, NET_HEADER + 54);
    memcpy(e, from_guest ? peer_mac : guest_mac, 6);
    memcpy(e + 6, from_guest ? guest_mac : peer_mac, 6);
    memcpy(e + 12, (uint8_t[]){ 8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6 }, 12);
    memcpy(ip + 12, from_guest ? guest : peer, 4);
    memcpy(ip + 16, from_guest ? peer : guest, 4);
    be16_put(tcp, from_guest ? 1234 : 80);
    be16_put(tcp + 2, from_guest ? 80 : 1234);
    be32_put(tcp + 4, seq);
    be32_put(tcp + 8, ack);
    tcp[12] = 0x50;
    tcp[13] = flags;
    return NET_HEADER + 54;
}

static void see(struct net_flows *f, bool from_guest, uint8_t flags)
{
    uint8_t b[NET_HEADER + 54];
    size_t n = segment(b, from_guest, flags, 1, 1);
    net_flows_see(f, b + NET_HEADER, n - NET_HEADER, from_guest);
}

static uint16_t sum(const uint8_t *b, size_t n, uint32_t s)
{
    for (size_t i = 0; i < n; i += 2)
        s += be16_get(b + i);
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

static void connections_are_known_and_ended(void **state)
{
    struct net_flows *f = calloc(1, sizeof *f);
    uint8_t b[NET_HEADER + 54], reset[NET_FLOW_SEGMENT_MAX], saved[NET_FLOW_BYTES];
    size_t n;
    see(f, true, SYN);
    assert_int_equal(f->n, 0); /* not yet one */
    see(f, false, SYN | ACK);
    see(f, true, ACK);
    assert_int_equal(f->n, 1);
    see(f, true, FIN | ACK);
    assert_int_equal(f->n, 1);
    see(f, false, FIN | ACK);
    assert_int_equal(f->n, 0);
    see(f, true, SYN | ACK); /* the guest answers: the same ports, one connection */
    see(f, true, SYN | ACK);
    assert_int_equal(f->n, 1);
    see(f, false, RST);
    assert_int_equal(f->n, 0);
    see(f, false, SYN | ACK);
    net_flow_save(&f->flow[0], saved);
    f->n = 0;
    assert_false(net_flows_load(f, saved, sizeof saved - 1));
    assert_true(net_flows_load(f, saved, sizeof saved));
    assert_int_equal(f->n_ended, 1);
    n = net_flow_ask(&f->flow[0], reset);
    assert_int_equal(n, 54);
    assert_int_equal(reset[14 + 20 + 13], SYN);
    segment(b, true, ACK, 77, 4242);
    assert_true(net_flows_ends(f, b + NET_HEADER, 54, reset, &n));
    assert_int_equal(n, 54);
    assert_int_equal(be32_get(reset + 34 + 4), 4242);
    assert_int_equal(reset[34 + 13], RST);
    assert_memory_equal(reset, guest_mac, 6);
    assert_int_equal(sum(reset + 14, 20, 0), 0xffff);
    assert_int_equal(sum(reset + 34, 20, sum(reset + 26, 8, 6 + 20)), 0xffff);
    segment(b, true, SYN, 1, 0); /* a new one with these ports */
    assert_false(net_flows_ends(f, b + NET_HEADER, 54, reset, &n));
    assert_int_equal(f->n + f->n_ended, 0);
    for (unsigned i = 0; i < NET_FLOWS_MAX + 100; i++) {
        segment(b, true, SYN | ACK, 1, 1);
        be16_put(b + NET_HEADER + 34, (uint16_t)i);
        net_flows_see(f, b + NET_HEADER, 54, true);
    }
    assert_int_equal(f->n, NET_FLOWS_MAX);
    assert_int_equal(be16_get(f->flow[0].key.guest_port), 100);
    for (unsigned i = 0; i < 100000; i++) { /* any bytes, of any length */
        uint8_t junk[80];
        for (size_t k = 0; k < sizeof junk; k++)
            junk[k] = (uint8_t)rand();
        be16_put(junk + 12, i & 1 ? 0x0800 : 0x86dd);
        net_flows_see(f, junk, i % 80, i & 2);
    }
    free(f);
}

/* What lay in the queue is there again, once; a connection of the saved time is reset by what the guest answers; a guest keeps its lease. */
static void user_nat_is_saved(void **state)
{
    struct records r = { 0 };
    uint8_t b[NET_HEADER + 54];
    struct pome_error err = { 0 };
    struct net_forward f = { .host_port = free_port(), .guest_port = 22 };
    const struct net_user_options o = { .forwards = &f, .n_forwards = 1 };
    struct net *n = net_user_create(loop, &o, NULL), *other = net_user_create(loop, &(struct net_user_options){ .isolation = NET_CLOSED }, NULL);
    assert_true(arp(n, 2));
    ask(n, 3);
    size_t before = n->queue.n;
    assert_int_equal(before, 1);
    net_save(n, &r);
    assert_int_equal(n->queue.n, before); /* a running machine goes on */
    assert_true(net_load(other, r.bytes, r.n, false, &err));
    assert_int_equal(other->queue.n, before);
    if (!net_load(n, r.bytes, r.n, false, &err)) /* into the same: its port is opened again */
        fail_msg("%s", err.message);
    assert_int_equal(n->queue.n, before);
    assert_true(arp(n, 2));
    records_free(&r);

    uint8_t saved[NET_FLOW_BYTES] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x52, 0x55, 10, 0, 2, 2, 10, 0, 2, 15 };
    memcpy(saved + 28, (uint8_t[]){ 10, 0, 2, 2 }, 4);
    be16_put(saved + 44, 1234);
    be16_put(saved + 46, 80);
    records_put(&r, "connection", saved, sizeof saved);
    assert_true(net_load(other, r.bytes, r.n, false, &err));
    size_t bytes;
    const uint8_t *p = net_first(other, &bytes);
    assert_non_null(p);
    assert_int_equal(p[NET_HEADER + 34 + 13], SYN);
    net_next(other);
    net_put(other, b, segment(b, true, ACK, 5, 777)); /* libslirp would be silent: an isolated network */
    p = net_first(other, &bytes);
    assert_non_null(p);
    assert_int_equal(p[NET_HEADER + 34 + 13], RST);
    assert_int_equal(be32_get(p + NET_HEADER + 38), 777);
    records_free(&r);
    for (unsigned i = 0; i < 3; i++) { /* hostile files */
        static const struct {
            const char *name;
            unsigned bytes;
        } bad[] = { { "connection", 48 }, { "leases", 7 }, { "to the guest", NET_HEADER } };
        records_put(&r, bad[i].name, b, bad[i].bytes);
        assert_false(net_load(other, r.bytes, r.n, false, &err));
        assert_int_equal(err.code, POME_ERROR_RESTORE);
        records_free(&r);
    }
    net_destroy(n);
    net_destroy(other);
}

/* A stream between two frames when it is saved; what its reader does not take goes out whole on the next one. */
static void streams_are_saved_between_frames(void **state)
{
    int fd[2], next[2];
    struct records r = { 0 };
    static uint8_t big[NET_HEADER + 60000], got[4 + 60000];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, next), 0);
    struct net *n = net_fd_create(loop, fd[0], NULL), *other = net_fd_create(loop, next[0], NULL);
    attach(n);
    assert_int_equal(send(fd[1], "\0\0\0\5he", 6, 0), 6);
    run(5);
    send(fd[1], "llo", 3, 0);
    memset(big, 7, sizeof big);
    assert_int_equal(setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &(int){ 8192 }, sizeof(int)), 0);
    assert_true(net_put(n, big, sizeof big));
    net_save(n, &r);
    expect_text(n, "hello");
    assert_true(net_load(other, r.bytes, r.n, false, NULL));
    expect_text(other, "hello");
    run(20);
    ssize_t bytes = recv(next[1], got, sizeof got, MSG_DONTWAIT);
    assert_int_equal(bytes, sizeof got); /* the one of which a part was written */
    assert_int_equal(be32_get(got), 60000);
    assert_int_equal(got[4], 7);
    assert_int_equal(recv(next[1], got, 1, MSG_DONTWAIT), -1);
    records_free(&r);
    net_destroy(n);
    net_destroy(other);
    close(fd[1]);
    close(next[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_stay_in_order),  cmocka_unit_test(datagrams_are_frames), cmocka_unit_test(streams_carry_lengths),
        cmocka_unit_test(files_are_refused),     cmocka_unit_test(the_gateway_answers),  cmocka_unit_test(ports_are_forwarded),
        cmocka_unit_test(connections_are_known_and_ended), cmocka_unit_test(user_nat_is_saved), cmocka_unit_test(streams_are_saved_between_frames),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
