/*
 * net_user.c - user-mode NAT by libslirp (see net.h).
 *
 * libslirp speaks TCP/IP with the guest and sockets with the host. It is made for poll(): before each wait it says which
 * descriptors it waits for (fill), after it takes what became ready (poll). Here they live in an epoll of their own, whose descriptor
 * the loop watches: `fill` makes the set what libslirp wants by as few changes as possible.
 *
 * The MTU is large: nobody but the two of us sees it, TCP's connections end in libslirp on both sides, and the guest has a fraction of
 * the packets to handle. Not larger than a quarter of 64 KiB, which is libslirp's window (it scales none): with segments of half a
 * window the avoidance of silly windows (RFC 1122, 4.2.3.4) makes it wait for seconds. What the guest sends may be longer: libslirp takes
 * any packet.
 *
 * A saved machine: libslirp saves its DHCP leases (and what else it can: nothing that we use); the connections' ends on the host are gone, so that
 * each is ended at the guest's end too after the restore (net_flows.h). What libslirp had taken of them but not passed on yet is lost, as
 * any connection's is when a host dies. Forwarded ports are opened again.
 */
#include "backend/libslirp.h"
#include "backend/net_flows.h"
#include "backend/net_kind.h"
#include "backend/port_holder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MTU_MAX 16384
#define READY   32

/* A descriptor that libslirp waits for. */
struct waiting {
    int fd;
    uint32_t wanted, watched; /* EPOLL*; wanted 0: not since the last fill */
    uint32_t ready;
};

struct net_user {
    struct net n;
    Slirp *slirp;
    int epoll;
    struct loop_watch watch;
    struct loop_timer timer; /* libslirp's time-outs */
    struct loop_task again;  /* fills after the guest's frames were taken */
    bool watching;
    struct waiting *waiting; /* index: what libslirp gets from add_poll */
    size_t n_waiting, n_room;
    struct net_user_options options; /* copies */
    struct net_flows flows;
    size_t asked; /* of those that ended with the saved machine's process */
};

/* ---- what libslirp asks of us ---- */

static struct net_user *of(void *opaque)
{
    return opaque;
}

static ssize_t send_packet(const void *frame, size_t bytes, void *opaque)
{
    struct net_user *u = of(opaque);
    uint8_t *at = bytes <= NET_FRAME_MAX ? net_reserve(&u->n, NET_HEADER + bytes) : NULL;
    if (!at)
        return (ssize_t)bytes; /* lost, as on a cable: TCP sends it again */
    memset(at, 0, NET_HEADER);
    at[0] = NET_DATA_VALID;
    memcpy(at + NET_HEADER, frame, bytes);
    net_flows_see(&u->flows, frame, bytes, false);
    net_add(&u->n, NET_HEADER + bytes);
    net_input(&u->n);
    return (ssize_t)bytes;
}

static void guest_error(const char *message, void *opaque)
{
}

static int64_t clock_ns(void *opaque)
{
    return (int64_t)loop_now_ns();
}

struct user_timer {
    struct loop_timer timer;
    struct net_user *u;
    SlirpTimerId id;
    void *ctx;
};

static void timer_fired(void *ctx)
{
    struct user_timer *t = ctx;
    libslirp.slirp_handle_timer(t->u->slirp, t->id, t->ctx);
}

static void *timer_new(SlirpTimerId id, void *ctx, void *opaque)
{
    struct user_timer *t = calloc(1, sizeof *t);
    if (t)
        *t = (struct user_timer){ .timer = { .fn = timer_fired, .ctx = t }, .u = opaque, .id = id, .ctx = ctx };
    return t;
}

static void timer_free(void *timer, void *opaque)
{
    struct user_timer *t = timer;
    if (t)
        loop_timer_cancel(of(opaque)->n.loop, &t->timer);
    free(t);
}

static void timer_mod(void *timer, int64_t ms, void *opaque)
{
    struct user_timer *t = timer;
    if (t)
        loop_timer_set(of(opaque)->n.loop, &t->timer, (uint64_t)MAX(ms, 0) * 1000000);
}

