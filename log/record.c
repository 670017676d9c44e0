/*
 * record.c - one record as one line of JSON.
 *
 * The writer makes a flat object of integers and strings; the reader takes any flat object, ignores keys it does not
 * know and needs "t", "l" and "x". Keys are short because a boot has thousands of records.
 */
#include "log/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

const char *log_level_name(enum log_level level)
{
    static const char *const names[LOG_LEVELS] = {"Debug", "Info", "Default", "Error", "Fault"};
    return (unsigned)level < LOG_LEVELS ? names[level] : "?";
}

/* --- writing --- */

struct out {
    char *at;
};

static size_t utf8_length(const unsigned char *s, size_t room)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    if (n > room)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static void put_string(struct out *o, const char *key, const char *text, size_t max)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t left = text ? strlen(text) : 0;
    if (!left)
        return;
    if (left > max)
        left = max;
    o->at += sprintf(o->at, ",\"%s\":\"", key);
    while (left) {
        size_t n = utf8_length(s, left);
        if (!n) { /* a stray byte: kept readable, as U+FFFD */
            o->at += sprintf(o->at, "\\ufffd");
            n = 1;
        } else if (n > 1) {
            memcpy(o->at, s, n);
            o->at += n;
        } else if (*s == '"' || *s == '\\') {
            *o->at++ = '\\';
            *o->at++ = (char)*s;
        } else if (*s < 0x20 || *s == 0x7f) {
            o->at += sprintf(o->at, "\\u%04x", *s);
        } else {
            *o->at++ = (char)*s;
        }
        s += n;
        left -= n;
    }
    *o->at++ = '"';
}

size_t record_write(const struct log_record *r, char *line)
{
    struct out o = {line};
    o.at += sprintf(o.at, "{\"t\":%lld,\"m\":%lld,\"l\":%d", (long long)r->realtime_ns, (long long)r->monotonic_ns, r->level);
    if (r->guest_ns >= 0)
        o.at += sprintf(o.at, ",\"g\":%lld", (long long)r->guest_ns);
    if (r->pid)
        o.at += sprintf(o.at, ",\"i\":%u", r->pid);
    if (r->thread)
        o.at += sprintf(o.at, ",\"h\":%llu", (unsigned long long)r->thread);
    put_string(&o, "p", r->process, NAME_MAX_BYTES);
    put_string(&o, "s", r->subsystem, NAME_MAX_BYTES);
    put_string(&o, "c", r->category, NAME_MAX_BYTES);
    put_string(&o, "b", r->boot, NAME_MAX_BYTES);
    put_string(&o, "x", r->message, LOG_MESSAGE_MAX);
    *o.at++ = '}';
    *o.at++ = '\n';
    return (size_t)(o.at - line);
}

/* --- reading --- */

struct in {
    char *at, *end; /* *end is a byte we may overwrite with NUL */
};

static bool take(struct in *in, char c)
{
    if (in->at >= in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static bool hex4(const char *s, unsigned *v)
{
    *v = 0;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        unsigned d = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10) : 16;
        if (d == 16)
            return false;
        *v = *v << 4 | d;
    }
    return true;
}

static char *put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)(c ? c : ' ');
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* Unescapes in place: what comes out is never longer than what went in. */
static bool read_string(struct in *in, const char **text)
{
    if (!take(in, '"'))
        return false;
    char *to = in->at;
    *text = to;
    while (in->at < in->end && *in->at != '"') {
        if (*in->at != '\\') {
            *to++ = *in->at++;
            continue;
        }
        if (in->end - in->at < 2)
            return false;
        char c = in->at[1];
        unsigned v;
        in->at += 2;
        if (c == 'u') {
            if (in->end - in->at < 4 || !hex4(in->at, &v))
                return false;
            in->at += 4;
            to = put_utf8(to, v);
        } else {
            *to++ = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
    }
    if (!take(in, '"'))
        return false;
    *to = 0;
    return true;
}

static bool read_number(struct in *in, int64_t *v)
{
    bool minus = take(in, '-');
    const char *begin = in->at;
    uint64_t n = 0;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*in->at++ - '0'), &n) || n > INT64_MAX)
            return false;
    *v = minus ? -(int64_t)n : (int64_t)n;
    return in->at > begin;
}

static bool set_text(struct log_record *r, char key, const char *text)
{
    switch (key) {
    case 'p': r->process = text; break;
    case 's': r->subsystem = text; break;
    case 'c': r->category = text; break;
    case 'b': r->boot = text; break;
    case 'x': r->message = text; break;
    }
    return true;
}

static bool set_number(struct log_record *r, char key, int64_t v)
{
    switch (key) {
    case 't': r->realtime_ns = v; break;
    case 'm': r->monotonic_ns = v; break;
    case 'g': r->guest_ns = v; break;
    case 'i': r->pid = (uint32_t)v; break;
    case 'h': r->thread = (uint64_t)v; break;
    case 'l':
        if (v < 0 || v >= LOG_LEVELS)
            return false;
        r->level = (enum log_level)v;
        break;
    }
    return true;
}

bool record_read(char *line, size_t n, struct log_record *r)
{
    struct in in = {line, line + n};
    *r = (struct log_record){.realtime_ns = -1, .guest_ns = -1, .level = LOG_LEVELS, .process = "", .subsystem = "",
                             .category = "", .boot = ""};
    if (!take(&in, '{'))
        return false;
    do {
        const char *key, *text;
        int64_t v;
        if (!read_string(&in, &key) || !take(&in, ':'))
            return false;
        char k = key[0] && !key[1] ? key[0] : 0;
        if (in.at < in.end && *in.at == '"') {
            if (!read_string(&in, &text) || !set_text(r, k, text))
                return false;
        } else if (!read_number(&in, &v) || !set_number(r, k, v)) {
            return false;
        }
    } while (take(&in, ','));
    return take(&in, '}') && in.at == in.end && r->realtime_ns >= 0 && r->level < LOG_LEVELS && r->message;
}
