/* backend_test.c - disks: locks, sizes, every operation, draining; consoles: order, fullness, endings. */
#include "backend/console.h"
#include "backend/dirty.h"
#include "backend/disk.h"

#include "base/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;
static struct disk_pool *pool;
static char path[] = "/tmp/pome-backend-test-XXXXXX";

static int setup(void **state)
{
    strcpy(path + sizeof path - 7, "XXXXXX");
    int fd = mkstemp(path);
    loop = loop_create(NULL);
    pool = disk_pool_create(loop, 2, NULL);
    return fd < 0 || ftruncate(fd, 1 << 20) || close(fd) || !pool;
}

static int teardown(void **state)
{
    disk_pool_destroy(pool);
    loop_destroy(loop);
    unlink(path);
    return 0;
}

static struct disk *open_ok(bool read_only)
{
    struct pome_error err = { 0 };
    struct disk *d = disk_open(pool, path, read_only, &err);
    if (!d)
        fail_msg("%s", err.message);
    return d;
}

/* Instead of the C library's: what reaches the medium is counted. */
static unsigned syncs;
int fdatasync(int fd)
{
    syncs++;
    return 0;
}

static void a_flush_is_what_the_mode_says(void **state)
{
    static const struct {
        enum disk_flushing mode;
        unsigned syncs;
    } cases[] = {{DISK_FLUSHING_FULL, 1}, {DISK_FLUSHING_FSYNC, 1}, {DISK_FLUSHING_NONE, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct disk *d = open_ok(false);
        struct disk_io io = {.op = DISK_FLUSH};
        assert_true(disk_set_modes(d, (struct disk_modes){.flushing = cases[i].mode}, NULL));
        syncs = 0;
        assert_true(disk_run(d, &io));
        assert_int_equal(syncs, cases[i].syncs);
        assert_true(disk_sync(d, NULL)); /* a machine that is saved must find its disk so, in any mode */
        assert_int_equal(syncs, cases[i].syncs + 1);
        disk_close(d);
    }
}

static unsigned pages_in_memory(void)
{
    unsigned char in[256] = {0};
    unsigned n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *map = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED && !mincore(map, 1 << 20, in));
    for (size_t i = 0; i < ARRAY_SIZE(in); i++)
        n += in[i] & 1;
    munmap(map, 1 << 20);
    close(fd);
    return n;
}

/* What lies in the host's memory of a mebibyte that was written, in odd places too, and read. */
static unsigned write_and_read(enum disk_caching mode)
{
    static _Alignas(4096) uint8_t wrote[1 << 20], got[1 << 20];
    struct pome_error err = {0};
    struct disk *d = open_ok(false);
    if (!disk_set_modes(d, (struct disk_modes){.caching = mode}, &err)) {
        assert_int_equal(err.code, POME_ERROR_NOT_SUPPORTED);
        assert_non_null(strstr(err.message, "uncached"));
        disk_close(d);
        return UINT32_MAX;
    }
    for (size_t i = 0; i < sizeof wrote; i++)
        wrote[i] = (uint8_t)(i * 7 + i / 4096 + mode);
    struct iovec w = {wrote, sizeof wrote}, r[2] = {{got, sizeof got}, {wrote + 1, 0}}, odd = {wrote + 512, 1024}, now = {got, 4096};
    struct disk_io write = {.op = DISK_WRITE, .bytes = sizeof wrote, .iov = &w, .n_iov = 1}, read = {.op = DISK_READ, .bytes = sizeof got, .iov = r, .n_iov = 2};
    assert_true(disk_run(d, &write));
    assert_true(disk_run(d, &read));
    assert_memory_equal(wrote, got, sizeof got);
    unsigned n = pages_in_memory();
    assert_int_equal(disk_read_now(d, 0, 4096, &now, 1), mode != DISK_CACHING_UNCACHED);
    struct disk_io small = {.op = DISK_WRITE, .offset = 512 * 9, .bytes = 1024, .iov = &odd, .n_iov = 1};
    assert_true(disk_run(d, &small));
    r[0] = (struct iovec){got, sizeof got};
    read = (struct disk_io){.op = DISK_READ, .bytes = sizeof got, .iov = r, .n_iov = 1};
    assert_true(disk_run(d, &read));
    memcpy(wrote + 512 * 9, wrote + 512, 1024);
    assert_memory_equal(wrote, got, sizeof got);
    disk_close(d);
    return n;
}

