/* connection.c - one connection to the control socket. */
#include "control/connection.h"

#include "control/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { VIEW_PIECE = 16384 };

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void set_deadline(struct connection *c, unsigned ms)
{
    c->deadline_ns = ms ? now_ns() + (uint64_t)ms * 1000000 : 0;
}

/* ---- writing ---- */

void connection_put(struct connection *c, const void *bytes, size_t n)
{
    size_t left = c->out_n - c->out_at;
    if (c->dead)
        return;
    if (c->out_at) {
        memmove(c->out, c->out + c->out_at, left);
        c->out_at = 0;
        c->out_n = left;
    }
    if (left + n > c->out_room) {
        size_t room = (left + n + 4095) & ~(size_t)4095;
        char *more = room > 4 * SERVER_BACKLOG_BYTES ? NULL : realloc(c->out, room);
        if (!more) {
            c->dead = true;
            return;
        }
        c->out = more;
        c->out_room = room;
    }
    memcpy(c->out + left, bytes, n);
    c->out_n += n;
}

/* Everything was said. A close with bytes unread would reset the connection and may take the answer with it, so our half alone is shut,
 * and what still comes is thrown away until the other side has closed, too (RFC 9112 9.6). */
static void part(struct connection *c)
{
    c->mode = CONNECTION_PARTING;
    c->closing = false;
    c->in_n = 0;
    set_deadline(c, SERVER_PARTING_MS);
    c->dead = c->watch.fd < 0 || shutdown(c->watch.fd, SHUT_WR);
}

/* Writes until nothing is left or the other side must read first. */
static void write_out(struct connection *c)
{
    while (!c->dead && c->out_at < c->out_n) {
        ssize_t n = send(c->watch.fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno != EINTR) {
            c->deaf = c->mode == CONNECTION_CONSOLE;
            c->dead = !c->deaf;
            c->out_at = c->out_n = 0;
        }
        if (n > 0) {
            c->out_at += (size_t)n;
            if (c->mode == CONNECTION_REQUESTS)
                set_deadline(c, SERVER_REQUEST_MS);
        }
    }
    if (c->out_at == c->out_n) {
        c->out_at = c->out_n = 0;
        if (c->closing && !c->deferred)
            part(c);
        else if (c->mode == CONNECTION_REQUESTS && !c->in_n && !c->deferred)
            set_deadline(c, SERVER_IDLE_MS);
    }
}

void connection_flush(struct connection *c)
{
    if (c->watch.fd < 0)
        return;
    write_out(c);
    if (c->dead)
        return;
    bool full = c->in_n == sizeof c->in || (c->mode == CONNECTION_CONSOLE && c->in_n) || (c->mode == CONNECTION_REQUESTS && c->out_n) || c->closing;
    server_watch(c->server, &c->watch, c->watch.fd, (full ? 0 : EPOLLIN | EPOLLRDHUP) | (c->out_n ? EPOLLOUT : 0));
}

/* ---- console ---- */

static void show_output(struct connection *c)
{
    struct hub *h = &c->server->hub;
    const char *piece;
    while (!c->dead && !c->deaf && c->seen < h->end && c->out_n - c->out_at < VIEW_PIECE) {
        if (c->seen < hub_begin(h)) {
            char text[96];
            connection_put(c, text, (size_t)snprintf(text, sizeof text, "\r\n[pome: %llu bytes were not read in time and are not shown]\r\n",
                                                     (unsigned long long)(hub_begin(h) - c->seen)));
            c->seen = hub_begin(h);
        }
        size_t n = hub_piece(h, c->seen, &piece);
        n = n < VIEW_PIECE ? n : VIEW_PIECE;
        connection_put(c, piece, n);
        c->seen += n;
        if (c->watch.fd >= 0)
            write_out(c);
    }
}

static void type_input(struct connection *c)
{
    if (c->read_only)
        c->in_n = 0;
    if (!c->in_n)
        return;
    size_t n = hub_type(&c->server->hub, c->in, c->in_n);
    memmove(c->in, c->in + n, c->in_n - n);
    c->in_n -= n;
    c->server->input_waits |= c->in_n != 0;
}

void connection_pump(struct connection *c)
{
    if (c->mode != CONNECTION_CONSOLE || c->dead)
        return;
    type_input(c); /* first: it may have gone after its last key */
    show_output(c);
    connection_flush(c);
}

/* ---- reading ---- */

static void refuse(struct connection *c, int status, const char *why)
{
    struct http_request none = {.close = true};
    struct call call = {.server = c->server, .connection = c, .request = &none};
    call_reply(&call, status, json_pack("{s:{s:s,s:i,s:s}}", "error", "code", "INVALID_DATA", "number", POME_ERROR_INVALID_DATA, "message", why), NULL);
    c->in_n = 0;
}

