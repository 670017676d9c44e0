/* renew.c - see renew.h. */
#include "vm/renew.h"

#include "backend/vsock_host.h"
#include "base/bits.h"
#include "vm/life.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_BYTES = 2048, ENTROPY_BYTES = 64, TRY_AGAIN_MS = 200 };

static size_t add(char *text, size_t room, size_t n, const char *format, ...) __attribute__((format(printf, 4, 5)));
static size_t add(char *text, size_t room, size_t n, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int more = n < room ? vsnprintf(text + n, room - n, format, ap) : 0;
    va_end(ap);
    return n + (size_t)MAX(more, 0);
}

static size_t add_bytes(char *text, size_t room, size_t n, const uint8_t *bytes, size_t n_bytes, const char *between)
{
    for (size_t i = 0; i < n_bytes; i++)
        n = add(text, room, n, "%02x%s", bytes[i], i + 1 < n_bytes ? between : "");
    return n;
}

size_t vm_renew_text(const struct vm_config *c, char *text, size_t room)
{
    uint8_t entropy[ENTROPY_BYTES];
    struct timespec now;
    size_t n = add(text, room, 0, "POME-RENEW 1\n");
    clock_gettime(CLOCK_REALTIME, &now);
    n = add(text, room, n, "time %lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    if (getrandom(entropy, sizeof entropy, 0) == sizeof entropy) {
        n = add(text, room, n, "entropy ");
        n = add_bytes(text, room, n, entropy, sizeof entropy, "");
        n = add(text, room, n, "\n");
    }
    explicit_bzero(entropy, sizeof entropy);
    for (size_t i = 0; i < c->origin.n_macs; i++) {
        n = add(text, room, n, "address ");
        n = add_bytes(text, room, n, c->origin.mac[i], 6, ":");
        n = add(text, room, n, " ");
        n = add_bytes(text, room, n, c->origin.new_mac[i], 6, ":");
        n = add(text, room, n, "\n");
    }
    return add(text, room, n, "identifier %016" PRIx64 "\nend\n", c->ecid);
}

/* A line within the time; false: none, "" if the other side closed. */
static bool read_line(struct vm *vm, int fd, uint64_t end_ns, char *line, size_t room)
{
    size_t n = 0;
    line[0] = 0;
    while (n + 1 < room && loop_now_ns() < end_ns && !vm_is_closing(vm)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, TRY_AGAIN_MS) <= 0)
            continue;
        ssize_t got = recv(fd, line + n, 1, 0);
        if (got <= 0)
            return false;
        line[n + 1] = 0;
        if (line[n++] == '\n') {
            line[n - 1] = 0;
            return true;
        }
    }
    return false;
}

static bool say(int fd, const char *text, size_t n)
{
    return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n; /* a socket pair holds that much */
}

/* False: nobody listens there (yet), or the guest reset the connection: the one thing it learns of a restore by itself is that all connections
 * are gone (VIRTIO 1.2, 5.10.6.6), and that may be later than this one. */
static bool tell_guest(struct vm *vm, int fd, uint64_t end_ns)
{
    char text[TEXT_BYTES], line[128];
    int n = snprintf(line, sizeof line, "CONNECT %d\n", VM_RENEW_PORT);
    if (!say(fd, line, (size_t)n) || !read_line(vm, fd, end_ns, line, sizeof line) || strncmp(line, "OK", 2))
        return false;
    size_t bytes = vm_renew_text(&vm->config, text, sizeof text);
    bool told = say(fd, text, MIN(bytes, sizeof text - 1)) && read_line(vm, fd, end_ns, line, sizeof line);
    explicit_bzero(text, sizeof text);
    if (!told)
        return false;
    if (!strcmp(line, "OK"))
        NOTE(vm, "state", "the guest knows that it is another machine now: time, entropy, addresses");
    else
        NOTE(vm, "state", "the guest was told that it is another machine now, and answered: %s", line);
    return true;
}

static void *renew_main(void *arg)
{
    struct vm *vm = arg;
    const uint64_t end = loop_now_ns() + VM_RENEW_MS * UINT64_C(1000000);
    bool done = false;
    while (!done && loop_now_ns() < end && !vm_is_closing(vm)) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
            break;
        vsock_host_give(machine_vsock_host(vm->machine), pair[0]);
        done = tell_guest(vm, pair[1], end);
        close(pair[1]);
        if (!done)
            poll(NULL, 0, TRY_AGAIN_MS);
    }
    if (!done)
        NOTE(vm, "state", "the guest was not told that it is another machine now: nobody answers on its vsock port %d", VM_RENEW_PORT);
    return NULL;
}

void vm_renew_begin(struct vm *vm)
{
    if (!vm->renews || !machine_vsock_host(vm->machine))
        return;
    vm_renew_end(vm); /* of the restore before */
    vm->renews = false;
    vm->renewing = !pthread_create(&vm->renewer, NULL, renew_main, vm);
}

void vm_renew_end(struct vm *vm)
{
    if (vm->renewing)
        pthread_join(vm->renewer, NULL);
    vm->renewing = false;
}