static void an_uncached_disk_leaves_nothing_in_memory(void **state)
{
    unsigned n = write_and_read(DISK_CACHING_UNCACHED);
    assert_true(n == 0 || n == UINT32_MAX); /* the file system of the test's file may not be able to */
    assert_int_equal(write_and_read(DISK_CACHING_AUTOMATIC), 256);
    assert_int_equal(write_and_read(DISK_CACHING_CACHED), 256);
}

static void one_writer_or_many_readers(void **state)
{
    struct pome_error err;
    struct disk *w = open_ok(false);
    assert_null(disk_open(pool, path, false, &err));
    assert_int_equal(err.code, POME_ERROR_BUSY);
    assert_non_null(strstr(err.message, path));
    assert_null(disk_open(pool, path, true, &err));
    assert_int_equal(err.code, POME_ERROR_BUSY);
    disk_close(w);
    struct disk *a = open_ok(true), *b = open_ok(true);
    assert_null(disk_open(pool, path, false, &err));
    disk_close(a);
    disk_close(b);
    disk_close(open_ok(false));
}

static void unfit_files_are_refused(void **state)
{
    struct pome_error err;
    static const off_t sizes[] = { 0, 511, 513, 1 << 19 | 1 };
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_int_equal(truncate(path, sizes[i]), 0);
        assert_null(disk_open(pool, path, false, &err));
        assert_int_equal(err.code, POME_ERROR_INVALID_DISK_IMAGE);
    }
    assert_null(disk_open(pool, "/tmp", true, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DISK_IMAGE);
    assert_null(disk_open(pool, "/dev/null", true, &err));
    assert_null(disk_open(pool, "/nonexistent/disk", true, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
}

struct op {
    struct disk_io io;
    bool done;
};
static void done(struct disk_io *io)
{
    CONTAINER_OF(io, struct op, io)->done = true;
}

static int run(struct disk *d, enum disk_op kind, uint64_t offset, uint8_t *bytes, size_t n, unsigned pieces)
{
    struct iovec iov[8];
    for (unsigned i = 0; i < pieces; i++)
        iov[i] = (struct iovec){ bytes + n / pieces * i, i + 1 < pieces ? n / pieces : n - n / pieces * i };
    struct op op = { .io = { .op = kind, .offset = offset, .bytes = n, .iov = iov, .n_iov = pieces, .done = done } };
    disk_submit(d, &op.io);
    assert_true(disk_pool_drain(pool, 5000));
    assert_true(op.done);
    return op.io.error;
}

static void operations(void **state)
{
    static uint8_t a[64 * 1024], b[64 * 1024];
    struct disk *d = open_ok(false);
    assert_int_equal(disk_bytes(d), 1 << 20);
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = (uint8_t)(i * 31 + i / 256);
    assert_int_equal(run(d, DISK_WRITE, 4096, a, sizeof a, 7), 0);
    assert_int_equal(run(d, DISK_FLUSH, 0, NULL, 0, 0), 0);
    assert_int_equal(run(d, DISK_READ, 4096, b, sizeof b, 3), 0);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(run(d, DISK_DISCARD, 8192, NULL, 4096, 0), 0);
    assert_int_equal(run(d, DISK_WRITE_ZEROES, 4096 + 100, NULL, 1000, 0), 0);
    memset(a + 4096, 0, 4096);
    memset(a + 100, 0, 1000);
    assert_int_equal(run(d, DISK_READ, 4096, b, sizeof b, 1), 0);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(run(d, DISK_READ, (1 << 20) - 512, b, 1024, 1), EINVAL);
    assert_int_equal(run(d, DISK_WRITE, UINT64_MAX - 511, b, 1024, 1), EINVAL);
    assert_int_equal(run(d, DISK_WRITE_ZEROES, 0, NULL, UINT64_MAX / 2, 0), EINVAL);
    assert_int_equal(truncate(path, 4096), 0); /* behind our back */
    assert_int_equal(run(d, DISK_READ, 8192, b, 512, 1), EIO);
    disk_close(d);
    d = open_ok(true);
    assert_int_equal(run(d, DISK_WRITE, 0, a, 512, 1), EROFS);
    assert_int_equal(run(d, DISK_DISCARD, 0, NULL, 512, 0), EROFS);
    assert_int_equal(run(d, DISK_FLUSH, 0, NULL, 0, 0), 0);
    disk_close(d);
}

/* All that changed since the last time: "first+n" in clusters. */
static const char *changed(struct disk *d)
{
    static char text[256];
    uint64_t next = 0, offset, bytes;
    size_t n = 0;
    text[0] = 0;
    while (disk_take_changed(d, &next, &offset, &bytes))
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%u+%u", n ? " " : "", (unsigned)(offset / DIRTY_CLUSTER), (unsigned)(bytes / DIRTY_CLUSTER));
    return text;
}

static void changes_are_noted(void **state)
{
    static uint8_t a[DIRTY_CLUSTER * 2];
    enum { LAST = 130 }; /* more than two words of bits, and half a cluster */
    assert_int_equal(truncate(path, LAST * DIRTY_CLUSTER + 4096), 0);
    struct disk *d = open_ok(false);
    assert_int_equal(run(d, DISK_WRITE, 0, a, 512, 1), 0);
    assert_string_equal(changed(d), ""); /* nobody has asked */
    assert_true(disk_watch(d, NULL));
    assert_string_equal(changed(d), "");
    assert_int_equal(run(d, DISK_READ, 0, a, sizeof a, 1), 0);
    assert_int_equal(run(d, DISK_FLUSH, 0, NULL, 0, 0), 0);
    assert_string_equal(changed(d), "");
    assert_int_equal(run(d, DISK_WRITE, 3 * DIRTY_CLUSTER - 512, a, 1024, 2), 0); /* on both sides of a boundary */
    assert_int_equal(run(d, DISK_WRITE, 63 * DIRTY_CLUSTER, a, sizeof a, 1), 0);
    assert_int_equal(run(d, DISK_DISCARD, 70 * DIRTY_CLUSTER, NULL, DIRTY_CLUSTER, 0), 0);
    assert_int_equal(run(d, DISK_WRITE_ZEROES, LAST * DIRTY_CLUSTER, NULL, 4096, 0), 0);
    assert_string_equal(changed(d), "2+2 63+1 64+1 70+1 130+1");
    assert_string_equal(changed(d), "");
    assert_int_equal(run(d, DISK_WRITE_ZEROES, 0, NULL, LAST * DIRTY_CLUSTER, 0), 0);
    assert_string_equal(changed(d), "0+64 64+64 128+2");
    assert_int_equal(run(d, DISK_WRITE, 0, a, 512, 1), 0);
    assert_int_equal(run(d, DISK_WRITE, UINT64_MAX - 511, a, 1024, 1), EINVAL); /* outside: nothing to note */
    assert_true(disk_watch(d, NULL)); /* begins anew */
    assert_string_equal(changed(d), "");
    disk_close(d);
    d = open_ok(false); /* a part of a file: offsets are the file's */
    assert_true(disk_set_range(d, path, 5 * DIRTY_CLUSTER, 10 * DIRTY_CLUSTER, NULL));
    assert_true(disk_watch(d, NULL));
    assert_int_equal(run(d, DISK_WRITE, 9 * DIRTY_CLUSTER, a, 512, 1), 0);
    assert_string_equal(changed(d), "14+1");
    disk_close(d);
}

static void reads_at_once_are_right_or_refused(void **state)
{
    uint8_t a[4096], b[4096];
    memset(a, 0x42, sizeof a);
    struct disk *d = open_ok(false);
    assert_int_equal(run(d, DISK_WRITE, 8192, a, sizeof a, 1), 0);
    struct iovec iov[2] = { { b, 1000 }, { b + 1000, 3096 } };
    if (disk_read_now(d, 8192, 4096, iov, 2)) /* else the file system of this test cannot do it */
        assert_memory_equal(a, b, sizeof a);
    assert_false(disk_read_now(d, (1 << 20) - 512, 4096, iov, 2));
    assert_false(disk_read_now(d, UINT64_MAX - 511, 4096, iov, 2));
    assert_int_equal(truncate(path, 4096), 0);
    assert_false(disk_read_now(d, 8192, 4096, iov, 2));
    disk_close(d);
}

static void a_read_only_file_of_any_size_ends_in_zeros(void **state)
{
    uint8_t a[1024], b[1024];
    memset(a, 0x31, sizeof a);
    struct disk *d = open_ok(false);
    assert_int_equal(run(d, DISK_WRITE, 0, a, 1024, 1), 0);
    disk_close(d);
    assert_int_equal(truncate(path, 700), 0);
    memset(a + 700, 0, sizeof a - 700);
    d = open_ok(true);
    assert_int_equal(disk_bytes(d), 1024);
    memset(b, 0xee, sizeof b);
    assert_int_equal(run(d, DISK_READ, 0, b, 1024, 3), 0);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(run(d, DISK_READ, 512, b, 512, 1), 0);
    assert_memory_equal(a + 512, b, 512);
    /* It became shorter than that: an error, not zeros. */
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(run(d, DISK_READ, 0, b, 1024, 1), EIO);
    disk_close(d);
}

static void stop(void *ctx)
{
    loop_stop(ctx);
}

static void part_of_a_file_is_a_disk(void **state)
{
    uint8_t a[1024], b[512];
    memset(a, 0x31, 512);
    memset(a + 512, 0x32, 512);
    struct disk *d = open_ok(false);
    assert_int_equal(run(d, DISK_WRITE, 4096, a, 1024, 1), 0);
    disk_close(d);
    d = open_ok(false);
    struct pome_error err;
    assert_false(disk_set_range(d, path, 512, 1 << 20, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DISK_IMAGE);
    assert_true(disk_set_range(d, path, 4608, 512, &err));
    assert_int_equal(disk_bytes(d), 512);
    assert_int_equal(run(d, DISK_READ, 0, b, 512, 1), 0);
    assert_memory_equal(b, a + 512, 512);
    assert_int_equal(run(d, DISK_READ, 512, b, 512, 1), EINVAL);
    disk_close(d);
}

static void completions_come_on_the_loop(void **state)
{
    static uint8_t bytes[64][512];
    struct disk *d = open_ok(false);
    struct op op[64];
    struct iovec iov[64];
    for (unsigned i = 0; i < 64; i++) {
        iov[i] = (struct iovec){ bytes[i], 512 };
        op[i] = (struct op){ .io = { .op = DISK_READ, .offset = 512 * i, .bytes = 512, .iov = &iov[i], .n_iov = 1, .done = done } };
        disk_submit(d, &op[i].io);
    }
    for (unsigned tries = 0, left = 64; left && tries < 60000; tries++) {
        struct loop_timer t = { .fn = stop, .ctx = loop };
        loop_timer_set(loop, &t, loop_now_ns() + 1000000);
        loop_run(loop);
        left = 0;
        for (unsigned i = 0; i < 64; i++)
            left += !op[i].done;
    }
    for (unsigned i = 0; i < 64; i++)
        assert_true(op[i].done);
    disk_close(d);
}

/* ---- console ---- */

struct sink {
    int fd;
    uint64_t sum, n;
    unsigned pause_us;
};

/* Reads everything, checks that byte k of the stream is a known function of k. */
static void *read_all(void *ctx)
{
    struct sink *s = ctx;
    uint8_t bytes[777];
    for (ssize_t n; (n = read(s->fd, bytes, sizeof bytes)) > 0; usleep(s->pause_us))
        for (ssize_t i = 0; i < n; i++, s->n++)
            s->sum += bytes[i] != (uint8_t)(s->n * 7 ^ s->n >> 8);
    return NULL;
}

static void put_stream(struct console *c, uint64_t total)
{
    uint8_t bytes[1000];
    for (uint64_t k = 0; k < total;) {
        size_t n = (size_t)MIN(sizeof bytes, total - k);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)((k + i) * 7 ^ (k + i) >> 8);
        size_t taken = console_put(c, bytes, n);
        k += taken;
        if (taken < n)
            usleep(100);
    }
}

static uint64_t tapped;
static void tap(void *ctx, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++, tapped++)
        assert_int_equal(bytes[i], (uint8_t)(tapped * 7 ^ tapped >> 8));
}

static void output_is_lossless_with_a_slow_reader(void **state)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    struct sink sink = { .fd = fd[0], .pause_us = 200 };
    pthread_t reader;
    pthread_create(&reader, NULL, read_all, &sink);
    tapped = 0;
    struct console *c = console_create(loop, &(struct console_options){ .in_fd = -1, .out_fd = fd[1], .tap = tap }, NULL);
    put_stream(c, 700000);
    console_destroy(c, 10000);
    close(fd[1]);
    pthread_join(reader, NULL);
    close(fd[0]);
    assert_int_equal(sink.n, 700000);
    assert_int_equal(sink.sum, 0);
    assert_int_equal(tapped, 700000);
}

