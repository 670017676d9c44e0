/*
 * console.c - two rings, two threads (see console.h).
 *
 * How it works. `lock` guards the rings. The writer sleeps until the output ring has bytes, waits a millisecond more so
 * that a line does not cost a wake-up per character, and writes them in pieces of at most 4096 bytes. The reader polls
 * the input descriptor and an eventfd that ends it. No lock is held during read and write.
 *
 * Writing must not block where it cannot be ended, yet the descriptor is shared with others who would be surprised by
 * O_NONBLOCK. So terminals and pipes are opened once more, sockets are written to with MSG_DONTWAIT, and files do not
 * block. Where opening fails (a terminal of another user), small writes after poll() must do.
 *
 * With a socket the reader is also the door: it waits for a program, reads until that has gone, and waits for the next. It closes the
 * connection when the writer is not using it.
 */
#include "backend/console.h"

#include "backend/unix_socket.h"
#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH_NS   1000000
#define PIECE      4096
#define SMALL      512
#define EAGER_FILL (CONSOLE_OUT_BYTES / 4) /* do not wait for more when this much is there */

struct ring {
    uint8_t *bytes;
    size_t size, head, n; /* n bytes from head on */
};

struct console {
    struct loop *loop;
    struct console_options o;
    pthread_mutex_t lock;
    pthread_cond_t out_some, out_done, in_room, in_idle;
    struct ring out, in;
    size_t writing; /* bytes taken from `out` that are not written yet */
    bool stop, wants_room, reader_runs, writer_runs;
    bool held, reading; /* reading: the reader has found input and puts it into the ring */
    int wake, give_up; /* eventfds: end the reader; end a writer that waits */
    int out_fd;        /* ours; with a socket: who is connected, under the lock; -1: nobody */
    bool out_is_socket;
    int listener; /* -1: no socket */
    char path[UNIX_SOCKET_PATH_MAX];
    pthread_t reader, writer;
    struct console_client client;
    struct loop_task input_task, room_task, opened_task;
    uint8_t out_bytes[CONSOLE_OUT_BYTES], in_bytes[CONSOLE_IN_BYTES];
};

static size_t ring_put(struct ring *r, const uint8_t *bytes, size_t n)
{
    n = MIN(n, r->size - r->n);
    size_t at = (r->head + r->n) % r->size, first = MIN(n, r->size - at);
    memcpy(r->bytes + at, bytes, first);
    memcpy(r->bytes, bytes + first, n - first);
    r->n += n;
    return n;
}

static size_t ring_get(struct ring *r, uint8_t *bytes, size_t n)
{
    n = MIN(n, r->n);
    size_t first = MIN(n, r->size - r->head);
    memcpy(bytes, r->bytes + r->head, first);
    memcpy(bytes + first, r->bytes, n - first);
    r->head = (r->head + n) % r->size;
    r->n -= n;
    return n;
}

static struct timespec moment(uint64_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
}

/* Opens what the descriptor refers to once more, if that helps (see above). */
static int open_output(struct console *c)
{
    struct stat st;
    char path[32];
    if (c->o.out_fd < 0 || fstat(c->o.out_fd, &st))
        return -1;
    c->out_is_socket = S_ISSOCK(st.st_mode);
    int fd = -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", c->o.out_fd);
    if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
        fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : fcntl(c->o.out_fd, F_DUPFD_CLOEXEC, 0);
}

/* Waits until something can be written; false: to give up. */
static bool wait_writable(const struct console *c, int fd)
{
    struct pollfd p[2] = { { .fd = fd, .events = POLLOUT }, { .fd = c->give_up, .events = POLLIN } };
    return (poll(p, 2, -1) >= 0 || errno == EINTR) && !p[1].revents;
}

/* False when the host's side is gone, or it is time to give up. */
static bool write_all(const struct console *c, int fd, const uint8_t *bytes, size_t n)
{
    while (n) {
        if (!wait_writable(c, fd))
            return false;
        ssize_t done = c->out_is_socket ? send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL)
                                        : write(fd, bytes, MIN(n, SMALL));
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
    return true;
}

/* With the lock held: waits for output. False: stopped, and nothing left. */
static bool wait_for_output(struct console *c)
{
    while (!c->out.n && !c->stop)
        pthread_cond_wait(&c->out_some, &c->lock);
    if (!c->stop && c->out.n < EAGER_FILL) {
        struct timespec until = moment(loop_now_ns() + BATCH_NS);
        while (!c->stop && c->out.n < EAGER_FILL && !pthread_cond_timedwait(&c->out_some, &c->lock, &until))
            ;
    }
    return c->out.n;
}

