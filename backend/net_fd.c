/*
 * net_fd.c - frames through a descriptor: a datagram socket, a stream socket, a tap device (see net.h).
 *
 * Three forms on the wire. Datagram: one raw frame each (VZFileHandleNetworkDeviceAttachment, gvproxy, vmnet-helper). Stream: each
 * frame after its length in 4 bytes, big-endian (QEMU's "-netdev stream", passt, socket_vmnet). Tap: one frame for each read and write, with
 * the VIRTIO header in front if the device was made with IFF_VNET_HDR (Linux Documentation/networking/tuntap.rst).
 *
 * Whoever opened the descriptor chose what is behind it; the bytes are hostile all the same: only lengths matter here.
 */
#include "backend/net_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define AT_A_TIME 64 /* frames read before others have their turn */
#define STREAM_BYTES (4 + NET_FRAME_MAX)

enum form { DATAGRAM, STREAM, TAP };

struct net_fd {
    struct net n;
    enum form form;
    int fd;
    struct loop_watch watch;
    bool watched, closed;
    uint32_t events; /* watched for */
    bool header;     /* the tap device has VIRTIO headers */
    /* Of a stream: what was read of the next frame, and the last one if it was not written whole (n_out 0: it was). */
    uint8_t in[STREAM_BYTES], out[STREAM_BYTES];
    size_t n_in, n_out, out_done;
};

static void on_ready(void *ctx, uint32_t events);

static void watch(struct net_fd *d, uint32_t events)
{
    if (d->events == events && d->watched)
        return;
    if (d->watched)
        loop_unwatch(d->n.loop, &d->watch);
    d->events = events;
    d->watched = !d->closed && loop_watch(d->n.loop, &d->watch, d->fd, events, NULL);
}

static void close_down(struct net_fd *d, const char *why)
{
    if (d->closed)
        return;
    d->closed = true;
    if (d->watched)
        loop_unwatch(d->n.loop, &d->watch);
    d->watched = false;
    if (d->n.client.closed)
        d->n.client.closed(d->n.client.ctx, why);
}

static bool later(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == EINTR;
}

/* A datagram or tap: one frame. False: there is none now. */
static bool read_frame(struct net_fd *d)
{
    uint8_t *at = net_reserve(&d->n, NET_HEADER + NET_FRAME_MAX);
    if (!at) {
        watch(d, d->events & ~(uint32_t)EPOLLIN);
        return false;
    }
    size_t skip = d->header ? 0 : NET_HEADER;
    ssize_t got = read(d->fd, at + skip, NET_HEADER + NET_FRAME_MAX - skip);
    if (got < 0 && !later(errno) && errno != ECONNREFUSED)
        close_down(d, strerror(errno));
    if (got < 0)
        return false;
    if (!d->header)
        memset(at, 0, NET_HEADER);
    if (skip + (size_t)got > NET_HEADER)
        net_add(&d->n, skip + (size_t)got);
    return true;
}

/* A stream: what there is, and the frames that are complete with it. */
static bool read_stream(struct net_fd *d)
{
    uint8_t *at = net_reserve(&d->n, NET_HEADER + NET_FRAME_MAX);
    if (!at) {
        watch(d, d->events & ~(uint32_t)EPOLLIN);
        return false;
    }
    size_t frame = d->n_in >= 4 ? be32_get(d->in) : 0;
    size_t want = (d->n_in < 4 ? 4 : 4 + frame) - d->n_in;
    ssize_t got = read(d->fd, d->in + d->n_in, want);
    if (got <= 0) {
        if (!got || !later(errno))
            close_down(d, got ? strerror(errno) : "the other side closed the connection");
        return false;
    }
    d->n_in += (size_t)got;
    if (d->n_in == 4 && (be32_get(d->in) > NET_FRAME_MAX || !be32_get(d->in)))
        close_down(d, "a frame of impossible length");
    else if (d->n_in > 4 && d->n_in == 4 + frame) {
        memset(at, 0, NET_HEADER);
        memcpy(at + NET_HEADER, d->in + 4, frame);
        net_add(&d->n, NET_HEADER + frame);
        d->n_in = 0;
    }
    return !d->closed;
}

