/*
 * terminal.c - the user's terminal as a guest's console.
 *
 * Raw mode passes Ctrl-C and friends to the guest; Ctrl-A is the escape key (as in screen): Ctrl-A Ctrl-A sends one
 * Ctrl-A. The saved settings are restored from atexit(), from signal handlers that end us, and by terminal_close();
 * tcsetattr() is async-signal-safe (POSIX 2.4.3).
 *
 * The guest may read late or never, and we must go on noticing its end, Ctrl-A x and signals: what does not fit the pipe to
 * it waits in a queue. From a pipe or file nothing more is read until that is empty, so nothing is lost; what a person
 * types is always read, and dropped once the queue is full.
 */
#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

enum { ESCAPE = 1 /* Ctrl-A */ };

enum { QUEUE = 1 << 20, PIECE = 4096 };

static struct {
    char bytes[QUEUE];
    size_t at, n; /* n bytes from at on */
} queue;

static struct termios saved;
static volatile sig_atomic_t raw, caught, save_asked;
static int signal_fd = -1;

static void restore(void)
{
    if (raw) {
        raw = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    }
}

static void crash(int sig)
{
    restore();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void ask_to_end(int sig)
{
    caught = sig;
    uint64_t one = 1;
    if (write(signal_fd, &one, sizeof one) < 0)
        restore();
}

static void ask_to_save(int sig)
{
    save_asked = 1;
    uint64_t one = 1;
    (void)!write(signal_fd, &one, sizeof one);
}

static void install_handlers(void)
{
    static const int crashes[] = {SIGABRT, SIGBUS, SIGILL, SIGTRAP}; /* SIGSEGV and SIGFPE are the engine's */
    static const int ends[] = {SIGTERM, SIGHUP, SIGQUIT, SIGINT};
    struct sigaction sa = {.sa_flags = SA_RESETHAND};
    sa.sa_handler = crash;
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        sigaction(crashes[i], &sa, NULL);
    sa.sa_handler = ask_to_end;
    sa.sa_flags = 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigaction(ends[i], &sa, NULL);
    sa.sa_handler = ask_to_save;
    sigaction(SIGUSR1, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool fail(struct pome_error *err, const char *what)
{
    err->code = POME_ERROR_IO;
    err->os_errno = errno;
    snprintf(err->message, sizeof err->message, "%s: %s", what, strerror(errno));
    return false;
}

/* guest_in[1] is open. */
static bool begin(struct terminal *t, struct pome_error *err)
{
    fcntl(t->guest_in[1], F_SETFL, O_NONBLOCK);
    queue.at = queue.n = 0;
    signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signal_fd < 0)
        return fail(err, "eventfd");
    install_handlers();
    t->is_tty = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0;
    if (t->is_tty) {
        struct termios tio = saved;
        cfmakeraw(&tio);
        atexit(restore);
        raw = 1;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &tio);
    }
    return true;
}

bool terminal_open(struct terminal *t, struct pome_error *err)
{
    *t = (struct terminal){.in_fd = STDIN_FILENO, .guest_in = {-1, -1}};
    return pipe2(t->guest_in, O_CLOEXEC) ? fail(err, "console pipe") : begin(t, err);
}

bool terminal_open_on(struct terminal *t, int fd, struct pome_error *err)
{
    *t = (struct terminal){.in_fd = STDIN_FILENO, .guest_in = {-1, fcntl(fd, F_DUPFD_CLOEXEC, 0)}, .attached = true};
    return t->guest_in[1] < 0 ? fail(err, "console") : begin(t, err);
}

void terminal_close(struct terminal *t)
{
    restore();
    for (int i = 0; i < 2; i++)
        if (t->guest_in[i] >= 0)
            close(t->guest_in[i]);
}

static void help(const struct terminal *t)
{
    fprintf(stderr, "\r\nCtrl-A x  leave (%s)\r\nCtrl-A p  press the power button\r\n%sCtrl-A a  send Ctrl-A\r\nCtrl-A ?  this help\r\n",
            t->attached ? "the machine goes on" : "ends the machine", t->attached ? "" : "Ctrl-A s  save the machine and leave\r\n");
}

void terminal_write(struct terminal *t)
{
    while (queue.n) {
        ssize_t w = write(t->guest_in[1], queue.bytes + queue.at, queue.n);
        if (w < 0 && errno == EINTR && !caught)
            continue;
        if (w < 0 && errno == EPIPE)
            queue.n = 0; /* the machine is gone */
        if (w <= 0)
            return;
        queue.at += (size_t)w;
        queue.n -= (size_t)w;
    }
    queue.at = 0;
}

bool terminal_waits(const struct terminal *t)
{
    (void)t;
    return queue.n;
}

bool terminal_reads(const struct terminal *t)
{
    return t->is_tty || !queue.n;
}

static void to_guest(struct terminal *t, const char *p, size_t n)
{
    if (queue.at + queue.n + n > QUEUE) {
        memmove(queue.bytes, queue.bytes + queue.at, queue.n);
        queue.at = 0;
    }
    if (n > QUEUE - queue.n)
        n = QUEUE - queue.n;
    memcpy(queue.bytes + queue.at + queue.n, p, n);
    queue.n += n;
    terminal_write(t);
}

/* The key after Ctrl-A. */
static enum terminal_key command(struct terminal *t, char c)
{
    switch (c) {
    case 'x': return TERMINAL_EXIT;
    case 'p': return TERMINAL_POWER;
    case 's': return TERMINAL_SAVE;
    case '?':
    case 'h': help(t); return TERMINAL_HELP;
    case ESCAPE:
    case 'a': to_guest(t, "\1", 1); return TERMINAL_NONE;
    default: return TERMINAL_NONE;
    }
}

enum terminal_key terminal_read(struct terminal *t)
{
    char buf[PIECE];
    ssize_t n = read(t->in_fd, buf, sizeof buf);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return TERMINAL_NONE;
    if (n <= 0) /* a raw terminal ends only when it is gone: nobody could ever end the machine again */
        return t->is_tty ? TERMINAL_EXIT : TERMINAL_CLOSED;
    if (!t->is_tty) {
        to_guest(t, buf, (size_t)n);
        return TERMINAL_NONE;
    }
    ssize_t from = 0;
    enum terminal_key last = TERMINAL_NONE; /* keys that come together all count */
    for (ssize_t i = 0; i < n; i++) {
        if (t->escape) {
            t->escape = false;
            from = i + 1;
            enum terminal_key key = command(t, buf[i]);
            if (key == TERMINAL_EXIT || key == TERMINAL_SAVE)
                return key;
            if (key != TERMINAL_NONE)
                last = key;
        } else if (buf[i] == ESCAPE) {
            to_guest(t, buf + from, (size_t)(i - from));
            t->escape = true;
            from = i + 1;
        }
    }
    if (from < n)
        to_guest(t, buf + from, (size_t)(n - from));
    return last;
}

int terminal_signal(void)
{
    return caught;
}

int terminal_signal_fd(void)
{
    return signal_fd;
}

bool terminal_save_asked(void)
{
    uint64_t n;
    if (!save_asked)
        return false;
    save_asked = 0;
    (void)!read(signal_fd, &n, sizeof n);
    return true;
}
