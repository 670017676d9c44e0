/*
 * verify_test.c - the firmware's verifier against OpenSSL: what was signed right is taken; each wrong key, padding, certificate,
 * machine, nonce and every single changed byte is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/certificate.h"
#include "firmware/digests.h"
#include "firmware/policy.h"
#include "firmware/rsa.h"
#include "firmware/test_ticket.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#define assert_ok(why) assert_string_equal((why) ? (why) : "ok", "ok")
#define assert_why(why, text) assert_string_equal((why) ? (why) : "ok", text)

static struct test_authority ours, other;
static struct machine machine = {0x8877665544332211, 0x70, 0xfe70, 1, {0}, {0}, {{7, 7}, {0}}};
static const uint8_t generator[8] = {1, 2, 3, 4, 5, 6, 7, 8}, nsih[SHA384_BYTES] = {9, 9, 9};

static int setup(void **state)
{
    (void)state;
    uint8_t digest[SHA384_BYTES];
    ours = test_authority_make(NULL);
    other = test_authority_make(NULL);
    memcpy(machine.anchor, ours.anchor, sizeof machine.anchor);
    sha384(generator, sizeof generator, digest);
    memcpy(machine.boot_nonce, digest, sizeof machine.boot_nonce);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_authority_free(&ours);
    test_authority_free(&other);
    return 0;
}

/* --- RSA --- */

static void modulus_of(EVP_PKEY *key, uint8_t out[RSA_BYTES])
{
    BIGNUM *n = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    assert_int_equal(BN_bn2binpad(n, out, RSA_BYTES), RSA_BYTES);
    BN_free(n);
}

/* The raw RSA operation with the private key on a padded block that the test made up. */
static void sign_raw(EVP_PKEY *key, const uint8_t block[RSA_BYTES], uint8_t out[RSA_BYTES])
{
    size_t n = RSA_BYTES;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_decrypt_init(c), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(c, RSA_NO_PADDING), 1);
    assert_int_equal(EVP_PKEY_decrypt(c, out, &n, block, RSA_BYTES), 1);
    assert_int_equal(n, RSA_BYTES);
    EVP_PKEY_CTX_free(c);
}

static void sign(EVP_PKEY *key, const EVP_MD *md, int padding, const void *text, size_t bytes, uint8_t out[RSA_BYTES])
{
    size_t n = RSA_BYTES;
    EVP_PKEY_CTX *pc;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(c, &pc, md, NULL, key), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pc, padding), 1);
    assert_int_equal(EVP_DigestSign(c, out, &n, text, bytes), 1);
    EVP_MD_CTX_free(c);
}

static void rsa_agrees_with_openssl(void **state)
{
    (void)state;
    uint8_t modulus[RSA_BYTES], wrong_modulus[RSA_BYTES], text[300], signature[RSA_BYTES], digest[SHA384_BYTES];
    modulus_of(ours.key, modulus);
    modulus_of(other.key, wrong_modulus);
    for (size_t round = 0; round < 40; round++) {
        RAND_bytes(text, sizeof text);
        sign(ours.key, EVP_sha384(), RSA_PKCS1_PADDING, text, round * 7, signature);
        sha384(text, round * 7, digest);
        assert_true(rsa_verify(modulus, signature, digest));
        assert_false(rsa_verify(wrong_modulus, signature, digest));
        uint8_t bit = (uint8_t)(1 << (text[0] & 7));
        size_t at = (text[1] << 8 | text[2]) % RSA_BYTES;
        signature[at] ^= bit;
        assert_false(rsa_verify(modulus, signature, digest));
        signature[at] ^= bit;
        digest[text[3] % SHA384_BYTES] ^= bit;
        assert_false(rsa_verify(modulus, signature, digest));
    }
}

/* Other hashes and paddings of the same key, over the same text. */
static void rsa_other_schemes_are_refused(void **state)
{
    (void)state;
    uint8_t modulus[RSA_BYTES], signature[RSA_BYTES], digest[SHA384_BYTES];
    modulus_of(ours.key, modulus);
    sha384("text", 4, digest);
    sign(ours.key, EVP_sha384(), RSA_PKCS1_PSS_PADDING, "text", 4, signature);
    assert_false(rsa_verify(modulus, signature, digest));
    sign(ours.key, EVP_sha256(), RSA_PKCS1_PADDING, "text", 4, signature);
    assert_false(rsa_verify(modulus, signature, digest));
    sign(ours.key, EVP_sha512(), RSA_PKCS1_PADDING, "text", 4, signature);
    assert_false(rsa_verify(modulus, signature, digest));
}

