/*
 * http.h - HTTP/1.1 messages (RFC 9112) on the control socket: strict and bounded. No I/O.
 *
 * What a program with an HTTP library sends is taken; what only a broken or hostile one sends is refused with a status that says what was
 * wrong: bare CR or LF, folded lines, a second Content-Length, Transfer-Encoding, bytes above 0x7e in the head.
 */
#ifndef CONTROL_HTTP_H
#define CONTROL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_HEAD_MAX = 8192, HTTP_FIELDS_MAX = 48, HTTP_BODY_MAX = 65536, HTTP_TARGET_MAX = 1024 };

struct http_request {
    char method[16];
    char path[HTTP_TARGET_MAX];  /* percent-decoded, begins with '/' */
    char query[HTTP_TARGET_MAX]; /* as it came, without '?' */
    char if_match[80];           /* without quotes; empty: there is none, or it is "*" */
    char upgrade[32];            /* the protocol asked for; empty: none */
    bool close;                  /* Connection: close */
    size_t head_bytes, body_bytes;
};

enum http_parse {
    HTTP_MORE, /* not whole yet */
    HTTP_DONE, /* a request of head_bytes + body_bytes bytes */
    HTTP_BAD,
};

/* Looks at the n bytes that came so far. HTTP_BAD: *status is 400, 413, 414, 417, 431, 501 or 505, *why says what is wrong (static). */
enum http_parse http_parse_request(const char *bytes, size_t n, struct http_request *r, int *status, const char **why);

/* The value of `key` in a query, percent-decoded. False: it is not there, or does not fit. */
bool http_query(const char *query, const char *key, char *value, size_t max);

/* Writes text[3 * n + 1] with everything but unreserved characters percent-encoded. */
void http_escape(const char *from, char *text, size_t max);

/* The head of an answer, as http_parse_request gives that of a request. */
struct http_answer {
    int status;
    char etag[80]; /* without quotes */
    bool chunked;
    size_t head_bytes, body_bytes;
};

/* The same for an answer. Only what our server sends is taken. body_bytes counts when it is not chunked; the body may not be there yet. */
enum http_parse http_parse_answer(const char *bytes, size_t n, struct http_answer *a);

/* "Not Found" for 404. */
const char *http_reason(int status);

#endif
