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
