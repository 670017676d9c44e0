/*
 * pome/image.h - building restore images from a distribution's own packages.
 *
 * A build needs no rights and runs no Arm code on the host. Everything it makes on the way lies in a folder of its own
 * below $TMPDIR (/var/tmp) and is removed; packages that were fetched stay in $XDG_CACHE_HOME/pome for the next build.
 */
#ifndef POME_IMAGE_H
#define POME_IMAGE_H

#include <pome/error.h>
#include <pome/progress.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pome_image_build_options {
    size_t size;          /* of this struct: POME_IMAGE_BUILD_OPTIONS_INIT */
    const char *output;   /* the restore image to write; appears when it is complete */
    const char *suite;    /* of Debian; NULL: bookworm */
    const char *mirror;   /* URL of a Debian mirror; NULL: the repositories that the host's apt uses */
    const char *packages; /* further packages, separated by commas; NULL: none */
    bool replace;         /* an existing output is replaced; else it is an error (EXISTS) */
};
#define POME_IMAGE_BUILD_OPTIONS_INIT {sizeof(struct pome_image_build_options), NULL, NULL, NULL, NULL, false}

/* Builds a restore image of Debian for arm64. Takes a minute or two; progress may be NULL. The host's programs it needs
 * (apt-get, dpkg-deb, mmdebstrap, fakeroot, mke2fs, cpio, depmod) are checked first.
 * Root gives its rights up for all that runs packages' scripts.
 * Errors: MISSING_PROGRAM (names the packages), EXISTS, INVALID_CONFIGURATION (a name that cannot be one),
 *         OUT_OF_DISK_SPACE, NETWORK, OPERATION_CANCELLED, IO.
 * Since:  0.1. */
POME_API bool pome_image_build_debian(const struct pome_image_build_options *options, pome_progress_fn *progress,
                                      void *user, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
