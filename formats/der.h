/*
 * der.h - Distinguished Encoding Rules (ITU-T X.690): a cursor to read, a backward writer.
 *
 * Definite lengths only, at most 4 length octets, tags up to 32 bits, all of it bounds-checked. The cursor never copies:
 * elements point into the bytes given.
 */
#ifndef FORMATS_DER_H
#define FORMATS_DER_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum der_class { DER_UNIVERSAL, DER_APPLICATION, DER_CONTEXT, DER_PRIVATE };

enum {
    DER_BOOLEAN = 1,
    DER_INTEGER = 2,
    DER_OCTETS = 4,
    DER_SEQUENCE = 16,
    DER_SET = 17,
    DER_IA5 = 22,
};

struct der {
    const uint8_t *begin, *at, *end; /* begin is for offsets in messages */
};

struct der_element {
    enum der_class class;
    bool constructed;
    uint32_t tag;
    const uint8_t *data;  /* contents */
    size_t size;
    const uint8_t *whole; /* with tag and length */
    size_t whole_size;
};

static inline struct der der_over(const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    return (struct der){b, b, b + n};
}

/* A cursor over an element's contents. */
static inline struct der der_inside(const struct der_element *e)
{
    return (struct der){e->data, e->data, e->data + e->size};
}

static inline bool der_at_end(const struct der *d)
{
    return d->at == d->end;
}

/* Reads the next element. False with *err (INVALID_DATA) at the end or when the bytes are not DER. */
bool der_next(struct der *d, struct der_element *e, struct pome_error *err);

/* Reads tag and length only: the contents may reach beyond the cursor's end (a file's first bytes). */
bool der_next_header(struct der *d, struct der_element *e, struct pome_error *err);

/* The next element, which must be of this class and tag. `what` names it in the message. */
bool der_expect(struct der *d, enum der_class class, uint32_t tag, const char *what, struct der_element *e,
                struct pome_error *err);

/* Values. False when the element's contents do not fit: integer negative or over 64 bits, boolean not one octet 0 or 0xFF. */
bool der_integer(const struct der_element *e, uint64_t *value);
bool der_boolean(const struct der_element *e, bool *value);

/* --- writing: from the last byte to the first, so that every length is known when it is written --------------------- */

struct der_writer {
    uint8_t *buffer;
    size_t at;      /* bytes [at, size) are written */
    size_t size;
    bool overflow;  /* the buffer was too small: nothing that was written counts */
};

static inline struct der_writer der_writer_over(uint8_t *buffer, size_t size)
{
    return (struct der_writer){buffer, size, size, false};
}

/* Puts raw bytes before what is there. */
void der_put(struct der_writer *w, const void *bytes, size_t n);

/* Puts a tag and length before what was written since `mark` (a former value of w->at). */
void der_wrap(struct der_writer *w, size_t mark, enum der_class class, bool constructed, uint32_t tag);

/* The same for contents of n bytes that are not in the buffer (a payload that is streamed). */
void der_put_header(struct der_writer *w, enum der_class class, bool constructed, uint32_t tag, uint64_t n);

void der_put_integer(struct der_writer *w, uint64_t value);
void der_put_boolean(struct der_writer *w, bool value);
void der_put_octets(struct der_writer *w, const void *bytes, size_t n);
void der_put_ia5(struct der_writer *w, const char *text);

#endif
