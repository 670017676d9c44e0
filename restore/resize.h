/* resize.h - growing the disk of an installed machine (docs/boot.md §5). */
#ifndef RESTORE_RESIZE_H
#define RESTORE_RESIZE_H

#include "bundle/bundle.h"

#include <pome/progress.h>

/* Grows Disk.img to `bytes`, moves the Recovery container to the new end and gives the room to the main one, and to the APFS container that is there.
 * The bundle must be locked and installed.
 * Errors: INVALID_CONFIGURATION (smaller, not a multiple of 512), NOT_SUPPORTED (the partition was grown, its APFS container cannot be: apfs_grow), INVALID_DISK_IMAGE (no partition map of ours),
 *         INVALID_STATE, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. After any of them, and after a kill, the disk is as it was or grown; the same call completes it. */
bool disk_resize(struct bundle *b, uint64_t bytes, pome_progress_fn *progress, void *user, struct pome_error *err);

#endif
