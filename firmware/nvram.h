/* nvram.h - the two NVRAM banks of the flash part: CHRP partitions `nvram`, `common`, `system` (layout "v1"). */
#ifndef FIRMWARE_NVRAM_H
#define FIRMWARE_NVRAM_H

#include "firmware/disk.h"

#define NVRAM_BANK_BYTES 0x80000
#define NVRAM_COMMON     32 /* offsets of the partitions in a bank */
#define NVRAM_SYSTEM     0x60000

struct nvram {
    uint8_t *bank; /* the valid one with the higher generation: NVRAM_BANK_BYTES */
    int current;   /* 0 or 1 */
    uint32_t generation;
};

/* NULL if the bank's headers and checksums hold. */
fw_why nvram_check_bank(const uint8_t *bank);

/* Reads both banks into memory (2 x NVRAM_BANK_BYTES) and picks the current one. */
fw_why nvram_load(struct disk *flash, uint8_t *memory, struct nvram *out);

/* Value of a variable ("common" is searched first, then "system"); *bytes: its length as stored (escapes not undone).
 * NULL if it does not exist. The value is followed by a zero byte. */
const char *nvram_get(const struct nvram *nv, const char *name, size_t *bytes);

/* Removes a variable from the bank in memory; false if it did not exist. */
bool nvram_remove(struct nvram *nv, const char *name);

/* Writes the bank in memory to the other place with the next generation. */
fw_why nvram_store(struct disk *flash, struct nvram *nv);

#endif
