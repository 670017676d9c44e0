/* test_ticket.h - signed tickets for tests of the firmware's verifier, made with OpenSSL and a DER writer of their own. */
#ifndef FIRMWARE_TEST_TICKET_H
#define FIRMWARE_TEST_TICKET_H

#include "firmware/machine.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#define TEST_IMG4_MAX 8192

/* A root and a signing key below it. */
struct test_authority {
    EVP_PKEY *root_key, *key;
    X509 *root, *signer;
    uint8_t anchor[SHA384_BYTES];
};

/* signer_name: NULL for the right one. */
struct test_authority test_authority_make(const char *signer_name);
void test_authority_free(struct test_authority *a);

/* Appends the DER of both certificates; returns their length. */
size_t test_chain(const struct test_authority *a, uint8_t *out);

/* What the test wants in a ticket: all but the first two may be NULL or zero. */
struct test_ticket {
    const struct test_authority *authority;
    const struct machine *machine;
    const char *type;                       /* of the image it lists */
    const char *payload;
    bool policy;                            /* policy's properties, too */
    bool smb0, smb1;
    const uint8_t *lpnh, *nsih;
    const uint8_t *generator;               /* 8 bytes: an IM4R with it */
    bool unsigned_;
};

/* Writes an IMG4 of it, or its IM4M alone; returns the length. */
size_t test_img4(const struct test_ticket *t, uint8_t out[TEST_IMG4_MAX]);
size_t test_im4m(const struct test_ticket *t, uint8_t out[TEST_IMG4_MAX]);

#endif
