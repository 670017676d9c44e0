/*
 * ticket.c - IM4M = SEQ { "IM4M", 0, SET { MANB }, OCTET STRING signature, SEQ { certificates } }.
 *
 * The signature is over the DER of the SET with MANB. Below MANB every property is a private-class tag whose number is
 * its four-character code, holding SEQ { name, value }. Nothing inside the body is looked at before the signature
 * was found right.
 */
#include "firmware/ticket.h"
#include "firmware/certificate.h"
#include "firmware/rsa.h"

/* The value of a property that is one element with this tag. */
static bool property(struct der set, const char *name, uint8_t tag, struct der *inside)
{
    struct der_element e;
    if (!der_property(set, name, inside) || !der_expect(inside, &e, tag) || inside->n)
        return false;
    *inside = e.inside;
    return true;
}

bool ticket_number(const struct ticket *t, const char *name, uint64_t *number)
{
    struct der value;
    return der_property(t->machine, name, &value) && der_number(&value, number);
}

bool ticket_true(const struct ticket *t, const char *name)
{
    struct der value;
    return property(t->machine, name, DER_BOOLEAN, &value) && value.n == 1 && value.p[0] == 0xff;
}

bool ticket_octets(const struct ticket *t, const char *name, size_t n, const uint8_t **bytes)
{
    struct der value;
    if (!property(t->machine, name, DER_OCTETS, &value) || value.n != n)
        return false;
    *bytes = value.p;
    return true;
}

const uint8_t *ticket_digest(const struct ticket *t, const char *type)
{
    struct der entry, value;
    if (!property(t->images, type, DER_SET, &entry) || !property(entry, "DGST", DER_OCTETS, &value) || value.n != SHA384_BYTES)
        return NULL;
    return value.p;
}

static fw_why check_machine(const struct ticket *t, const struct machine *m)
{
    const struct {
        const char *name;
        uint64_t needed;
        fw_why why;
    } numbers[] = {
        {"ECID", m->ecid, "ticket was made for another machine (ECID)"},
        {"BORD", m->board, "ticket was made for another board (BORD)"},
        {"CHIP", m->chip, "ticket was made for another chip (CHIP)"},
        {"SDOM", m->domain, "ticket was made for another security domain (SDOM)"},
    };
    uint64_t v;
    const uint8_t *nonce;
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!ticket_number(t, numbers[i].name, &v) || v != numbers[i].needed)
            return numbers[i].why;
    if (!ticket_octets(t, "BNCH", BOOT_NONCE_BYTES, &nonce) || memcmp(nonce, m->boot_nonce, BOOT_NONCE_BYTES))
        return "ticket is an old one (BNCH is not of this machine's boot nonce)";
    return NULL;
}

fw_why ticket_open(struct der whole, const struct machine *machine, struct ticket *out)
{
    struct der_element e, body, signature, certificates;
    uint8_t digest[SHA384_BYTES];
    const uint8_t *modulus;
    uint64_t version;
    struct ticket t;
    if (!der_expect(&whole, &e, DER_SEQUENCE) || whole.n)
        return "ticket is malformed";
    struct der in = e.inside;
    if (!der_text(&in, "IM4M") || !der_number(&in, &version) || version || !der_expect(&in, &body, DER_SET) ||
        !der_expect(&in, &signature, DER_OCTETS) || !der_expect(&in, &certificates, DER_SEQUENCE) || in.n)
        return "ticket is malformed";
    if (!signature.inside.n)
        return "ticket is not signed";
    if (signature.inside.n != RSA_BYTES)
        return "ticket's signature has another length";
    fw_why why = certificate_chain(certificates.inside, machine->anchor, &modulus);
    if (why)
        return why;
    sha384(body.whole.p, body.whole.n, digest);
    if (!rsa_verify(modulus, signature.inside.p, digest))
        return "ticket's signature is wrong";
    if (!property(body.inside, "MANB", DER_SET, &t.images))
        return "ticket has no manifest body";
    if (!property(t.images, "MANP", DER_SET, &t.machine))
        return "ticket names no machine";
    why = check_machine(&t, machine);
    if (!why)
        *out = t;
    return why;
}
