/* virtio_console_test.c - the conversation about ports, as Linux has it, and otherwise; a port's socket. */
#include "dev/test_rig.h"
#include "dev/virtio_console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define F_BASE      (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC)
#define F_MULTIPORT BIT(1)
#define DATA        (RIG_RAM + 1 * MiB)
#define WRITE       2
enum { CONTROL_RX = 2, CONTROL_TX, RX1, TX1 };
enum { DEVICE_READY, DEVICE_ADD, DEVICE_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };

static struct rig r;
static struct console *console[2];
static char path[64];
static uint8_t tapped[64];
static size_t n_tapped;

static void tap(void *ctx, const uint8_t *bytes, size_t n)
{
    if (n_tapped + n <= sizeof tapped)
        memcpy(tapped + n_tapped, bytes, n);
    n_tapped += n;
}

/* A terminal, and a port with a name and a socket. */
static void start(uint64_t features)
{
    rig_init(&r);
    n_tapped = 0;
    snprintf(path, sizeof path, "/tmp/pome-port-test-%d", getpid());
    console[0] = console_create(r.loop, &(struct console_options){ .in_fd = -1, .out_fd = -1, .tap = tap }, NULL);
    console[1] = console_create(r.loop, &(struct console_options){ .in_fd = -1, .out_fd = -1, .socket = path }, NULL);
    assert_non_null(console[1]);
    const struct virtio_console_port ports[] = { { console[0], NULL, true }, { console[1], "org.test", false } };
    rig_plug(&r, virtio_console_create(&r.bus, ports, 2));
    assert_int_equal(rig_start(&r, features), 15);
}

static void finish(void)
{
    struct device *t = virtio_pci_device(r.t);
    struct virtio *v = r.v;
    t->type->destroy(t);
    v->device.type->destroy(&v->device);
    console_destroy(console[0], 100);
    console_destroy(console[1], 100);
    r.t = NULL;
    rig_finish(&r);
    assert_int_equal(access(path, F_OK), -1);
}

/* Buffers for what the device tells. */
static void offer_buffers(unsigned n, uint32_t bytes)
{
    for (unsigned i = 0; i < n; i++) {
        rig_desc(&r, CONTROL_RX, i, DATA + 256 * i, bytes, WRITE, 0);
        rig_offer(&r, CONTROL_RX, (uint16_t)i);
    }
    rig_notify(&r, CONTROL_RX);
}

static void say(uint32_t id, uint16_t event, uint16_t value)
{
    uint8_t *m = mem_ptr(r.mem, DATA + 0x8000, 8, true);
    le32_put(m, id);
    le16_put(m + 4, event);
    le16_put(m + 6, value);
    rig_desc(&r, CONTROL_TX, 0, DATA + 0x8000, 8, 0, 0);
    rig_offer(&r, CONTROL_TX, 0);
    rig_notify(&r, CONTROL_TX);
    assert_int_equal(rig_wait(&r, CONTROL_TX), 0);
}

/* The next message is this one, in buffer `at`. */
static void told(unsigned at, uint32_t id, uint16_t event, uint16_t value, size_t more)
{
    assert_int_equal(rig_wait(&r, CONTROL_RX), 8 + more);
    const uint8_t *m = mem_ptr(r.mem, DATA + 256 * at, 64, false);
    assert_int_equal(le32_get(m), id);
    assert_int_equal(le16_get(m + 4), event);
    assert_int_equal(le16_get(m + 6), value);
}

static bool told_nothing(void)
{
    rig_run_loop(&r, 20);
    return le16_get(mem_ptr(r.mem, r.q[CONTROL_RX].used + 2, 2, false)) == r.q[CONTROL_RX].seen;
}

