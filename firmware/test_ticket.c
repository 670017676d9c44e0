/* test_ticket.c - see test_ticket.h. DER is written from its last byte to its first. */
#include "firmware/test_ticket.h"
#include "firmware/fw.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    uint8_t out[TEST_IMG4_MAX];
    size_t at;
};

static void put(struct writer *d, const void *bytes, size_t n)
{
    assert(n <= d->at);
    d->at -= n;
    memcpy(d->out + d->at, bytes, n);
}

static void put_byte(struct writer *d, unsigned b)
{
    put(d, &(uint8_t){(uint8_t)b}, 1);
}

static void put_length(struct writer *d, size_t n)
{
    unsigned octets = 0;
    if (n < 0x80) {
        put_byte(d, (unsigned)n);
        return;
    }
    for (; n; n >>= 8, octets++)
        put_byte(d, n & 0xff);
    put_byte(d, 0x80 | octets);
}

static void wrap(struct writer *d, size_t end, unsigned tag)
{
    put_length(d, end - d->at);
    put_byte(d, tag);
}

static void put_element(struct writer *d, unsigned tag, const void *bytes, size_t n)
{
    size_t end = d->at;
    put(d, bytes, n);
    wrap(d, end, tag);
}

/* The value lies between d->at and end: makes it a property of this name. */
static void make_property(struct writer *d, size_t end, const char *name)
{
    uint32_t code = fw_be32(name);
    put_element(d, 0x16, name, 4);
    wrap(d, end, 0x30);
    put_length(d, end - d->at);
    for (int i = 0; i < 5; i++, code >>= 7)
        put_byte(d, (code & 0x7f) | (i ? 0x80 : 0));
    put_byte(d, 0xff);
}

static void put_octets(struct writer *d, const char *name, const void *bytes, size_t n)
{
    size_t end = d->at;
    put_element(d, 0x04, bytes, n);
    make_property(d, end, name);
}

static void put_true(struct writer *d, const char *name)
{
    size_t end = d->at;
    put_element(d, 0x01, "\xff", 1);
    make_property(d, end, name);
}

static void put_number(struct writer *d, const char *name, uint64_t v)
{
    size_t end = d->at, n = 0;
    uint8_t b[9] = {0};
    for (; v || !n; v >>= 8)
        b[8 - n++] = (uint8_t)v;
    if (b[9 - n] & 0x80)
        n++;
    put_element(d, 0x02, b + 9 - n, n);
    make_property(d, end, name);
}

/* --- the authority --- */

static X509 *certificate(const char *name, EVP_PKEY *key, const char *issuer, EVP_PKEY *issuer_key)
{
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), rand() & 0xffff);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 1);
    X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_NAME_add_entry_by_NID(X509_get_issuer_name(x), NID_commonName, MBSTRING_UTF8, (const unsigned char *)issuer, -1, -1, 0);
    X509_set_pubkey(x, key);
    int n = X509_sign(x, issuer_key, EVP_sha384());
    assert(n > 0);
    (void)n;
    return x;
}

struct test_authority test_authority_make(const char *signer_name)
{
    struct test_authority a = {EVP_RSA_gen(3072), EVP_RSA_gen(3072), NULL, NULL, {0}};
    unsigned char *der = NULL;
    a.root = certificate("root", a.root_key, "root", a.root_key);
    a.signer = certificate(signer_name ? signer_name : "Pome boot tickets", a.key, "root", a.root_key);
    int n = i2d_X509(a.root, &der);
    sha384(der, (size_t)n, a.anchor);
    OPENSSL_free(der);
    return a;
}

void test_authority_free(struct test_authority *a)
{
    X509_free(a->root);
    X509_free(a->signer);
    EVP_PKEY_free(a->root_key);
    EVP_PKEY_free(a->key);
}

size_t test_chain(const struct test_authority *a, uint8_t *out)
{
    unsigned char *p = out;
    i2d_X509(a->signer, &p);
    i2d_X509(a->root, &p);
    return (size_t)(p - out);
}