static void rsa_numbers_at_the_edge(void **state)
{
    (void)state;
    uint8_t modulus[RSA_BYTES], s[RSA_BYTES], digest[SHA384_BYTES], even[RSA_BYTES], small[RSA_BYTES];
    modulus_of(ours.key, modulus);
    sha384("text", 4, digest);
    memset(s, 0, sizeof s);
    assert_false(rsa_verify(modulus, s, digest)); /* 0 */
    s[RSA_BYTES - 1] = 1;
    assert_false(rsa_verify(modulus, s, digest)); /* 1 */
    memcpy(s, modulus, sizeof s);
    assert_false(rsa_verify(modulus, s, digest)); /* n */
    s[RSA_BYTES - 1]--;
    assert_false(rsa_verify(modulus, s, digest)); /* n - 1 */
    memset(s, 0xff, sizeof s);
    assert_false(rsa_verify(modulus, s, digest));

    /* signature + n is the same number modulo n: only the smallest is a signature */
    BIGNUM *n = BN_bin2bn(modulus, RSA_BYTES, NULL), *v = BN_new();
    bool tried = false;
    for (int i = 0; i < 200 && !tried; i++) {
        char text[16];
        snprintf(text, sizeof text, "text %d", i);
        sign(ours.key, EVP_sha384(), RSA_PKCS1_PADDING, text, strlen(text), s);
        sha384(text, strlen(text), digest);
        assert_true(rsa_verify(modulus, s, digest));
        BN_bin2bn(s, RSA_BYTES, v);
        BN_add(v, v, n);
        if (BN_num_bits(v) > RSA_BYTES * 8)
            continue;
        tried = true;
        BN_bn2binpad(v, s, RSA_BYTES);
        assert_false(rsa_verify(modulus, s, digest));
    }
    assert_true(tried);
    BN_free(n);
    BN_free(v);
    memcpy(even, modulus, sizeof even);
    even[RSA_BYTES - 1] ^= 1;
    memcpy(small, modulus, sizeof small);
    small[0] &= 0x7f;
    sign(ours.key, EVP_sha384(), RSA_PKCS1_PADDING, "text", 4, s);
    assert_false(rsa_verify(even, s, digest));
    assert_false(rsa_verify(small, s, digest));
    memset(small, 0, sizeof small);
    assert_false(rsa_verify(small, s, digest));
}

/* Blocks that careless verifiers took: short padding with rubbish behind the digest, wrong types, no NULL parameter. */
static void rsa_wrong_paddings_are_refused(void **state)
{
    (void)state;
    static const uint8_t info[] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30};
    static const uint8_t no_null[] = {0x30, 0x3f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x04, 0x30};
    uint8_t modulus[RSA_BYTES], block[RSA_BYTES], s[RSA_BYTES], digest[SHA384_BYTES];
    size_t at = RSA_BYTES - SHA384_BYTES - sizeof info;
    modulus_of(ours.key, modulus);
    sha384("text", 4, digest);
    memset(block, 0xff, sizeof block);
    block[0] = 0, block[1] = 1, block[at - 1] = 0;
    memcpy(block + at, info, sizeof info);
    memcpy(block + RSA_BYTES - SHA384_BYTES, digest, SHA384_BYTES);
    sign_raw(ours.key, block, s);
    assert_true(rsa_verify(modulus, s, digest));
    for (size_t i = 0; i < RSA_BYTES; i++) { /* every byte of the block counts */
        if (i == 0 && modulus[0] <= 0x80)
            continue;
        block[i] ^= 0x40;
        if (i) { /* the first byte would make it larger than n */
            sign_raw(ours.key, block, s);
            assert_false(rsa_verify(modulus, s, digest));
        }
        block[i] ^= 0x40;
    }
    memset(block, 0, sizeof block); /* 00 01 ff*8 00 info digest rubbish */
    block[1] = 1;
    memset(block + 2, 0xff, 8);
    memcpy(block + 11, info, sizeof info);
    memcpy(block + 11 + sizeof info, digest, SHA384_BYTES);
    sign_raw(ours.key, block, s);
    assert_false(rsa_verify(modulus, s, digest));
    at += 2;
    memset(block, 0xff, sizeof block);
    block[0] = 0, block[1] = 1, block[at - 1] = 0;
    memcpy(block + at, no_null, sizeof no_null);
    memcpy(block + RSA_BYTES - SHA384_BYTES, digest, SHA384_BYTES);
    sign_raw(ours.key, block, s);
    assert_false(rsa_verify(modulus, s, digest));
}

