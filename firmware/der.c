/* der.c - DER: definite lengths of at most 4 bytes, no recursion. All bytes are hostile. */
#include "firmware/der.h"

/* Tag and length at the cursor: *header their bytes, *length what they announce. */
static bool head(const struct der *c, struct der_element *e, size_t *header, size_t *length)
{
    size_t at = 1;
    if (c->n < 2)
        return false;
    e->tag = c->p[0];
    e->number = 0;
    if ((e->tag & 0x1f) == 0x1f) {
        for (int i = 0;; i++) {
            if (i == 5 || at >= c->n || (!i && c->p[at] == 0x80))
                return false;
            e->number = e->number << 7 | (c->p[at] & 0x7f);
            if (!(c->p[at++] & 0x80))
                break;
        }
    }
    if (at >= c->n)
        return false;
    uint8_t first = c->p[at++];
    *length = first;
    if (first & 0x80) {
        unsigned bytes = first & 0x7f;
        if (!bytes || bytes > 4 || bytes > c->n - at || !c->p[at])
            return false;
        for (*length = 0; bytes; bytes--)
            *length = *length << 8 | c->p[at++];
        if (*length < 0x80)
            return false;
    }
    *header = at;
    return true;
}

bool der_enter(struct der *c, uint8_t tag, size_t *length)
{
    struct der_element e;
    size_t header;
    if (!head(c, &e, &header, length) || e.tag != tag)
        return false;
    *c = (struct der){c->p + header, c->n - header};
    return true;
}

bool der_next(struct der *c, struct der_element *e)
{
    size_t header, length;
    if (!head(c, e, &header, &length) || length > c->n - header)
        return false;
    e->whole = (struct der){c->p, header + length};
    e->inside = (struct der){c->p + header, length};
    *c = (struct der){c->p + header + length, c->n - header - length};
    return true;
}

bool der_expect(struct der *c, struct der_element *e, uint8_t tag)
{
    return der_next(c, e) && e->tag == tag;
}

bool der_text(struct der *c, const char *text)
{
    struct der_element e;
    return der_expect(c, &e, DER_IA5) && e.inside.n == strlen(text) && !memcmp(e.inside.p, text, e.inside.n);
}

bool der_number(struct der *c, uint64_t *number)
{
    struct der_element e;
    if (!der_expect(c, &e, DER_INTEGER) || !e.inside.n || e.inside.n > 9 || e.inside.p[0] & 0x80 ||
        (e.inside.n == 9 && e.inside.p[0]))
        return false;
    *number = 0;
    for (size_t i = 0; i < e.inside.n; i++)
        *number = *number << 8 | e.inside.p[i];
    return true;
}

bool der_same(struct der a, struct der b)
{
    return a.n == b.n && !memcmp(a.p, b.p, a.n);
}

bool der_property(struct der set, const char *name, struct der *value)
{
    struct der_element e, seq;
    while (set.n) {
        if (!der_next(&set, &e))
            return false;
        if (e.tag != DER_PRIVATE || e.number != fw_be32(name))
            continue;
        *value = e.inside;
        if (!der_expect(value, &seq, DER_SEQUENCE))
            return false;
        *value = seq.inside;
        return der_text(value, name);
    }
    return false;
}
