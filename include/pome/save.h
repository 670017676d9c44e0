/*
 * pome/save.h - a machine that is saved to a file, and goes on from it: in this process or another, on this host or another.
 *
 * A saved machine is one file: registers, devices, memory, compressed, with a digest of every part, encrypted when a key is given. Disks are not
 * in it: they must be what they were. Nothing in it knows the host.
 */
#ifndef POME_SAVE_H
#define POME_SAVE_H

#include <pome/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pome_save_options {
    size_t size;     /* of this struct: POME_SAVE_OPTIONS_INIT */
    const void *key; /* encrypts or opens the file: a pass phrase, or the bytes of a key file; copied. NULL: not encrypted */
    size_t key_size; /* bytes, not 0 */
};
#define POME_SAVE_OPTIONS_INIT {sizeof(struct pome_save_options), NULL, 0}

/* Saves the machine to a file, which is there whole or not at all. path: NULL for SaveFile.pomesave in the machine's bundle. options: NULL for none.
 * In the bundle the configuration that the machine runs with is kept beside it. State: PAUSED; also afterwards, whether it succeeded or not. Errors: INVALID_STATE, INVALID_CONFIGURATION (no bundle and no path, an empty
 * key); of the completion SAVE, OUT_OF_DISK_SPACE, PERMISSION, IO.   Like: VZVirtualMachine.saveMachineStateTo(url:).   Since: 0.2. */
POME_API bool pome_vm_save(pome_vm *vm, const char *path, const struct pome_save_options *options, pome_done *done, void *user, struct pome_error *err);
/* The same, and waits until it is done. timeout_ms: -1 for ever; when it is over the operation goes on. Errors: as pome_vm_save(), and TIMED_OUT.   Since: 0.2. */
POME_API bool pome_vm_save_wait(pome_vm *vm, const char *path, const struct pome_save_options *options, int timeout_ms, struct pome_error *err);

/* Makes the machine what it was when it was saved: PAUSED, pome_vm_resume() lets it go on. The guest's counter and timers go on where they stood; its real-time
 * clock is the host's. State: STOPPED; after a failure too. Errors: INVALID_STATE_TRANSITION, INVALID_CONFIGURATION; of the completion NOT_FOUND, PERMISSION
 * (encrypted: no key or another one), RESTORE (damaged, or of another machine: the first difference; pome_vm_compare_saved() tells all).
 * Like:   VZVirtualMachine.restoreMachineStateFrom(url:).   Since: 0.2. */
POME_API bool pome_vm_restore(pome_vm *vm, const char *path, const struct pome_save_options *options, pome_done *done, void *user, struct pome_error *err);
/* As pome_vm_save_wait().   Since: 0.2. */
POME_API bool pome_vm_restore_wait(pome_vm *vm, const char *path, const struct pome_save_options *options, int timeout_ms, struct pome_error *err);

/* Calls each for every difference between the saved machine and this one: number of CPUs, memory, devices, disks, disks that were changed since, identity,
 * every field of a device's state. `expected` is what was saved, `found` what is. State: STOPPED. True when there is none. Errors: RESTORE (there are some), and those of
 * pome_vm_restore().   Since: 0.2. */
POME_API bool pome_vm_compare_saved(pome_vm *vm, const char *path, const struct pome_save_options *options, pome_finding_fn *each, void *user,
                                    struct pome_error *err);

/* Whether there is a SaveFile.pomesave in the bundle.   Since: 0.2. */
POME_API bool pome_bundle_is_saved(const pome_bundle *bundle);
/* Removes it; true also when there was none. The guest's disks are then as after a power failure. Errors: PERMISSION, IO.   Since: 0.2. */
POME_API bool pome_bundle_discard_saved(pome_bundle *bundle, struct pome_error *err);
/* The same of the machine's bundle; nothing to do when it has none.   Since: 0.2. */
POME_API bool pome_vm_discard_saved(pome_vm *vm, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
