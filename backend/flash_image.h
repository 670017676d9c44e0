/*
 * flash_image.h - the contents of a flash chip: bytes in memory, written through to a file when there is one.
 *
 * What the guest programs is in the file (the host's cache) when flash_image_write returns, so killing the process loses nothing; it is on the
 * disk at most FLASH_SYNC_MS after the last write, and when the image is closed.
 */
#ifndef BACKEND_FLASH_IMAGE_H
#define BACKEND_FLASH_IMAGE_H

#include "base/loop.h"

#define FLASH_SYNC_MS 50

struct flash_image;

/* `bytes` of flash. path NULL: in memory only. What no file gives reads as zero, as in a sparse file: firmware erases blocks before it uses them.
 * A file that cannot be written makes a read-only flash. It is locked while it is open, and grows as it is written.
 * Errors: NOT_FOUND, PERMISSION, BUSY, INVALID_DISK_IMAGE (no regular file, or larger than the flash), OUT_OF_MEMORY. */
struct flash_image *flash_image_open(const char *path, uint64_t bytes, struct loop *loop, struct pome_error *err);
void flash_image_close(struct flash_image *f); /* NULL allowed */

const uint8_t *flash_image_data(const struct flash_image *f);
uint64_t flash_image_bytes(const struct flash_image *f);
bool flash_image_is_read_only(const struct flash_image *f);
/* The range lies in the flash. Returns 0 or an errno of the file. */
int flash_image_write(struct flash_image *f, uint64_t offset, const void *from, size_t n);

#endif