static void a_stopped_reader_stops_the_guest_not_us(void **state)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    struct console *c = console_create(loop, &(struct console_options){ .in_fd = -1, .out_fd = fd[1] }, NULL);
    uint8_t bytes[4096] = { 0 };
    uint64_t total = 0;
    for (unsigned idle = 0; idle < 50;) {
        size_t n = console_put(c, bytes, sizeof bytes);
        total += n;
        idle = n ? 0 : idle + 1;
        usleep(500);
    }
    assert_true(total < 1 << 18); /* a pipe and a ring */
    uint64_t start = loop_now_ns();
    console_destroy(c, 50);
    assert_true(loop_now_ns() - start < UINT64_C(20000000000));
    close(fd[0]);
    close(fd[1]);
}

static void a_reader_that_went_away_is_no_error(void **state)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    close(fd[0]);
    struct console *c = console_create(loop, &(struct console_options){ .in_fd = -1, .out_fd = fd[1] }, NULL);
    put_stream(c, 300000); /* dropped; no SIGPIPE */
    assert_true(console_flush(c, 5000));
    console_destroy(c, 1000);
    close(fd[1]);
}

static void input_waits_for_the_guest(void **state)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    struct console *c = console_create(loop, &(struct console_options){ .in_fd = fd[0], .out_fd = -1 }, NULL);
    uint8_t bytes[20000], got[20000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 13 + i / 251);
    assert_int_equal(write(fd[1], bytes, sizeof bytes), sizeof bytes);
    int in_pipe = 0; /* until the reader has what fits its ring */
    for (unsigned tries = 0; tries < 60000 && in_pipe != sizeof bytes - CONSOLE_IN_BYTES; tries++, usleep(1000))
        assert_int_equal(ioctl(fd[0], FIONREAD, &in_pipe), 0);
    usleep(1000);
    size_t n = 0, first = console_get(c, got, sizeof got);
    assert_int_equal(first, CONSOLE_IN_BYTES); /* and no more: the rest is still in the pipe */
    for (n = first; n < sizeof got;) {
        size_t some = console_get(c, got + n, MIN(sizeof got - n, 33));
        n += some;
        if (!some)
            usleep(100);
    }
    assert_memory_equal(bytes, got, sizeof got);
    close(fd[1]); /* end of input */
    usleep(1000);
    assert_int_equal(console_get(c, got, 1), 0);
    console_destroy(c, 0);
    close(fd[0]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(one_writer_or_many_readers),
        T(a_flush_is_what_the_mode_says),
        T(an_uncached_disk_leaves_nothing_in_memory),
        T(unfit_files_are_refused),
        T(operations),
        T(changes_are_noted),
        T(part_of_a_file_is_a_disk), T(a_read_only_file_of_any_size_ends_in_zeros),
        T(reads_at_once_are_right_or_refused),
        T(completions_come_on_the_loop),
        T(output_is_lossless_with_a_slow_reader),
        T(a_stopped_reader_stops_the_guest_not_us),
        T(a_reader_that_went_away_is_no_error),
        T(input_waits_for_the_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
