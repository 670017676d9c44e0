/* ipsw.c - restore images inside the guest. Zip: PKWARE APPNOTE 6.3.10, sections in the comments. */
#include "restore/build/recovery/ipsw.h"

#include "base/bits.h"
#include "base/error.h"

#include <string.h>

enum {
    SECTOR = 512,
    END_BYTES = 22,       /* 4.3.16, without its comment */
    END64_BYTES = 56,     /* 4.3.14 */
    LOCATOR_BYTES = 20,   /* 4.3.15 */
    ENTRY_BYTES = 46,     /* 4.3.12 */
    LOCAL_BYTES = 30,     /* 4.3.7 */
    EXTRA_ZIP64 = 1,      /* 4.5.3 */
    COMMENT_MAX = 65535,
    MANIFEST_MAX = 1 << 20,
    DEPTH_MAX = 16,
};
#define MAGIC_END     0x06054b50
#define MAGIC_END64   0x06064b50
#define MAGIC_LOCATOR 0x07064b50
#define MAGIC_ENTRY   0x02014b50
#define MAGIC_LOCAL   0x04034b50

static bool bad(struct pome_error *err, const char *what)
{
    return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "the restore image: %s", what);
}

static bool inside(uint64_t at, uint64_t n, uint64_t all)
{
    return at <= all && n <= all - at;
}

/* --- zip --- */

/* The end record: last thing in the file, but for its comment and the zeros that fill the disk's last sector. */
static bool find_end(const uint8_t *p, size_t n, size_t *at)
{
    if (n < END_BYTES)
        return false;
    size_t first = n > END_BYTES + COMMENT_MAX + SECTOR ? n - END_BYTES - COMMENT_MAX - SECTOR : 0;
    for (size_t i = n - END_BYTES + 1; i-- > first;)
        if (le32_get(p + i) == MAGIC_END && inside(i + END_BYTES, le16_get(p + i + 20), n)) {
            *at = i;
            return true;
        }
    return false;
}

static bool read_end64(struct ipsw *i, size_t end)
{
    if (end < LOCATOR_BYTES || le32_get(i->bytes + end - LOCATOR_BYTES) != MAGIC_LOCATOR)
        return false;
    uint64_t at = le64_get(i->bytes + end - LOCATOR_BYTES + 8);
    if (!inside(at, END64_BYTES, end) || le32_get(i->bytes + at) != MAGIC_END64)
        return false;
    i->members = le64_get(i->bytes + at + 32);
    i->directory_bytes = le64_get(i->bytes + at + 40);
    i->directory_at = le64_get(i->bytes + at + 48);
    return true;
}

struct member {
    const uint8_t *name, *bytes;
    size_t name_bytes;
    uint64_t n, local_at;
};

/* Fields that do not fit 32 bits stand in an extra field, in this order. */
static bool read_zip64(const uint8_t *extra, size_t n, uint64_t *stored, uint64_t *size, uint64_t *local_at)
{
    for (; n >= 4; n -= 4 + (size_t)le16_get(extra + 2), extra += 4 + le16_get(extra + 2)) {
        size_t have = le16_get(extra + 2);
        if (have > n - 4)
            return false;
        if (le16_get(extra) != EXTRA_ZIP64)
            continue;
        const uint8_t *p = extra + 4;
        uint64_t *const fields[] = {size, stored, local_at};
        for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
            if (*fields[f] != UINT32_MAX)
                continue;
            if (have < 8)
                return false;
            *fields[f] = le64_get(p);
            p += 8;
            have -= 8;
        }
        return true;
    }
    return true;
}

/* The member at *at of the directory; *at goes to the next one. */
static bool next_member(const struct ipsw *i, uint64_t *at, struct member *m, struct pome_error *err)
{
    uint64_t end = i->directory_at + i->directory_bytes;
    if (!inside(*at, ENTRY_BYTES, end) || le32_get(i->bytes + *at) != MAGIC_ENTRY)
        return bad(err, "its directory is damaged");
    const uint8_t *e = i->bytes + *at;
    size_t name = le16_get(e + 28), extra = le16_get(e + 30), comment = le16_get(e + 32);
    if (!inside(*at + ENTRY_BYTES, (uint64_t)name + extra + comment, end))
        return bad(err, "its directory is cut");
    uint64_t stored = le32_get(e + 20);
    m->n = le32_get(e + 24);
    m->local_at = le32_get(e + 42);
    m->name = e + ENTRY_BYTES;
    m->name_bytes = name;
    if (!read_zip64(e + ENTRY_BYTES + name, extra, &stored, &m->n, &m->local_at) || stored != m->n || le16_get(e + 10))
        return bad(err, "a member is compressed or damaged");
    *at += ENTRY_BYTES + name + extra + comment;
    return true;
}

