/*
 * server.c - the control socket of one machine.
 *
 * How it works. Everything happens in control_server_dispatch(), on the application's thread: an epoll descriptor holds the listening socket,
 * the connections, the console's pipes and a timer; it is the one descriptor that the application polls. Nothing here blocks. An
 * operation that takes time is answered when it is done (call_defer), and no other request of that connection before.
 */
#include "control/server.h"

#include "base/error.h"
#include "control/route.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

bool server_watch(struct control_server *s, struct server_watch *w, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (s->epoll < 0 || (events == w->events && fd == w->fd))
        return true;
    int op = !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    w->fd = fd;
    w->events = events;
    return !epoll_ctl(s->epoll, op, fd, &e);
}

/* ---- what happens ---- */

static const struct {
    enum pome_vm_event_kind kind;
    const char *name;
} events_told[] = {
    {POME_VM_EVENT_STATE, "state"},           {POME_VM_EVENT_STOPPED, "stopped"}, {POME_VM_EVENT_GUEST_RESET, "guest-reset"},
    {POME_VM_EVENT_GUEST_PANIC, "guest-panic"}, {POME_VM_EVENT_FAULT, "fault"},     {POME_VM_EVENT_STOP_IGNORED, "stop-ignored"},
    {POME_VM_EVENT_PROGRESS, "progress"},
};

static const char *event_name(enum pome_vm_event_kind kind)
{
    for (size_t i = 0; i < sizeof events_told / sizeof *events_told; i++)
        if (events_told[i].kind == kind)
            return events_told[i].name;
    return "other";
}

static void on_event(void *user, pome_vm *vm, const struct pome_vm_event *event)
{
    struct control_server *s = user;
    json_t *e = describe_machine(s);
    json_object_set_new(e, "event", json_string(event_name(event->kind)));
    if (event->kind == POME_VM_EVENT_STATE) /* which it was then, not now */
        json_object_set_new(e, "state", json_string(pome_vm_state_name(event->state)));
    if (event->error)
        json_object_set_new(e, "error", describe_error(event->error));
    if (event->kind == POME_VM_EVENT_PROGRESS)
        json_object_set_new(e, "fraction", json_real(event->fraction));
    if (event->kind == POME_VM_EVENT_GUEST_RESET)
        json_object_set_new(e, "count", json_integer(event->count));
    connections_tell(s, NULL, e);
}

static void pump_all(struct control_server *s)
{
    s->input_waits = false;
    for (struct connection *c = s->connections; c; c = c->next)
        connection_pump(c);
}

/* What to wait for on the console's side follows from how far its readers are. */
static void watch_console(struct control_server *s)
{
    struct hub *h = &s->hub;
    if (h->from_guest < 0 && s->output.events)
        server_watch(s, &s->output, s->output.fd, 0);
    else if (h->from_guest >= 0)
        server_watch(s, &s->output, h->from_guest, hub_wants_output(h) ? EPOLLIN : 0);
    if (h->to_guest >= 0)
        server_watch(s, &s->input, h->to_guest, s->input_waits ? EPOLLOUT : 0);
    if (h->copy >= 0) /* a regular file cannot be watched, and never needs to be */
        server_watch(s, &s->copy, h->copy, hub_copy_is_behind(h) ? EPOLLOUT : 0);
    else
        s->copy.events = 0;
}

static void on_console(void *ctx, uint32_t events)
{
    struct control_server *s = ctx;
    hub_pump(&s->hub);
    pump_all(s);
}

