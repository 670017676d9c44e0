/* http.c - HTTP/1.1 messages: RFC 9112 (messages), RFC 9110 (fields). */
#include "control/http.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {101, "Switching Protocols"},    {200, "OK"},
    {202, "Accepted"},               {400, "Bad Request"},
    {403, "Forbidden"},              {404, "Not Found"},
    {405, "Method Not Allowed"},     {408, "Request Timeout"},
    {409, "Conflict"},               {412, "Precondition Failed"},
    {413, "Content Too Large"},      {414, "URI Too Long"},
    {417, "Expectation Failed"},     {422, "Unprocessable Content"},
    {423, "Locked"},                 {426, "Upgrade Required"},
    {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
    {501, "Not Implemented"},        {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},      {507, "Insufficient Storage"},
};

const char *http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Error";
}

/* ---- characters ---- */

/* RFC 9110 5.6.2 */
static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_target(char c)
{
    return c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}#", c);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decodes n bytes. False: malformed, a NUL, or too long. */
static bool decode(const char *from, size_t n, char *to, size_t max)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)from[i];
        if (c == '%') {
            if (n - i < 3)
                return false;
            int high = hex(from[i + 1]), low = hex(from[i + 2]);
            if (high < 0 || low < 0 || !(high | low))
                return false;
            c = high << 4 | low;
            i += 2;
        }
        if (at + 1 >= max)
            return false;
        to[at++] = (char)c;
    }
    to[at] = 0;
    return true;
}

bool http_query(const char *query, const char *key, char *value, size_t max)
{
    size_t k = strlen(key);
    for (const char *p = query; *p;) {
        size_t n = strcspn(p, "&");
        if (n >= k && !strncmp(p, key, k) && (n == k || p[k] == '=')) {
            size_t skip = n == k ? k : k + 1;
            return decode(p + skip, n - skip, value, max);
        }
        p += n + (p[n] == '&');
    }
    return false;
}

void http_escape(const char *from, char *text, size_t max)
{
    size_t at = 0;
    for (; *from && at + 4 <= max; from++) {
        unsigned char c = (unsigned char)*from;
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~", c);
        at += (size_t)snprintf(text + at, max - at, plain ? "%c" : "%%%02X", c);
    }
    text[at] = 0;
}

/* ---- fields ---- */

struct text {
    const char *at;
    size_t n;
};

static bool same(struct text t, const char *word)
{
    return t.n == strlen(word) && !strncasecmp(t.at, word, t.n);
}

/* True when a comma-separated list has the word. */
static bool has_word(struct text list, const char *word)
{
    while (list.n) {
        size_t n = 0;
        while (n < list.n && list.at[n] != ',')
            n++;
        struct text item = {list.at, n};
        while (item.n && (*item.at == ' ' || *item.at == '\t'))
            item.at++, item.n--;
        while (item.n && (item.at[item.n - 1] == ' ' || item.at[item.n - 1] == '\t'))
            item.n--;
        if (same(item, word))
            return true;
        n += n < list.n;
        list.at += n;
        list.n -= n;
    }
    return false;
}

static bool copy(struct text from, char *to, size_t max)
{
    if (from.n >= max)
        return false;
    memcpy(to, from.at, from.n);
    to[from.n] = 0;
    return true;
}

/* A quoted tag without its quotes. */
static bool copy_tag(struct text from, char *to, size_t max)
{
    if (from.n < 2 || from.at[0] != '"' || from.at[from.n - 1] != '"' || memchr(from.at + 1, '"', from.n - 2))
        return false;
    return copy((struct text){from.at + 1, from.n - 2}, to, max);
}

static bool number(struct text t, size_t *v)
{
    *v = 0;
    if (!t.n || t.n > 9)
        return false;
    for (size_t i = 0; i < t.n; i++) {
        if (t.at[i] < '0' || t.at[i] > '9')
            return false;
        *v = *v * 10 + (size_t)(t.at[i] - '0');
    }
    return true;
}

/* The line at *from, without its CRLF; false: there is none, or it has a control character. */
static bool next_line(struct text *from, struct text *line)
{
    const char *end = memmem(from->at, from->n, "\r\n", 2);
    if (!end)
        return false;
    *line = (struct text){from->at, (size_t)(end - from->at)};
    for (size_t i = 0; i < line->n; i++)
        if ((line->at[i] < 0x20 && line->at[i] != '\t') || line->at[i] > 0x7e)
            return false;
    from->n -= line->n + 2;
    from->at = end + 2;
    return true;
}

/* "Name: value". */
static bool split_field(struct text line, struct text *name, struct text *value)
{
    size_t n = 0;
    while (n < line.n && is_token(line.at[n]))
        n++;
    if (!n || n == line.n || line.at[n] != ':')
        return false;
    *name = (struct text){line.at, n};
    *value = (struct text){line.at + n + 1, line.n - n - 1};
    while (value->n && (*value->at == ' ' || *value->at == '\t'))
        value->at++, value->n--;
    while (value->n && (value->at[value->n - 1] == ' ' || value->at[value->n - 1] == '\t'))
        value->n--;
    return true;
}

/* ---- requests ---- */

struct seen {
    bool length, host, upgrade;
    int status;
    const char *why;
};

static bool bad(struct seen *s, int status, const char *why)
{
    s->status = status;
    s->why = why;
    return false;
}

