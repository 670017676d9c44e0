/* pome/installer.h - installing a restore image into a bundle. */
#ifndef POME_INSTALLER_H
#define POME_INSTALLER_H

#include <pome/bundle.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Installs: partition map, OS image, boot sets, personalisation, NVRAM, auxiliary storage. Every byte is compared with its digest on the way.
 * An installation that was interrupted at any moment, killed included, is completed by calling this again. What an installed machine had on its disk is
 * lost: installed bundles are refused unless `again`.
 * Thread: runs on the caller's, which also gets the progress calls (NULL: none).
 * Errors: BUSY, INVALID_STATE (installed), NOT_SUPPORTED, INSTALLATION_REQUIRES_UPDATE, INVALID_RESTORE_IMAGE, INVALID_CONFIGURATION (disk too small),
 *         OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. After a failure the bundle is there and not installed.
 * Like:   VZMacOSInstaller.install.   Since: 0.1. */
POME_API bool pome_install(pome_bundle *bundle, pome_restore_image *image, bool again, pome_progress_fn *progress, void *user,
                           struct pome_error *err);

/* An installation in the background, for programs with a loop of their own. */
typedef struct pome_installer pome_installer;

/* bundle and image are borrowed and not to be used for anything else until the installation is over. again: as for pome_install().
 * Owner:  the caller, who ends it with pome_installer_free(). Errors: OUT_OF_MEMORY, IO.
 * Like:   VZMacOSInstaller.init(virtualMachine:restoringFromImageAt:).   Since: 0.2. */
POME_API pome_installer *pome_installer_new(pome_bundle *bundle, pome_restore_image *image, bool again, struct pome_error *err);

/* Cancels what is under way, waits for it, calls the completion if it is due, frees. NULL is fine. Not from within its own functions.   Since: 0.2. */
POME_API void pome_installer_free(pome_installer *installer);

/* Begins, once per object. progress (its answer false cancels) and done are called by pome_installer_dispatch(), each may be NULL; of several reports that wait
 * the last one is told. done is called exactly once. Errors: INVALID_STATE (a second start), OUT_OF_MEMORY; of the completion those of pome_install().
 * Like:   VZMacOSInstaller.install, VZMacOSInstaller.progress.   Since: 0.2. */
POME_API bool pome_installer_start(pome_installer *installer, pome_progress_fn *progress, void (*done)(void *user, const struct pome_error *err), void *user,
                                   struct pome_error *err);

/* Asks for cancellation; the completion then says OPERATION_CANCELLED, unless it was over already. Any thread.   Since: 0.2. */
POME_API void pome_installer_cancel(pome_installer *installer);

/* A descriptor that is readable when pome_installer_dispatch() has something to do. Borrowed; do not read it.   Since: 0.2. */
POME_API int pome_installer_fd(const pome_installer *installer);

/* Calls what is due; true once the installation is over.   Since: 0.2. */
POME_API bool pome_installer_dispatch(pome_installer *installer);

/* Dispatches until it is over, and gives its result. timeout_ms -1: for ever. Errors: those of the completion, INVALID_STATE (not started), TIMED_OUT (it goes on).   Since: 0.2. */
POME_API bool pome_installer_wait(pome_installer *installer, int timeout_ms, struct pome_error *err);

/* Grows the disk of an installed machine to `size` bytes: the Recovery container moves to the new end, the main container gets the room (a Linux guest
 * grows its file system at its next start; an APFS container is grown here). A kill at any moment leaves a disk that starts; calling again with the same size completes it. Shrinking is refused.
 * Thread: runs on the caller's, which also gets the progress calls (NULL: none).
 * Errors: BUSY, INVALID_STATE (not installed), INVALID_CONFIGURATION (smaller), INVALID_DISK_IMAGE, NOT_SUPPORTED (partitions that are not ours, or an
 *         APFS container that other software wrote to: then the partition has grown), OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO.   Since: 0.1. */
POME_API bool pome_bundle_disk_resize(pome_bundle *bundle, uint64_t size, pome_progress_fn *progress, void *user, struct pome_error *err);

/* The steps, for documentation and user interfaces: number 0 .. pome_install_step_count()-1. Static storage. */
POME_API unsigned pome_install_step_count(void);
POME_API const char *pome_install_step_name(unsigned step);

#ifdef __cplusplus
}
#endif
#endif
