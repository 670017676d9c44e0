/* compose.h - writes a restore image from its parts: Image4 payloads, compressed OS image, manifest, zip (docs/boot.md §1). */
#ifndef RESTORE_BUILD_COMPOSE_H
#define RESTORE_BUILD_COMPOSE_H

#include <pome/error.h>

#include <stdint.h>

struct image_parts {
    const char *firmware;                            /* file: stage 2; NULL: Pome's own */
    const char *kernel, *ramdisk, *recovery_ramdisk; /* files */
    const char *cmdline, *recovery_cmdline;          /* texts */
    const char *device_tree, *trust_cache;           /* files, for Darwin kernels; NULL: none */
    const char *os_image;                            /* file: raw, a multiple of 4096 bytes */
    const char *os_file_system;                      /* NULL: ext4 */
    const char *work;                                /* folder for the compressed OS image */
    const char *product_name, *product_version, *build_number;
};

/* Called now and then with what is being done, how far that is (bytes), and how far the whole is (0..1); false cancels. */
typedef bool compose_report(void *user, const char *step, uint64_t done, uint64_t total, double part);

/* Writes the restore image to `output` (beside it first, then renamed). Errors: IO, OUT_OF_DISK_SPACE,
 * OPERATION_CANCELLED, OUT_OF_MEMORY. */
bool image_compose(const struct image_parts *parts, const char *output, compose_report *report, void *user,
                   struct pome_error *err);

#endif
