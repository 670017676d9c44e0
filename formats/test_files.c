/* test_files.c - writing UDIF images, AEA archives and trust caches, plainly. */
#include "formats/test_files.h"
#include "base/bits.h"
#include "formats/aea_keys.h"
#include "formats/lzfse.h"
#include "formats/plist.h"
#include "formats/trust_cache.h"

#include <bzlib.h>
#include <lzma.h>
#include <openssl/sha.h>
#include <zlib.h>

#include <stdlib.h>

enum { PIECE = 256 << 10, PACKED = 2 * PIECE };

void test_fill(unsigned seed, uint64_t at, void *bytes, size_t n)
{
    uint8_t *to = bytes;
    for (size_t i = 0; i < n; i++) {
        uint64_t place = at + i, x = (place / 16 + 1) * UINT64_C(0x9e3779b97f4a7c15) + seed;
        x ^= x >> 29;
        x *= UINT64_C(0xbf58476d1ce4e5b9);
        to[i] = place % 16 < 8 ? (uint8_t)(x >> 8 * (place % 8)) : (uint8_t)"a disk\n "[place % 8];
    }
}

/* --- packing one piece; 0: it cannot be --- */

static size_t pack_adc(const uint8_t *in, size_t n, uint8_t *out)
{
    size_t at = 0;
    for (size_t i = 0; i < n;) {
        size_t same = 1;
        while (i && i + same < n && same < 67 && in[i + same - 1] == in[i - 1])
            same++;
        if (--same >= 4) { /* a match of distance 1: both forms */
            bool wide = same > 18;
            out[at++] = wide ? (uint8_t)(0x40 | (same - 4)) : (uint8_t)((same - 3) << 2);
            if (wide)
                out[at++] = 0;
            out[at++] = 0;
            i += same;
            continue;
        }
        size_t literals = MIN((size_t)128, n - i);
        for (size_t k = 4; k < literals; k++) /* up to where something repeats */
            if (in[i + k] == in[i + k - 1] && i + k + 4 < n && !memcmp(in + i + k, in + i + k - 1, 4)) {
                literals = k;
                break;
            }
        out[at++] = (uint8_t)(0x80 | (literals - 1));
        memcpy(out + at, in + i, literals);
        at += literals;
        i += literals;
    }
    return at;
}

static size_t pack(enum udif_kind kind, const uint8_t *in, size_t n, uint8_t *out, size_t size)
{
    uLongf z = size;
    unsigned b = (unsigned)size;
    size_t x = 0;
    switch (kind) {
    case UDIF_RAW: memcpy(out, in, n); return n;
    case UDIF_ADC: return pack_adc(in, n, out);
    case UDIF_ZLIB: return compress(out, &z, in, n) == Z_OK ? z : 0;
    case UDIF_BZIP2: return BZ2_bzBuffToBuffCompress((char *)out, &b, (char *)(uintptr_t)in, (unsigned)n, 1, 0, 0) == BZ_OK ? b : 0;
    case UDIF_LZFSE: return lzfse_encode(in, n, out);
    case UDIF_LZMA: return lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, in, n, out, &x, size) == LZMA_OK ? x : 0;
    default: return 0;
    }
}

/* --- UDIF --- */

static void put_crc(uint8_t *p, uint32_t crc)
{
    be32_put(p, 2);
    be32_put(p + 4, 32);
    be32_put(p + 8, crc);
}

struct udif_writing {
    struct source *from;
    FILE *out;
    const enum udif_kind *kinds;
    size_t n_kinds, next, holes;
    uint64_t at; /* bytes written */
    uLong data_crc;
    uint8_t piece[PIECE], packed[PACKED];
};

