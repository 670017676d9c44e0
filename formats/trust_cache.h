/* trust_cache.h - trust caches: the sorted list of code directory hashes that may run (facts: IM4P types trst, rtsc, trcs, trca). */
#ifndef FORMATS_TRUST_CACHE_H
#define FORMATS_TRUST_CACHE_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum { TRUST_CACHE_HEAD = 24, CDHASH_BYTES = 20 };

struct trust_cache {
    uint32_t version; /* 1 or 2 */
    uint8_t uuid[16];
    uint32_t count;
    bool sorted;      /* as a search needs it */
    const uint8_t *entries;
    size_t entry_bytes;
};

struct trust_cache_entry {
    uint8_t cdhash[CDHASH_BYTES], type, flags;
    uint8_t constraint; /* version 2: the category of launch constraints */
};

/* Borrows the bytes. Errors: INVALID_DATA. */
bool trust_cache_read(const void *bytes, size_t n, struct trust_cache *t, struct pome_error *err);
struct trust_cache_entry trust_cache_entry(const struct trust_cache *t, size_t i);

/* "SHA-256", of an entry's type: how the hash was made (and cut to 20 bytes). NULL: unknown. */
const char *trust_cache_hash_name(unsigned type);

#endif
