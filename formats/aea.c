/*
 * aea.c - reading Apple Encrypted Archives of profile 1.
 *
 * Each cluster's header is authenticated by a MAC that stands in the header before it (the first one's in the root header's frame), and
 * each segment by one in its cluster's header: so clusters are opened in their order once, and remembered by place and MAC.
 */
#include "formats/aea.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/aea_keys.h"
#include "formats/decompress.h"

#include <stdlib.h>

static const char *const profiles[AEA_PROFILES] = {
    "signed only (HKDF-SHA256, HMAC, ECDSA P-256)",
    "symmetric key (HKDF-SHA256, AES-CTR, HMAC)",
    "symmetric key, signed (HKDF-SHA256, AES-CTR, HMAC, ECDSA P-256)",
    "for a public key (ECDHE P-256, AES-CTR, HMAC)",
    "for a public key, signed (ECDHE P-256, AES-CTR, HMAC, ECDSA P-256)",
    "password (scrypt, AES-CTR, HMAC)",
};

static const struct {
    uint8_t letter;
    const char *name;
    enum codec codec; /* CODECS: cannot be read here */
} compressions[] = {
    {'-', "none", CODEC_NONE}, {'e', "LZFSE", CODEC_LZFSE}, {'x', "LZMA", CODEC_XZ},           {'z', "zlib", CODEC_ZLIB},
    {'4', "LZ4", CODECS},      {'f', "LZVN", CODECS},       {'b', "LZBITMAP", CODECS},
};

struct segment {
    uint32_t bytes, packed_bytes; /* of content; in the archive */
    uint64_t offset;
};

struct cluster {
    uint64_t offset;
    uint8_t mac[AEA_MAC]; /* of its header */
};

struct aea {
    struct source source;
    struct source *in;
    struct aea_crypto *crypto;
    struct aea_root root;
    enum codec codec;
    size_t checksum_bytes;
    uint8_t main_key[32];

    struct cluster *clusters;      /* those whose place is known, and one more */
    size_t known, n_clusters;
    uint8_t *header;               /* of the cluster that is open: segment headers, next MAC, segment MACs */
    struct segment *segments;
    uint64_t open_cluster;         /* UINT64_MAX: none */
    uint8_t cluster_key[32];
    uint8_t *piece, *packed;       /* of the segment that is open */
    uint64_t open_segment;         /* counted over the archive; UINT64_MAX: none */
};

const char *aea_profile_name(uint32_t profile)
{
    return profile < AEA_PROFILES ? profiles[profile] : "unknown";
}

const char *aea_compression_name(uint8_t letter)
{
    for (size_t i = 0; i < ARRAY_SIZE(compressions); i++)
        if (compressions[i].letter == letter)
            return compressions[i].name;
    return NULL;
}

/* --- what is in clear --- */

bool aea_info_read(struct source *in, struct aea_info *info, struct pome_error *err)
{
    uint8_t p[AEA_PROLOGUE];
    *info = (struct aea_info){0};
    if (in->bytes < sizeof p || !source_read(in, 0, p, sizeof p, err))
        return in->bytes < sizeof p ? pome_fail(err, POME_ERROR_INVALID_DATA, "%s: too short for an archive", in->name) : false;
    if (memcmp(p, "AEA1", 4))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: does not begin with \"AEA1\"", in->name);
    info->profile = le32_get(p + 4) & 0xffffff;
    info->scrypt_strength = p[7];
    info->auth_bytes = le32_get(p + 8);
    if (info->auth_bytes > AEA_AUTH_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %zu bytes of auth data, at most %d are allowed", in->name, info->auth_bytes, AEA_AUTH_MAX);
    info->auth = malloc(info->auth_bytes + 1);
    if (!info->auth)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for its auth data", in->name);
    if (source_read(in, AEA_PROLOGUE, info->auth, info->auth_bytes, err))
        return true;
    aea_info_free(info);
    return false;
}

