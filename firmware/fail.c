/* fail.c - pome_fail for the code of darwin/, which names what it found with numbers: %s %c %d %u %x with l, ll and z. */
#include "firmware/fw.h"

#include <pome/error.h>

bool pome_fail(struct pome_error *err, enum pome_error_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

struct text {
    char *to;
    size_t n, room;
};

static void put(struct text *t, char c)
{
    if (t->n + 1 < t->room)
        t->to[t->n++] = c;
}

static void put_number(struct text *t, uint64_t v, unsigned base)
{
    char digits[24];
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n)
        put(t, digits[--n]);
}

static void put_signed(struct text *t, int64_t v)
{
    if (v < 0)
        put(t, '-');
    put_number(t, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
}

bool pome_fail(struct pome_error *err, enum pome_error_code code, const char *format, ...)
{
    va_list list;
    struct text t = {err ? err->message : NULL, 0, err ? sizeof err->message : 0};
    if (!err)
        return false;
    err->code = code;
    err->os_errno = 0;
    va_start(list, format);
    for (const char *p = format; *p; p++) {
        bool wide = false;
        if (*p != '%') {
            put(&t, *p);
            continue;
        }
        for (p++; *p == 'l' || *p == 'z'; p++)
            wide = true;
        switch (*p) {
        case 's':
            for (const char *s = va_arg(list, const char *); *s; s++)
                put(&t, *s);
            break;
        case 'c': put(&t, (char)va_arg(list, int)); break;
        case 'd': put_signed(&t, wide ? va_arg(list, int64_t) : va_arg(list, int32_t)); break;
        case 'u':
        case 'x': put_number(&t, wide ? va_arg(list, uint64_t) : va_arg(list, uint32_t), *p == 'u' ? 10 : 16); break;
        default: put(&t, *p);
        }
    }
    va_end(list);
    err->message[t.n] = 0;
    return false;
}
