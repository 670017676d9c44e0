/* vsock_host.c - see vsock_host.h. */
#include "backend/vsock_host.h"

#include "backend/unix_socket.h"
#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CALLERS    32 /* connections that have not said yet where they want to go */
#define LISTENERS  64
#define LINE_BYTES 32

struct caller {
    struct vsock_host *host;
    struct loop_watch watch;
    int fd; /* -1: free */
    char line[LINE_BYTES];
    size_t n;
};

struct listener {
    uint32_t port;
    int fd; /* our end; -1: free */
};

struct vsock_host {
    struct loop *loop;
    struct vsock_host_client client;
    char path[96];
    int socket; /* listens at path; -1: none */
    struct loop_watch watch;
    struct caller caller[CALLERS];
    struct loop_task take; /* of what was given */
    pthread_mutex_t lock;  /* of what follows */
    int given[CALLERS];
    size_t n_given;
    struct listener listener[LISTENERS];
};

/* ---- to the guest ---- */

static void hang_up(struct caller *c)
{
    loop_unwatch(c->host->loop, &c->watch);
    close(c->fd);
    c->fd = -1;
}

/* "CONNECT 22"; 0: nothing of the kind. */
static uint32_t port_of(const char *line)
{
    unsigned port;
    int end = 0;
    return sscanf(line, "CONNECT %9u%n", &port, &end) == 1 && !line[end] ? port : 0;
}

/* The line is read byte by byte: what comes after it is the guest's. */
static void on_caller(void *ctx, uint32_t events)
{
    struct caller *c = ctx;
    struct vsock_host *h = c->host;
    if (c->fd < 0)
        return;
    for (;;) {
        ssize_t got = read(c->fd, &c->line[c->n], 1);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0 || (c->line[c->n] != '\n' && ++c->n == LINE_BYTES)) {
            hang_up(c);
            return;
        }
        if (c->line[c->n] == '\n')
            break;
    }
    c->line[c->n] = 0;
    uint32_t port = port_of(c->line);
    if (!port || !h->client.connect) {
        hang_up(c);
        return;
    }
    int fd = c->fd;
    loop_unwatch(h->loop, &c->watch);
    c->fd = -1;
    h->client.connect(h->client.ctx, port, fd);
}

static void add_caller(struct vsock_host *h, int fd)
{
    for (size_t i = 0; i < CALLERS; i++) {
        struct caller *c = &h->caller[i];
        if (c->fd >= 0)
            continue;
        *c = (struct caller){ .host = h, .watch = { .fn = on_caller, .ctx = c }, .fd = fd };
        if (loop_watch(h->loop, &c->watch, fd, EPOLLIN, NULL))
            return;
        c->fd = -1;
        break;
    }
    close(fd);
}

static void on_connection(void *ctx, uint32_t events)
{
    struct vsock_host *h = ctx;
    int fd = accept4(h->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        add_caller(h, fd);
}

static void take_given(void *ctx)
{
    struct vsock_host *h = ctx;
    int fd[CALLERS];
    pthread_mutex_lock(&h->lock);
    size_t n = h->n_given;
    memcpy(fd, h->given, n * sizeof *fd);
    h->n_given = 0;
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < n; i++)
        add_caller(h, fd[i]);
}

static void unblock(int fd)
{
    int on = 1;
    ioctl(fd, FIONBIO, &on);
}

void vsock_host_give(struct vsock_host *h, int fd)
{
    unblock(fd);
    pthread_mutex_lock(&h->lock);
    bool room = h->n_given < CALLERS;
    if (room)
        h->given[h->n_given++] = fd;
    pthread_mutex_unlock(&h->lock);
    if (room)
        loop_post(h->loop, &h->take);
    else
        close(fd);
}

/* ---- from the guest ---- */

static bool send_stream(int to, uint32_t from, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = { 0 };
    struct iovec iov = { &from, sizeof from };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof from;
}

