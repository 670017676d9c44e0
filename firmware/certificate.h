/* certificate.h - the two X.509 certificates of a ticket: the authority's root, and the key that signs tickets. */
#ifndef FIRMWARE_CERTIFICATE_H
#define FIRMWARE_CERTIFICATE_H

#include "firmware/der.h"
#include "firmware/sha384.h"

/* chain: DER of exactly two certificates, the signing one first. anchor: SHA-384 of the root certificate that the machine
 * trusts. *modulus: of the signing key, RSA_BYTES, inside chain; to be used only when NULL is returned. */
fw_why certificate_chain(struct der chain, const uint8_t anchor[SHA384_BYTES], const uint8_t **modulus);

#endif
