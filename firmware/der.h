/* der.h - a cursor over DER (ITU-T X.690): every element lies inside the one around it, in its shortest form. */
#ifndef FIRMWARE_DER_H
#define FIRMWARE_DER_H

#include "firmware/fw.h"

#define DER_BOOLEAN  0x01
#define DER_INTEGER  0x02
#define DER_BITS     0x03
#define DER_OCTETS   0x04
#define DER_IA5      0x16
#define DER_SEQUENCE 0x30
#define DER_SET      0x31
#define DER_CONTEXT  0xa0 /* [0], constructed */
#define DER_PRIVATE  0xff /* private class, constructed, long-form number */

struct der {
    const uint8_t *p;
    size_t n;
};

struct der_element {
    uint8_t tag;
    uint32_t number; /* of a long-form tag */
    struct der whole, inside;
};

/* Reads tag and length and moves to the contents, which may reach beyond the cursor's end; *length: theirs. */
bool der_enter(struct der *c, uint8_t tag, size_t *length);

/* The next element, which the cursor then stands behind. */
bool der_next(struct der *c, struct der_element *e);
bool der_expect(struct der *c, struct der_element *e, uint8_t tag);

/* The next element is an IA5String of these characters. */
bool der_text(struct der *c, const char *text);

/* The next element is a positive INTEGER of at most 64 bits. */
bool der_number(struct der *c, uint64_t *number);

bool der_same(struct der a, struct der b);

/* Image4's properties: in a SET, [private 4cc] { SEQUENCE { IA5 4cc, value } }. *value: behind the name. */
bool der_property(struct der set, const char *name, struct der *value);

#endif