/* --- certificates --- */

static void chain_is_from_the_anchor(void **state)
{
    (void)state;
    static const uint8_t none[SHA384_BYTES];
    uint8_t chain[4096];
    const uint8_t *modulus;
    uint8_t needed[RSA_BYTES];
    size_t n = test_chain(&ours, chain);
    assert_ok(certificate_chain((struct der){chain, n}, ours.anchor, &modulus));
    modulus_of(ours.key, needed);
    assert_memory_equal(modulus, needed, RSA_BYTES);
    assert_why(certificate_chain((struct der){chain, n}, other.anchor, &modulus), "ticket was signed by another authority than this machine's");
    assert_why(certificate_chain((struct der){chain, n}, none, &modulus), "cannot be checked: the machine knows no signing authority");

    /* another's signer under our root */
    struct test_authority mixed = {ours.root_key, other.key, ours.root, other.signer, {0}};
    n = test_chain(&mixed, chain);
    assert_why(certificate_chain((struct der){chain, n}, ours.anchor, &modulus), "certificate's signature is wrong");

    /* a certificate that our root signed for something else */
    struct test_authority web = test_authority_make("www.example.org");
    n = test_chain(&web, chain);
    assert_why(certificate_chain((struct der){chain, n}, web.anchor, &modulus), "certificate is not one for boot tickets");
    test_authority_free(&web);

    /* the root alone, the root twice, three */
    struct test_authority roots = {ours.root_key, ours.root_key, ours.root, ours.root, {0}};
    n = test_chain(&roots, chain);
    assert_why(certificate_chain((struct der){chain, n}, ours.anchor, &modulus), "certificate is not one for boot tickets");
    assert_why(certificate_chain((struct der){chain, n / 2}, ours.anchor, &modulus), "certificate is malformed");
    n = test_chain(&ours, chain);
    n += test_chain(&ours, chain + n);
    assert_why(certificate_chain((struct der){chain, n}, ours.anchor, &modulus), "ticket has more than two certificates");
}

/* --- tickets --- */

/* POME_WRITE_CORPUS=fuzz/corpus/fw_img4: makes the fuzz target's inputs anew. */
static void write_corpus(const char *name, const uint8_t *bytes, size_t n)
{
    char path[512];
    const char *folder = getenv("POME_WRITE_CORPUS");
    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(machine.anchor, 1, sizeof machine.anchor, f);
    fwrite(machine.boot_nonce, 1, sizeof machine.boot_nonce, f);
    fwrite(bytes, 1, n, f);
    fclose(f);
}

static uint8_t *exactly(const uint8_t *bytes, size_t n)
{
    uint8_t *p = malloc(n ? n : 1);
    assert_non_null(p);
    memcpy(p, bytes, n);
    return p;
}

static fw_why open_img4(const uint8_t *bytes, size_t n, const char *type)
{
    struct im4p p;
    struct ticket t;
    return img4_open((struct der){bytes, n}, type, &machine, &p, &t);
}

static fw_why open_for(const struct test_ticket *t, const char *type)
{
    uint8_t bytes[TEST_IMG4_MAX];
    size_t n = test_img4(t, bytes);
    return open_img4(bytes, n, type);
}