static void register_fd(int fd, void *opaque)
{
}

/* It is closed next: its number may come back for another socket. */
static void unregister_fd(int fd, void *opaque)
{
    struct net_user *u = of(opaque);
    for (size_t i = 0; i < u->n_waiting; i++)
        if (u->waiting[i].fd == fd) {
            if (u->waiting[i].watched)
                epoll_ctl(u->epoll, EPOLL_CTL_DEL, fd, NULL);
            u->waiting[i] = (struct waiting){ .fd = -1 };
        }
}

static void refill_soon(void *opaque)
{
    loop_post(of(opaque)->n.loop, &of(opaque)->again);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_ns,
    .timer_new_opaque = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = register_fd,
    .unregister_poll_fd = unregister_fd,
    .notify = refill_soon,
};

/* ---- waiting ---- */

static const struct {
    int slirp;
    uint32_t epoll;
} event_names[] = {
    { SLIRP_POLL_IN, EPOLLIN }, { SLIRP_POLL_OUT, EPOLLOUT }, { SLIRP_POLL_PRI, EPOLLPRI },
    { SLIRP_POLL_ERR, EPOLLERR }, { SLIRP_POLL_HUP, EPOLLHUP },
};

static uint32_t to_epoll(int events)
{
    uint32_t e = 0;
    for (size_t i = 0; i < ARRAY_SIZE(event_names); i++)
        e |= events & event_names[i].slirp ? event_names[i].epoll : 0;
    return e;
}

static int from_epoll(uint32_t events)
{
    int s = 0;
    for (size_t i = 0; i < ARRAY_SIZE(event_names); i++)
        s |= events & event_names[i].epoll ? event_names[i].slirp : 0;
    return s;
}

/* The row of a descriptor, an empty one, or a new one; -1: no memory. */
static int row_of(struct net_user *u, int fd)
{
    size_t empty = u->n_waiting;
    for (size_t i = 0; i < u->n_waiting; i++) {
        if (u->waiting[i].fd == fd)
            return (int)i;
        if (u->waiting[i].fd < 0)
            empty = i;
    }
    if (empty == u->n_room) {
        size_t room = MAX(16, 2 * u->n_room);
        struct waiting *more = realloc(u->waiting, room * sizeof *more);
        if (!more)
            return -1;
        u->waiting = more;
        u->n_room = room;
    }
    if (empty == u->n_waiting)
        u->n_waiting++;
    u->waiting[empty] = (struct waiting){ .fd = fd };
    return (int)empty;
}

static int add_poll(int fd, int events, void *opaque)
{
    struct net_user *u = of(opaque);
    int i = row_of(u, fd);
    if (i >= 0)
        u->waiting[i].wanted |= to_epoll(events);
    return i;
}

static int get_revents(int i, void *opaque)
{
    struct net_user *u = of(opaque);
    return i >= 0 && (size_t)i < u->n_waiting ? from_epoll(u->waiting[i].ready) : 0;
}

/* Makes the epoll set what libslirp waits for now. */
static void fill(struct net_user *u)
{
    uint32_t timeout_ms = UINT32_MAX;
    for (size_t i = 0; i < u->n_waiting; i++)
        u->waiting[i].wanted = u->waiting[i].ready = 0;
    libslirp.slirp_pollfds_fill(u->slirp, &timeout_ms, add_poll, u);
    for (size_t i = 0; i < u->n_waiting; i++) {
        struct waiting *w = &u->waiting[i];
        struct epoll_event e = { .events = w->wanted, .data.u64 = i };
        if (w->fd >= 0 && w->wanted != w->watched)
            epoll_ctl(u->epoll, !w->wanted ? EPOLL_CTL_DEL : w->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e);
        w->watched = w->wanted;
        if (!w->wanted)
            w->fd = -1;
    }
    if (timeout_ms == UINT32_MAX)
        loop_timer_cancel(u->n.loop, &u->timer);
    else
        loop_timer_set(u->n.loop, &u->timer, loop_now_ns() + (uint64_t)timeout_ms * 1000000);
}

