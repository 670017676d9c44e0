/* bundle_disks.h - the disks that a bundle's configuration adds, and the machine of a bundle of the generic platform. Inside vm/ only. */
#ifndef VM_BUNDLE_DISKS_H
#define VM_BUNDLE_DISKS_H

#include "vm/bundle_vm.h"

/* Paths of files in the bundle, for as long as the disks are made. */
struct bundle_disks {
    size_t n;
    struct machine_disk disks[SETTINGS_MAX_ITEMS];
    char paths[SETTINGS_MAX_ITEMS][PATH_MAX];
};

struct disk_modes bundle_disk_modes(const struct settings_disk_modes *m);

/* The further disks of s, at most `room`. Errors: INVALID_BUNDLE (a file that is not there, or a link), INVALID_CONFIGURATION (too many). */
bool bundle_disks_init(struct bundle_disks *d, const struct bundle *b, const struct settings *s, size_t room, struct pome_error *err);

/* As vm_create_from_bundle. Errors: NOT_SUPPORTED (Recovery), NOT_FOUND (no UEFI firmware is installed). */
struct vm *vm_create_generic(const struct bundle *b, const struct bundle_start *start, struct log *log, struct pome_error *err);

#endif
