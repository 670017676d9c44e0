/* http_test.c - what is taken and what is refused, whole and byte by byte. */
#include "control/http.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum http_parse parse(const char *text, struct http_request *r, int *status)
{
    const char *why = NULL;
    return http_parse_request(text, strlen(text), r, status, &why);
}

static void taken(void **state)
{
    struct http_request r;
    int status;
    assert_int_equal(parse("PUT /v1/config?key=a%20b&x=1 HTTP/1.1\r\nHost: pome\r\nConnection: close\r\nIf-Match: \"12ab\"\r\n"
                           "content-length: 3\r\n\r\nabc", &r, &status), HTTP_DONE);
    assert_string_equal(r.method, "PUT");
    assert_string_equal(r.path, "/v1/config");
    assert_string_equal(r.if_match, "12ab");
    assert_true(r.close);
    assert_int_equal(r.body_bytes, 3);
    char value[16];
    assert_true(http_query(r.query, "key", value, sizeof value));
    assert_string_equal(value, "a b");
    assert_true(http_query(r.query, "x", value, sizeof value));
    assert_string_equal(value, "1");
    assert_false(http_query(r.query, "ke", value, sizeof value));
    assert_int_equal(parse("GET /v1/console HTTP/1.1\r\nHost: p\r\nConnection: keep-alive, Upgrade\r\nUpgrade: pome-console\r\n\r\n", &r, &status), HTTP_DONE);
    assert_string_equal(r.upgrade, "pome-console");
    /* without "Connection: upgrade" the Upgrade field means nothing (RFC 9110 7.8) */
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: p\r\nUpgrade: pome-console\r\n\r\n", &r, &status), HTTP_DONE);
    assert_string_equal(r.upgrade, "");
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
        {"GET / HTTP/1.0\r\nHost: p\r\n\r\n", 505},
        {"GET / HTTP/2.0\r\nHost: p\r\n\r\n", 505},
        {"GET / http/1.1\r\nHost: p\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: p\r\n\r\n", 400},
        {"GET http://p/ HTTP/1.1\r\nHost: p\r\n\r\n", 400},
        {"GET /%zz HTTP/1.1\r\nHost: p\r\n\r\n", 400},
        {"GET /%0 HTTP/1.1\r\nHost: p\r\n\r\n", 400},
        {"GET /%00 HTTP/1.1\r\nHost: p\r\n\r\n", 400},
        {"GET /\x80 HTTP/1.1\r\nHost: p\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\nHost: p\r\n\r\n", 400},
        {"GETGETGETGETGETGET / HTTP/1.1\r\nHost: p\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost : p\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: p\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: p\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: p\r\nHost: q\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: p\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: p\r\nContent-Length: -1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: p\r\nContent-Length: 0x10\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: p\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: p\r\nContent-Length: 65537\r\n\r\n", 413},
        {"GET / HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost: p\r\nExpect: 100-continue\r\n\r\n", 417},
        {"GET / HTTP/1.1\r\nHost: p\r\nIf-Match: abc\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: p\r\nX: a\rb\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_request r;
        int status = 0;
        if (parse(rows[i].text, &r, &status) != HTTP_BAD || status != rows[i].status)
            fail_msg("row %zu: status %d, expected %d: %s", i, status, rows[i].status, rows[i].text);
    }
}

static void limits(void **state)
{
    static char text[HTTP_HEAD_MAX + 100];
    struct http_request r;
    int status;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "GET /", 5);
    assert_int_equal(parse(text, &r, &status), HTTP_BAD);
    assert_int_equal(status, 431);
    size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: p\r\n");
    for (int i = 0; i < HTTP_FIELDS_MAX; i++)
        n += (size_t)sprintf(text + n, "A: b\r\n");
    sprintf(text + n, "\r\n");
    assert_int_equal(parse(text, &r, &status), HTTP_BAD);
    assert_int_equal(status, 431);
    n = (size_t)sprintf(text, "GET /%01100d HTTP/1.1\r\nHost: p\r\n\r\n", 0);
    assert_int_equal(parse(text, &r, &status), HTTP_BAD);
    assert_int_equal(status, 414);
}

static void byte_by_byte(void **state)
{
    static const char text[] = "POST /v1/machine/stop HTTP/1.1\r\nHost: p\r\nContent-Length: 2\r\n\r\n{}GET /";
    struct http_request r;
    int status;
    const char *why;
    size_t whole = strstr(text, "{}") + 2 - text;
    for (size_t n = 0; n < whole; n++)
        assert_int_equal(http_parse_request(text, n, &r, &status, &why), HTTP_MORE);
    for (size_t n = whole; n < sizeof text; n++)
        assert_int_equal(http_parse_request(text, n, &r, &status, &why), HTTP_DONE);
    assert_int_equal(r.head_bytes + r.body_bytes, whole);
}

static void answers(void **state)
{
    struct http_answer a;
    const char *text = "HTTP/1.1 412 Precondition Failed\r\nETag: \"xy\"\r\nContent-Length: 7\r\n\r\n";
    assert_int_equal(http_parse_answer(text, strlen(text), &a), HTTP_DONE);
    assert_int_equal(a.status, 412);
    assert_string_equal(a.etag, "xy");
    assert_int_equal(a.body_bytes, 7);
    text = "HTTP/1.1 20\r\n\r\n";
    assert_int_equal(http_parse_answer(text, strlen(text), &a), HTTP_BAD);
}

static void escapes(void **state)
{
    char text[64], back[64];
    http_escape("a b[0].c\xc3\xa4&=", text, sizeof text);
    assert_string_equal(text, "a%20b%5B0%5D.c%C3%A4%26%3D");
    char query[80];
    snprintf(query, sizeof query, "k=%s", text);
    assert_true(http_query(query, "k", back, sizeof back));
    assert_string_equal(back, "a b[0].c\xc3\xa4&=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken),        cmocka_unit_test(refused), cmocka_unit_test(limits),
        cmocka_unit_test(byte_by_byte), cmocka_unit_test(answers), cmocka_unit_test(escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
