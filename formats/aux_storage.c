/* aux_storage.c - AuxiliaryStorage: wrapper and flash header. */
#include "formats/aux_storage.h"
#include "base/bits.h"
#include "base/error.h"

#include <assert.h>
#include <string.h>

static const char magic[8] = {'P', 'O', 'M', 'E', 'A', 'U', 'X', '1'};
enum { VERSION = 2, TRUST = 0x30, DIGESTED_1 = 0x30, DIGESTED = 0xe0 };
static_assert(TRUST + sizeof(struct aux_trust) == DIGESTED && DIGESTED + SHA384_BYTES == AUX_WRAPPER_BYTES, "stored as it is in memory");

void aux_wrapper_write(const struct aux_wrapper *w, uint8_t out[AUX_WRAPPER_BYTES])
{
    memset(out, 0, AUX_WRAPPER_BYTES);
    memcpy(out, magic, sizeof magic);
    le32_put(out + 0x08, VERSION);
    le64_put(out + 0x10, w->ecid);
    le32_put(out + 0x18, w->board);
    le32_put(out + 0x1c, w->chip);
    le64_put(out + 0x20, AUX_FLASH_OFFSET);
    le64_put(out + 0x28, AUX_FLASH_BYTES);
    memcpy(out + TRUST, &w->trust, sizeof w->trust);
    sha384(out, DIGESTED, out + DIGESTED);
}

bool aux_wrapper_read(const uint8_t b[AUX_WRAPPER_BYTES], struct aux_wrapper *w, struct pome_error *err)
{
    uint8_t digest[SHA384_BYTES];
    if (memcmp(b, magic, sizeof magic))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "auxiliary storage: does not begin with POMEAUX1: empty, or made by another program");
    uint32_t version = le32_get(b + 8);
    if (version < 1 || version > VERSION)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "auxiliary storage: version %u, this Pome knows 1 to %d", version, VERSION);
    size_t digested = version == 1 ? DIGESTED_1 : DIGESTED;
    sha384(b, digested, digest);
    if (memcmp(digest, b + digested, sizeof digest) || le64_get(b + 0x20) != AUX_FLASH_OFFSET || le64_get(b + 0x28) != AUX_FLASH_BYTES)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "auxiliary storage: the header is damaged");
    *w = (struct aux_wrapper){.ecid = le64_get(b + 0x10), .board = le32_get(b + 0x18), .chip = le32_get(b + 0x1c)};
    if (version > 1)
        memcpy(&w->trust, b + TRUST, sizeof w->trust);
    return true;
}

void aux_flash_header_write(uint8_t out[AUX_FLASH_HEADER_BYTES])
{
    static const uint32_t words[8] = {0x41465548, 1, 1, (uint32_t)AUX_FIRMWARE};
    uint8_t digest[SHA384_BYTES];
    for (int i = 0; i < 8; i++)
        le32_put(out + 4 * i, words[i]);
    sha384(out, 32, digest);
    memcpy(out + 32, digest, 32);
}

bool aux_flash_header_valid(const uint8_t b[AUX_FLASH_HEADER_BYTES])
{
    uint8_t want[AUX_FLASH_HEADER_BYTES];
    aux_flash_header_write(want);
    return !memcmp(b, want, sizeof want);
}
