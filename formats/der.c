/* der.c - DER reading and writing. */
#include "formats/der.h"
#include "base/error.h"

#include <string.h>

/* --- reading --- */

static bool read_tag(struct der *d, struct der_element *e)
{
    if (d->at == d->end)
        return false;
    uint8_t first = *d->at++;
    e->class = first >> 6;
    e->constructed = first & 0x20;
    e->tag = first & 0x1f;
    if (e->tag != 0x1f)
        return true;
    uint64_t tag = 0;
    for (int i = 0; i < 5; i++) { /* five septets hold the 32 bits of a 4cc */
        if (d->at == d->end)
            return false;
        uint8_t b = *d->at++;
        if (!i && b == 0x80) /* leading zero septet: not the shortest form */
            return false;
        tag = tag << 7 | (b & 0x7f);
        if (!(b & 0x80)) {
            e->tag = (uint32_t)tag;
            return tag <= UINT32_MAX && tag >= 0x1f;
        }
    }
    return false;
}

static bool read_length(struct der *d, struct der_element *e)
{
    if (d->at == d->end)
        return false;
    uint8_t first = *d->at++;
    e->size = first;
    if (first < 0x80)
        return true;
    unsigned n = first & 0x7f;
    if (!n || n > 4 || (size_t)(d->end - d->at) < n)
        return false;
    uint32_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | *d->at++;
    e->size = v;
    return v >= 0x80 && v >> (8 * (n - 1)); /* shortest form only */
}

bool der_next_header(struct der *d, struct der_element *e, struct pome_error *err)
{
    const uint8_t *whole = d->at;
    if (d->at == d->end)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "DER: an element is missing at offset %zu", (size_t)(d->at - d->begin));
    if (!read_tag(d, e) || !read_length(d, e)) {
        d->at = whole;
        return pome_fail(err, POME_ERROR_INVALID_DATA, "DER: tag or length is not valid at offset %zu", (size_t)(whole - d->begin));
    }
    e->data = d->at;
    e->whole = whole;
    e->whole_size = (size_t)(d->at - whole) + e->size;
    return true;
}

bool der_next(struct der *d, struct der_element *e, struct pome_error *err)
{
    const uint8_t *whole = d->at;
    if (!der_next_header(d, e, err))
        return false;
    if (e->size > (size_t)(d->end - d->at)) {
        size_t there = (size_t)(d->end - d->at);
        d->at = whole;
        return pome_fail(err, POME_ERROR_INVALID_DATA, "DER: the element at offset %zu says %zu bytes, %zu are there",
                         (size_t)(whole - d->begin), e->size, there);
    }
    d->at += e->size;
    return true;
}

bool der_expect(struct der *d, enum der_class class, uint32_t tag, const char *what, struct der_element *e, struct pome_error *err)
{
    if (!der_next(d, e, err))
        return pome_fail_context(err, "%s", what);
    if (e->class != class || e->tag != tag)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: found tag %u of class %d at offset %zu, needed %u of class %d", what, e->tag,
                         e->class, (size_t)(e->whole - d->begin), tag, class);
    return true;
}

bool der_integer(const struct der_element *e, uint64_t *value)
{
    if (!e->size || e->data[0] & 0x80 || e->size > 9 || (e->size == 9 && e->data[0]))
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < e->size; i++)
        v = v << 8 | e->data[i];
    *value = v;
    return true;
}

bool der_boolean(const struct der_element *e, bool *value)
{
    if (e->size != 1 || (e->data[0] && e->data[0] != 0xff))
        return false;
    *value = e->data[0];
    return true;
}

/* --- writing --- */

void der_put(struct der_writer *w, const void *bytes, size_t n)
{
    if (w->overflow || n > w->at) {
        w->overflow = true;
        return;
    }
    w->at -= n;
    if (n)
        memcpy(w->buffer + w->at, bytes, n);
}

static void put_byte(struct der_writer *w, unsigned b)
{
    uint8_t byte = (uint8_t)b;
    der_put(w, &byte, 1);
}

void der_put_header(struct der_writer *w, enum der_class class, bool constructed, uint32_t tag, uint64_t n)
{
    if (n < 0x80) {
        put_byte(w, (unsigned)n);
    } else {
        unsigned octets = 0;
        for (uint64_t v = n; v; v >>= 8, octets++)
            put_byte(w, v & 0xff);
        if (octets > 4)
            w->overflow = true;
        put_byte(w, 0x80 | octets);
    }
    unsigned lead = (unsigned)class << 6 | (constructed ? 0x20 : 0);
    if (tag < 0x1f) {
        put_byte(w, lead | tag);
        return;
    }
    put_byte(w, tag & 0x7f);
    while (tag >>= 7)
        put_byte(w, 0x80 | (tag & 0x7f));
    put_byte(w, lead | 0x1f);
}

void der_wrap(struct der_writer *w, size_t mark, enum der_class class, bool constructed, uint32_t tag)
{
    der_put_header(w, class, constructed, tag, mark - w->at);
}

void der_put_integer(struct der_writer *w, uint64_t value)
{
    size_t mark = w->at;
    bool high;
    do {
        high = value & 0x80;
        put_byte(w, value & 0xff);
        value >>= 8;
    } while (value);
    if (high) /* the sign bit of a positive number is clear */
        put_byte(w, 0);
    der_wrap(w, mark, DER_UNIVERSAL, false, DER_INTEGER);
}

void der_put_boolean(struct der_writer *w, bool value)
{
    size_t mark = w->at;
    put_byte(w, value ? 0xff : 0);
    der_wrap(w, mark, DER_UNIVERSAL, false, DER_BOOLEAN);
}

void der_put_octets(struct der_writer *w, const void *bytes, size_t n)
{
    size_t mark = w->at;
    der_put(w, bytes, n);
    der_wrap(w, mark, DER_UNIVERSAL, false, DER_OCTETS);
}

void der_put_ia5(struct der_writer *w, const char *text)
{
    size_t mark = w->at;
    der_put(w, text, strlen(text));
    der_wrap(w, mark, DER_UNIVERSAL, false, DER_IA5);
}
