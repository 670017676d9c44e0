/*
 * img4.c - IMG4 = SEQ { "IMG4", IM4P, [0] { IM4M }, [1] { IM4R } } in DER, and IM4P = SEQ { "IM4P", type, version, OCTET STRING
 * payload, ... }; IM4R = SEQ { "IM4R", SET { BNCN: the 8 bytes of the boot nonce generator } }.
 */
#include "firmware/img4.h"

#define TAG_TICKET  DER_CONTEXT
#define TAG_RESTORE (DER_CONTEXT | 1)

static bool read_type(struct der *c, char type[5])
{
    struct der_element e;
    if (!der_expect(c, &e, DER_IA5) || e.inside.n != 4)
        return false;
    memcpy(type, e.inside.p, 4);
    type[4] = 0;
    return true;
}

fw_why im4p_peek(const uint8_t *data, size_t n, size_t file_bytes, size_t *start, size_t *end)
{
    struct der c = {data, n};
    struct der_element e;
    size_t length;
    char type[5];
    if (!der_enter(&c, DER_SEQUENCE, &length) || !der_text(&c, "IM4P"))
        return "is not an IM4P";
    if (!read_type(&c, type) || !der_expect(&c, &e, DER_IA5))
        return "IM4P header is malformed";
    if (!der_enter(&c, DER_OCTETS, &length))
        return "IM4P holds no payload";
    *start = (size_t)(c.p - data);
    if (*start > file_bytes || length > file_bytes - *start)
        return "payload is longer than its file";
    *end = *start + length;
    return NULL;
}

fw_why im4p_parse(struct der data, struct im4p *out)
{
    struct der_element e;
    if (!der_expect(&data, &e, DER_SEQUENCE) || data.n)
        return "is not an IM4P, or not as long as its file";
    out->whole = e.whole;
    struct der in = e.inside;
    if (!der_text(&in, "IM4P") || !read_type(&in, out->type) || !der_expect(&in, &e, DER_IA5))
        return "IM4P header is malformed";
    if (!der_expect(&in, &e, DER_OCTETS))
        return "IM4P holds no payload";
    out->payload = e.inside;
    return NULL;
}

fw_why im4p_verify(const struct im4p *p, const char *type, const uint8_t digest[SHA384_BYTES])
{
    uint8_t found[SHA384_BYTES];
    if (!fw_same(p->type, type))
        return "has another type than its place needs";
    sha384(p->whole.p, p->whole.n, found);
    return memcmp(found, digest, sizeof found) ? "digest differs" : NULL;
}

/* IM4R's generator must be what the machine's boot nonce was made from: the only part of an IMG4 that no signature covers. */
static fw_why check_generator(struct der c, const struct machine *machine)
{
    struct der_element e, set;
    struct der value;
    uint8_t digest[SHA384_BYTES];
    if (!der_expect(&c, &e, DER_SEQUENCE) || c.n || !der_text(&e.inside, "IM4R") || !der_expect(&e.inside, &set, DER_SET) || e.inside.n ||
        !der_property(set.inside, "BNCN", &value) || !der_expect(&value, &e, DER_OCTETS) || e.inside.n != 8)
        return "IMG4 restore information is malformed";
    sha384(e.inside.p, e.inside.n, digest);
    return memcmp(digest, machine->boot_nonce, BOOT_NONCE_BYTES) ? "boot nonce generator is not this machine's" : NULL;
}

fw_why img4_open(struct der data, const char *type, const struct machine *machine, struct im4p *payload, struct ticket *ticket)
{
    struct der_element e;
    if (!der_expect(&data, &e, DER_SEQUENCE))
        return "is not an IMG4, or longer than its place";
    struct der in = e.inside;
    if (!der_text(&in, "IMG4"))
        return "is not an IMG4";
    if (!der_expect(&in, &e, DER_SEQUENCE))
        return "IMG4 holds no payload element";
    fw_why why = im4p_parse(e.whole, payload);
    if (why)
        return why;
    if (!der_expect(&in, &e, TAG_TICKET))
        return "IMG4 holds no ticket";
    if ((why = ticket_open(e.inside, machine, ticket)))
        return why;
    const uint8_t *digest = ticket_digest(ticket, type);
    if (!digest)
        return "ticket does not list it";
    if ((why = im4p_verify(payload, type, digest)))
        return why;
    if (!in.n)
        return NULL;
    if (!der_expect(&in, &e, TAG_RESTORE) || in.n)
        return "IMG4 has an unknown part";
    return check_generator(e.inside, machine);
}