/* --- tickets --- */

static size_t write_im4p(const struct test_ticket *t, struct writer *w)
{
    *w = (struct writer){.at = sizeof w->out};
    put_element(w, 0x04, t->payload, strlen(t->payload));
    put_element(w, 0x16, "1", 1);
    put_element(w, 0x16, t->type, 4);
    put_element(w, 0x16, "IM4P", 4);
    wrap(w, sizeof w->out, 0x30);
    return sizeof w->out - w->at;
}

static void put_body(const struct test_ticket *t, struct writer *w)
{
    struct writer im4p;
    uint8_t digest[SHA384_BYTES];
    size_t n = write_im4p(t, &im4p), end = w->at, group = w->at;
    sha384(im4p.out + im4p.at, n, digest);
    put_octets(w, "DGST", digest, sizeof digest);
    wrap(w, group, 0x31);
    make_property(w, group, t->type);
    group = w->at;
    if (t->policy) {
        if (t->smb1)
            put_true(w, "smb1");
        if (t->smb0)
            put_true(w, "smb0");
        put_octets(w, "nsih", t->nsih, SHA384_BYTES);
        put_octets(w, "lpnh", t->lpnh, SHA384_BYTES);
        put_true(w, "lobo");
    }
    put_number(w, "SDOM", t->machine->domain);
    put_number(w, "ECID", t->machine->ecid);
    put_number(w, "CHIP", t->machine->chip);
    put_number(w, "BORD", t->machine->board);
    put_octets(w, "BNCH", t->machine->boot_nonce, BOOT_NONCE_BYTES);
    wrap(w, group, 0x31);
    make_property(w, group, "MANP");
    wrap(w, end, 0x31);
    make_property(w, end, "MANB");
    wrap(w, end, 0x31);
}

static void put_im4m(const struct test_ticket *t, struct writer *w)
{
    struct writer body = {.at = sizeof body.out};
    uint8_t chain[4096], signature[384];
    size_t size = sizeof signature, end = w->at;
    put_body(t, &body);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = EVP_DigestSignInit(md, NULL, EVP_sha384(), NULL, t->authority->key);
    ok &= EVP_DigestSign(md, signature, &size, body.out + body.at, sizeof body.out - body.at);
    assert(ok == 1);
    (void)ok;
    EVP_MD_CTX_free(md);
    put_element(w, 0x30, chain, t->unsigned_ ? 0 : test_chain(t->authority, chain));
    put_element(w, 0x04, signature, t->unsigned_ ? 0 : size);
    put(w, body.out + body.at, sizeof body.out - body.at);
    put_element(w, 0x02, "", 1);
    put_element(w, 0x16, "IM4M", 4);
    wrap(w, end, 0x30);
}

static size_t finish(const struct writer *w, uint8_t *out)
{
    memcpy(out, w->out + w->at, sizeof w->out - w->at);
    return sizeof w->out - w->at;
}

size_t test_im4m(const struct test_ticket *t, uint8_t out[TEST_IMG4_MAX])
{
    struct writer w = {.at = sizeof w.out};
    put_im4m(t, &w);
    return finish(&w, out);
}

size_t test_img4(const struct test_ticket *t, uint8_t out[TEST_IMG4_MAX])
{
    struct writer w = {.at = sizeof w.out}, im4p;
    size_t n = write_im4p(t, &im4p), end = w.at;
    if (t->generator) {
        put_octets(&w, "BNCN", t->generator, 8);
        wrap(&w, end, 0x31);
        put_element(&w, 0x16, "IM4R", 4);
        wrap(&w, end, 0x30);
        wrap(&w, end, 0xa1);
    }
    end = w.at;
    put_im4m(t, &w);
    wrap(&w, end, 0xa0);
    put(&w, im4p.out + im4p.at, n);
    put_element(&w, 0x16, "IMG4", 4);
    wrap(&w, sizeof w.out, 0x30);
    return finish(&w, out);
}