static void *writer(void *ctx)
{
    struct console *c = ctx;
    uint8_t piece[PIECE];
    bool alive = true;
    pthread_mutex_lock(&c->lock);
    while (wait_for_output(c)) {
        int fd = c->out_fd;
        size_t n = c->writing = ring_get(&c->out, piece, sizeof piece);
        if (c->wants_room) {
            c->wants_room = false;
            loop_post(c->loop, &c->room_task);
        }
        pthread_mutex_unlock(&c->lock);
        if (c->o.tap)
            c->o.tap(c->o.tap_ctx, piece, n);
        if (alive && fd >= 0)
            alive = write_all(c, fd, piece, n) || c->listener >= 0;
        pthread_mutex_lock(&c->lock);
        c->writing = 0;
        pthread_cond_broadcast(&c->out_done);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Bytes that fit the input ring now; waits for at least one; 0: stopped. */
static size_t wait_for_room(struct console *c)
{
    pthread_mutex_lock(&c->lock);
    while ((c->in.n == c->in.size || (c->held && !c->reading)) && !c->stop)
        pthread_cond_wait(&c->in_room, &c->lock);
    size_t room = c->stop ? 0 : c->in.size - c->in.n;
    pthread_mutex_unlock(&c->lock);
    return room;
}

/* False: not now. */
static bool begin_reading(struct console *c)
{
    pthread_mutex_lock(&c->lock);
    c->reading = !c->held;
    bool go_on = c->reading;
    pthread_mutex_unlock(&c->lock);
    return go_on;
}

static void end_reading(struct console *c)
{
    pthread_mutex_lock(&c->lock);
    c->reading = false;
    pthread_cond_broadcast(&c->in_idle);
    pthread_mutex_unlock(&c->lock);
}

/* Until there is no more, or it is to end. */
static void read_all(struct console *c, int fd)
{
    uint8_t bytes[CONSOLE_IN_BYTES];
    for (size_t room; (room = wait_for_room(c));) {
        struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = c->wake, .events = POLLIN } };
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        if (p[1].revents)
            break;
        if (!p[0].revents || !begin_reading(c))
            continue;
        ssize_t n = read(fd, bytes, room);
        if (!n || (n < 0 && errno != EINTR && errno != EAGAIN))
            break; /* end of input */
        for (size_t done = 0; n > 0 && done < (size_t)n;) {
            done += console_type(c, bytes + done, (size_t)n - done); /* others may type in between */
            if (done < (size_t)n && !wait_for_room(c))
                break;
        }
        end_reading(c);
    }
    end_reading(c);
}

/* Waits for `events` (hanging up is always one); false: it is to end. */
static bool wait_for(const struct console *c, int fd, short events)
{
    struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = c->wake, .events = POLLIN } };
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    return !p[1].revents;
}

static void set_client(struct console *c, int fd)
{
    pthread_mutex_lock(&c->lock);
    while (c->writing && c->out_fd >= 0)
        pthread_cond_wait(&c->out_done, &c->lock);
    c->out_fd = fd;
    pthread_mutex_unlock(&c->lock);
    loop_post(c->loop, &c->opened_task);
}

/* One program after the other. */
static void serve(struct console *c)
{
    while (wait_for(c, c->listener, POLLIN)) {
        int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        set_client(c, fd);
        read_all(c, fd);
        if (!wait_for(c, fd, 0)) /* it said all it had to say, and may still listen */
            return;              /* what is in the ring goes out yet */
        set_client(c, -1);
        close(fd);
    }
}

static void *reader(void *ctx)
{
    struct console *c = ctx;
    if (c->listener >= 0)
        serve(c);
    else
        read_all(c, c->o.in_fd);
    return NULL;
}

static void run_input(void *ctx)
{
    struct console *c = ctx;
    if (c->client.input)
        c->client.input(c->client.ctx);
}

static void run_opened(void *ctx)
{
    struct console *c = ctx;
    if (c->client.opened)
        c->client.opened(c->client.ctx);
}

static void run_room(void *ctx)
{
    struct console *c = ctx;
    if (c->client.room)
        c->client.room(c->client.ctx);
}

/* Threads of ours take no signals: they are for the program's own threads. */
static bool start(pthread_t *thread, void *(*fn)(void *), struct console *c)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int e = pthread_create(thread, NULL, fn, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = e;
    return !e;
}

static bool open_ends(struct console *c, struct pome_error *err)
{
    if (!c->o.socket) {
        c->out_fd = open_output(c);
        return true;
    }
    c->out_is_socket = true;
    c->listener = unix_socket_listen(c->o.socket, 0, err);
    if (c->listener >= 0)
        strcpy(c->path, c->o.socket);
    return c->listener >= 0;
}

static bool start_threads(struct console *c, struct pome_error *err)
{
    bool reads = c->o.in_fd >= 0 || c->listener >= 0;
    if (c->wake >= 0 && c->give_up >= 0 && (c->writer_runs = start(&c->writer, writer, c)) &&
        (!reads || (c->reader_runs = start(&c->reader, reader, c))))
        return true;
    return pome_fail_errno(err, "console");
}

