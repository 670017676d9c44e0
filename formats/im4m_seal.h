/* im4m_seal.h - puts signature and certificates into a ticket, and takes them out again (docs/boot.md section 2). */
#ifndef FORMATS_IM4M_SEAL_H
#define FORMATS_IM4M_SEAL_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

/* The parts of an IM4M: pointers into it. */
struct im4m_parts {
    const uint8_t *body; /* DER of the SET that is signed */
    size_t body_size;
    const uint8_t *signature; /* contents */
    size_t signature_size;
    const uint8_t *certificates; /* DER of the certificates, one after the other */
    size_t certificates_size;
};

/* Errors: INVALID_DATA. */
bool im4m_take_apart(const void *im4m, size_t n, struct im4m_parts *p, struct pome_error *err);

/* Writes the IM4M of these parts to out[0..size). Returns its length; 0 when it does not fit. */
size_t im4m_put_together(const struct im4m_parts *p, uint8_t *out, size_t size);

#endif