static void on_connect(void *ctx, uint32_t events)
{
    struct control_server *s = ctx;
    for (int fd; s->n_connections < SERVER_CONNECTIONS && (fd = accept4(s->listening.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;)
        if (!address_peer_is_trusted(fd) || !connection_create(s, fd))
            close(fd);
}

static void on_tick(void *ctx, uint32_t events)
{
    struct control_server *s = ctx;
    uint64_t n;
    if (read(s->timer, &n, sizeof n) < 0)
        return;
}

void control_server_dispatch(struct control_server *s)
{
    struct epoll_event events[32];
    int n = epoll_wait(s->epoll, events, 32, 0);
    for (int i = 0; i < n; i++) {
        struct server_watch *w = events[i].data.ptr;
        w->fn(w->ctx, events[i].events);
    }
    hub_pump(&s->hub);
    pump_all(s);
    watch_console(s);
    connections_sweep(s);
    /* Who comes when all places are taken waits in the socket's queue. */
    server_watch(s, &s->listening, s->listening.fd, s->n_connections < SERVER_CONNECTIONS ? EPOLLIN : 0);
}

/* ---- making and ending ---- */

static int64_t realtime_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void control_server_init(struct control_server *s, pome_bundle *bundle, pome_vm *vm)
{
    *s = (struct control_server){.bundle = bundle, .vm = vm, .epoll = -1, .timer = -1, .started_ns = realtime_ns()};
    s->hub.from_guest = s->hub.to_guest = s->hub.copy = -1;
    s->listening = (struct server_watch){.fn = on_connect, .ctx = s, .fd = -1};
    s->ticking = (struct server_watch){.fn = on_tick, .ctx = s, .fd = -1};
    s->output = s->input = s->copy = (struct server_watch){.fn = on_console, .ctx = s, .fd = -1};
}

static bool begin(struct control_server *s, const struct pome_control_server_options *o, struct pome_error *err)
{
    static const struct itimerspec second = {{1, 0}, {1, 0}};
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (s->epoll < 0 || s->timer < 0 || timerfd_settime(s->timer, 0, &second, NULL) || !hub_init(&s->hub, o->from_guest, o->to_guest, o->copy_to))
        return pome_fail_errno(err, "control socket");
    int fd = address_listen(pome_bundle_path(s->bundle), s->path, err);
    if (fd < 0)
        return false;
    s->listening.fd = fd;
    if (!server_watch(s, &s->listening, fd, EPOLLIN) || !server_watch(s, &s->ticking, s->timer, EPOLLIN))
        return pome_fail_errno(err, "%s: cannot wait for connections", s->path);
    watch_console(s);
    return pome_vm_subscribe(s->vm, on_event, s, err);
}

struct control_server *control_server_create(pome_bundle *bundle, pome_vm *vm, const struct pome_control_server_options *o, struct pome_error *err)
{
    struct control_server *s = malloc(sizeof *s);
    if (!s) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "control socket: no memory");
        return NULL;
    }
    control_server_init(s, bundle, vm);
    if (begin(s, o, err))
        return s;
    control_server_destroy(s);
    return NULL;
}

static bool something_to_write(const struct control_server *s)
{
    for (const struct connection *c = s->connections; c; c = c->next)
        if (!c->dead && (c->out_n || (c->mode == CONNECTION_CONSOLE && c->seen < s->hub.end)))
            return true;
    return false;
}

/* The last words: at most a second for those who listen to take them. */
static void say_goodbye(struct control_server *s)
{
    static const char end[] = "0\r\n\r\n";
    for (struct connection *c = s->connections; c; c = c->next)
        if (c->mode == CONNECTION_EVENTS && !c->dead)
            connection_put(c, end, sizeof end - 1);
    for (int i = 0; i < 50 && something_to_write(s); i++) {
        struct pollfd p = {.fd = s->epoll, .events = POLLIN};
        for (struct connection *c = s->connections; c; c = c->next)
            c->mode == CONNECTION_CONSOLE ? connection_pump(c) : connection_flush(c);
        connections_sweep(s);
        poll(&p, 1, 20);
    }
}

void control_server_destroy(struct control_server *s)
{
    if (!s)
        return;
    if (s->vm)
        pome_vm_unsubscribe(s->vm, on_event, s);
    if (s->epoll >= 0) {
        hub_pump(&s->hub);
        if (s->path[0])
            unlink(s->path);
        if (s->listening.fd >= 0)
            close(s->listening.fd);
        say_goodbye(s);
    }
    while (s->connections)
        connection_destroy(s->connections);
    hub_finish(&s->hub);
    if (s->timer >= 0)
        close(s->timer);
    if (s->epoll >= 0)
        close(s->epoll);
    free(s);
}