/* Something is ready, or it is time. */
static void poll_now(void *ctx)
{
    struct net_user *u = ctx;
    struct epoll_event e[READY];
    int n = epoll_wait(u->epoll, e, READY, 0);
    for (int i = 0; i < n; i++)
        u->waiting[e[i].data.u64].ready = e[i].events;
    libslirp.slirp_pollfds_poll(u->slirp, n < 0, get_revents, u);
    fill(u);
}

static void on_ready(void *ctx, uint32_t events)
{
    poll_now(ctx);
}

static void fill_again(void *ctx)
{
    fill(ctx);
}

/* ---- the network's side ---- */

static bool put(struct net *n, const uint8_t *header_and_frame, size_t bytes)
{
    struct net_user *u = CONTAINER_OF(n, struct net_user, n);
    const uint8_t *frame = header_and_frame + NET_HEADER;
    uint8_t reset[NET_FLOW_SEGMENT_MAX];
    size_t n_reset;
    bytes -= NET_HEADER;
    if (net_flows_ends(&u->flows, frame, bytes, reset, &n_reset)) {
        if (n_reset)
            send_packet(reset, n_reset, u);
        return true;
    }
    net_flows_see(&u->flows, frame, bytes, true);
    libslirp.slirp_input(u->slirp, frame, (int)bytes);
    refill_soon(u);
    return true;
}

static void options_free(struct net_user_options *o)
{
    free((void *)(uintptr_t)o->host_name);
    free((void *)(uintptr_t)o->tftp_root);
    free((void *)(uintptr_t)o->boot_file);
    free((void *)(uintptr_t)o->forwards);
}

static bool copy_text(const char *from, const char **to)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

static bool options_copy(const struct net_user_options *from, struct net_user_options *to)
{
    struct net_forward *f = calloc(from->n_forwards + 1, sizeof *f);
    *to = *from;
    to->forwards = f;
    if (f && from->n_forwards)
        memcpy(f, from->forwards, from->n_forwards * sizeof *f);
    bool ok = copy_text(from->host_name, &to->host_name);
    ok = copy_text(from->tftp_root, &to->tftp_root) && ok;
    return copy_text(from->boot_file, &to->boot_file) && ok && f;
}

static void destroy(struct net *n)
{
    struct net_user *u = CONTAINER_OF(n, struct net_user, n);
    loop_unpost(n->loop, &u->again);
    loop_timer_cancel(n->loop, &u->timer);
    if (u->slirp)
        libslirp.slirp_cleanup(u->slirp);
    loop_unpost(n->loop, &u->again);
    if (u->watching)
        loop_unwatch(n->loop, &u->watch);
    if (u->epoll >= 0)
        close(u->epoll);
    net_finish(n);
    free(u->waiting);
    options_free(&u->options);
    free(u);
}

static struct in_addr address(const char *text)
{
    struct in_addr a = { 0 };
    inet_pton(AF_INET, text, &a);
    return a;
}

static Slirp *start(struct net_user *u, const struct net_user_options *o)
{
    SlirpConfig c = {
        .version = 4,
        .restricted = o->isolation == NET_CLOSED,
        .disable_host_loopback = o->isolation != NET_OPEN,
        .in_enabled = true,
        .vnetwork = address("10.0.2.0"),
        .vnetmask = address("255.255.255.0"),
        .vhost = address("10.0.2.2"),
        .vdhcp_start = address("10.0.2.15"),
        .vnameserver = address("10.0.2.3"),
        .in6_enabled = true,
        .vprefix_len = 64,
        .vhostname = o->host_name,
        .tftp_path = o->tftp_root,
        .bootfile = o->boot_file,
        .if_mtu = u->n.mtu,
        .if_mru = u->n.mtu,
    };
    inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &c.vhost6);
    inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
    return libslirp.slirp_new(&c, &callbacks, u);
}

