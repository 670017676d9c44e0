/*
 * pome/image.h - building restore images: from Debian's packages, or from a root file system that is there already.
 *
 * A build needs no rights and runs no Arm code on the host. Everything it makes on the way lies in a folder of its own below
 * $TMPDIR (/var/tmp) and is removed; packages and package lists stay in the cache for the next build. The same packages and
 * options give the same image, bit for bit: every date is $SOURCE_DATE_EPOCH, or else that of the newest package list or
 * of the newest file of `rootfs`.
 */
#ifndef POME_IMAGE_H
#define POME_IMAGE_H

#include <pome/error.h>
#include <pome/progress.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Texts are borrowed for the call; NULL is "not given". Files and folders are read, never changed. */
struct pome_image_build_options {
    size_t size;        /* of this struct: POME_IMAGE_BUILD_OPTIONS_INIT */
    const char *output; /* the restore image to write; appears when it is complete */
    bool replace;       /* an existing output is replaced; else it is an error (EXISTS) */

    /* The system: Debian, or `rootfs`. */
    const char *suite;        /* of Debian; NULL: bookworm */
    const char *mirror;       /* URL of a Debian mirror; NULL: the repositories that the host's apt uses */
    const char *packages;     /* further packages, separated by commas */
    const char *package_list; /* file with further packages, separated by white space; '#' begins a comment */
    const char *rootfs;       /* instead of Debian: a tar archive (compressed or not) or a folder with an arm64 system */
    const char *cache;        /* folder for packages and package lists; NULL: $XDG_CACHE_HOME/pome */
    bool offline;             /* only what the cache holds */

    /* What starts it. A part that is not given is made of Debian's packages. */
    const char *kernel;           /* arm64 Linux Image, not compressed */
    const char *modules;          /* folder lib/modules/VERSION of `kernel` */
    const char *ramdisk;          /* initramfs of the normal start */
    const char *recovery_ramdisk; /* initramfs of Recovery */
    const char *firmware;         /* stage 2; NULL: Pome's */
    const char *command_line, *recovery_command_line;

    /* What it is called, and what is put into it. */
    const char *name, *version, *build; /* of the product; NULL: as the system says */
    const char *hostname;               /* NULL: Debian "pome", `rootfs` unchanged */
    const char *root_password_file;     /* its first line: a password, or crypt(3)'s hash ("$6$...") of one */
    uint64_t os_bytes;                  /* size of the OS file system, a multiple of 4096; 0: as needed */
    const char *const *overlays;        /* folders copied over the root file system, owned by root */
    size_t n_overlays;
    const char *const *ssh_keys; /* files of public keys that may log in as root */
    size_t n_ssh_keys;
    const char *const *recovery_includes; /* folders copied over the Recovery ramdisk */
    size_t n_recovery_includes;

    /* An image of a Darwin kernel, from files that are there: kernel (Mach-O), ramdisk (its root, also Recovery's unless recovery_ramdisk is given), and the
     * next three. Each may be as it is, compressed, or in an Image4 payload. Of the options above the firmware, command lines, names and output count; none
     * of the host's programs is run. Since: 0.2. */
    bool darwin;
    const char *device_tree; /* an Apple device tree; NULL: the machine describes itself */
    const char *trust_cache; /* NULL: none */
    const char *os_image;    /* the main container's content, a multiple of 4096 bytes; NULL: empty */
};
#define POME_IMAGE_BUILD_OPTIONS_INIT                                                                                  \
    {sizeof(struct pome_image_build_options), NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, \
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0, false, NULL, NULL, NULL}

/* Builds a restore image for arm64. Takes a minute or two; progress may be NULL. The host's programs it needs (apt-get,
 * dpkg-deb, mmdebstrap, fakeroot, mke2fs, cpio, depmod, ... as far as this build uses them) are checked first.
 * Root gives its rights up for all that runs packages' scripts. Packages that were fetched are kept when it fails or is cancelled.
 * Errors: MISSING_PROGRAM (names the packages), EXISTS, NOT_FOUND, INVALID_CONFIGURATION (what cannot be or go together),
 *         OUT_OF_DISK_SPACE, NETWORK, OPERATION_CANCELLED, IO.
 * Since:  0.1. */
POME_API bool pome_image_build(const struct pome_image_build_options *options, pome_progress_fn *progress, void *user,
                               struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