static int call(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void introduce(void)
{
    offer_buffers(16, 64);
    say(0, DEVICE_READY, 1);
    told(0, 0, DEVICE_ADD, 1, 0);
    told(1, 1, DEVICE_ADD, 1, 0);
    say(0, PORT_READY, 1);
    told(2, 0, CONSOLE_PORT, 1, 0);
    told(3, 0, PORT_OPEN, 1, 0);
    say(1, PORT_READY, 1);
    told(4, 1, PORT_NAME, 1, 8);
    assert_memory_equal(mem_ptr(r.mem, DATA + 256 * 4 + 8, 8, false), "org.test", 8);
    assert_true(told_nothing()); /* nobody is at the socket */
}

static void ports_are_introduced(void **state)
{
    start(F_BASE | F_MULTIPORT);
    assert_int_equal(rig_read(&r, RIG_CONFIG + 4, 4), 2);
    introduce();
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    finish();
}

static void a_socket_is_open_while_somebody_is_there(void **state)
{
    char got[16] = "";
    start(F_BASE | F_MULTIPORT);
    introduce();
    for (unsigned i = 0; i < 3; i++) { /* one after the other */
        int fd = call();
        told(5 + 2 * i, 1, PORT_OPEN, 1, 0);
        assert_int_equal(write(fd, "in", 2), 2);
        if (!i) { /* waits until a program of the guest has opened the port */
            rig_desc(&r, RX1, 0, DATA + 0x9000, 64, WRITE, 0);
            rig_offer(&r, RX1, 0);
            rig_notify(&r, RX1);
            rig_run_loop(&r, 20);
            assert_int_equal(le16_get(mem_ptr(r.mem, r.q[RX1].used + 2, 2, false)), 0);
            say(1, PORT_OPEN, 1);
        } else {
            rig_offer(&r, RX1, 0);
            rig_notify(&r, RX1);
        }
        assert_int_equal(rig_wait(&r, RX1), 2);
        assert_memory_equal(mem_ptr(r.mem, DATA + 0x9000, 2, false), "in", 2);
        shutdown(fd, SHUT_WR); /* it has no more to say, and listens */
        rig_run_loop(&r, 20);
        memcpy(mem_ptr(r.mem, DATA + 0xa000, 3, true), "out", 3);
        rig_desc(&r, TX1, 0, DATA + 0xa000, 3, 0, 0);
        rig_offer(&r, TX1, 0);
        rig_notify(&r, TX1);
        assert_int_equal(rig_wait(&r, TX1), 0);
        assert_int_equal(read(fd, got, sizeof got), 3);
        assert_memory_equal(got, "out", 3);
        close(fd);
        told(6 + 2 * i, 1, PORT_OPEN, 0, 0);
    }
    finish();
}

/* A caller that reads nothing, and goes: neither the guest nor the next one waits for ever. */
static void a_caller_may_go_at_any_time(void **state)
{
    start(F_BASE | F_MULTIPORT);
    introduce();
    int fd = call();
    told(5, 1, PORT_OPEN, 1, 0);
    for (unsigned i = 0; i < 16; i++)
        rig_desc(&r, TX1, i, RIG_RAM + 2 * MiB, 60000, 0, 0);
    for (unsigned i = 0; i < 16; i++)
        rig_offer(&r, TX1, (uint16_t)i);
    rig_notify(&r, TX1);
    rig_run_loop(&r, 50);
    assert_true(le16_get(mem_ptr(r.mem, r.q[TX1].used + 2, 2, false)) < 16);
    close(fd);
    told(6, 1, PORT_OPEN, 0, 0);
    for (int i = 0; i < 1000 && le16_get(mem_ptr(r.mem, r.q[TX1].used + 2, 2, false)) < 16; i++)
        rig_run_loop(&r, 5);
    assert_int_equal(le16_get(mem_ptr(r.mem, r.q[TX1].used + 2, 2, false)), 16);
    finish();
}

static void without_multiport_there_is_port_0(void **state)
{
    start(F_BASE);
    memcpy(mem_ptr(r.mem, DATA, 5, true), "hello", 5);
    rig_desc(&r, 1, 0, DATA, 5, 0, 0);
    rig_offer(&r, 1, 0);
    rig_notify(&r, 1);
    assert_int_equal(rig_wait(&r, 1), 0);
    assert_true(console_flush(console[0], 5000));
    assert_int_equal(n_tapped, 5);
    assert_memory_equal(tapped, "hello", 5);
    assert_int_equal(console_type(console[0], (const uint8_t *)"typed", 5), 5);
    rig_desc(&r, 0, 0, DATA, 64, WRITE, 0);
    rig_offer(&r, 0, 0);
    rig_notify(&r, 0);
    assert_int_equal(rig_wait(&r, 0), 5);
    finish();
}

static void bad_control_messages(void **state)
{
    start(F_BASE | F_MULTIPORT);
    offer_buffers(8, 64);
    say(2, PORT_READY, 1); /* no such port */
    say(UINT32_MAX, PORT_OPEN, 1);
    say(0, 99, 1);
    say(0, DEVICE_READY, 0);
    rig_desc(&r, CONTROL_TX, 0, DATA + 0x8000, 5, 0, 0); /* too short */
    rig_offer(&r, CONTROL_TX, 0);
    rig_notify(&r, CONTROL_TX);
    assert_int_equal(rig_wait(&r, CONTROL_TX), 0);
    assert_true(told_nothing());
    for (unsigned i = 0; i < 100; i++)
        say(0, DEVICE_READY, 1);
    for (unsigned i = 0; i < 8; i++)
        told(i, i & 1, DEVICE_ADD, 1, 0);
    assert_true(told_nothing()); /* a hundred questions are no hundred answers kept */
    assert_false(rig_read(&r, RIG_COMMON + 0x14, 1) & VIRTIO_NEEDS_RESET);
    offer_buffers(1, 7); /* too small for any message */
    rig_run_loop(&r, 1);
    assert_true(rig_read(&r, RIG_COMMON + 0x14, 1) & VIRTIO_NEEDS_RESET);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_are_introduced),
        cmocka_unit_test(a_socket_is_open_while_somebody_is_there),
        cmocka_unit_test(a_caller_may_go_at_any_time),
        cmocka_unit_test(without_multiport_there_is_port_0),
        cmocka_unit_test(bad_control_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
