/* sha384.c - SHA-384 over libcrypto. Failures there (no such digest, no memory) are ours to abort on: a digest that
 * is silently not computed would pass for a check. */
#include "formats/sha384.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int ok)
{
    if (ok == 1)
        return;
    fputs("pome: libcrypto cannot compute SHA-384\n", stderr);
    abort();
}

void sha384(const void *bytes, size_t n, uint8_t digest[SHA384_BYTES])
{
    must(EVP_Digest(bytes, n, digest, NULL, EVP_sha384(), NULL));
}

struct sha384 *sha384_begin(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (c)
        must(EVP_DigestInit_ex(c, EVP_sha384(), NULL));
    return (struct sha384 *)c;
}

void sha384_add(struct sha384 *s, const void *bytes, size_t n)
{
    must(EVP_DigestUpdate((EVP_MD_CTX *)s, bytes, n));
}

void sha384_end(struct sha384 *s, uint8_t digest[SHA384_BYTES])
{
    if (!s)
        return;
    if (digest)
        must(EVP_DigestFinal_ex((EVP_MD_CTX *)s, digest, NULL));
    EVP_MD_CTX_free((EVP_MD_CTX *)s);
}

void hex_upper(const uint8_t *bytes, size_t n, char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * n] = 0;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_parse(const char *text, uint8_t *bytes, size_t n)
{
    if (strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = digit(text[2 * i]), lo = digit(text[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        bytes[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}