void aea_info_free(struct aea_info *info)
{
    free(info->auth);
    info->auth = NULL;
}

bool aea_auth_next(const struct aea_info *info, size_t *at, const char **key, const uint8_t **value, size_t *n)
{
    const uint8_t *p = info->auth + *at;
    size_t left = info->auth_bytes - *at, size = left < 4 ? 0 : le32_get(p);
    if (size < 5 || size > left)
        return false;
    const uint8_t *end = memchr(p + 4, 0, size - 4);
    if (!end)
        return false;
    *key = (const char *)p + 4;
    *value = end + 1;
    *n = (size_t)(p + size - *value);
    *at += size;
    return true;
}

/* --- the root header --- */

static bool keys(struct aea *a, const uint8_t from[32], const char *label, uint64_t index, struct aea_keys *k, struct pome_error *err)
{
    return aea_derive(a->crypto, from, NULL, label, index, k, sizeof *k) || pome_fail(err, POME_ERROR_INTERNAL, "%s: HKDF failed", a->in->name);
}

/* Compares the MAC, then decrypts. */
static bool open_sealed(struct aea *a, const struct aea_keys *k, const void *aux, size_t aux_bytes, const void *in, void *out, size_t n,
                        const uint8_t want[AEA_MAC], const char *what, struct pome_error *err)
{
    uint8_t got[AEA_MAC];
    if (!aea_mac(a->crypto, k, aux, aux_bytes, in, n, got))
        return pome_fail(err, POME_ERROR_INTERNAL, "%s: HMAC failed", a->in->name);
    if (!aea_same(got, want))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: the MAC of its %s is wrong: %s", a->in->name, what,
                         a->clusters ? "it is damaged" : "another key, or it is damaged");
    return aea_crypt(a->crypto, k, in, out, n) || pome_fail(err, POME_ERROR_INTERNAL, "%s: AES failed", a->in->name);
}

static bool read_root(struct aea *a, const uint8_t p[AEA_ROOT], uint64_t begin, struct pome_error *err)
{
    static const uint8_t checksum_bytes[] = {0, 8, 32};
    struct aea_root *r = &a->root;
    *r = (struct aea_root){le64_get(p), le64_get(p + 8), le32_get(p + 16), le32_get(p + 20), p[24], p[25]};
    a->codec = CODECS;
    for (size_t i = 0; i < ARRAY_SIZE(compressions); i++)
        if (compressions[i].letter == r->compression)
            a->codec = compressions[i].codec;
    if (a->codec == CODECS)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: compression '%c'%s%s", a->in->name, r->compression < 0x20 || r->compression > 0x7e ? '?' : r->compression,
                         aea_compression_name(r->compression) ? ", " : "", aea_compression_name(r->compression) ? aea_compression_name(r->compression) : "");
    if (r->checksum >= sizeof checksum_bytes || !r->segment_bytes || r->segment_bytes > AEA_SEGMENT_MAX || !r->cluster_segments ||
        r->cluster_segments > AEA_CLUSTER_SEGMENTS_MAX || r->bytes > INT64_MAX || r->archive_bytes > a->in->bytes)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: segments of %u bytes, %u in a cluster, %llu bytes of archive in a file of %llu", a->in->name,
                         r->segment_bytes, r->cluster_segments, (unsigned long long)r->archive_bytes, (unsigned long long)a->in->bytes);
    a->checksum_bytes = checksum_bytes[r->checksum];
    uint64_t cluster = (uint64_t)r->segment_bytes * r->cluster_segments, n = (r->bytes + cluster - 1) / cluster;
    uint64_t header = (uint64_t)r->cluster_segments * (8 + a->checksum_bytes + AEA_MAC) + AEA_MAC;
    if (n > (a->in->bytes - begin) / header)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %llu clusters do not fit in it", a->in->name, (unsigned long long)n);
    a->n_clusters = (size_t)n;
    return true;
}