struct console *console_create(struct loop *loop, const struct console_options *options, struct pome_error *err)
{
    struct console *c = calloc(1, sizeof *c);
    if (!c) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "console");
        return NULL;
    }
    c->loop = loop;
    c->o = *options;
    c->out = (struct ring){ .bytes = c->out_bytes, .size = sizeof c->out_bytes };
    c->in = (struct ring){ .bytes = c->in_bytes, .size = sizeof c->in_bytes };
    c->input_task = (struct loop_task){ .fn = run_input, .ctx = c };
    c->room_task = (struct loop_task){ .fn = run_room, .ctx = c };
    c->opened_task = (struct loop_task){ .fn = run_opened, .ctx = c };
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->out_some, &monotonic);
    pthread_cond_init(&c->out_done, &monotonic);
    pthread_cond_init(&c->in_room, &monotonic);
    pthread_cond_init(&c->in_idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    c->wake = eventfd(0, EFD_CLOEXEC);
    c->give_up = eventfd(0, EFD_CLOEXEC);
    c->listener = c->out_fd = -1;
    if (open_ends(c, err) && start_threads(c, err))
        return c;
    console_destroy(c, 0);
    return NULL;
}

bool console_flush(struct console *c, unsigned timeout_ms)
{
    struct timespec until = moment(loop_now_ns() + (uint64_t)timeout_ms * 1000000);
    pthread_mutex_lock(&c->lock);
    while ((c->out.n || c->writing) && !pthread_cond_timedwait(&c->out_done, &c->lock, &until))
        ;
    bool done = !c->out.n && !c->writing;
    pthread_mutex_unlock(&c->lock);
    return done;
}

void console_destroy(struct console *c, unsigned drain_ms)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_broadcast(&c->out_some);
    pthread_cond_broadcast(&c->in_room);
    pthread_mutex_unlock(&c->lock);
    eventfd_write(c->wake, 1);
    if (c->writer_runs) {
        if (!console_flush(c, drain_ms))
            eventfd_write(c->give_up, 1);
        pthread_join(c->writer, NULL);
    }
    if (c->reader_runs)
        pthread_join(c->reader, NULL);
    loop_unpost(c->loop, &c->input_task);
    loop_unpost(c->loop, &c->room_task);
    loop_unpost(c->loop, &c->opened_task);
    if (c->out_fd >= 0)
        close(c->out_fd);
    if (c->listener >= 0) {
        unlink(c->path);
        close(c->listener);
    }
    close(c->wake);
    close(c->give_up);
    pthread_cond_destroy(&c->out_some);
    pthread_cond_destroy(&c->out_done);
    pthread_cond_destroy(&c->in_room);
    pthread_cond_destroy(&c->in_idle);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void console_hold(struct console *c, bool held)
{
    pthread_mutex_lock(&c->lock);
    c->held = held;
    while (held && c->reading && c->in.n < c->in.size) /* with a full ring it waits for the guest: no more is read until that takes some */
        pthread_cond_wait(&c->in_idle, &c->lock);
    pthread_cond_broadcast(&c->in_room);
    pthread_mutex_unlock(&c->lock);
}

size_t console_pending(struct console *c, uint8_t *bytes)
{
    pthread_mutex_lock(&c->lock);
    struct ring copy = c->in;
    size_t n = ring_get(&copy, bytes, CONSOLE_IN_BYTES);
    pthread_mutex_unlock(&c->lock);
    return n;
}

void console_attach(struct console *c, const struct console_client *client)
{
    c->client = client ? *client : (struct console_client){ 0 };
    if (client)
        loop_post(c->loop, &c->input_task);
}

size_t console_put(struct console *c, const uint8_t *bytes, size_t n)
{
    pthread_mutex_lock(&c->lock);
    size_t before = c->out.n, taken = ring_put(&c->out, bytes, n);
    if (taken < n)
        c->wants_room = true;
    if (taken && (!before || (before < EAGER_FILL && c->out.n >= EAGER_FILL)))
        pthread_cond_signal(&c->out_some);
    pthread_mutex_unlock(&c->lock);
    return taken;
}

bool console_is_open(struct console *c)
{
    pthread_mutex_lock(&c->lock);
    bool open = c->listener < 0 || c->out_fd >= 0;
    pthread_mutex_unlock(&c->lock);
    return open;
}

size_t console_get(struct console *c, uint8_t *bytes, size_t n)
{
    pthread_mutex_lock(&c->lock);
    size_t got = ring_get(&c->in, bytes, n);
    if (got)
        pthread_cond_signal(&c->in_room);
    pthread_mutex_unlock(&c->lock);
    return got;
}

void console_ask(struct console *c)
{
    pthread_mutex_lock(&c->lock);
    bool some = c->in.n;
    pthread_mutex_unlock(&c->lock);
    if (some)
        loop_post(c->loop, &c->input_task);
}

size_t console_type(struct console *c, const uint8_t *bytes, size_t n)
{
    pthread_mutex_lock(&c->lock);
    size_t taken = ring_put(&c->in, bytes, n);
    pthread_mutex_unlock(&c->lock);
    if (taken)
        loop_post(c->loop, &c->input_task);
    return taken;
}
