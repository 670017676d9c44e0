/* cfi_flash.h - NOR flash with the Intel command set, as UEFI firmware keeps its variables in. */
#ifndef DEV_CFI_FLASH_H
#define DEV_CFI_FLASH_H

#include "backend/flash_image.h"
#include "bus/device.h"

#define CFI_FLASH_BLOCK (256 * KiB) /* what one erase command clears, on the two chips together */

/* The flash over `image`, which it takes; a multiple of CFI_FLASH_BLOCK. NULL: no memory (the image stays the caller's). */
struct device *cfi_flash_create(struct flash_image *image);

/* What lies behind a flash that the guest reads as memory and must not change: takes every write and does nothing. EDK2's early modules write to
 * their own variables while they still run from flash. */
struct device *write_protected_flash_create(void);

#endif
