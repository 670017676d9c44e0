/*
 * restore_image.h - a restore image: the zip, its manifest, and every byte of a component checked while it is read.
 */
#ifndef RESTORE_RESTORE_IMAGE_H
#define RESTORE_RESTORE_IMAGE_H

#include "base/findings.h"
#include "formats/image4.h"
#include "formats/plist.h"
#include "restore/manifest.h"
#include "restore/zipfile.h"

enum image_list { LIST_BUILD_MANIFEST, LIST_RESTORE, LIST_RESTORE_VERSION, LIST_SYSTEM_VERSION, IMAGE_LISTS };
extern const char *const image_list_names[IMAGE_LISTS]; /* "BuildManifest.plist" */

struct restore_image {
    struct zipin *zip;
    struct pl *lists[IMAGE_LISTS]; /* NULL: not in it */
    struct manifest manifest;
    char product_name[MANIFEST_TEXT];
    bool has_restore_plist;
    struct restore_plist restore; /* Restore.plist */
    bool has_key;
    uint8_t key[32];              /* opens its encrypted archives, when has_key */
};

/* A component of our own images: what it is called, its Image4 type, and where it goes. */
enum component_place { PLACE_FIRMWARE, PLACE_BOOT, PLACE_RECOVERY, PLACE_OS };
struct component_role {
    const char *name, *type;     /* "KernelCache", "krnl" */
    enum component_place place;
    const char *file;            /* name in its container, "KERNEL.IM4"; NULL when it is none */
    bool optional;               /* images of Linux have none */
};
extern const struct component_role component_roles[];
enum { COMPONENT_ROLES = 12, COMPONENTS_NEEDED = 8 };

/* Errors: see pome_restore_image_load. */
struct restore_image *restore_image_open(const char *path, struct pome_error *err);
void restore_image_close(struct restore_image *image);

/* Ours, or macOS for virtual machines (class vma2macosap). */
enum restore_family { RESTORE_POME, RESTORE_APPLE };
enum restore_family restore_image_family(const struct restore_image *image);

/* Whether a machine can be made of it: ours when they are supported; macOS as far as it goes without Apple's signature and boot ROM. */
bool restore_image_installable(const struct restore_image *image, struct pome_error *err);

/* Whether this Pome can install and start it: NOT_SUPPORTED, INSTALLATION_REQUIRES_UPDATE or INVALID_RESTORE_IMAGE say why not. */
bool restore_image_supported(const struct restore_image *image, struct pome_error *err);

/* Bytes; 0 when it cannot be said (no OS component of ours). */
uint64_t restore_image_min_disk(const struct restore_image *image);

/* What the image asks of a machine (config/rules.h: image-...). disk_bytes 0: of CPUs and memory only. */
void restore_image_check_machine(const struct restore_image *image, uint64_t cpus, uint64_t memory_bytes, uint64_t disk_bytes, struct findings *out);

/* The member that holds a component; -1 and INVALID_RESTORE_IMAGE when it is not in the zip. */
int64_t restore_image_member(const struct restore_image *image, const struct manifest_component *c, struct pome_error *err);

/* Called with each piece of a component, in order. False ends the reading (the callee has filled *err). */
typedef bool component_sink(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err);

/* Reads a component's file from first to last byte through sink (NULL: none) and then compares its digest. A component without a
 * SHA-384 digest is refused unless unchecked is given, which then says that it was not checked. Errors: INVALID_RESTORE_IMAGE,
 * IO, and what sink says. */
bool restore_image_read(struct restore_image *image, const struct manifest_component *c, component_sink *sink, void *user, bool *unchecked,
                        struct pome_error *err);

/* Reads a component on a thread of its own and compares its digest, while the caller reads parts of it here and there. NULL: no memory, or the image cannot
 * be opened once more. */
struct restore_image_check;
struct restore_image_check *restore_image_check_begin(const struct restore_image *image, const struct manifest_component *c, struct pome_error *err);
/* Waits for it, unless it is not wanted any more, and frees. False: what restore_image_read says of the component. NULL: true. */
bool restore_image_check_end(struct restore_image_check *k, bool wanted, struct pome_error *err);

/* Bytes of the OS image that were read, and that they uncompressed to. False ends the reading (the callee has filled *err). */
typedef bool os_progress(void *user, uint64_t read, uint64_t made, struct pome_error *err);

/* The same for the OS image, uncompressed; sink is called on a thread of its own, progress (NULL: none) on the caller's. The digest that is compared is the one
 * of the bytes in the image: together with zstd it leaves no choice of what they uncompress to. The size is compared, too. */
bool restore_image_read_os(struct restore_image *image, const struct manifest_component *os, component_sink *sink, os_progress *progress, void *user,
                           struct pome_error *err);

/* Reads it and compares both digests: the manifest's word for the uncompressed form, which tickets and resumed installations rely on, is true. */
bool restore_image_verify_os(struct restore_image *image, const struct manifest_component *os, os_progress *progress, void *user, struct pome_error *err);

/* Header of a component that is an IM4P. Errors: INVALID_RESTORE_IMAGE (not an IM4P, or of another type). type NULL: any. */
bool restore_image_im4p(struct restore_image *image, const struct manifest_component *c, const char *type, struct im4p *p,
                        struct pome_error *err);

#endif