static bool request_line(struct text line, struct http_request *r, struct seen *s)
{
    const char *space = memchr(line.at, ' ', line.n), *last = memrchr(line.at, ' ', line.n);
    if (!space || space == last)
        return bad(s, 400, "the request line is not METHOD TARGET VERSION");
    struct text method = {line.at, (size_t)(space - line.at)}, target = {space + 1, (size_t)(last - space - 1)};
    struct text version = {last + 1, line.n - (size_t)(last - line.at) - 1};
    for (size_t i = 0; i < method.n; i++)
        if (!is_token(method.at[i]))
            return bad(s, 400, "the method is not a word");
    if (!method.n || !copy(method, r->method, sizeof r->method))
        return bad(s, 501, "the method is not known");
    if (version.n != 8 || memcmp(version.at, "HTTP/", 5))
        return bad(s, 400, "the request line is not METHOD TARGET VERSION");
    if (memcmp(version.at, "HTTP/1.1", 8))
        return bad(s, 505, "only HTTP/1.1 is spoken here");
    for (size_t i = 0; i < target.n; i++)
        if (!is_target(target.at[i]))
            return bad(s, 400, "the target has a character that must be percent-encoded");
    if (!target.n || *target.at != '/')
        return bad(s, 400, "the target does not begin with a slash");
    const char *mark = memchr(target.at, '?', target.n);
    struct text path = {target.at, mark ? (size_t)(mark - target.at) : target.n};
    struct text query = {mark ? mark + 1 : "", mark ? target.n - path.n - 1 : 0};
    if (target.n >= HTTP_TARGET_MAX)
        return bad(s, 414, "the target is longer than 1023 bytes");
    return (decode(path.at, path.n, r->path, sizeof r->path) && copy(query, r->query, sizeof r->query)) ||
           bad(s, 400, "the target has a malformed percent-encoding");
}

static bool field(struct text name, struct text value, struct http_request *r, struct seen *s)
{
    if (same(name, "content-length")) {
        if (s->length || !number(value, &r->body_bytes))
            return bad(s, 400, "Content-Length is no number, or there are two");
        s->length = true;
        return r->body_bytes <= HTTP_BODY_MAX || bad(s, 413, "the body is larger than 65536 bytes");
    }
    if (same(name, "host")) {
        if (s->host)
            return bad(s, 400, "there are two Host fields");
        s->host = true;
    } else if (same(name, "transfer-encoding")) {
        return bad(s, 501, "Transfer-Encoding is not supported in requests: send Content-Length");
    } else if (same(name, "expect")) {
        return bad(s, 417, "Expect is not supported");
    } else if (same(name, "connection")) {
        r->close |= has_word(value, "close");
        s->upgrade |= has_word(value, "upgrade");
    } else if (same(name, "upgrade")) {
        if (!copy(value, r->upgrade, sizeof r->upgrade))
            return bad(s, 400, "the Upgrade field is too long");
    } else if (same(name, "if-match")) {
        if (r->if_match[0] || (!same(value, "*") && !copy_tag(value, r->if_match, sizeof r->if_match)))
            return bad(s, 400, "If-Match is no tag in quotes, or there are two");
    }
    return true;
}

static bool parse_head(struct text head, struct http_request *r, struct seen *s)
{
    struct text line, name, value;
    if (!next_line(&head, &line) || !request_line(line, r, s))
        return s->status ? false : bad(s, 400, "the request line has a control character");
    for (size_t n = 0; head.n; n++) {
        if (n == HTTP_FIELDS_MAX)
            return bad(s, 431, "there are more than 48 fields");
        if (!next_line(&head, &line) || !split_field(line, &name, &value))
            return bad(s, 400, "a field is not \"Name: value\"");
        if (!field(name, value, r, s))
            return false;
    }
    if (!s->upgrade)
        r->upgrade[0] = 0;
    return s->host || bad(s, 400, "the Host field is missing");
}

/* Bytes of the head with its empty line; 0: it is not whole. */
static size_t head_length(const char *bytes, size_t n)
{
    const char *end = memmem(bytes, n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes) + 4 : 0;
}

enum http_parse http_parse_request(const char *bytes, size_t n, struct http_request *r, int *status, const char **why)
{
    struct seen s = {0};
    memset(r, 0, sizeof *r);
    r->head_bytes = head_length(bytes, n);
    if (!r->head_bytes) {
        *status = 431;
        *why = "the head is longer than 8192 bytes";
        return n < HTTP_HEAD_MAX ? HTTP_MORE : HTTP_BAD;
    }
    if (!parse_head((struct text){bytes, r->head_bytes - 2}, r, &s)) {
        *status = s.status;
        *why = s.why;
        return HTTP_BAD;
    }
    return n - r->head_bytes < r->body_bytes ? HTTP_MORE : HTTP_DONE;
}

/* ---- answers ---- */

static bool parse_answer(struct text head, struct http_answer *a)
{
    struct text line, name, value;
    size_t status;
    if (!next_line(&head, &line) || line.n < 13 || memcmp(line.at, "HTTP/1.1 ", 9) || !number((struct text){line.at + 9, 3}, &status))
        return false;
    a->status = (int)status;
    while (head.n) {
        if (!next_line(&head, &line) || !split_field(line, &name, &value))
            return false;
        if (same(name, "content-length") && !number(value, &a->body_bytes))
            return false;
        if (same(name, "etag") && !copy_tag(value, a->etag, sizeof a->etag))
            return false;
        if (same(name, "transfer-encoding"))
            a->chunked = same(value, "chunked");
    }
    return true;
}

enum http_parse http_parse_answer(const char *bytes, size_t n, struct http_answer *a)
{
    memset(a, 0, sizeof *a);
    a->head_bytes = head_length(bytes, n);
    if (!a->head_bytes)
        return n < HTTP_HEAD_MAX ? HTTP_MORE : HTTP_BAD;
    return parse_answer((struct text){bytes, a->head_bytes - 2}, a) ? HTTP_DONE : HTTP_BAD;
}
