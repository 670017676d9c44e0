/* aux_storage.h - AuxiliaryStorage: our wrapper and the flash behind it (docs/boot.md §4). */
#ifndef FORMATS_AUX_STORAGE_H
#define FORMATS_AUX_STORAGE_H

#include "formats/sha384.h"

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

#define AUX_BYTES         UINT64_C(0x2004000)
#define AUX_FLASH_OFFSET  UINT64_C(0x4000) /* in the file; all that follow are offsets in the flash */
#define AUX_FLASH_BYTES   UINT64_C(0x2000000)
#define AUX_FIRMWARE      UINT64_C(0x20000)
#define AUX_FIRMWARE_MAX  UINT64_C(0x200000)
#define AUX_NVRAM_BANK(n) (UINT64_C(0xa00000) + (n) * UINT64_C(0x80000))
#define AUX_PANIC         UINT64_C(0x1500000)
#define AUX_PANIC_BYTES   UINT64_C(0x500000)

enum { AUX_WRAPPER_BYTES = 0x110, AUX_FLASH_HEADER_BYTES = 64, AUX_NONCE_BYTES = 32 };

/* Whom and what the machine trusts. All zero: nothing, it does not start. */
struct aux_trust {
    uint8_t anchor[SHA384_BYTES];           /* digest of the authority's root certificate */
    uint8_t boot_nonce[AUX_NONCE_BYTES];    /* BNCH */
    uint8_t policy_nonces[2][SHA384_BYTES]; /* lpnh; the second while the policy is being changed */
};

struct aux_wrapper {
    uint64_t ecid;
    uint32_t board, chip;
    struct aux_trust trust;
};

/* The first bytes of the file; the rest of the wrapper is zero. */
void aux_wrapper_write(const struct aux_wrapper *w, uint8_t out[AUX_WRAPPER_BYTES]);

/* Version 1, of machines from before tickets were signed, has no trust. Errors: INVALID_DATA (not ours, damaged), NOT_SUPPORTED (a later version). */
bool aux_wrapper_read(const uint8_t bytes[AUX_WRAPPER_BYTES], struct aux_wrapper *w, struct pome_error *err);

/* The first bytes of the flash: "HUFA" and a digest. */
void aux_flash_header_write(uint8_t out[AUX_FLASH_HEADER_BYTES]);
bool aux_flash_header_valid(const uint8_t bytes[AUX_FLASH_HEADER_BYTES]);

#endif
