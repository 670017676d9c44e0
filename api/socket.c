/* socket.c - pome/socket.h. */
#include <pome/socket.h>

#include "api/bundle.h"
#include "api/vm.h"
#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    return (int64_t)(loop_now_ns() / 1000000);
}

/* Reads "OK <number>\n" byte by byte: what comes after it is the guest's. */
static bool read_answer(int fd, uint32_t port, int timeout_ms, struct pome_error *err)
{
    char line[32];
    size_t n = 0;
    int64_t end = now_ms() + timeout_ms;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = timeout_ms < 0 ? -1 : MAX(end - now_ms(), 0);
        int ready = poll(&p, 1, (int)left);
        if (!ready)
            return pome_fail(err, POME_ERROR_TIMED_OUT, "port %u of the guest: no answer after %d ms", port, timeout_ms);
        if (ready < 0 && errno != EINTR)
            return pome_fail_errno(err, "poll");
        ssize_t got = ready > 0 ? recv(fd, &line[n], 1, 0) : -1;
        if (ready < 0 || (got < 0 && errno == EINTR))
            continue;
        if (got <= 0 || n + 1 == sizeof line)
            return pome_fail(err, POME_ERROR_NOT_FOUND, "port %u of the guest: nobody listens there", port);
        if (line[n++] == '\n')
            return !memcmp(line, "OK ", 3) || pome_fail(err, POME_ERROR_INVALID_DATA, "port %u of the guest: an answer that is none", port);
    }
}

/* Speaks the first line on fd, which it takes. */
static int shake_hands(int fd, uint32_t port, int timeout_ms, struct pome_error *err)
{
    char line[32];
    int n = snprintf(line, sizeof line, "CONNECT %u\n", port);
    if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
        pome_fail_errno(err, "port %u of the guest", port);
    else if (read_answer(fd, port, timeout_ms, err))
        return fd;
    close(fd);
    return -1;
}

static struct vsock_host *host_of(pome_vm *vm, struct pome_error *err)
{
    struct vsock_host *h = machine_vsock_host(vm_machine(api_vm(vm)));
    if (!h)
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the machine has no socket device");
    return h;
}

int pome_vm_socket_connect_wait(pome_vm *vm, uint32_t port, int timeout_ms, struct pome_error *err)
{
    int pair[2];
    struct vsock_host *h = host_of(vm, err);
    if (!h)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        pome_fail_errno(err, "port %u of the guest", port);
        return -1;
    }
    vsock_host_give(h, pair[0]);
    return shake_hands(pair[1], port, timeout_ms, err);
}

int pome_vm_socket_listen(pome_vm *vm, uint32_t port, struct pome_error *err)
{
    struct vsock_host *h = host_of(vm, err);
    return h ? vsock_host_listen(h, port, err) : -1;
}

int pome_socket_accept(int listener, uint32_t *guest_port, struct pome_error *err)
{
    char control[CMSG_SPACE(sizeof(int))];
    uint32_t from;
    int fd;
    struct iovec iov = {&from, sizeof from};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(listener, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *c = n == sizeof from ? CMSG_FIRSTHDR(&m) : NULL;
    if (!c || c->cmsg_type != SCM_RIGHTS) {
        if (n < 0)
            pome_fail_errno(err, "accepting a connection of the guest");
        else
            pome_fail(err, POME_ERROR_IO, "accepting a connection of the guest: the machine is gone");
        return -1;
    }
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (guest_port)
        *guest_port = from;
    return fd;
}

int pome_socket_connect_path(const char *path, uint32_t port, int timeout_ms, struct pome_error *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (snprintf(a.sun_path, sizeof a.sun_path, "%s", path) >= (int)sizeof a.sun_path) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: the path is too long for a socket", path);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof a))
        return shake_hands(fd, port, timeout_ms, err);
    if (errno == ENOENT || errno == ECONNREFUSED)
        pome_fail(err, POME_ERROR_NOT_FOUND, "%s: no running machine with a socket device", path);
    else
        pome_fail_errno(err, "%s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

int pome_bundle_port_connect(const pome_bundle *bundle, const char *name, struct pome_error *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    _Static_assert(sizeof a.sun_path >= BUNDLE_SOCKET_PATH_MAX, "a path that is found fits");
    if (!bundle_port_path(bundle->b, name, a.sun_path, err))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof a))
        return fd;
    if (errno == ENOENT || errno == ECONNREFUSED)
        pome_fail(err, POME_ERROR_NOT_FOUND, "%s: no running machine has this port", a.sun_path);
    else
        pome_fail_errno(err, "%s", a.sun_path);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool pome_bundle_socket_path(const pome_bundle *bundle, char *path, size_t size, struct pome_error *err)
{
    char whole[BUNDLE_SOCKET_PATH_MAX];
    if (!bundle_socket_path(bundle->b, whole, err))
        return false;
    if ((size_t)snprintf(path, size, "%s", whole) >= size)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: the path is longer than %zu bytes", whole, size - 1);
    return true;
}