/* Writes what is left of the last frame; false: not all of it. */
static bool flush_stream(struct net_fd *d)
{
    while (d->out_done < d->n_out) {
        ssize_t n = send(d->fd, d->out + d->out_done, d->n_out - d->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && !later(errno))
            close_down(d, strerror(errno));
        if (n <= 0)
            return false;
        d->out_done += (size_t)n;
    }
    d->n_out = d->out_done = 0;
    return true;
}

static bool put_stream(struct net_fd *d, const uint8_t *frame, size_t bytes)
{
    uint8_t length[4];
    if (d->n_out && !flush_stream(d))
        return false;
    be32_put(length, (uint32_t)bytes);
    struct iovec iov[2] = { { length, 4 }, { (void *)(uintptr_t)frame, bytes } };
    const struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t n = sendmsg(d->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return !later(errno);
    if ((size_t)n < 4 + bytes) { /* the rest of it is ours */
        memcpy(d->out, length, 4);
        memcpy(d->out + 4, frame, bytes);
        d->n_out = 4 + bytes;
        d->out_done = (size_t)n;
    }
    return true;
}

static bool put_frame(struct net_fd *d, const uint8_t *bytes, size_t n)
{
    size_t skip = d->header ? 0 : NET_HEADER;
    if (d->form == TAP)
        return write(d->fd, bytes + skip, n - skip) >= 0 || !later(errno);
    return send(d->fd, bytes + skip, n - skip, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || !later(errno);
}

/* What is refused for other reasons than "later" is lost, as on a cable. */
static bool put(struct net *n, const uint8_t *header_and_frame, size_t bytes)
{
    struct net_fd *d = CONTAINER_OF(n, struct net_fd, n);
    if (d->closed)
        return true;
    bool taken = d->form == STREAM ? put_stream(d, header_and_frame + NET_HEADER, bytes - NET_HEADER)
                                   : put_frame(d, header_and_frame, bytes);
    if (!taken || d->n_out)
        watch(d, d->events | EPOLLOUT);
    return taken;
}

static void on_ready(void *ctx, uint32_t events)
{
    struct net_fd *d = ctx;
    for (unsigned i = 0; events & (EPOLLIN | EPOLLHUP | EPOLLERR) && i < AT_A_TIME; i++)
        if (d->closed || !(d->form == STREAM ? read_stream(d) : read_frame(d)))
            break;
    net_input(&d->n);
    if (!(events & EPOLLOUT) || d->closed || !flush_stream(d))
        return;
    watch(d, d->events & ~(uint32_t)EPOLLOUT);
    if (d->n.client.room)
        d->n.client.room(d->n.client.ctx);
}

static void has_room(struct net *n)
{
    struct net_fd *d = CONTAINER_OF(n, struct net_fd, n);
    watch(d, d->events | EPOLLIN);
}

static void destroy(struct net *n)
{
    struct net_fd *d = CONTAINER_OF(n, struct net_fd, n);
    if (d->watched)
        loop_unwatch(n->loop, &d->watch);
    close(d->fd);
    net_finish(n);
    free(d);
}

/* ---- saved ---- */

/*
 * The machine may go on in another process: with the same connection, which must stand between two frames then, or with a new one. So the frame that
 * is half written or half read is completed, if the other side does its part soon. A frame that it does not take is sent whole on the next
 * connection; one that it does not complete is lost with this connection.
 */
enum { SETTLE_MS = 200 };
static const char unsent[] = "unsent";

static void settle(struct net_fd *d)
{
    const uint64_t end = loop_now_ns() + SETTLE_MS * UINT64_C(1000000);
    while (!d->closed && (d->n_in || d->n_out)) {
        uint64_t now = loop_now_ns();
        struct pollfd p = { .fd = d->fd, .events = (short)((d->n_in ? POLLIN : 0) | (d->n_out ? POLLOUT : 0)) };
        if (now >= end || poll(&p, 1, (int)((end - now) / 1000000) + 1) <= 0)
            return;
        if (d->n_out)
            flush_stream(d);
        if (d->n_in && p.revents & ~POLLOUT && !read_stream(d) && !net_reserve(&d->n, NET_HEADER + NET_FRAME_MAX))
            return; /* the queue is full */
    }
}

static void save(struct net *n, struct records *out)
{
    struct net_fd *d = CONTAINER_OF(n, struct net_fd, n);
    settle(d);
    if (d->n_out)
        records_put(out, unsent, d->out, d->n_out);
}

/* The connection is what it is: only what is to be sent on it comes from the file. */
static bool load(struct net *n, const struct record *r, struct pome_error *err)
{
    struct net_fd *d = CONTAINER_OF(n, struct net_fd, n);
    if (strcmp(r->name, unsent))
        return true;
    if (d->form != STREAM || d->n_out || r->n <= 4 || r->n > STREAM_BYTES || be32_get(r->bytes) != r->n - 4)
        return pome_fail(err, POME_ERROR_RESTORE, "network: the saved frame that was not sent is none");
    memcpy(d->out, r->bytes, r->n);
    d->n_out = r->n;
    if (!d->closed)
        watch(d, d->events | EPOLLOUT);
    return true;
}

static const struct net_kind kind = { .put = put, .has_room = has_room, .destroy = destroy, .save = save, .load = load };

/* Apple asks for a receive buffer of four times the send buffer; what the host allows of it. */
static void enlarge_buffers(int fd)
{
    int send_bytes = 1 << 20, receive_bytes = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
}

static bool find_form(struct net_fd *d, struct pome_error *err)
{
    int type;
    socklen_t n = sizeof type;
    struct ifreq ifr = { 0 };
    if (!getsockopt(d->fd, SOL_SOCKET, SO_TYPE, &type, &n)) {
        d->form = type == SOCK_STREAM ? STREAM : DATAGRAM;
        enlarge_buffers(d->fd);
        return true;
    }
    if (ioctl(d->fd, TUNGETIFF, &ifr) || !(ifr.ifr_flags & IFF_TAP))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "file descriptor %d: neither a socket nor a tap device", d->fd);
    d->form = TAP;
    d->header = ifr.ifr_flags & IFF_VNET_HDR;
    int header = NET_HEADER;
    if (d->header && ioctl(d->fd, TUNSETVNETHDRSZ, &header))
        return pome_fail_errno(err, "tap device %s: header size", ifr.ifr_name);
    if (d->header)
        d->n.abilities = NET_TAKES_SEGMENTS | NET_TAKES_PARTIAL | NET_GIVES_VALID;
    return true;
}

struct net *net_fd_create(struct loop *loop, int fd, struct pome_error *err)
{
    struct net_fd *d = calloc(1, sizeof *d);
    if (!d || !net_init(&d->n, &kind, loop)) {
        free(d);
        close(fd);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "network");
        return NULL;
    }
    d->fd = fd;
    d->events = EPOLLIN;
    d->watch = (struct loop_watch){ .fn = on_ready, .ctx = d };
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
        pome_fail_errno(err, "network: file descriptor %d", fd);
    else if (find_form(d, err) && (d->watched = loop_watch(loop, &d->watch, fd, EPOLLIN, err)))
        return &d->n;
    destroy(&d->n);
    return NULL;
}

struct net *net_unix_create(struct loop *loop, const char *path, struct pome_error *err)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const struct sockaddr_un own = { .sun_family = AF_UNIX }; /* without a name: Linux gives us one, for answers */
    if (strlen(path) >= sizeof to.sun_path) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: a path of a socket has at most %zu bytes", path, sizeof to.sun_path - 1);
        return NULL;
    }
    strcpy(to.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof own.sun_family) ||
        connect(fd, (const struct sockaddr *)&to, sizeof to)) {
        pome_fail_errno(err, "%s: cannot connect", path);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    return net_fd_create(loop, fd, err);
}