static void ticket_is_for_this_machine(void **state)
{
    (void)state;
    uint8_t bytes[TEST_IMG4_MAX];
    const struct test_ticket right = {.authority = &ours, .machine = &machine, .type = "illb", .payload = "the payload", .generator = generator};
    struct test_ticket t = right;
    struct im4p p;
    struct ticket ticket;
    size_t n = test_img4(&t, bytes);
    assert_ok(img4_open((struct der){bytes, n}, "illb", &machine, &p, &ticket));
    assert_int_equal(p.payload.n, 11);
    assert_memory_equal(p.payload.p, "the payload", 11);
    assert_non_null(ticket_digest(&ticket, "illb"));
    assert_null(ticket_digest(&ticket, "krnl"));
    assert_why(open_for(&t, "krnl"), "ticket does not list it");
    n = test_im4m(&t, bytes);
    write_corpus("im4m", bytes, n);
    assert_ok(ticket_open((struct der){bytes, n}, &machine, &ticket));
    assert_why(ticket_open((struct der){bytes, n - 1}, &machine, &ticket), "ticket is malformed");

    struct machine m;
    t.machine = &m;
#define WITH(change, why) m = machine; change; assert_why(open_for(&t, "illb"), why)
    WITH((void)0, "ok");
    WITH(m.ecid++, "ticket was made for another machine (ECID)");
    WITH(m.board = 0x20, "ticket was made for another board (BORD)");
    WITH(m.chip = 0xfe00, "ticket was made for another chip (CHIP)");
    WITH(m.domain = 0, "ticket was made for another security domain (SDOM)");
    WITH(m.boot_nonce[31] ^= 1, "ticket is an old one (BNCH is not of this machine's boot nonce)");
    t = right;
    t.authority = &other;
    assert_why(open_for(&t, "illb"), "ticket was signed by another authority than this machine's");
    t = right;
    t.unsigned_ = true;
    assert_why(open_for(&t, "illb"), "ticket is not signed");
    t = right;
    t.generator = (const uint8_t *)"otherone";
    assert_why(open_for(&t, "illb"), "boot nonce generator is not this machine's");
}

static void every_changed_byte_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[TEST_IMG4_MAX];
    const struct test_ticket t = {.authority = &ours, .machine = &machine, .type = "illb", .payload = "the payload", .generator = generator};
    size_t n = test_img4(&t, bytes);
    write_corpus("img4", bytes, n);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *p = exactly(bytes, cut);
        assert_non_null(open_img4(p, cut, "illb"));
        free(p);
    }
    uint8_t *p = exactly(bytes, n);
    assert_ok(open_img4(p, n, "illb"));
    static const uint8_t masks[] = {0x01, 0x80, 0x15, 0xff};
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof masks; k++) {
            p[i] ^= masks[k];
            if (!open_img4(p, n, "illb"))
                fail_msg("byte %zu of %zu may change by 0x%02x", i, n, masks[k]);
            p[i] ^= masks[k];
        }
    free(p);
}

static void payload_alone(void **state)
{
    (void)state;
    static const uint8_t im4p[] = {0x30, 28, 0x16, 4, 'I', 'M', '4', 'P', 0x16, 4, 'k', 'r', 'n', 'l', 0x16, 1, '1', 0x04, 11,
                                   't', 'h', 'e', ' ', 'p', 'a', 'y', 'l', 'o', 'a', 'd'};
    struct im4p p;
    size_t start, end;
    uint8_t digest[SHA384_BYTES];
    assert_ok(im4p_parse((struct der){im4p, sizeof im4p}, &p));
    assert_ok(im4p_peek(im4p, sizeof im4p, sizeof im4p, &start, &end));
    assert_ptr_equal(im4p + start, p.payload.p);
    assert_int_equal(end, sizeof im4p);
    sha384(im4p, sizeof im4p, digest);
    assert_ok(im4p_verify(&p, "krnl", digest));
    assert_why(im4p_verify(&p, "rdsk", digest), "has another type than its place needs");
    digest[47] ^= 1;
    assert_why(im4p_verify(&p, "krnl", digest), "digest differs");
    for (size_t cut = 0; cut < sizeof im4p; cut++) {
        uint8_t *q = exactly(im4p, cut);
        assert_non_null(im4p_parse((struct der){q, cut}, &p));
        if (!im4p_peek(q, cut, cut, &start, &end))
            assert_true(end <= cut);
        free(q);
    }
}

/* --- policy --- */

static void policy_says_how_strict(void **state)
{
    (void)state;
    uint8_t bytes[TEST_IMG4_MAX];
    static const struct {
        bool smb0, smb1;
        const char *why;
        enum security security;
    } cases[] = {
        {false, false, "ok", SECURITY_FULL},
        {true, false, "ok", SECURITY_REDUCED},
        {true, true, "ok", SECURITY_PERMISSIVE},
        {false, true, "is permissive without being reduced (smb1 without smb0)", SECURITY_FULL},
    };
    struct policy p;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct test_ticket t = {.authority = &ours, .machine = &machine, .type = "lpol", .payload = "", .policy = true,
                                      .smb0 = cases[i].smb0, .smb1 = cases[i].smb1, .lpnh = machine.policy_nonces[0], .nsih = nsih};
        size_t n = test_img4(&t, bytes);
        write_corpus("policy", bytes, n);
        assert_why(policy_open((struct der){bytes, n}, &machine, &p), cases[i].why);
        if (!strcmp(cases[i].why, "ok")) {
            assert_int_equal(p.security, cases[i].security);
            assert_memory_equal(p.nsih, nsih, sizeof nsih);
        }
    }
}

