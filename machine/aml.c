/* aml.c - see aml.h. Section numbers are of ACPI 6.5. */
#include "machine/aml.h"

#include "base/bits.h"

#include <stdlib.h>

enum { /* 20.3 */
    OP_ZERO = 0x00, OP_ONE = 0x01, OP_NAME = 0x08, OP_BYTE = 0x0a, OP_WORD = 0x0b, OP_DWORD = 0x0c, OP_STRING = 0x0d, OP_QWORD = 0x0e,
    OP_SCOPE = 0x10, OP_BUFFER = 0x11, OP_PACKAGE = 0x12, OP_METHOD = 0x14, OP_EXT = 0x5b, OP_EXT_DEVICE = 0x82, OP_IF = 0xa0, OP_ELSE = 0xa1,
};

#define LENGTH_BYTES 4 /* of every package length: room for 2^28, 20.2.4 */

void aml_free(struct aml *a)
{
    free(a->bytes);
    *a = (struct aml){0};
}

void aml_put(struct aml *a, const void *bytes, size_t n)
{
    if (a->n + n > a->room && !a->failed) {
        size_t room = MAX(a->room * 2, a->n + n + 4096);
        uint8_t *more = realloc(a->bytes, room);
        a->failed = !more;
        a->bytes = more ? more : a->bytes;
        a->room = more ? room : a->room;
    }
    if (a->failed)
        return;
    memcpy(a->bytes + a->n, bytes, n);
    a->n += n;
}

void aml_byte(struct aml *a, uint8_t byte)
{
    aml_put(a, &byte, 1);
}

static void put16(struct aml *a, uint16_t v)
{
    uint8_t b[2];
    le16_put(b, v);
    aml_put(a, b, sizeof b);
}

static void put32(struct aml *a, uint32_t v)
{
    uint8_t b[4];
    le32_put(b, v);
    aml_put(a, b, sizeof b);
}

static void put_name(struct aml *a, const char *name)
{
    aml_put(a, name, strlen(name));
}

/* ---- things with a length ---- */

static size_t begin(struct aml *a)
{
    size_t at = a->n;
    put32(a, 0);
    return at;
}

static size_t begin_named(struct aml *a, uint8_t op, const char *name)
{
    aml_byte(a, op);
    size_t at = begin(a);
    put_name(a, name);
    return at;
}

size_t aml_scope(struct aml *a, const char *path)
{
    return begin_named(a, OP_SCOPE, path);
}

size_t aml_device(struct aml *a, const char *name)
{
    aml_byte(a, OP_EXT);
    return begin_named(a, OP_EXT_DEVICE, name);
}

size_t aml_method(struct aml *a, const char *name, unsigned args)
{
    size_t at = begin_named(a, OP_METHOD, name);
    aml_byte(a, (uint8_t)args);
    return at;
}

size_t aml_package(struct aml *a, unsigned n)
{
    aml_byte(a, OP_PACKAGE);
    size_t at = begin(a);
    aml_byte(a, (uint8_t)n);
    return at;
}

size_t aml_if(struct aml *a)
{
    aml_byte(a, OP_IF);
    return begin(a);
}

size_t aml_else(struct aml *a)
{
    aml_byte(a, OP_ELSE);
    return begin(a);
}

void aml_end(struct aml *a, size_t begun)
{
    if (a->failed)
        return;
    size_t n = a->n - begun;
    assert(n < 1 << 28);
    a->bytes[begun] = (uint8_t)((LENGTH_BYTES - 1) << 6 | (n & 15));
    for (unsigned i = 1; i < LENGTH_BYTES; i++)
        a->bytes[begun + i] = (uint8_t)(n >> (8 * i - 4));
}

/* ---- data ---- */

void aml_integer(struct aml *a, uint64_t v)
{
    uint8_t b[8];
    le64_put(b, v);
    if (v <= 1)
        aml_byte(a, v ? OP_ONE : OP_ZERO);
    else {
        unsigned bytes = v <= UINT8_MAX ? 1 : v <= UINT16_MAX ? 2 : v <= UINT32_MAX ? 4 : 8;
        aml_byte(a, bytes == 1 ? OP_BYTE : bytes == 2 ? OP_WORD : bytes == 4 ? OP_DWORD : OP_QWORD);
        aml_put(a, b, bytes);
    }
}

void aml_string(struct aml *a, const char *s)
{
    aml_byte(a, OP_STRING);
    aml_put(a, s, strlen(s) + 1);
}

void aml_name(struct aml *a, const char *name)
{
    aml_byte(a, OP_NAME);
    put_name(a, name);
}

