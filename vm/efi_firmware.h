/* efi_firmware.h - UEFI firmware for the generic platform: where it is installed, and the file in which a machine keeps its variables. */
#ifndef VM_EFI_FIRMWARE_H
#define VM_EFI_FIRMWARE_H

#include <pome/error.h>

#include <stddef.h>

#define EFI_FLASH_BYTES (UINT64_C(64) << 20) /* of firmware, and of variables */

struct efi_firmware {
    void *bytes;
    size_t n; /* without the zeros at the end */
};

/* Reads firmware built for QEMU's "virt" machine. path NULL: the distribution's. Free with efi_firmware_free.
 * Errors: NOT_FOUND (with the package to install), INVALID_DATA (not code, or larger than the flash), as for files. */
bool efi_firmware_load(const char *path, struct efi_firmware *f, struct pome_error *err);
void efi_firmware_free(struct efi_firmware *f);

/* Makes the file for variables if there is none: empty flash, which firmware formats at its first start. */
bool efi_variables_create(const char *path, struct pome_error *err);

#endif
