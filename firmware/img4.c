/*
 * img4.c - reads IMG4: SEQ { "IMG4", IM4P, [0] { IM4M }, [1] { IM4R } } in DER.
 *
 * IM4P = SEQ { "IM4P", type, version, OCTET STRING payload, ... }
 * IM4M = SEQ { "IM4M", 0, SET { MANB }, signature, certificates }; below MANB every property is a private-class tag
 * whose number is its four-character code, holding SEQ { name, value }.
 *
 * All bytes are hostile: a cursor never leaves its element, lengths are definite and at most 4 bytes, no recursion.
 *
 * TODO: the signature is not checked yet; the binding to the machine and the digests are.
 */
#include "firmware/img4.h"
#include "firmware/sha384.h"

#define TAG_INTEGER 0x02
#define TAG_OCTETS  0x04
#define TAG_IA5     0x16
#define TAG_SEQ     0x30
#define TAG_SET     0x31
#define TAG_CONTEXT 0xa0
#define TAG_PRIVATE 0xff /* private class, constructed, long-form number */

struct cursor {
    const uint8_t *p;
    size_t n;
};

struct element {
    uint8_t tag;
    uint32_t number; /* of a long-form tag */
    const uint8_t *start;
    size_t header;
    struct cursor inside;
};

/* Header only: the value may lie outside what is in memory (img4_peek). *value: its length. */
static bool head(const struct cursor *c, struct element *e, size_t *value)
{
    size_t at = 1;
    if (c->n < 2)
        return false;
    *e = (struct element){.tag = c->p[0], .start = c->p};
    if ((e->tag & 0x1f) == 0x1f) {
        for (int i = 0;; i++) {
            if (i == 5 || at >= c->n)
                return false;
            e->number = e->number << 7 | (c->p[at] & 0x7f);
            if (!(c->p[at++] & 0x80))
                break;
        }
    }
    if (at >= c->n)
        return false;
    uint8_t first = c->p[at++];
    *value = first;
    if (first & 0x80) {
        unsigned bytes = first & 0x7f;
        if (!bytes || bytes > 4 || bytes > c->n - at)
            return false;
        for (*value = 0; bytes; bytes--)
            *value = *value << 8 | c->p[at++];
    }
    e->header = at;
    return true;
}

static bool next(struct cursor *c, struct element *e)
{
    size_t value;
    if (!head(c, e, &value) || value > c->n - e->header)
        return false;
    e->inside = (struct cursor){c->p + e->header, value};
    c->p += e->header + value;
    c->n -= e->header + value;
    return true;
}

static bool next_is(struct cursor *c, struct element *e, uint8_t tag)
{
    return next(c, e) && e->tag == tag;
}

static bool next_text(struct cursor *c, const char *text)
{
    struct element e;
    return next_is(c, &e, TAG_IA5) && e.inside.n == strlen(text) && !memcmp(e.inside.p, text, e.inside.n);
}

static bool read_type(struct cursor *c, char type[5])
{
    struct element e;
    if (!next_is(c, &e, TAG_IA5) || e.inside.n != 4)
        return false;
    memcpy(type, e.inside.p, 4);
    type[4] = 0;
    return true;
}

fw_why img4_peek(const uint8_t *data, size_t n, size_t file_bytes, size_t *payload_at, size_t *payload_end)
{
    struct cursor c = {data, n};
    struct element e;
    size_t value;
    char type[5];
    if (!head(&c, &e, &value) || e.tag != TAG_SEQ || value > file_bytes - e.header)
        return "is not an IMG4";
    c.p += e.header, c.n -= e.header;
    if (!next_text(&c, "IMG4"))
        return "is not an IMG4";
    if (!head(&c, &e, &value) || e.tag != TAG_SEQ)
        return "IMG4 holds no payload element";
    c.p += e.header, c.n -= e.header;
    if (!next_text(&c, "IM4P") || !read_type(&c, type) || !next_is(&c, &e, TAG_IA5))
        return "IM4P header is malformed";
    if (!head(&c, &e, &value) || e.tag != TAG_OCTETS)
        return "IM4P holds no payload";
    *payload_at = (size_t)(c.p - data) + e.header;
    if (*payload_at > file_bytes || value > file_bytes - *payload_at)
        return "payload is longer than its file";
    *payload_end = *payload_at + value;
    return NULL;
}

