/* configure.h - runs the new system once in a machine of our own, where packages' scripts belong. */
#ifndef RESTORE_BUILD_CONFIGURE_H
#define RESTORE_BUILD_CONFIGURE_H

#include <pome/error.h>

#include <stdint.h>
#include <stdio.h>

struct configure {
    const char *kernel, *ramdisk, *os_image; /* files; the image is changed */
    const char *archive;                     /* file: replaced by a tar archive of the system that came out of it */
    int64_t date;                            /* the guest's clock begins there, seconds since 1970 */
    const char *console;                     /* file that takes the guest's console */
    FILE *log;                               /* gets a copy of it at the end */
    const char *log_path;
    /* Called several times a second with a guess of how far it is (0..1); false cancels. */
    bool (*tick)(void *user, double part);
    void *user;
};

/* Boots the image with init=/usr/lib/pome/configure and waits for its end. Errors: NOT_SUPPORTED (this host cannot run a
 * machine: image and archive are untouched), OPERATION_CANCELLED, TIMED_OUT, IO (the guest says that a package failed), and those of
 * starting a machine. */
bool image_configure(const struct configure *c, struct pome_error *err);

#endif
