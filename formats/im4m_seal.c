/* im4m_seal.c - IM4M = SEQ { "IM4M", 0, SET body, OCTET STRING signature, SEQ { certificates } }. */
#include "formats/im4m_seal.h"
#include "base/error.h"
#include "formats/der.h"

#include <string.h>

bool im4m_take_apart(const void *im4m, size_t n, struct im4m_parts *p, struct pome_error *err)
{
    struct der d = der_over(im4m, n);
    struct der_element outer, magic, version, body, signature, certificates;
    uint64_t v;
    if (!der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4M", &outer, err))
        return false;
    if (!der_at_end(&d))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M: %zu bytes behind its end", (size_t)(d.end - d.at));
    d = der_inside(&outer);
    if (!der_expect(&d, DER_UNIVERSAL, DER_IA5, "IM4M", &magic, err) || !der_expect(&d, DER_UNIVERSAL, DER_INTEGER, "IM4M version", &version, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_SET, "IM4M body", &body, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_OCTETS, "IM4M signature", &signature, err) ||
        !der_expect(&d, DER_UNIVERSAL, DER_SEQUENCE, "IM4M certificates", &certificates, err))
        return false;
    if (magic.size != 4 || memcmp(magic.data, "IM4M", 4) || !der_integer(&version, &v) || v || !der_at_end(&d))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "IM4M: its parts are not those of a ticket of version 0");
    *p = (struct im4m_parts){body.whole,      body.whole_size,   signature.data,
                             signature.size,  certificates.data, certificates.size};
    return true;
}

size_t im4m_put_together(const struct im4m_parts *p, uint8_t *out, size_t size)
{
    struct der_writer w = der_writer_over(out, size);
    der_put(&w, p->certificates, p->certificates_size);
    der_wrap(&w, size, DER_UNIVERSAL, true, DER_SEQUENCE);
    der_put_octets(&w, p->signature, p->signature_size);
    der_put(&w, p->body, p->body_size);
    der_put_integer(&w, 0);
    der_put_ia5(&w, "IM4M");
    der_wrap(&w, size, DER_UNIVERSAL, true, DER_SEQUENCE);
    if (w.overflow)
        return 0;
    memmove(out, out + w.at, size - w.at);
    return size - w.at;
}
