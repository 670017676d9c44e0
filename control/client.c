/* client.c - the other end of a control socket. */
#include "control/client.h"

#include "base/error.h"
#include "control/address.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct client *client_open(const char *bundle_path, struct pome_error *err)
{
    struct client *c = malloc(sizeof *c);
    if (!c) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a connection");
        return NULL;
    }
    c->n = 0;
    c->fd = address_connect(bundle_path, c->path, err);
    if (c->fd >= 0)
        return c;
    free(c);
    return NULL;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    close(c->fd);
    free(c);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits for the descriptor until the moment (-1: for ever). */
static bool ready(const struct client *c, short events, int64_t until_ms, struct pome_error *err)
{
    for (;;) {
        int64_t left = until_ms < 0 ? -1 : until_ms - now_ms();
        struct pollfd p = {.fd = c->fd, .events = events};
        int n = poll(&p, 1, until_ms < 0 ? -1 : left > 0 ? (int)left : 0);
        if (n > 0)
            return true;
        if (!n)
            return pome_fail(err, POME_ERROR_TIMED_OUT, "the machine's process did not answer in time");
        if (errno != EINTR)
            return pome_fail_errno(err, "poll");
    }
}

static bool send_all(struct client *c, const char *bytes, size_t n, struct pome_error *err)
{
    int64_t until = now_ms() + CLIENT_TIMEOUT_MS;
    while (n) {
        if (!ready(c, POLLOUT, until, err))
            return false;
        ssize_t done = send(c->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && errno != EINTR && errno != EAGAIN) /* it has closed its end: it is about to end, or has */
            return pome_fail(err, POME_ERROR_NOT_FOUND, "the machine's process has ended");
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

/* Bytes into memory; 0: the other side has closed. peek: they stay to be read. */
static ssize_t receive(struct client *c, char *bytes, size_t room, bool peek, int64_t until_ms, struct pome_error *err)
{
    for (;;) {
        if (!ready(c, POLLIN, until_ms, err))
            return -1;
        ssize_t n = recv(c->fd, bytes, room, MSG_DONTWAIT | (peek ? MSG_PEEK : 0));
        if (n >= 0 || (errno == ECONNRESET))
            return n > 0 ? n : 0;
        if (errno != EINTR && errno != EAGAIN) {
            pome_fail_errno(err, "the machine's process");
            return -1;
        }
    }
}

static bool no_pome(struct pome_error *err)
{
    return pome_fail(err, POME_ERROR_INVALID_DATA, "what answers on the control socket is no Pome");
}

/* Reads a head and nothing behind it: what follows an upgrade is not ours. */
static bool read_head(struct client *c, int timeout_ms, struct http_answer *a, struct pome_error *err)
{
    char head[HTTP_HEAD_MAX];
    size_t had = 0;
    int64_t until = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
    for (;;) {
        ssize_t n = receive(c, head + had, sizeof head - had, true, until, err);
        if (n < 0)
            return false;
        if (!n)
            return pome_fail(err, POME_ERROR_NOT_FOUND, "the machine's process has ended");
        enum http_parse parsed = http_parse_answer(head, had + (size_t)n, a);
        size_t take = parsed == HTTP_DONE ? a->head_bytes - had : (size_t)n;
        if (parsed == HTTP_BAD || recv(c->fd, head + had, take, MSG_DONTWAIT) != (ssize_t)take)
            return no_pome(err);
        had += take;
        if (parsed == HTTP_DONE)
            return true;
    }
}

static char *read_body(struct client *c, size_t n, struct pome_error *err)
{
    int64_t until = now_ms() + CLIENT_TIMEOUT_MS;
    char *body = n <= CLIENT_ANSWER_MAX ? malloc(n + 1) : NULL;
    if (!body) {
        no_pome(err);
        return NULL;
    }
    for (size_t had = 0; had < n;) {
        ssize_t got = receive(c, body + had, n - had, false, until, err);
        if (got <= 0) {
            if (!got)
                pome_fail(err, POME_ERROR_NOT_FOUND, "the machine's process has ended");
            free(body);
            return NULL;
        }
        had += (size_t)got;
    }
    body[n] = 0;
    return body;
}

/* {"error": {"number": 3, "message": "..."}} */
static bool take_error(const json_t *answer, int status, json_t **findings, struct pome_error *err)
{
    json_t *e = json_object_get(answer, "error");
    const char *message = json_string_value(json_object_get(e, "message"));
    json_int_t number = json_integer_value(json_object_get(e, "number"));
    if (findings)
        *findings = json_incref(json_object_get(e, "findings"));
    if (!message || number <= 0 || number > INT32_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "the machine's process answers with status %d", status);
    return pome_fail(err, (enum pome_error_code)number, "%s", message);
}

json_t *client_call(struct client *c, int timeout_ms, const char *method, const char *target, const char *if_match, json_t *body, char etag[80], json_t **findings,
                    struct pome_error *err)
{
    struct http_answer a;
    char head[HTTP_TARGET_MAX + 512], match[128] = "";
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : 0;
    if (findings)
        *findings = NULL;
    if (if_match)
        snprintf(match, sizeof match, "If-Match: \"%.80s\"\r\n", if_match);
    int h = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: pome\r\n%sContent-Length: %zu\r\n\r\n", method, target, match, n);
    bool ok = h < (int)sizeof head && n <= HTTP_BODY_MAX;
    if (!ok)
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: the request is too long", target);
    ok = ok && send_all(c, head, (size_t)h, err) && send_all(c, text, n, err);
    free(text);
    char *answer = ok && read_head(c, timeout_ms, &a, err) ? read_body(c, a.body_bytes, err) : NULL;
    if (!answer)
        return NULL;
    json_t *j = json_loads(answer, JSON_DECODE_ANY, NULL);
    free(answer);
    if (j && a.status / 100 == 2) {
        if (etag)
            memcpy(etag, a.etag, 80);
        return j;
    }
    if (j)
        take_error(j, a.status, findings, err);
    else
        no_pome(err);
    json_decref(j);
    return NULL;
}

bool client_stream(struct client *c, const char *target, const char *upgrade, int status, struct pome_error *err)
{
    struct http_answer a;
    char head[HTTP_TARGET_MAX + 512], wish[96] = "";
    if (upgrade)
        snprintf(wish, sizeof wish, "Connection: Upgrade\r\nUpgrade: %.40s\r\n", upgrade);
    int h = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: pome\r\n%s\r\n", target, wish);
    if (h >= (int)sizeof head)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: the request is too long", target);
    if (!send_all(c, head, (size_t)h, err) || !read_head(c, CLIENT_TIMEOUT_MS, &a, err))
        return false;
    if (a.status == status)
        return true;
    char *answer = read_body(c, a.body_bytes, err);
    json_t *j = answer ? json_loads(answer, 0, NULL) : NULL;
    free(answer);
    if (j)
        take_error(j, a.status, NULL, err);
    else
        no_pome(err);
    json_decref(j);
    return false;
}

/* ---- events ---- */

/* A whole chunk at the beginning of `in`: its bytes and where the next begins. False: not whole; *bad: it never will be. */
static bool whole_chunk(const struct client *c, size_t *at, size_t *bytes, size_t *next, bool *bad)
{
    const char *end = memmem(c->in, c->n < 16 ? c->n : 16, "\r\n", 2);
    char *stop;
    *bad = !end && c->n >= 16;
    if (!end)
        return false;
    *bytes = strtoul(c->in, &stop, 16);
    *at = (size_t)(end - c->in) + 2;
    *next = *at + *bytes + 2;
    *bad = stop != end || *bytes > CLIENT_EVENT_MAX;
    if (*bad || c->n < *next)
        return false;
    *bad = memcmp(c->in + *next - 2, "\r\n", 2) != 0;
    return !*bad;
}

json_t *client_event(struct client *c, int timeout_ms, struct pome_error *err)
{
    int64_t until = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
    size_t at, bytes, next;
    bool bad;
    while (!whole_chunk(c, &at, &bytes, &next, &bad)) {
        ssize_t n = bad ? -1 : receive(c, c->in + c->n, sizeof c->in - c->n, false, until, err);
        if (bad)
            no_pome(err);
        if (!n)
            pome_fail(err, POME_ERROR_NOT_FOUND, "the machine's process has ended");
        if (n <= 0)
            return NULL;
        c->n += (size_t)n;
    }
    json_t *event = bytes ? json_loadb(c->in + at, bytes, 0, NULL) : NULL;
    memmove(c->in, c->in + next, c->n - next);
    c->n -= next;
    if (!event && !bytes)
        pome_fail(err, POME_ERROR_NOT_FOUND, "the machine has ended");
    else if (!event)
        no_pome(err);
    return event;
}
