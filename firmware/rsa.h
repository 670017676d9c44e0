/* rsa.h - verifies RSA signatures: 3072 bits, exponent 65537, PKCS #1 v1.5, SHA-384. */
#ifndef FIRMWARE_RSA_H
#define FIRMWARE_RSA_H

#include "firmware/fw.h"
#include "firmware/sha384.h"

#define RSA_BYTES 384

/* modulus and signature: RSA_BYTES, big-endian, any alignment. True if the signature is that of the digest. A modulus
 * that is even or shorter than 3072 bits verifies nothing. */
bool rsa_verify(const uint8_t *modulus, const uint8_t *signature, const uint8_t digest[SHA384_BYTES]);

#endif
