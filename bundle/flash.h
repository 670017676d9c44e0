/*
 * flash.h - NVRAM in a bundle's AuxiliaryStorage, while the machine does not run.
 *
 * Two banks. The valid one with the higher generation is current; a change is made in memory and written, with the next generation,
 * over the other one, and synced: a write that is torn leaves the current one as it was.
 */
#ifndef BUNDLE_FLASH_H
#define BUNDLE_FLASH_H

#include "bundle/bundle.h"
#include "formats/nvram.h"

struct flash {
    const char *path; /* of the bundle; borrowed */
    int fd;
    int current; /* 0 or 1; -1: neither bank is valid */
    uint32_t generation;
    uint8_t bank[NVRAM_BANK_BYTES]; /* the current one; changed in place, then flash_write */
};

/* Opens AuxiliaryStorage for reading and writing and reads both banks. The bundle must be locked. NULL: no memory, no file, or
 * (unless damaged_too) INVALID_BUNDLE. */
struct flash *flash_open(const struct bundle *b, bool damaged_too, struct pome_error *err);
void flash_close(struct flash *f); /* NULL is fine */

/* Writes bank[] over the older bank. */
bool flash_write(struct flash *f, struct pome_error *err);

#endif
