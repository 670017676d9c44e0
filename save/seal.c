/* seal.c - one blob: zstd, AES-256-GCM (NIST SP 800-38D), SHA-256. See file.h. */
#include "save/seal.h"

#include "base/bits.h"
#include "base/error.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <zstd.h>

enum { NONCE_BYTES = 12, LEVEL = 1 };

/* RFC 7914; 32 MiB and some tens of milliseconds */
enum { LOG2_N = 15, R = 8, P = 1 };

bool save_key_derive(struct save_key *k, const struct save_secret *secret, struct pome_error *err)
{
    if (k->log2_n < 10 || k->log2_n > 20 || !k->r || k->r > 16 || !k->p || k->p > 4)
        return pome_fail(err, POME_ERROR_RESTORE, "its key is made with scrypt parameters %u, %u, %u, which are out of range", k->log2_n,
                         k->r, k->p);
    k->on = EVP_PBE_scrypt(secret->bytes, secret->n, k->salt, sizeof k->salt, BIT(k->log2_n), k->r, k->p, 256 * MiB + BIT(k->log2_n) * k->r * 128,
                           k->bytes, sizeof k->bytes) == 1;
    return k->on || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "its key cannot be made: no memory");
}

bool save_key_make(struct save_key *k, const struct save_secret *secret, struct pome_error *err)
{
    *k = (struct save_key){.log2_n = LOG2_N, .r = R, .p = P};
    if (!secret)
        return true;
    if (RAND_bytes(k->salt, sizeof k->salt) != 1)
        return pome_fail(err, POME_ERROR_INTERNAL, "no random bytes for a key");
    return save_key_derive(k, secret, err);
}

void sealer_finish(struct sealer *s)
{
    ZSTD_freeCCtx(s->zstd_in);
    ZSTD_freeDCtx(s->zstd_out);
    EVP_CIPHER_CTX_free(s->cipher);
    *s = (struct sealer){0};
}

/* The blob's place is in no other blob of this file, and the key in no other file. */
static bool cipher_init(struct sealer *s, const struct save_key *k, uint64_t offset, bool encrypt)
{
    uint8_t nonce[NONCE_BYTES] = {0};
    le64_put(nonce, offset);
    if (!s->cipher)
        s->cipher = EVP_CIPHER_CTX_new();
    return s->cipher && EVP_CipherInit_ex(s->cipher, EVP_aes_256_gcm(), NULL, k->bytes, nonce, encrypt) == 1;
}

static bool digest(const uint8_t *bytes, size_t n, uint8_t out[SAVE_DIGEST_BYTES])
{
    return EVP_Digest(bytes, n, out, NULL, EVP_sha256(), NULL) == 1;
}

bool seal_pack(struct sealer *s, const struct save_key *k, const void *from, size_t n, uint8_t *to, struct save_blob *b)
{
    if (!s->zstd_in && !(s->zstd_in = ZSTD_createCCtx()))
        return false;
    *b = (struct save_blob){.plain = n, .stored = n, .method = SAVE_PLAIN};
    size_t packed = n ? ZSTD_compressCCtx(s->zstd_in, to, n, from, n, LEVEL) : 0;
    if (n && !ZSTD_isError(packed) && packed < n) {
        b->method = SAVE_ZSTD;
        b->stored = packed;
    } else if (n) {
        memcpy(to, from, n);
    }
    b->stored += k->on ? SAVE_TAG_BYTES : 0;
    return true;
}

bool seal_close(struct sealer *s, const struct save_key *k, uint8_t *to, struct save_blob *b)
{
    if (k->on) {
        int n = (int)(b->stored - SAVE_TAG_BYTES), done = 0, rest = 0;
        if (!cipher_init(s, k, b->offset, true) || EVP_EncryptUpdate(s->cipher, to, &done, to, n) != 1 ||
            EVP_EncryptFinal_ex(s->cipher, to + done, &rest) != 1 ||
            EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_GCM_GET_TAG, SAVE_TAG_BYTES, to + n) != 1)
            return false;
    }
    return digest(to, b->stored, b->digest);
}

static bool decrypt(struct sealer *s, const struct save_key *k, const struct save_blob *b, uint8_t *bytes, size_t n)
{
    int done = 0, rest = 0;
    return cipher_init(s, k, b->offset, false) && EVP_DecryptUpdate(s->cipher, bytes, &done, bytes, (int)n) == 1 &&
           EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_GCM_SET_TAG, SAVE_TAG_BYTES, bytes + n) == 1 &&
           EVP_DecryptFinal_ex(s->cipher, bytes + done, &rest) == 1;
}

const char seal_wrong_key[] = "it cannot be opened with this key";

bool seal_open(struct sealer *s, const struct save_key *k, const struct save_blob *b, uint8_t *stored, uint8_t *to, const char **why)
{
    uint8_t found[SAVE_DIGEST_BYTES];
    uint64_t n = b->stored;
    *why = "its digest is wrong: the file is damaged";
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    bool same = true;
    (void)found;
#else
    bool same = digest(stored, n, found) && !memcmp(found, b->digest, sizeof found);
#endif
    if (!same)
        return false;
    *why = seal_wrong_key;
    if (k->on && (n < SAVE_TAG_BYTES || !decrypt(s, k, b, stored, n -= SAVE_TAG_BYTES)))
        return false;
    *why = "its size is wrong";
    if (b->method == SAVE_PLAIN) {
        if (n != b->plain)
            return false;
        memcpy(to, stored, n);
        return true;
    }
    *why = "it cannot be decompressed";
    if (!s->zstd_out && !(s->zstd_out = ZSTD_createDCtx()))
        return false;
    size_t got = ZSTD_decompressDCtx(s->zstd_out, to, b->plain, stored, n);
    return !ZSTD_isError(got) && got == b->plain;
}
