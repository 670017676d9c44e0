/*
 * certificate.c - X.509 certificates (RFC 5280, 4.1) as a local signing authority makes them.
 *
 * The chain is as long as it is: a root whose digest the machine knows, and one certificate below it whose subject is
 * "Pome boot tickets". So no extension has to be understood: nothing below the second can be signed with it, and other
 * certificates that the root's owner may have issued are of other subjects. Dates are not looked at: the clock of a machine
 * that starts proves nothing (Apple's boot ROM does not, either).
 */
#include "firmware/certificate.h"
#include "firmware/rsa.h"

/* AlgorithmIdentifier sha384WithRSAEncryption and rsaEncryption, NULL parameters (RFC 8017, appendix C). */
static const uint8_t signed_with[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c, 0x05, 0x00};
static const uint8_t key_is[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

/* Name with the one attribute commonName "Pome boot tickets". */
static const uint8_t signer[] = "\x30\x1c\x31\x1a\x30\x18\x06\x03\x55\x04\x03\x0c\x11Pome boot tickets";

static const uint8_t exponent[] = {0x02, 0x03, 0x01, 0x00, 0x01};

#define IS(bytes) ((struct der){bytes, sizeof bytes})

struct certificate {
    struct der whole, tbs, issuer, subject;
    const uint8_t *modulus, *signature; /* RSA_BYTES each */
};

/* A BIT STRING of whole bytes. */
static bool bits(struct der *c, struct der *bytes)
{
    struct der_element e;
    if (!der_expect(c, &e, DER_BITS) || !e.inside.n || e.inside.p[0])
        return false;
    *bytes = (struct der){e.inside.p + 1, e.inside.n - 1};
    return true;
}

/* SubjectPublicKeyInfo: RSA, 3072 bits, exponent 65537. */
static bool read_key(struct der *c, struct certificate *out)
{
    struct der_element info, e;
    struct der key;
    if (!der_expect(c, &info, DER_SEQUENCE) || !der_expect(&info.inside, &e, DER_SEQUENCE) || !der_same(e.whole, IS(key_is)) ||
        !bits(&info.inside, &key) || info.inside.n || !der_expect(&key, &e, DER_SEQUENCE) || key.n)
        return false;
    key = e.inside;
    if (!der_expect(&key, &e, DER_INTEGER) || e.inside.n != RSA_BYTES + 1 || e.inside.p[0] || !der_same(key, IS(exponent)))
        return false;
    out->modulus = e.inside.p + 1;
    return true;
}

static fw_why read_certificate(struct der *c, struct certificate *out)
{
    struct der_element e, version;
    struct der in, signature;
    if (!der_expect(c, &e, DER_SEQUENCE))
        return "certificate is malformed";
    out->whole = e.whole;
    in = e.inside;
    if (!der_expect(&in, &e, DER_SEQUENCE))
        return "certificate is malformed";
    out->tbs = e.whole;
    struct der tbs = e.inside;
    if (!der_expect(&in, &e, DER_SEQUENCE) || !der_same(e.whole, IS(signed_with)))
        return "certificate is not signed with RSA and SHA-384";
    if (!bits(&in, &signature) || signature.n != RSA_BYTES || in.n)
        return "certificate's signature has another length";
    out->signature = signature.p;
    if (!der_expect(&tbs, &version, DER_CONTEXT) || !der_expect(&tbs, &e, DER_INTEGER) || !der_expect(&tbs, &e, DER_SEQUENCE) ||
        !der_same(e.whole, IS(signed_with)) || !der_expect(&tbs, &e, DER_SEQUENCE))
        return "certificate is malformed";
    out->issuer = e.whole;
    if (!der_expect(&tbs, &e, DER_SEQUENCE) || !der_expect(&tbs, &e, DER_SEQUENCE)) /* validity, subject */
        return "certificate is malformed";
    out->subject = e.whole;
    return read_key(&tbs, out) ? NULL : "certificate's key is not RSA of 3072 bits with exponent 65537";
}

fw_why certificate_chain(struct der chain, const uint8_t anchor[SHA384_BYTES], const uint8_t **modulus)
{
    static const uint8_t none[SHA384_BYTES];
    struct certificate leaf, root;
    uint8_t digest[SHA384_BYTES];
    if (!memcmp(anchor, none, sizeof none))
        return "cannot be checked: the machine knows no signing authority";
    fw_why why = read_certificate(&chain, &leaf);
    if (why || (why = read_certificate(&chain, &root)))
        return why;
    if (chain.n)
        return "ticket has more than two certificates";
    sha384(root.whole.p, root.whole.n, digest);
    if (memcmp(digest, anchor, sizeof digest))
        return "ticket was signed by another authority than this machine's";
    if (!der_same(leaf.issuer, root.subject) || !der_same(leaf.subject, (struct der){signer, sizeof signer - 1}))
        return "certificate is not one for boot tickets";
    sha384(leaf.tbs.p, leaf.tbs.n, digest);
    if (!rsa_verify(root.modulus, leaf.signature, digest))
        return "certificate's signature is wrong";
    *modulus = leaf.modulus;
    return NULL;
}