fw_why img4_parse(const uint8_t *data, size_t n, struct img4 *out)
{
    struct cursor top = {data, n}, c, p;
    struct element e;
    if (!next_is(&top, &e, TAG_SEQ))
        return "is not an IMG4, or longer than its place";
    c = e.inside;
    if (!next_text(&c, "IMG4"))
        return "is not an IMG4";
    if (!next_is(&c, &e, TAG_SEQ))
        return "IMG4 holds no payload element";
    out->im4p = e.start;
    out->im4p_bytes = e.header + e.inside.n;
    p = e.inside;
    if (!next_text(&p, "IM4P") || !read_type(&p, out->type) || !next_is(&p, &e, TAG_IA5))
        return "IM4P header is malformed";
    if (!next_is(&p, &e, TAG_OCTETS))
        return "IM4P holds no payload";
    out->payload = e.inside.p;
    out->payload_bytes = e.inside.n;
    if (!next_is(&c, &e, TAG_CONTEXT))
        return "IMG4 holds no ticket";
    p = e.inside;
    if (!next_is(&p, &e, TAG_SEQ))
        return "ticket is malformed";
    out->manifest = e.inside.p;
    out->manifest_bytes = e.inside.n;
    return NULL;
}

static uint32_t code(const char *name)
{
    return fw_be32(name);
}

/* Finds property `name` in a SET of properties; *value: cursor after the name inside its SEQ. */
static bool property(struct cursor set, const char *name, struct cursor *value)
{
    struct element e, seq;
    while (set.n) {
        if (!next(&set, &e))
            return false;
        if (e.tag != TAG_PRIVATE || e.number != code(name))
            continue;
        *value = e.inside;
        if (!next_is(value, &seq, TAG_SEQ))
            return false;
        *value = seq.inside;
        return next_text(value, name);
    }
    return false;
}

static bool property_set(struct cursor set, const char *name, struct cursor *inside)
{
    struct element e;
    if (!property(set, name, inside) || !next_is(inside, &e, TAG_SET))
        return false;
    *inside = e.inside;
    return true;
}

static bool property_number(struct cursor set, const char *name, uint64_t *number)
{
    struct cursor c;
    struct element e;
    if (!property(set, name, &c) || !next_is(&c, &e, TAG_INTEGER) || !e.inside.n || e.inside.n > 9 ||
        (e.inside.n == 9 && e.inside.p[0]))
        return false;
    *number = 0;
    for (size_t i = 0; i < e.inside.n; i++)
        *number = *number << 8 | e.inside.p[i];
    return true;
}

/* The two levels of the ticket: *images: the SET with MANP and one entry for each image. */
static fw_why ticket_images(const struct img4 *img, struct cursor *images)
{
    struct cursor c = {img->manifest, img->manifest_bytes}, set;
    struct element e;
    if (!next_text(&c, "IM4M") || !next_is(&c, &e, TAG_INTEGER) || !next_is(&c, &e, TAG_SET))
        return "ticket is malformed";
    set = e.inside;
    return property_set(set, "MANB", images) ? NULL : "ticket has no manifest body";
}

static fw_why check_machine(struct cursor images, const struct img4_machine *machine)
{
    struct cursor manp;
    uint64_t v;
    if (!property_set(images, "MANP", &manp))
        return "ticket names no machine";
    if (!property_number(manp, "ECID", &v) || v != machine->ecid)
        return "ticket was made for another machine (ECID)";
    if (!property_number(manp, "BORD", &v) || v != machine->board)
        return "ticket was made for another board (BORD)";
    if (!property_number(manp, "CHIP", &v) || v != machine->chip)
        return "ticket was made for another chip (CHIP)";
    return NULL;
}

fw_why img4_verify_binding(const struct img4 *img, const char *type, const struct img4_machine *machine)
{
    struct cursor images;
    if (!fw_same(img->type, type))
        return "has another type than its place needs";
    fw_why why = ticket_images(img, &images);
    return why ? why : check_machine(images, machine);
}

fw_why img4_verify(const struct img4 *img, const char *type, const struct img4_machine *machine)
{
    struct cursor images, entry, value;
    struct element e;
    uint8_t digest[SHA384_BYTES];
    fw_why why = img4_verify_binding(img, type, machine);
    if (why)
        return why;
    ticket_images(img, &images);
    if (!property_set(images, type, &entry))
        return "ticket does not list it";
    if (!property(entry, "DGST", &value) || !next_is(&value, &e, TAG_OCTETS) || e.inside.n != SHA384_BYTES)
        return "ticket has no digest for it";
    sha384(img->im4p, img->im4p_bytes, digest);
    return memcmp(digest, e.inside.p, SHA384_BYTES) ? "digest differs from the ticket's" : NULL;
}