static bool open_root(struct aea *a, const uint8_t key[AEA_KEY_BYTES], struct pome_error *err)
{
    struct aea_info info;
    if (!aea_info_read(a->in, &info, err))
        return false;
    uint64_t at = AEA_PROLOGUE + info.auth_bytes;
    struct { uint8_t salt[AEA_SALT], mac[AEA_MAC], root[AEA_ROOT], first_mac[AEA_MAC]; } frame;
    struct aea_keys k;
    uint8_t root[AEA_ROOT], *aux = malloc(AEA_MAC + info.auth_bytes);
    bool ok = info.profile == AEA_PROFILE_SYMMETRIC ||
              pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: profile %u, %s; only profile %u, %s, can be opened", a->in->name, info.profile,
                        aea_profile_name(info.profile), AEA_PROFILE_SYMMETRIC, aea_profile_name(AEA_PROFILE_SYMMETRIC));
    ok = ok && (aux || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", a->in->name));
    ok = ok && source_read(a->in, at, &frame, sizeof frame, err) &&
         (aea_derive(a->crypto, key, frame.salt, "AEA_AMK", info.profile | info.scrypt_strength << 24, a->main_key, 32) ||
          pome_fail(err, POME_ERROR_INTERNAL, "%s: HKDF failed", a->in->name)) &&
         keys(a, a->main_key, "AEA_RHEK", AEA_NO_INDEX, &k, err);
    if (ok) {
        memcpy(aux, frame.first_mac, AEA_MAC);
        memcpy(aux + AEA_MAC, info.auth, info.auth_bytes);
        at += sizeof frame;
        ok = open_sealed(a, &k, aux, AEA_MAC + info.auth_bytes, frame.root, root, sizeof root, frame.mac, "root header", err) &&
             read_root(a, root, at, err);
    }
    free(aux);
    aea_info_free(&info);
    if (!ok)
        return false;
    size_t header = a->root.cluster_segments * (8 + a->checksum_bytes + AEA_MAC) + AEA_MAC;
    a->clusters = calloc(a->n_clusters + 1, sizeof *a->clusters);
    a->header = malloc(header);
    a->segments = calloc(a->root.cluster_segments, sizeof *a->segments);
    a->piece = malloc(a->root.segment_bytes);
    a->packed = malloc(a->root.segment_bytes);
    if (!a->clusters || !a->header || !a->segments || !a->piece || !a->packed)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", a->in->name);
    a->clusters[0].offset = at;
    memcpy(a->clusters[0].mac, frame.first_mac, AEA_MAC);
    return true;
}

/* --- clusters --- */

/* The sizes in a header that has been authenticated; each segment but the last is full. */
static bool read_segments(struct aea *a, uint64_t index, uint64_t at, struct pome_error *err)
{
    uint64_t left = a->root.bytes - index * a->root.cluster_segments * a->root.segment_bytes;
    for (uint32_t i = 0; i < a->root.cluster_segments; i++) {
        const uint8_t *p = a->header + i * (8 + a->checksum_bytes);
        uint32_t want = (uint32_t)MIN(left, (uint64_t)a->root.segment_bytes);
        struct segment *s = &a->segments[i];
        *s = (struct segment){le32_get(p), le32_get(p + 4), at};
        if (s->bytes != want || s->packed_bytes > s->bytes)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: cluster %llu, segment %u: %u bytes packed as %u, needed %u", a->in->name,
                             (unsigned long long)index, i, s->bytes, s->packed_bytes, want);
        left -= want;
        at += s->packed_bytes;
    }
    a->clusters[index + 1].offset = at;
    return true;
}