/* A new stream, its other end for the listener; -1: the listener is gone, or has too much to do. */
static int reach_listener(struct listener *l, uint32_t from)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -1;
    bool sent = send_stream(l->fd, from, pair[1]);
    if (!sent && errno == EPIPE) {
        close(l->fd);
        l->fd = -1;
    }
    close(pair[1]);
    if (!sent) {
        close(pair[0]);
        return -1;
    }
    unblock(pair[0]);
    return pair[0];
}

static int reach_path(const struct vsock_host *h, uint32_t port)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (!h->path[0] || snprintf(a.sun_path, sizeof a.sun_path, "%s_%u", h->path, port) >= (int)sizeof a.sun_path)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    return fd;
}

int vsock_host_reach(struct vsock_host *h, uint32_t port, uint32_t from)
{
    int fd = -1;
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < LISTENERS && fd < 0; i++)
        if (h->listener[i].fd >= 0 && h->listener[i].port == port)
            fd = reach_listener(&h->listener[i], from);
    pthread_mutex_unlock(&h->lock);
    return fd >= 0 ? fd : reach_path(h, port);
}

/* Nobody has the other end any more. */
static bool is_abandoned(const struct listener *l)
{
    char byte;
    return !recv(l->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
}

int vsock_host_listen(struct vsock_host *h, uint32_t port, struct pome_error *err)
{
    int pair[2];
    struct listener *free_one = NULL;
    bool taken = false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        pome_fail_errno(err, "socket port %u", port);
        return -1;
    }
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < LISTENERS; i++) {
        struct listener *l = &h->listener[i];
        if (l->fd >= 0 && is_abandoned(l)) {
            close(l->fd);
            l->fd = -1;
        }
        if (l->fd < 0)
            free_one = l;
        else
            taken |= l->port == port;
    }
    if (free_one && !taken)
        *free_one = (struct listener){ port, pair[0] };
    pthread_mutex_unlock(&h->lock);
    if (free_one && !taken)
        return pair[1];
    close(pair[0]);
    close(pair[1]);
    pome_fail(err, POME_ERROR_BUSY, "socket port %u: %s", port, taken ? "somebody listens to it already" : "too many listeners");
    return -1;
}

/* ---- making and ending ---- */

static bool listen_at(struct vsock_host *h, const char *path, struct pome_error *err)
{
    if (strlen(path) >= sizeof h->path)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: a path of %zu bytes, %zu are possible", path, strlen(path), sizeof h->path - 1);
    h->socket = unix_socket_listen(path, SOCK_NONBLOCK, err);
    if (h->socket < 0)
        return false;
    strcpy(h->path, path);
    return loop_watch(h->loop, &h->watch, h->socket, EPOLLIN, err);
}

struct vsock_host *vsock_host_create(struct loop *loop, const char *path, struct pome_error *err)
{
    struct vsock_host *h = calloc(1, sizeof *h);
    if (!h) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "sockets");
        return NULL;
    }
    h->loop = loop;
    h->socket = -1;
    h->watch = (struct loop_watch){ .fn = on_connection, .ctx = h };
    h->take = (struct loop_task){ .fn = take_given, .ctx = h };
    pthread_mutex_init(&h->lock, NULL);
    for (size_t i = 0; i < CALLERS; i++)
        h->caller[i].fd = -1;
    for (size_t i = 0; i < LISTENERS; i++)
        h->listener[i].fd = -1;
    if (!path || listen_at(h, path, err))
        return h;
    vsock_host_destroy(h);
    return NULL;
}

void vsock_host_destroy(struct vsock_host *h)
{
    if (!h)
        return;
    loop_unpost(h->loop, &h->take);
    for (size_t i = 0; i < h->n_given; i++)
        close(h->given[i]);
    for (size_t i = 0; i < CALLERS; i++)
        if (h->caller[i].fd >= 0)
            hang_up(&h->caller[i]);
    for (size_t i = 0; i < LISTENERS; i++)
        if (h->listener[i].fd >= 0)
            close(h->listener[i].fd);
    if (h->socket >= 0) {
        unlink(h->path);
        loop_unwatch(h->loop, &h->watch);
        close(h->socket);
    }
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void vsock_host_attach(struct vsock_host *h, const struct vsock_host_client *client)
{
    h->client = client ? *client : (struct vsock_host_client){ 0 };
}