static bool is_zero(const uint8_t *p, size_t n)
{
    return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

/* Writes sectors [first, first + count) and their table into mish; returns its length. */
static size_t put_table(struct udif_writing *w, uint64_t first, uint64_t count, uint8_t *mish)
{
    static const uint32_t types[UDIF_KINDS] = {0, 1, 2, 0x80000004, 0x80000005, 0x80000006, 0x80000007, 0x80000008};
    uint32_t runs = 0;
    uLong crc = 0;
    memset(mish, 0, 204);
    memcpy(mish, "mish", 4);
    be32_put(mish + 4, 1);
    be64_put(mish + 8, first);
    be64_put(mish + 16, count);
    be32_put(mish + 32, PIECE / UDIF_SECTOR + 8);
    uint8_t *p = mish + 204;
    for (uint64_t s = 0; s < count; runs++, p += 40) {
        uint64_t n = MIN(count - s, (uint64_t)PIECE / UDIF_SECTOR);
        size_t bytes = (size_t)n * UDIF_SECTOR, packed = 0;
        if (!source_read(w->from, (first + s) * UDIF_SECTOR, w->piece, bytes, NULL))
            return 0;
        enum udif_kind kind = UDIF_ZERO;
        if (is_zero(w->piece, bytes)) {
            kind = w->holes++ % 2 ? UDIF_IGNORE : UDIF_ZERO;
        } else {
            kind = w->kinds[w->next++ % w->n_kinds];
            packed = pack(kind, w->piece, bytes, w->packed, sizeof w->packed);
            if (!packed || fwrite(w->packed, 1, packed, w->out) != packed)
                return 0;
            w->data_crc = crc32(w->data_crc, w->packed, (uInt)packed);
        }
        if (kind != UDIF_IGNORE)
            crc = crc32(crc, w->piece, (uInt)bytes);
        memset(p, 0, 40);
        be32_put(p, types[kind]);
        be64_put(p + 8, s);
        be64_put(p + 16, n);
        be64_put(p + 24, w->at);
        be64_put(p + 32, packed);
        w->at += packed;
        s += n;
    }
    memset(p, 0, 40);
    be32_put(p, UINT32_MAX);
    be64_put(p + 8, count);
    be32_put(mish + 200, ++runs);
    put_crc(mish + 64, (uint32_t)crc);
    return (size_t)(p + 40 - mish);
}

static bool put_udif(struct udif_writing *w, size_t tables)
{
    uint64_t sectors = w->from->bytes / UDIF_SECTOR;
    uint8_t trailer[UDIF_TRAILER] = {0}, *mish = malloc(204 + 40 * (sectors * UDIF_SECTOR / PIECE + 3));
    struct pl *root = pl_new_dict(), *fork = pl_new_dict(), *blkx = pl_new_array();
    uLong master = 0;
    bool ok = mish;
    pl_set(root, "resource-fork", fork);
    pl_set(fork, "blkx", blkx);
    for (size_t i = 0; ok && i < tables; i++) {
        uint64_t first = sectors * i / tables, end = sectors * (i + 1) / tables;
        size_t n = put_table(w, first, end - first, mish);
        char name[64];
        snprintf(name, sizeof name, "part (Apple_Free : %zu)", i);
        struct pl *entry = pl_new_dict();
        pl_set(entry, "Attributes", pl_new_text("0x0050"));
        pl_set(entry, "CFName", pl_new_text(name));
        pl_set(entry, "Data", pl_new_data(mish, n));
        pl_set(entry, "ID", pl_new_text("0"));
        pl_set(entry, "Name", pl_new_text(name));
        pl_append(blkx, entry);
        master = n ? crc32(master, mish + 72, 4) : master;
        ok = n;
    }
    size_t list_bytes = 0;
    char *list = ok ? pl_write_xml(root, &list_bytes) : NULL;
    memcpy(trailer, "koly", 4);
    be32_put(trailer + 4, 4);
    be32_put(trailer + 8, UDIF_TRAILER);
    be32_put(trailer + 12, 1);
    be64_put(trailer + 32, w->at);
    be32_put(trailer + 56, 1);
    be32_put(trailer + 60, 1);
    put_crc(trailer + 80, (uint32_t)w->data_crc);
    be64_put(trailer + 216, w->at);
    be64_put(trailer + 224, list_bytes);
    put_crc(trailer + 352, (uint32_t)master);
    be32_put(trailer + 488, 1);
    be64_put(trailer + 492, sectors);
    ok = list && fwrite(list, 1, list_bytes, w->out) == list_bytes && fwrite(trailer, 1, sizeof trailer, w->out) == sizeof trailer;
    pl_free(root);
    free(list);
    free(mish);
    return ok;
}

bool test_udif(struct source *from, const enum udif_kind *kinds, size_t n_kinds, size_t tables, FILE *out)
{
    struct udif_writing *w = calloc(1, sizeof *w);
    if (!w)
        return false;
    w->from = from;
    w->kinds = kinds;
    w->n_kinds = n_kinds;
    w->out = out;
    bool ok = put_udif(w, tables);
    free(w);
    return ok;
}

/* --- AEA --- */

size_t test_aea_auth(const char *key, const char *value, uint8_t *to)
{
    size_t k = strlen(key) + 1, v = strlen(value);
    le32_put(to, (uint32_t)(4 + k + v));
    memcpy(to + 4, key, k);
    memcpy(to + 4 + k, value, v);
    return 4 + k + v;
}

static size_t pack_segment(uint8_t compression, const uint8_t *in, size_t n, uint8_t *out, size_t size)
{
    size_t packed = compression == '-' ? 0 : pack(compression == 'e' ? UDIF_LZFSE : compression == 'x' ? UDIF_LZMA : UDIF_ZLIB, in, n, out, size);
    if (packed && packed < n)
        return packed;
    memcpy(out, in, n);
    return n;
}

struct aea_writing {
    struct source *from;
    const struct test_aea *o;
    FILE *out;
    struct aea_crypto *c;
    uint8_t main_key[32];
    size_t sizes, header; /* bytes of the segment headers, of the whole cluster header */
    uint8_t *piece, *packed;
};

/* A MAC stands in front of what it covers: clusters are written from the last to the first place, each after its segments. */
static bool put_cluster(struct aea_writing *w, uint64_t index, uint64_t header_at, const uint8_t next_mac[AEA_MAC], uint64_t *end, uint8_t mac[AEA_MAC])
{
    const struct test_aea *o = w->o;
    size_t entry = w->sizes / o->cluster_segments;
    uint8_t *header = calloc(1, w->header), cluster_key[32];
    struct aea_keys k;
    bool ok = header && aea_derive(w->c, w->main_key, NULL, "AEA_CK", index, cluster_key, 32);
    uint64_t at = index * o->cluster_segments * o->segment_bytes;
    *end = header_at + w->header;
    for (uint32_t i = 0; ok && i < o->cluster_segments && at < w->from->bytes; i++) {
        size_t n = (size_t)MIN(w->from->bytes - at, (uint64_t)o->segment_bytes);
        ok = source_read(w->from, at, w->piece, n, NULL);
        size_t packed = pack_segment(o->compression, w->piece, n, w->packed, 2 * (size_t)o->segment_bytes + 4096);
        uint8_t *e = header + i * entry;
        le32_put(e, (uint32_t)n);
        le32_put(e + 4, (uint32_t)packed);
        if (o->checksum == 2)
            SHA256(w->piece, n, e + 8);
        ok = ok && aea_derive(w->c, cluster_key, NULL, "AEA_SK", i, &k, sizeof k) && aea_crypt(w->c, &k, w->packed, w->packed, packed) &&
             aea_mac(w->c, &k, NULL, 0, w->packed, packed, header + w->sizes + AEA_MAC + i * AEA_MAC) && !fseeko(w->out, (off_t)*end, SEEK_SET) &&
             fwrite(w->packed, 1, packed, w->out) == packed;
        at += n;
        *end += packed;
    }
    if (ok) {
        memcpy(header + w->sizes, next_mac, AEA_MAC);
        ok = aea_derive(w->c, cluster_key, NULL, "AEA_CHEK", AEA_NO_INDEX, &k, sizeof k) && aea_crypt(w->c, &k, header, header, w->sizes) &&
             aea_mac(w->c, &k, header + w->sizes, w->header - w->sizes, header, w->sizes, mac) && !fseeko(w->out, (off_t)header_at, SEEK_SET) &&
             fwrite(header, 1, w->header, w->out) == w->header;
    }
    free(header);
    return ok;
}

/* Where each cluster begins is found by writing them once with no MACs, then again from the last one. */
static bool put_clusters(struct aea_writing *w, uint64_t begin, uint64_t *end, uint8_t first_mac[AEA_MAC])
{
    uint64_t cluster = (uint64_t)w->o->segment_bytes * w->o->cluster_segments, n = (w->from->bytes + cluster - 1) / cluster;
    uint64_t *at = calloc(n + 1, sizeof *at), after;
    uint8_t none[AEA_MAC] = {0}, mac[AEA_MAC] = {0}, next[AEA_MAC] = {0};
    bool ok = at;
    if (ok)
        at[0] = begin;
    for (uint64_t i = 0; ok && i + 1 <= n; i++)
        ok = put_cluster(w, i, at[i], none, &at[i + 1], mac);
    for (uint64_t i = n; ok && i--;) {
        ok = put_cluster(w, i, at[i], next, &after, mac);
        memcpy(next, mac, AEA_MAC);
    }
    *end = ok ? at[n] : 0;
    memcpy(first_mac, next, AEA_MAC);
    free(at);
    return ok;
}

bool test_aea(struct source *from, const struct test_aea *o, FILE *out)
{
    static const size_t checksums[] = {0, 8, 32};
    struct aea_writing w = {from, o, out, aea_crypto_new(), {0}, 0, 0, malloc(o->segment_bytes), malloc(2 * (size_t)o->segment_bytes + 4096)};
    struct { uint8_t salt[AEA_SALT], mac[AEA_MAC], root[AEA_ROOT], first_mac[AEA_MAC]; } frame = {0};
    uint8_t prologue[AEA_PROLOGUE] = "AEA1\1", *aux = malloc(AEA_MAC + o->auth_bytes);
    struct aea_keys k;
    uint64_t end = 0, begin = sizeof prologue + o->auth_bytes + sizeof frame;
    w.sizes = o->cluster_segments * (8 + checksums[o->checksum]);
    w.header = w.sizes + AEA_MAC + (size_t)o->cluster_segments * AEA_MAC;
    le32_put(prologue + 8, (uint32_t)o->auth_bytes);
    for (unsigned i = 0; i < sizeof frame.salt; i++)
        frame.salt[i] = (uint8_t)(i * 7);
    bool ok = w.c && w.piece && w.packed && aux && aea_derive(w.c, o->key, frame.salt, "AEA_AMK", 1, w.main_key, 32) &&
              put_clusters(&w, begin, &end, frame.first_mac) && aea_derive(w.c, w.main_key, NULL, "AEA_RHEK", AEA_NO_INDEX, &k, sizeof k);
    if (ok) {
        le64_put(frame.root, from->bytes);
        le64_put(frame.root + 8, end);
        le32_put(frame.root + 16, o->segment_bytes);
        le32_put(frame.root + 20, o->cluster_segments);
        frame.root[24] = o->compression;
        frame.root[25] = o->checksum;
        memcpy(aux, frame.first_mac, AEA_MAC);
        if (o->auth_bytes)
            memcpy(aux + AEA_MAC, o->auth, o->auth_bytes);
        ok = aea_crypt(w.c, &k, frame.root, frame.root, sizeof frame.root) &&
             aea_mac(w.c, &k, aux, AEA_MAC + o->auth_bytes, frame.root, sizeof frame.root, frame.mac) && !fseeko(out, 0, SEEK_SET) &&
             fwrite(prologue, 1, sizeof prologue, out) == sizeof prologue && (!o->auth_bytes || fwrite(o->auth, 1, o->auth_bytes, out) == o->auth_bytes) &&
             fwrite(&frame, 1, sizeof frame, out) == sizeof frame && !fseeko(out, (off_t)end, SEEK_SET);
    }
    aea_crypto_free(w.c);
    free(w.piece);
    free(w.packed);
    free(aux);
    return ok;
}

/* --- trust caches --- */

size_t test_trust_cache(uint32_t version, uint32_t n, uint8_t *out)
{
    size_t entry = version == 1 ? 22 : 24;
    le32_put(out, version);
    test_fill(99, 0, out + 4, 16);
    le32_put(out + 20, n);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *p = out + TRUST_CACHE_HEAD + i * entry;
        memset(p, 0, entry);
        be32_put(p, i * 0x10001 + 5);
        test_fill(i, 0, p + 4, CDHASH_BYTES - 4);
        p[20] = 2;
        if (version == 2)
            p[22] = (uint8_t)(i % 6);
    }
    return TRUST_CACHE_HEAD + n * entry;
}