static bool open_cluster(struct aea *a, uint64_t index, struct pome_error *err)
{
    if (a->open_cluster == index)
        return true;
    size_t sizes = a->root.cluster_segments * (8 + a->checksum_bytes), header = sizes + AEA_MAC + (size_t)a->root.cluster_segments * AEA_MAC;
    struct aea_keys k;
    a->open_cluster = UINT64_MAX;
    if (!source_read(a->in, a->clusters[index].offset, a->header, header, err) ||
        !(aea_derive(a->crypto, a->main_key, NULL, "AEA_CK", index, a->cluster_key, 32) || pome_fail(err, POME_ERROR_INTERNAL, "%s: HKDF failed", a->in->name)) ||
        !keys(a, a->cluster_key, "AEA_CHEK", AEA_NO_INDEX, &k, err) ||
        !open_sealed(a, &k, a->header + sizes, header - sizes, a->header, a->header, sizes, a->clusters[index].mac, "cluster header", err) ||
        !read_segments(a, index, a->clusters[index].offset + header, err))
        return false;
    memcpy(a->clusters[index + 1].mac, a->header + sizes, AEA_MAC);
    a->known = MAX(a->known, (size_t)index + 1);
    a->open_cluster = index;
    return true;
}

static bool open_segment(struct aea *a, uint64_t number, struct pome_error *err)
{
    uint64_t cluster = number / a->root.cluster_segments, i = number % a->root.cluster_segments;
    if (a->open_segment == number)
        return true;
    for (uint64_t c = MIN((uint64_t)a->known, cluster); c <= cluster; c++) /* the MACs are a chain */
        if (!open_cluster(a, c, err))
            return false;
    const struct segment *s = &a->segments[i];
    const uint8_t *mac = a->header + a->root.cluster_segments * (8 + a->checksum_bytes) + AEA_MAC + i * AEA_MAC;
    bool packed = a->codec != CODEC_NONE && s->packed_bytes != s->bytes;
    uint8_t *to = packed ? a->packed : a->piece;
    struct aea_keys k;
    a->open_segment = UINT64_MAX;
    if (!source_read(a->in, s->offset, to, s->packed_bytes, err) || !keys(a, a->cluster_key, "AEA_SK", i, &k, err) ||
        !open_sealed(a, &k, NULL, 0, to, to, s->packed_bytes, mac, "segment", err))
        return false;
    if (packed && !decompress(a->codec, a->packed, s->packed_bytes, a->piece, s->bytes, err))
        return pome_fail_context(err, "%s: segment %llu", a->in->name, (unsigned long long)number);
    if (!packed && s->packed_bytes != s->bytes)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: segment %llu has %u bytes, needed %u", a->in->name, (unsigned long long)number, s->packed_bytes,
                         s->bytes);
    a->open_segment = number;
    return true;
}

static bool read_aea(struct source *s, uint64_t at, void *bytes, size_t n, struct pome_error *err)
{
    struct aea *a = (struct aea *)s;
    for (uint8_t *to = bytes; n;) {
        size_t inside = (size_t)(at % a->root.segment_bytes), piece = MIN(n, a->root.segment_bytes - inside);
        if (!open_segment(a, at / a->root.segment_bytes, err))
            return false;
        memcpy(to, a->piece + inside, piece);
        at += piece;
        to += piece;
        n -= piece;
    }
    return true;
}

static void free_aea(struct aea *a)
{
    aea_crypto_free(a->crypto);
    free(a->clusters);
    free(a->header);
    free(a->segments);
    free(a->piece);
    free(a->packed);
    free(a);
}

static void close_aea(struct source *s)
{
    struct aea *a = (struct aea *)s;
    source_close(a->in);
    free_aea(a);
}

struct source *aea_open(struct source *in, const uint8_t key[AEA_KEY_BYTES], struct pome_error *err)
{
    struct aea *a = calloc(1, sizeof *a);
    if (!a || !(a->crypto = aea_crypto_new())) {
        free(a);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", in->name);
        return NULL;
    }
    a->in = in;
    a->open_cluster = a->open_segment = UINT64_MAX;
    if (!open_root(a, key, err)) {
        free_aea(a);
        return NULL;
    }
    a->source = (struct source){in->name, a->root.bytes, read_aea, close_aea};
    return &a->source;
}

const struct aea_root *aea_root(const struct source *s)
{
    return &((const struct aea *)s)->root;
}