static bool find_member(const struct ipsw *i, const char *name, struct member *m, struct pome_error *err)
{
    uint64_t at = i->directory_at;
    for (uint64_t k = 0; k < i->members; k++) {
        if (!next_member(i, &at, m, err))
            return false;
        if (m->name_bytes != strlen(name) || memcmp(m->name, name, m->name_bytes))
            continue;
        if (!inside(m->local_at, LOCAL_BYTES, i->n) || le32_get(i->bytes + m->local_at) != MAGIC_LOCAL)
            return bad(err, "a member is not where its directory says");
        uint64_t data = m->local_at + LOCAL_BYTES + le16_get(i->bytes + m->local_at + 26) + le16_get(i->bytes + m->local_at + 28);
        if (!inside(data, m->n, i->n))
            return bad(err, "a member ends behind the image");
        m->bytes = i->bytes + data;
        return true;
    }
    return pome_fail(err, POME_ERROR_NOT_FOUND, "the restore image holds no %s", name);
}

/* --- manifest --- */

/* One tag of the XML and the text behind it. */
struct tag {
    const char *name, *text;
    size_t name_bytes, text_bytes;
};

struct xml {
    const char *at, *end;
};

static bool next_tag(struct xml *x, struct tag *t)
{
    const char *open = memchr(x->at, '<', (size_t)(x->end - x->at));
    const char *close = open ? memchr(open, '>', (size_t)(x->end - open)) : NULL;
    if (!close)
        return false;
    const char *next = memchr(close, '<', (size_t)(x->end - close));
    t->name = open + 1;
    t->name_bytes = (size_t)(close - open - 1);
    t->text = close + 1;
    t->text_bytes = (size_t)((next ? next : x->end) - close - 1);
    x->at = close + 1;
    return true;
}

static bool is_tag(const struct tag *t, const char *name)
{
    return t->name_bytes == strlen(name) && !memcmp(t->name, name, t->name_bytes);
}

/* Passes the value whose first tag is t: up to its end, for containers. */
static bool skip_value(struct xml *x, const struct tag *t)
{
    struct tag inner = *t;
    int depth = 0;
    do {
        if (is_tag(&inner, "dict") || is_tag(&inner, "array"))
            depth++;
        else if (is_tag(&inner, "/dict") || is_tag(&inner, "/array"))
            depth--;
        if (depth < 0 || depth > DEPTH_MAX)
            return false;
    } while (depth && next_tag(x, &inner));
    if (!depth && !is_tag(t, "dict") && !is_tag(t, "array") && t->name_bytes && t->name[t->name_bytes - 1] != '/')
        return next_tag(x, &inner); /* </string> */
    return !depth;
}

/* In a dict whose <dict> was passed: goes behind the first tag of the key's value. */
static bool enter_key(struct xml *x, const char *key, struct tag *value)
{
    struct tag t;
    while (next_tag(x, &t) && is_tag(&t, "key")) {
        bool found = t.text_bytes == strlen(key) && !memcmp(t.text, key, t.text_bytes);
        struct tag end;
        if (!next_tag(x, &end) || !is_tag(&end, "/key") || !next_tag(x, value))
            return false;
        if (found)
            return true;
        if (!skip_value(x, value))
            return false;
    }
    return false;
}

static bool top_level(const struct ipsw *i, struct xml *x)
{
    struct tag t;
    *x = (struct xml){i->manifest, i->manifest + i->manifest_bytes};
    while (next_tag(x, &t))
        if (is_tag(&t, "dict"))
            return true;
    return false;
}

/* Goes into the dict that a path of keys leads to; an array on the way stands for its first item. */
static bool enter_path(const struct ipsw *i, struct xml *x, const char *const *keys, size_t n)
{
    struct tag t;
    if (!top_level(i, x))
        return false;
    for (size_t k = 0; k < n; k++) {
        if (!enter_key(x, keys[k], &t) || (is_tag(&t, "array") && !next_tag(x, &t)) || !is_tag(&t, "dict"))
            return false;
    }
    return true;
}

