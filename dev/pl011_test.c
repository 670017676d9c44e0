/* pl011_test.c - the UART with a console behind it: nothing is lost in either direction, interrupts as drivers expect. */
#include "dev/pl011.h"
#include "dev/test_rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define UART UINT64_C(0x09000000)
enum { DR = 0, FR = 0x18, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34, IMSC = 0x38, RIS = 0x3c, MIS = 0x40, ICR = 0x44 };
enum { RXFE = 0x10, TXFF = 0x20, RX = 0x10, TX = 0x20, RT = 0x40 };

static struct rig r;
static struct console *console;
static struct device *uart;
static int out[2];

static void wire(void *ctx, unsigned number, bool level)
{
    r.intx[0] = level;
}

static int setup(void **state)
{
    rig_init(&r);
    if (pipe(out))
        return 1;
    console = console_create(r.loop, &(struct console_options){ .in_fd = -1, .out_fd = out[1] }, NULL);
    uart = pl011_create((struct irq_line){ .set = wire }, console);
    bus_map(&r.bus, UART, 0x1000, uart);
    return 0;
}

static int teardown(void **state)
{
    uart->type->destroy(uart);
    console_destroy(console, 0);
    rig_finish(&r);
    close(out[0]);
    close(out[1]);
    return 0;
}

static uint32_t rd(unsigned reg)
{
    return (uint32_t)rig_read(&r, UART + reg, 4);
}
static void wr(unsigned reg, uint32_t v)
{
    rig_write(&r, UART + reg, 4, v);
}

#define TOTAL 400000
static bool go; /* the reader starts when the writer was stopped once */

static void *slow_reader(void *ctx)
{
    static uint8_t bytes[TOTAL];
    size_t n = 0, *wrong = ctx;
    while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
        usleep(100);
    for (ssize_t some; n < TOTAL && (some = read(out[0], bytes + n, MIN(TOTAL - n, 3000))) > 0; n += (size_t)some)
        usleep(20);
    for (size_t i = 0; i < n; i++)
        *wrong += bytes[i] != (uint8_t)(i * 11 ^ i >> 7);
    return NULL;
}

/* A guest that looks at TXFF; the loop makes room from time to time. */
static void output_waits_for_the_host(void **state)
{
    size_t wrong = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, slow_reader, &wrong);
    wr(LCR_H, 0x70);
    for (size_t i = 0; i < TOTAL; i++) {
        while (rd(FR) & TXFF) {
            __atomic_store_n(&go, true, __ATOMIC_RELEASE);
            rig_run_loop(&r, 1);
        }
        rig_write(&r, UART + DR, i & 1 ? 1 : 2, (uint8_t)(i * 11 ^ i >> 7));
    }
    assert_true(go);
    while (!(rd(FR) & 0x80))
        rig_run_loop(&r, 1);
    pthread_join(thread, NULL);
    assert_int_equal(wrong, 0);
}

static void input_fills_the_fifo_and_waits(void **state)
{
    uint8_t bytes[100];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + 100);
    assert_int_equal(console_type(console, bytes, sizeof bytes), sizeof bytes);
    rig_run_loop(&r, 1);
    assert_true(rd(FR) & RXFE); /* not enabled yet: nothing was taken, nothing lost */
    wr(LCR_H, 0x70);
    wr(IMSC, RX | RT);
    wr(CR, 0x301);
    assert_true(r.intx[0]);
    assert_int_equal(rd(MIS), RX | RT);
    for (unsigned i = 0; i < sizeof bytes; i++) {
        assert_false(rd(FR) & RXFE);
        assert_int_equal(rd(DR), bytes[i]);
        if (i % 16 == 15) { /* emptied: an interrupt handler gets to its end before there is more */
            assert_true(rd(FR) & RXFE);
            assert_false(r.intx[0]);
            rig_run_loop(&r, 1);
            assert_true(r.intx[0]);
        }
    }
    assert_true(rd(FR) & RXFE);
    assert_false(r.intx[0]);
    assert_int_equal(rd(RIS) & (RX | RT), 0);
    console_type(console, bytes, 1); /* one byte: below the level, so it is the timeout that tells */
    rig_run_loop(&r, 1);
    assert_int_equal(rd(MIS), RT);
    wr(ICR, RT);
    assert_false(r.intx[0]);
    assert_int_equal(rd(DR), bytes[0]);
}

static void transmit_interrupt(void **state)
{
    wr(LCR_H, 0x70);
    wr(CR, 0x301);
    wr(IMSC, TX);
    assert_false(r.intx[0]);
    wr(DR, 'x');
    assert_true(r.intx[0]); /* it went out: there is room */
    wr(ICR, TX);
    assert_false(r.intx[0]);
    wr(DR, 'y');
    assert_true(r.intx[0]);
    wr(IMSC, 0);
    assert_false(r.intx[0]);
}

static void loopback(void **state)
{
    wr(LCR_H, 0x70);
    wr(CR, 0x381);
    for (unsigned i = 0; i < 20; i++)
        wr(DR, 'a' + i);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(rd(DR), 'a' + i);
    assert_true(rd(FR) & RXFE);
}

static void identification(void **state)
{
    uint32_t id = 0;
    for (unsigned i = 0; i < 4; i++)
        id |= rd(0xfe0 + 4 * i) << 8 * i;
    assert_int_equal(id & 0xfffff, 0x41011);
    assert_int_equal(rd(0xff0), 0x0d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(output_waits_for_the_host), T(input_fills_the_fifo_and_waits), T(transmit_interrupt), T(loopback), T(identification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