static void old_policies_are_refused(void **state)
{
    (void)state;
    static const uint8_t old[SHA384_BYTES] = {1}, zero[SHA384_BYTES];
    uint8_t bytes[TEST_IMG4_MAX];
    struct policy p;
    struct test_ticket t = {.authority = &ours, .machine = &machine, .type = "lpol", .payload = "", .policy = true, .lpnh = old, .nsih = nsih};
    size_t n = test_img4(&t, bytes);
    assert_why(policy_open((struct der){bytes, n}, &machine, &p), "is an old one (lpnh is not of this machine's policy nonce)");
    t.lpnh = zero; /* the empty second place is no nonce */
    n = test_img4(&t, bytes);
    assert_why(policy_open((struct der){bytes, n}, &machine, &p), "is an old one (lpnh is not of this machine's policy nonce)");
    memcpy(machine.policy_nonces[1], old, sizeof old); /* the host is changing it: both will do */
    t.lpnh = old;
    n = test_img4(&t, bytes);
    assert_ok(policy_open((struct der){bytes, n}, &machine, &p));
    memset(machine.policy_nonces[1], 0, sizeof old);
    t.policy = false;
    n = test_img4(&t, bytes);
    assert_why(policy_open((struct der){bytes, n}, &machine, &p), "is not the policy of a boot set");
}

/* --- DIGESTS --- */

static void digests_of_sha384sum(void **state)
{
    (void)state;
    static const char *const names[] = {"KERNEL.IM4", "RAMDISK.IM4", "CMDLINE.IM4"};
    uint8_t d[3][SHA384_BYTES];
    char hex[3][97], text[1024];
    for (int i = 0; i < 3; i++) {
        memset(hex[i], "1aF"[i], 96);
        hex[i][96] = 0;
    }
    int n = snprintf(text, sizeof text, "%s *RAMDISK.IM4\n%s  KERNEL.IM4\n%s  CMDLINE.IM4\n", hex[1], hex[0], hex[2]);
    assert_ok(digests_parse(text, (size_t)n, names, 3, d));
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < SHA384_BYTES; k++)
            assert_int_equal(d[i][k], "\x11\xaa\xff"[i] & 0xff);
    for (int cut = 0; cut < n; cut++) {
        uint8_t *p = exactly((const uint8_t *)text, (size_t)cut);
        assert_non_null(digests_parse((const char *)p, (size_t)cut, names, 3, d));
        free(p);
    }
    n = snprintf(text, sizeof text, "%s  KERNEL.IM4\n%s  KERNEL.IM4\n%s  CMDLINE.IM4\n", hex[1], hex[0], hex[2]);
    assert_why(digests_parse(text, (size_t)n, names, 3, d), "holds a line that is not for an object of the set");
    n = snprintf(text, sizeof text, "%s  KERNEL.IM4\n%s  ./RAMDISK.IM4\n%s  CMDLINE.IM4\n", hex[1], hex[0], hex[2]);
    assert_why(digests_parse(text, (size_t)n, names, 3, d), "holds a line that is not for an object of the set");
    hex[0][50] = 'g';
    n = snprintf(text, sizeof text, "%s  KERNEL.IM4\n%s  RAMDISK.IM4\n%s  CMDLINE.IM4\n", hex[0], hex[1], hex[2]);
    assert_why(digests_parse(text, (size_t)n, names, 3, d), "holds a line that is not for an object of the set");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rsa_agrees_with_openssl),
        cmocka_unit_test(rsa_other_schemes_are_refused),
        cmocka_unit_test(rsa_numbers_at_the_edge),
        cmocka_unit_test(rsa_wrong_paddings_are_refused),
        cmocka_unit_test(chain_is_from_the_anchor),
        cmocka_unit_test(ticket_is_for_this_machine),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(payload_alone),
        cmocka_unit_test(policy_says_how_strict),
        cmocka_unit_test(old_policies_are_refused),
        cmocka_unit_test(digests_of_sha384sum),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
