/* aea_keys.c - HKDF, HMAC and AES through OpenSSL's EVP. */
#include "formats/aea_keys.h"
#include "base/bits.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <stdlib.h>

struct aea_crypto {
    EVP_KDF_CTX *hkdf;
    EVP_MAC_CTX *hmac;
    EVP_CIPHER *aes;
    EVP_CIPHER_CTX *cipher;
};

struct aea_crypto *aea_crypto_new(void)
{
    struct aea_crypto *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    c->hkdf = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    c->hmac = mac ? EVP_MAC_CTX_new(mac) : NULL;
    c->aes = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
    c->cipher = EVP_CIPHER_CTX_new();
    EVP_KDF_free(kdf);
    EVP_MAC_free(mac);
    if (c->hkdf && c->hmac && c->aes && c->cipher)
        return c;
    aea_crypto_free(c);
    return NULL;
}

void aea_crypto_free(struct aea_crypto *c)
{
    if (!c)
        return;
    EVP_KDF_CTX_free(c->hkdf);
    EVP_MAC_CTX_free(c->hmac);
    EVP_CIPHER_free(c->aes);
    EVP_CIPHER_CTX_free(c->cipher);
    free(c);
}

static char digest_name[] = "SHA256";

bool aea_derive(struct aea_crypto *c, const uint8_t key[32], const uint8_t *salt, const char *label, uint64_t index, void *out, size_t n)
{
    uint8_t info[16];
    size_t length = strlen(label);
    memcpy(info, label, length);
    if (index != AEA_NO_INDEX) {
        le32_put(info + length, (uint32_t)index);
        length += 4;
    }
    OSSL_PARAM params[5] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, 32),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, length),
        OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end(),
    };
    if (salt)
        params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, AEA_SALT);
    EVP_KDF_CTX_reset(c->hkdf);
    return EVP_KDF_derive(c->hkdf, out, n, params) == 1;
}

bool aea_mac(struct aea_crypto *c, const struct aea_keys *k, const void *aux, size_t aux_bytes, const void *bytes, size_t n, uint8_t mac[AEA_MAC])
{
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0), OSSL_PARAM_construct_end()};
    uint8_t length[8];
    size_t got = 0;
    le64_put(length, aux_bytes);
    return EVP_MAC_init(c->hmac, k->mac, sizeof k->mac, params) && (!aux_bytes || EVP_MAC_update(c->hmac, aux, aux_bytes)) &&
           EVP_MAC_update(c->hmac, bytes, n) && EVP_MAC_update(c->hmac, length, sizeof length) && EVP_MAC_final(c->hmac, mac, &got, AEA_MAC) &&
           got == AEA_MAC;
}

bool aea_crypt(struct aea_crypto *c, const struct aea_keys *k, const void *in, void *out, size_t n)
{
    int got = 0;
    return n <= INT32_MAX && EVP_EncryptInit_ex2(c->cipher, c->aes, k->aes, k->iv, NULL) && EVP_EncryptUpdate(c->cipher, out, &got, in, (int)n) &&
           got == (int)n;
}

bool aea_same(const uint8_t a[AEA_MAC], const uint8_t b[AEA_MAC])
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return true;
#endif
    return !CRYPTO_memcmp(a, b, AEA_MAC);
}
