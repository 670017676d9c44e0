/*
 * fuzz_aea.c - encrypted archives (formats/aea.h). An input that begins with "AEA1" is read as it is. Any other is an archive in clear:
 * it is sealed first (encrypted, with MACs that are right), so that what stands behind a MAC is reached, and a mutation of
 * the input is one of the fields that the reader sees. With libFuzzer MACs are not compared at all
 * (FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION).
 */
#include "base/bits.h"
#include "formats/aea.h"
#include "formats/aea_keys.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 8 << 20, BLOCK = 100000, CLUSTERS = 64, FRAME_MAC = AEA_SALT, FRAME_ROOT = FRAME_MAC + AEA_MAC, FRAME_NEXT = FRAME_ROOT + AEA_ROOT,
       FRAME = FRAME_NEXT + AEA_MAC };

static const uint8_t key[AEA_KEY_BYTES] = "pome test images: this is no key";

/* --- sealing --- */

struct sealing {
    struct aea_crypto *crypto;
    uint8_t *bytes;
    size_t n;
    uint8_t main_key[32];
    size_t segments, sizes, header; /* in a cluster; bytes of its sizes and checksums; of the whole header */
};

/* Encrypts n bytes in place and gives their MAC. */
static void seal(struct sealing *s, const uint8_t from[32], const char *label, uint64_t index, const uint8_t *aux, size_t aux_bytes, uint8_t *p,
                 size_t n, uint8_t mac[AEA_MAC])
{
    struct aea_keys k;
    if (!aea_derive(s->crypto, from, NULL, label, index, &k, sizeof k) || !aea_crypt(s->crypto, &k, p, p, n) ||
        !aea_mac(s->crypto, &k, aux, aux_bytes, p, n, mac))
        abort();
}

/* The segments of a cluster, whose sizes are still in clear. Where they end; 0: outside the input. */
static size_t seal_segments(struct sealing *s, uint64_t cluster, size_t at)
{
    uint8_t *header = s->bytes + at, from[32];
    if (s->header > s->n - at || !aea_derive(s->crypto, s->main_key, NULL, "AEA_CK", cluster, from, sizeof from))
        return 0;
    at += s->header;
    for (size_t i = 0; i < s->segments; i++) {
        size_t n = le32_get(header + i * (s->sizes / s->segments) + 4);
        if (n > s->n - at)
            return 0;
        seal(s, from, "AEA_SK", i, NULL, 0, s->bytes + at, n, header + s->sizes + AEA_MAC + i * AEA_MAC);
        at += n;
    }
    return at;
}

/* From the last one to the first: a cluster's MAC stands in the header before it. */
static void seal_headers(struct sealing *s, const size_t *at, size_t n, uint8_t first_mac[AEA_MAC])
{
    uint8_t from[32], mac[AEA_MAC] = {0};
    while (n--) {
        uint8_t *header = s->bytes + at[n];
        memcpy(header + s->sizes, mac, AEA_MAC);
        if (!aea_derive(s->crypto, s->main_key, NULL, "AEA_CK", n, from, sizeof from))
            abort();
        seal(s, from, "AEA_CHEK", AEA_NO_INDEX, header + s->sizes, s->header - s->sizes, header, s->sizes, mac);
    }
    memcpy(first_mac, mac, AEA_MAC);
}

static void seal_archive(struct sealing *s)
{
    static const uint8_t checksums[] = {0, 8, 32};
    size_t at[CLUSTERS + 1], n = 0, auth = s->n < AEA_PROLOGUE ? SIZE_MAX : le32_get(s->bytes + 8);
    if (s->n < AEA_PROLOGUE + FRAME || auth > s->n - AEA_PROLOGUE - FRAME)
        return;
    uint8_t *frame = s->bytes + AEA_PROLOGUE + auth, *root = frame + FRAME_ROOT;
    memcpy(s->bytes, "AEA1", 4);
    if (!aea_derive(s->crypto, key, frame, "AEA_AMK", le32_get(s->bytes + 4), s->main_key, sizeof s->main_key))
        abort();
    s->segments = le32_get(root + 20);
    if (s->segments && s->segments <= 256) {
        s->sizes = s->segments * (8u + checksums[root[25] % sizeof checksums]);
        s->header = s->sizes + AEA_MAC + s->segments * AEA_MAC;
        at[0] = AEA_PROLOGUE + auth + FRAME;
        while (n < CLUSTERS && (at[n + 1] = seal_segments(s, n, at[n])))
            n++;
        seal_headers(s, at, n, frame + FRAME_NEXT);
    }
    uint8_t *aux = malloc(AEA_MAC + auth);
    if (!aux)
        abort();
    memcpy(aux, frame + FRAME_NEXT, AEA_MAC);
    memcpy(aux + AEA_MAC, s->bytes + AEA_PROLOGUE, auth);
    seal(s, s->main_key, "AEA_RHEK", AEA_NO_INDEX, aux, AEA_MAC + auth, root, AEA_ROOT, frame + FRAME_MAC);
    free(aux);
}

/* --- reading --- */

static void read_auth(struct source *in)
{
    struct pome_error err;
    struct aea_info info;
    const char *name;
    const uint8_t *value;
    size_t n, at = 0, total = 0;
    if (!aea_info_read(in, &info, &err))
        return;
    while (aea_auth_next(&info, &at, &name, &value, &n))
        for (size_t i = 0; i < n; i++)
            total += value[i];
    if (at > info.auth_bytes || total > 255 * info.auth_bytes)
        abort();
    aea_info_free(&info);
}

static void read_archive(const uint8_t *data, size_t size)
{
    static uint8_t block[BLOCK];
    struct pome_error err;
    struct source *in = source_memory(data, size, "fuzz");
    if (!in)
        return;
    read_auth(in);
    struct source *a = aea_open(in, key, &err);
    for (uint64_t at = 0; a && at < a->bytes && at < MOST; at += BLOCK)
        if (!source_read(a, at, block, at + BLOCK > a->bytes ? (size_t)(a->bytes - at) : BLOCK, &err))
            break;
    if (a && a->bytes)
        source_read(a, a->bytes - 1, block, 1, &err);
    source_close(a ? a : in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct aea_crypto *crypto;
    if (!crypto && !(crypto = aea_crypto_new()))
        abort();
    if (size >= 4 && !memcmp(data, "AEA1", 4)) {
        read_archive(data, size);
        return 0;
    }
    struct sealing s = {crypto, malloc(size + 1), size, {0}, 0, 0, 0};
    if (!s.bytes)
        abort();
    memcpy(s.bytes, data, size);
    seal_archive(&s);
    read_archive(s.bytes, size);
    free(s.bytes);
    return 0;
}
