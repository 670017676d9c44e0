/* trust_cache.c - trust caches. Layout: u32 version, uuid[16], u32 count, entries of 22 or 24 bytes; little-endian. */
#include "formats/trust_cache.h"
#include "base/bits.h"
#include "base/error.h"

bool trust_cache_read(const void *bytes, size_t n, struct trust_cache *t, struct pome_error *err)
{
    const uint8_t *p = bytes;
    *t = (struct trust_cache){0};
    if (n < TRUST_CACHE_HEAD)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "trust cache: %zu bytes, needed at least %d", n, TRUST_CACHE_HEAD);
    t->version = le32_get(p);
    memcpy(t->uuid, p + 4, sizeof t->uuid);
    t->count = le32_get(p + 20);
    if (t->version < 1 || t->version > 2)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "trust cache: version %u, known are 1 and 2", t->version);
    t->entry_bytes = t->version == 1 ? 22 : 24;
    t->entries = p + TRUST_CACHE_HEAD;
    if (t->count != (n - TRUST_CACHE_HEAD) / t->entry_bytes || (n - TRUST_CACHE_HEAD) % t->entry_bytes)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "trust cache: %zu bytes are not %u entries of %zu bytes", n - TRUST_CACHE_HEAD, t->count,
                         t->entry_bytes);
    t->sorted = true;
    for (size_t i = 1; i < t->count && t->sorted; i++)
        t->sorted = memcmp(t->entries + (i - 1) * t->entry_bytes, t->entries + i * t->entry_bytes, CDHASH_BYTES) <= 0;
    return true;
}

struct trust_cache_entry trust_cache_entry(const struct trust_cache *t, size_t i)
{
    const uint8_t *p = t->entries + i * t->entry_bytes;
    struct trust_cache_entry e = {.type = p[20], .flags = p[21], .constraint = t->version == 2 ? p[22] : 0};
    memcpy(e.cdhash, p, CDHASH_BYTES);
    return e;
}

const char *trust_cache_hash_name(unsigned type) /* of a code directory: hashType */
{
    static const char *const names[] = {NULL, "SHA-1", "SHA-256", "SHA-256 (cut)", "SHA-384", "SHA-512"};
    return type < ARRAY_SIZE(names) ? names[type] : NULL;
}