static bool forward(struct net_user *u, const struct net_forward *f, bool closed, struct pome_error *err)
{
    if (f->udp && closed) /* libslirp drops the guest's answers */
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "UDP port %u into an isolated network, which takes TCP only", f->host_port);
    const char *text = f->host_address[0] ? f->host_address : "127.0.0.1";
    struct sockaddr_in host = { .sin_family = AF_INET, .sin_port = htons(f->host_port) };
    struct sockaddr_in6 host6 = { .sin6_family = AF_INET6, .sin6_port = htons(f->host_port) };
    struct sockaddr_in guest = { .sin_family = AF_INET, .sin_port = htons(f->guest_port), .sin_addr = address("10.0.2.15") };
    struct sockaddr_in6 guest6 = { .sin6_family = AF_INET6, .sin6_port = htons(f->guest_port) }; /* ::, whatever it chose */
    int flags = f->udp ? SLIRP_HOSTFWD_UDP : 0, failed;
    if (inet_pton(AF_INET, text, &host.sin_addr) == 1) {
        failed = libslirp.slirp_add_hostxfwd(u->slirp, (struct sockaddr *)&host, sizeof host, (struct sockaddr *)&guest, sizeof guest, flags);
    } else if (inet_pton(AF_INET6, text, &host6.sin6_addr) == 1) {
        failed = libslirp.slirp_add_hostxfwd(u->slirp, (struct sockaddr *)&host6, sizeof host6, (struct sockaddr *)&guest6, sizeof guest6,
                                    flags | SLIRP_HOSTFWD_V6ONLY);
    } else {
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "\"%s\" is no address", text);
    }
    if (failed && errno == EADDRINUSE) {
        char holder[PORT_HOLDER_TEXT];
        return pome_fail(err, POME_ERROR_BUSY, "%s port %u of %s is in use by %s", f->udp ? "UDP" : "TCP", f->host_port, text, port_holder(f->udp, f->host_port, holder));
    }
    return !failed || pome_fail_errno(err, "%s port %u of %s", f->udp ? "UDP" : "TCP", f->host_port, text);
}

/* Instead of one that there may be. */
static bool begin(struct net_user *u, struct pome_error *err)
{
    const struct net_user_options *o = &u->options;
    Slirp *old = u->slirp, *s = start(u, o);
    bool ok = s || pome_fail(err, POME_ERROR_NETWORK, "libslirp %s does not start", libslirp.slirp_version_string());
    if (ok && old) {
        libslirp.slirp_cleanup(old); /* frees its ports */
        u->n_waiting = 0;   /* closed descriptors leave the epoll set */
    }
    u->slirp = ok ? s : old;
    for (size_t i = 0; ok && i < o->n_forwards; i++)
        ok = forward(u, &o->forwards[i], o->isolation == NET_CLOSED, err) || pome_fail_context(err, "forwards[%zu]", i);
    if (ok)
        fill(u);
    return ok;
}

/* ---- saved ---- */

/* libslirp's own state, format 4: connections to programs inside it (each behind a byte that is not 0; we have none), 0, the last packet's number,
 * 16 DHCP leases of 8 bytes. Only this is taken from a file: its reader is not made for hostile ones. */
enum { SLIRP_STATE_VERSION = 4, SLIRP_STATE_BYTES = 1 + 2 + 16 * 8 };
static const char leases[] = "leases", connection[] = "connection";

struct stream {
    uint8_t bytes[SLIRP_STATE_BYTES];
    size_t n; /* written or read; more than there is room for: all of it was too much */
};

static ssize_t write_state(const void *bytes, size_t n, void *opaque)
{
    struct stream *s = opaque;
    if (n <= sizeof s->bytes - MIN(s->n, sizeof s->bytes))
        memcpy(s->bytes + s->n, bytes, n);
    s->n += n;
    return (ssize_t)n;
}

static ssize_t read_state(void *bytes, size_t n, void *opaque)
{
    struct stream *s = opaque;
    size_t some = MIN(n, sizeof s->bytes - s->n);
    memcpy(bytes, s->bytes + s->n, some);
    s->n += some;
    return (ssize_t)some;
}