/* A value of the dict that x is in, as text; x itself stays. */
static bool value_of(struct xml x, const char *key, const char *type, char *text, size_t size)
{
    struct tag t;
    if (!enter_key(&x, key, &t) || !is_tag(&t, type) || t.text_bytes >= size || memchr(t.text, '&', t.text_bytes))
        return false;
    memcpy(text, t.text, t.text_bytes);
    text[t.text_bytes] = 0;
    return true;
}

/* Base64 (RFC 4648) with white space in it, of exactly n bytes. */
static bool from_base64(const char *text, uint8_t *out, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t have = 0, done = 0;
    for (; *text && *text != '='; text++) {
        const char *d = strchr(digits, *text);
        if (!d) {
            if (strchr(" \t\r\n", *text))
                continue;
            return false;
        }
        bits = bits << 6 | (uint32_t)(d - digits);
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (done == n)
            return false;
        out[done++] = (uint8_t)(bits >> have);
    }
    return done == n;
}

static bool digest_of(struct xml x, const char *key, uint8_t digest[SHA384_BYTES])
{
    char text[2 * SHA384_BYTES + 64];
    return value_of(x, key, "data", text, sizeof text) && from_base64(text, digest, SHA384_BYTES);
}

static bool size_of(struct xml x, const char *key, uint64_t *n)
{
    char text[24];
    if (!value_of(x, key, "integer", text, sizeof text) || !*text || strlen(text) > 18)
        return false;
    *n = 0;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
        *n = *n * 10 + (uint64_t)(*c - '0');
    }
    return true;
}

/* --- what others call --- */

bool ipsw_open(const void *bytes, size_t n, struct ipsw *i, struct pome_error *err)
{
    size_t end;
    struct member m;
    *i = (struct ipsw){.bytes = bytes, .n = n};
    if (!find_end(bytes, n, &end))
        return bad(err, "it is not a zip file, or it is cut");
    i->n = end;
    i->members = le16_get(i->bytes + end + 10);
    i->directory_bytes = le32_get(i->bytes + end + 12);
    i->directory_at = le32_get(i->bytes + end + 16);
    if ((i->directory_at == UINT32_MAX || i->directory_bytes == UINT32_MAX || i->members == UINT16_MAX) && !read_end64(i, end))
        return bad(err, "its Zip64 record is damaged");
    if (!inside(i->directory_at, i->directory_bytes, end))
        return bad(err, "its directory lies outside");
    if (!find_member(i, "BuildManifest.plist", &m, err))
        return false;
    if (m.n > MANIFEST_MAX)
        return bad(err, "its manifest is larger than 1 MiB");
    i->manifest = (const char *)m.bytes;
    i->manifest_bytes = (size_t)m.n;
    return true;
}

bool ipsw_text(const struct ipsw *i, const char *key, char *text, size_t size)
{
    struct xml x;
    return top_level(i, &x) && value_of(x, key, "string", text, size);
}

bool ipsw_component(const struct ipsw *i, const char *name, struct ipsw_component *c, struct pome_error *err)
{
    const char *const entry[] = {"BuildIdentities", "Manifest", name}, *const details[] = {"BuildIdentities", "Manifest", name, "Info"};
    char path[IPSW_NAME_MAX + 1], how[16];
    struct xml x, info;
    struct member m;
    *c = (struct ipsw_component){0};
    if (!enter_path(i, &x, entry, ARRAY_SIZE(entry)))
        return pome_fail(err, POME_ERROR_NOT_FOUND, "the restore image's manifest has no component %s", name);
    if (!enter_path(i, &info, details, ARRAY_SIZE(details)) || !value_of(info, "Path", "string", path, sizeof path) ||
        !digest_of(x, "Digest", c->digest))
        return bad(err, "its manifest is damaged");
    c->compressed = value_of(info, "Compression", "string", how, sizeof how);
    if (c->compressed && (strcmp(how, "zstd") || !size_of(info, "UncompressedSize", &c->uncompressed_bytes) ||
                          !digest_of(info, "UncompressedDigest", c->uncompressed_digest)))
        return bad(err, "its manifest is damaged, or newer than this Recovery");
    if (!find_member(i, path, &m, err))
        return false;
    c->bytes = m.bytes;
    c->n = m.n;
    return true;
}

bool ipsw_verify(const struct ipsw_component *c, const char *name, struct pome_error *err)
{
    uint8_t digest[SHA384_BYTES];
    sha384(c->bytes, c->n, digest);
    return !memcmp(digest, c->digest, sizeof digest) ||
           pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "the restore image: %s does not have the digest of the manifest", name);
}