/* Answers the requests that have come whole, one after the other. */
static void run_requests(struct connection *c)
{
    while (c->mode == CONNECTION_REQUESTS && !c->deferred && c->in_n && !c->closing && !c->dead && c->out_n - c->out_at < SERVER_BACKLOG_BYTES) {
        static struct http_request r; /* one thread, one request at a time */
        int status = 0;
        const char *why = "";
        enum http_parse parsed = http_parse_request(c->in, c->in_n, &r, &status, &why);
        if (parsed == HTTP_MORE)
            return;
        if (parsed == HTTP_BAD) {
            refuse(c, status, why);
            return;
        }
        route_request(c->server, c, &r, c->in + r.head_bytes);
        size_t used = r.head_bytes + r.body_bytes;
        memmove(c->in, c->in + used, c->in_n - used);
        c->in_n -= used;
    }
    if (c->mode == CONNECTION_EVENTS || c->mode == CONNECTION_PARTING)
        c->in_n = 0; /* they have nothing more to say */
}

void connection_go_on(struct connection *c)
{
    set_deadline(c, SERVER_REQUEST_MS);
    run_requests(c);
    connection_flush(c);
}

size_t connection_feed(struct connection *c, const char *bytes, size_t n)
{
    n = n < sizeof c->in - c->in_n ? n : sizeof c->in - c->in_n;
    if (!c->in_n && c->mode == CONNECTION_REQUESTS)
        set_deadline(c, SERVER_REQUEST_MS);
    memcpy(c->in + c->in_n, bytes, n);
    c->in_n += n;
    run_requests(c);
    if (c->mode == CONNECTION_EVENTS || c->mode == CONNECTION_CONSOLE || c->deferred)
        c->deadline_ns = 0;
    if (c->mode == CONNECTION_CONSOLE)
        connection_pump(c);
    return n;
}

static void on_ready(void *ctx, uint32_t events)
{
    struct connection *c = ctx;
    char bytes[4096];
    if (c->dead)
        return;
    bool gone = events & (EPOLLHUP | EPOLLERR); /* but what it has sent is still there */
    if (gone && c->in_n && c->mode == CONNECTION_CONSOLE)
        c->dead = true;
    if (!c->dead && (gone || events & (EPOLLIN | EPOLLRDHUP)) && c->in_n < sizeof c->in) {
        size_t room = sizeof c->in - c->in_n;
        ssize_t n = recv(c->watch.fd, bytes, room < sizeof bytes ? room : sizeof bytes, MSG_DONTWAIT);
        if (n > 0)
            connection_feed(c, bytes, (size_t)n);
        else if (!n || (errno != EAGAIN && errno != EINTR))
            c->dead = !c->out_n && !c->deferred; /* a client that has asked all it wanted still gets its answer */
        c->closing |= !n;
    }
    if (c->dead)
        return;
    if (c->mode == CONNECTION_REQUESTS && (events & EPOLLOUT)) {
        write_out(c);
        run_requests(c);
    }
    if (c->mode == CONNECTION_CONSOLE)
        connection_pump(c);
    connection_flush(c);
}

/* ---- all of them ---- */

struct connection *connection_create(struct control_server *s, int fd)
{
    struct connection *c = s->n_connections < SERVER_CONNECTIONS ? malloc(sizeof *c) : NULL;
    if (!c)
        return NULL;
    memset(c, 0, offsetof(struct connection, in));
    c->server = s;
    c->watch = (struct server_watch){.fn = on_ready, .ctx = c, .fd = fd};
    c->next = s->connections;
    s->connections = c;
    s->n_connections++;
    set_deadline(c, SERVER_REQUEST_MS);
    connection_flush(c);
    return c;
}

void connection_destroy(struct connection *c)
{
    struct connection **at = &c->server->connections;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->server->n_connections--;
    if (c->watch.fd >= 0) {
        server_watch(c->server, &c->watch, c->watch.fd, 0);
        close(c->watch.fd);
    }
    if (c->deferred)
        call_forget(c->deferred);
    free(c->out);
    free(c);
}

/* One event is one chunk (RFC 9112 7.1). */
static void put_event(struct connection *c, const char *line)
{
    char head[16];
    if (c->out_n - c->out_at > SERVER_BACKLOG_BYTES) {
        c->dead = true;
        return;
    }
    connection_put(c, head, (size_t)snprintf(head, sizeof head, "%zx\r\n", strlen(line) + 1));
    connection_put(c, line, strlen(line));
    connection_put(c, "\n\r\n", 3);
}

void connections_tell(struct control_server *s, struct connection *only, json_t *event)
{
    char *line = event ? json_dumps(event, JSON_COMPACT) : NULL;
    for (struct connection *c = s->connections; line && c; c = c->next)
        if (c->mode == CONNECTION_EVENTS && !c->dead && (!only || c == only)) {
            put_event(c, line);
            connection_flush(c);
        }
    free(line);
    json_decref(event);
}

void connections_sweep(struct control_server *s)
{
    uint64_t now = now_ns();
    for (struct connection *c = s->connections, *next; c; c = next) {
        next = c->next;
        if (!c->dead && c->deadline_ns && c->deadline_ns < now) {
            if (c->in_n && !c->closing && !c->out_n) {
                refuse(c, 408, "the request did not come whole within 10 seconds");
                connection_flush(c);
                set_deadline(c, SERVER_REQUEST_MS);
            } else {
                c->dead = true;
            }
        }
        if (c->dead)
            connection_destroy(c);
    }
}

unsigned connections_viewing(const struct control_server *s)
{
    unsigned n = 0;
    for (const struct connection *c = s->connections; c; c = c->next)
        n += c->mode == CONNECTION_CONSOLE && !c->dead;
    return n;
}