static void save(struct net *n, struct records *out)
{
    struct net_user *u = CONTAINER_OF(n, struct net_user, n);
    struct stream s = { .n = 0 };
    uint8_t bytes[NET_FLOW_BYTES];
    libslirp.slirp_state_save(u->slirp, write_state, &s);
    if (libslirp.slirp_state_version() == SLIRP_STATE_VERSION && s.n == sizeof s.bytes)
        records_put(out, leases, s.bytes, s.n);
    for (size_t i = 0; i < u->flows.n; i++) {
        net_flow_save(&u->flows.flow[i], bytes);
        records_put(out, connection, bytes, sizeof bytes);
    }
}

static bool forget(struct net *n, struct pome_error *err)
{
    struct net_user *u = CONTAINER_OF(n, struct net_user, n);
    u->flows.n = u->flows.n_ended = u->asked = 0;
    return begin(u, err);
}

static bool load(struct net *n, const struct record *r, struct pome_error *err)
{
    struct net_user *u = CONTAINER_OF(n, struct net_user, n);
    struct stream s = { .n = 0 };
    if (!strcmp(r->name, connection) && !net_flows_load(&u->flows, r->bytes, r->n))
        return pome_fail(err, POME_ERROR_RESTORE, "network: a saved connection is none");
    if (strcmp(r->name, leases) || libslirp.slirp_state_version() != SLIRP_STATE_VERSION)
        return true; /* without its lease a guest gets the same address when it asks again */
    if (r->n != sizeof s.bytes || r->bytes[0])
        return pome_fail(err, POME_ERROR_RESTORE, "network: the saved leases are none");
    memcpy(s.bytes, r->bytes, sizeof s.bytes);
    return !libslirp.slirp_state_load(u->slirp, SLIRP_STATE_VERSION, read_state, &s) || pome_fail(err, POME_ERROR_RESTORE, "network: libslirp refuses the saved leases");
}

/* As many as there is room for; the others when there is. */
static void ask(struct net *n)
{
    struct net_user *u = CONTAINER_OF(n, struct net_user, n);
    uint8_t *at;
    for (; u->asked < u->flows.n; u->asked++) {
        if (!u->flows.flow[u->asked].ended)
            continue;
        if (!(at = net_reserve(n, NET_HEADER + NET_FLOW_SEGMENT_MAX)))
            return;
        memset(at, 0, NET_HEADER);
        net_add(n, NET_HEADER + net_flow_ask(&u->flows.flow[u->asked], at + NET_HEADER));
    }
}

static const struct net_kind kind = { .put = put, .has_room = ask, .destroy = destroy, .of_address = leases, .save = save, .forget = forget, .load = load, .loaded = ask };

struct net *net_user_create(struct loop *loop, const struct net_user_options *options, struct pome_error *err)
{
    if (!libslirp_load(err))
        return NULL;
    struct net_user *u = calloc(1, sizeof *u);
    if (!u || !options_copy(options, &u->options) || !net_init(&u->n, &kind, loop)) {
        if (u)
            options_free(&u->options);
        free(u);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "network");
        return NULL;
    }
    u->n.abilities = NET_TAKES_SEGMENTS | NET_GIVES_VALID;
    u->n.mtu = options->mtu ? MIN(options->mtu, MTU_MAX) : MTU_MAX;
    u->watch = (struct loop_watch){ .fn = on_ready, .ctx = u };
    u->timer = (struct loop_timer){ .fn = poll_now, .ctx = u };
    u->again = (struct loop_task){ .fn = fill_again, .ctx = u };
    u->epoll = epoll_create1(EPOLL_CLOEXEC);
    bool ok = u->epoll >= 0 ? (u->watching = loop_watch(loop, &u->watch, u->epoll, EPOLLIN, err)) : pome_fail_errno(err, "network");
    if (ok && begin(u, err))
        return &u->n;
    destroy(&u->n);
    return NULL;
}
