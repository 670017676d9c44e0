/* object.c - headers and checksums of objects ([Objects]), and the hash of names ([File-System Objects], j_drec_hashed_key_t). */
#include "apfs/object.h"
#include "apfs/disk.h"
#include "base/bits.h"

#include <utf8proc.h>

#include <string.h>

/* --- Fletcher-64 over 32-bit words, modulo 2^32 - 1 --- */

enum { SUM_WORDS = 1024 }; /* so many additions fit 64 bits before the remainder is taken */

static uint64_t fletcher64(const uint8_t *p, size_t n)
{
    uint64_t a = 0, b = 0;
    for (size_t i = 0; i < n; i += 4) {
        a += le32_get(p + i);
        b += a;
        if (i / 4 % SUM_WORDS == SUM_WORDS - 1) {
            a %= UINT32_MAX;
            b %= UINT32_MAX;
        }
    }
    uint64_t low = UINT32_MAX - (a + b) % UINT32_MAX, high = UINT32_MAX - (a + low) % UINT32_MAX;
    return high << 32 | low;
}

void apfs_object_seal(uint8_t *o, size_t n, uint64_t oid, uint64_t xid, uint32_t type, uint32_t subtype)
{
    le64_put(o + O_OID, oid);
    le64_put(o + O_XID, xid);
    le32_put(o + O_TYPE, type);
    le32_put(o + O_SUBTYPE, subtype);
    le64_put(o + O_CHECKSUM, fletcher64(o + O_OID, n - O_OID));
}

bool apfs_object_intact(const uint8_t *o, size_t n)
{
    return le64_get(o + O_CHECKSUM) == fletcher64(o + O_OID, n - O_OID);
}

/* --- names --- */

enum { NAME_MAX_BYTES = 255, NAME_CHARACTERS = 4 * NAME_MAX_BYTES };

/* CRC-32C (Castagnoli), reflected, without the final inversion. */
static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
    while (n--) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return crc;
}

/* The decomposed characters of a name, folded when asked; their count, or -1. */
static ptrdiff_t characters(const char *name, bool fold, int32_t c[NAME_CHARACTERS])
{
    size_t n = strlen(name);
    if (!n || n > NAME_MAX_BYTES || strchr(name, '/'))
        return -1;
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (fold ? UTF8PROC_CASEFOLD : 0);
    utf8proc_ssize_t got = utf8proc_decompose((const uint8_t *)name, (utf8proc_ssize_t)n, c, NAME_CHARACTERS, options);
    return got < 0 || got > NAME_CHARACTERS ? -1 : got;
}

bool apfs_name_hash(const char *name, bool fold, uint32_t *hash)
{
    int32_t c[NAME_CHARACTERS];
    ptrdiff_t n = characters(name, fold, c);
    uint32_t crc = UINT32_MAX;
    for (ptrdiff_t i = 0; i < n; i++) {
        uint8_t utf32[4];
        le32_put(utf32, (uint32_t)c[i]);
        crc = crc32c(crc, utf32, sizeof utf32);
    }
    *hash = crc << 10;
    return n > 0;
}

bool apfs_name_same(const char *a, const char *b, bool fold)
{
    int32_t x[NAME_CHARACTERS], y[NAME_CHARACTERS];
    ptrdiff_t n = characters(a, fold, x);
    return n > 0 && n == characters(b, fold, y) && !memcmp(x, y, (size_t)n * sizeof *x);
}
