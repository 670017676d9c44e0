/*
 * pome/restore_image.h - restore images (.ipsw): what they hold, whether they are whole, whether they can be installed here.
 *
 * One reader for our own images and for Apple's, as far as Apple's can be read. Components are never held in memory whole.
 * A pome_restore_image is used by one thread at a time.
 */
#ifndef POME_RESTORE_IMAGE_H
#define POME_RESTORE_IMAGE_H

#include <pome/error.h>
#include <pome/progress.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_restore_image pome_restore_image;

/* Opens an image and reads its property lists; contents are not checked yet.
 * Owner:  the caller, who ends it with pome_restore_image_free().
 * Errors: NOT_FOUND, INVALID_RESTORE_IMAGE, RESTORE_IMAGE_LOAD_FAILED, OUT_OF_MEMORY, IO.
 * Like:   VZMacOSRestoreImage.load(from:).   Since: 0.1. */
POME_API pome_restore_image *pome_restore_image_load(const char *path, struct pome_error *err);
POME_API void pome_restore_image_free(pome_restore_image *image); /* NULL is fine */

/* Texts are borrowed from the image. */
POME_API const char *pome_restore_image_path(const pome_restore_image *image);
POME_API const char *pome_restore_image_product_name(const pome_restore_image *image); /* "Debian GNU/Linux"; "" unknown */
POME_API const char *pome_restore_image_version(const pome_restore_image *image); /* Like: VZMacOSRestoreImage.operatingSystemVersion */
POME_API const char *pome_restore_image_build(const pome_restore_image *image);   /* Like: VZMacOSRestoreImage.buildVersion */
POME_API const char *pome_restore_image_device_class(const pome_restore_image *image); /* "pome1ap"; of the identity chosen */
POME_API const char *pome_restore_image_variant(const pome_restore_image *image);
POME_API uint64_t pome_restore_image_bytes(const pome_restore_image *image); /* of the file */

/* What a machine for this image needs. Bytes; 0 when the image does not say.
 * Like: VZMacOSConfigurationRequirements. */
POME_API unsigned pome_restore_image_minimum_cpu_count(const pome_restore_image *image);
POME_API uint64_t pome_restore_image_minimum_memory_size(const pome_restore_image *image);
POME_API uint64_t pome_restore_image_minimum_disk_size(const pome_restore_image *image);

/* Whether this Pome can install it. On false err says why.
 * Errors: NOT_SUPPORTED, INSTALLATION_REQUIRES_UPDATE, INVALID_RESTORE_IMAGE.   Like: VZMacOSRestoreImage.isSupported.   Since: 0.1. */
POME_API bool pome_restore_image_is_supported(const pome_restore_image *image, struct pome_error *err);

/* One component of the identity chosen. Texts are borrowed from the image. */
struct pome_component {
    const char *name;      /* "KernelCache" */
    const char *path;      /* in the image; "" when it has no file */
    uint64_t bytes;        /* of that file; 0 when the file is not in the image */
    bool present;          /* the file is in the image */
    size_t digest_bytes;   /* 48: SHA-384; 0: none */
    const uint8_t *digest;
};
POME_API size_t pome_restore_image_component_count(const pome_restore_image *image);
POME_API bool pome_restore_image_component(const pome_restore_image *image, size_t index, struct pome_component *component);

/* The members of the zip, in its order. compressed: deflated. */
struct pome_member {
    const char *path;
    uint64_t bytes, stored_bytes;
    bool compressed;
};
POME_API size_t pome_restore_image_member_count(const pome_restore_image *image);
POME_API bool pome_restore_image_member(const pome_restore_image *image, size_t index, struct pome_member *member);

struct pome_verify_result {
    size_t checked, unchecked; /* components; unchecked have no SHA-384 digest */
    uint64_t bytes;            /* read and found right */
};

/* Reads every component and compares its digest; the OS image is also uncompressed and that digest compared.
 * result may be NULL. progress may be NULL.
 * Errors: INVALID_RESTORE_IMAGE (which component, what differs), OPERATION_CANCELLED, IO.   Since: 0.1. */
POME_API bool pome_restore_image_verify(pome_restore_image *image, struct pome_verify_result *result, pome_progress_fn *progress,
                                        void *user, struct pome_error *err);

/* Copies a member (by path) or a component's file (by component name, checked against its digest) to out_path, which appears when it is whole.
 * inside: what is in it instead: of an Image4 file the payload, uncompressed; of a disk image, or of an encrypted archive with its
 * archive_key (32 bytes; NULL: none), the disk.
 * Errors: NOT_FOUND, EXISTS, NOT_SUPPORTED (nothing is inside; no key), INVALID_RESTORE_IMAGE, IO, ... Since: 0.1. */
POME_API bool pome_restore_image_extract(pome_restore_image *image, const char *name, const char *out_path, bool inside,
                                         const uint8_t *archive_key, pome_progress_fn *progress, void *user, struct pome_error *err);

/* The key of the image's encrypted archives (32 bytes, copied; NULL: none): what is installed from it has the files of its operating system.
 * Since: 0.2. */
POME_API void pome_restore_image_set_archive_key(pome_restore_image *image, const uint8_t *key);

#ifdef __cplusplus
}
#endif
#endif
