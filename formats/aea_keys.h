/* aea_keys.h - the keys of an Apple Encrypted Archive, for its reader and for tests that write one. Over libcrypto. */
#ifndef FORMATS_AEA_KEYS_H
#define FORMATS_AEA_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AEA_MAC = 32, AEA_SALT = 32, AEA_ROOT = 48 };

/* Keys for one encrypted thing. */
struct aea_keys {
    uint8_t mac[32], aes[32], iv[16];
};

struct aea_crypto; /* fetched algorithms; one per thread */
struct aea_crypto *aea_crypto_new(void);
void aea_crypto_free(struct aea_crypto *c);

/* HKDF-SHA256 (RFC 5869) with info = label, and index in 4 little-endian bytes unless it is AEA_NO_INDEX. */
#define AEA_NO_INDEX UINT64_MAX
bool aea_derive(struct aea_crypto *c, const uint8_t key[32], const uint8_t *salt, const char *label, uint64_t index, void *out, size_t n);

/* HMAC-SHA256 of aux, bytes and aux's length in 8 little-endian bytes. */
bool aea_mac(struct aea_crypto *c, const struct aea_keys *k, const void *aux, size_t aux_bytes, const void *bytes, size_t n, uint8_t mac[AEA_MAC]);

/* AES-256-CTR; in place is fine. */
bool aea_crypt(struct aea_crypto *c, const struct aea_keys *k, const void *in, void *out, size_t n);

/* Constant time. */
bool aea_same(const uint8_t a[AEA_MAC], const uint8_t b[AEA_MAC]);

#endif
