/* bundle_vm.h - the machine of an installed bundle: Apple-style platform, boot ROM, Disk.img and the flash of AuxiliaryStorage. */
#ifndef VM_BUNDLE_VM_H
#define VM_BUNDLE_VM_H

#include "bundle/bundle.h"
#include "vm/vm.h"

struct bundle_start {
    const struct settings *settings; /* that the machine is made with: the bundle's, or what it was saved with. Borrowed while it is made */
    bool recovery, verbose, stops_at_reset, dfu, stop_in_stage1, stop_in_stage2, picker;
    int console_in, console_out;
    const char *netboot_root, *netboot_file; /* what the first network offers firmware to boot: a file in a folder; NULL: nothing. Generic platform */
    const char *rom; /* this boot ROM instead of ours; NULL: ours. Apple-style platform */
    const char *medium; /* one more disk, read-only; NULL: none. Generic platform */
};

/* The bundle must be locked by the caller and stay open and locked until vm_destroy. log: borrowed likewise, NULL for none.
 * Errors: INVALID_STATE (not installed), INVALID_CONFIGURATION, INVALID_BUNDLE, and those of vm_create. */
struct vm *vm_create_from_bundle(const struct bundle *b, const struct bundle_start *start, struct log *log,
                                 struct pome_error *err);

#endif