void aml_name_integer(struct aml *a, const char *name, uint64_t v)
{
    aml_name(a, name);
    aml_integer(a, v);
}

void aml_name_string(struct aml *a, const char *name, const char *s)
{
    aml_name(a, name);
    aml_string(a, s);
}

static unsigned hex(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* 19.3.4: three letters of 5 bits, four hexadecimal digits, the bytes in the other order. */
void aml_name_eisa(struct aml *a, const char *name, const char *id)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < 3; i++)
        v = v << 5 | (uint32_t)(id[i] - 'A' + 1);
    for (unsigned i = 3; i < 7; i++)
        v = v << 4 | hex(id[i]);
    aml_name(a, name);
    aml_byte(a, OP_DWORD);
    put32(a, __builtin_bswap32(v));
}

/* ---- resources, 6.4 ---- */

static size_t template(struct aml *a, const char *name)
{
    aml_name(a, name);
    aml_byte(a, OP_BUFFER);
    size_t at = begin(a);
    aml_byte(a, OP_DWORD);
    put32(a, 0); /* bytes of the buffer, in aml_crs_end */
    return at;
}

size_t aml_crs(struct aml *a)
{
    return template(a, "_CRS");
}

size_t aml_events(struct aml *a)
{
    return template(a, "_AEI");
}

void aml_crs_end(struct aml *a, size_t begun)
{
    static const uint8_t end_tag[2] = {0x79, 0}; /* 6.4.2.9 */
    aml_put(a, end_tag, sizeof end_tag);
    if (!a->failed)
        le32_put(a->bytes + begun + LENGTH_BYTES + 1, (uint32_t)(a->n - begun - LENGTH_BYTES - 5));
    aml_end(a, begun);
}

/* 6.4.3: bit 7, the type, then the length of what follows. */
static void large(struct aml *a, uint8_t type, uint16_t n)
{
    aml_byte(a, 0x80 | type);
    put16(a, n);
}

void aml_memory(struct aml *a, uint32_t gpa, uint32_t bytes)
{
    large(a, 0x06, 9);
    aml_byte(a, 1);
    put32(a, gpa);
    put32(a, bytes);
}

/* 6.4.3.6: consumer; bit 1: edge */
static void interrupt(struct aml *a, uint8_t flags, uint32_t gsiv)
{
    large(a, 0x09, 6);
    aml_byte(a, flags);
    aml_byte(a, 1);
    put32(a, gsiv);
}

void aml_interrupt(struct aml *a, uint32_t gsiv)
{
    interrupt(a, 1, gsiv);
}

void aml_edge_interrupt(struct aml *a, uint32_t gsiv)
{
    interrupt(a, 1 | 2, gsiv);
}

#define WINDOW_FIXED 0x0c /* producer, positive decode, both ends fixed: 6.4.3.5 */

void aml_bus_numbers(struct aml *a, uint16_t first, uint16_t n)
{
    large(a, 0x08, 13);
    aml_byte(a, 2);
    aml_byte(a, WINDOW_FIXED);
    aml_byte(a, 0);
    put16(a, 0);
    put16(a, first);
    put16(a, (uint16_t)(first + n - 1));
    put16(a, 0);
    put16(a, n);
}

void aml_window(struct aml *a, enum aml_window kind, uint32_t first, uint32_t n, uint32_t translation)
{
    large(a, 0x07, 23);
    aml_byte(a, (uint8_t)kind);
    aml_byte(a, WINDOW_FIXED);
    aml_byte(a, kind == AML_WINDOW_MEMORY ? 1 : 3); /* read-write; all of the range */
    put32(a, 0);
    put32(a, first);
    put32(a, first + n - 1);
    put32(a, translation);
    put32(a, n);
}

/* 6.4.3.8.1, revision 1. */
void aml_gpio_interrupt(struct aml *a, uint16_t pin, const char *controller)
{
    const uint16_t pins = 23, source = pins + 2;
    uint16_t end = (uint16_t)(source + strlen(controller) + 1);
    large(a, 0x0c, (uint16_t)(end - 3));
    aml_byte(a, 1);
    aml_byte(a, 0);     /* interrupt */
    put16(a, 1);        /* consumer */
    put16(a, 1 | 2 << 3); /* edge, active high, exclusive and wake */
    aml_byte(a, 1);     /* pull-up */
    put16(a, 0);
    put16(a, 0);
    put16(a, pins);
    aml_byte(a, 0);
    put16(a, source);
    put16(a, end); /* no vendor data */
    put16(a, 0);
    put16(a, pin);
    aml_put(a, controller, strlen(controller) + 1);
}
