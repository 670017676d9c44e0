/* darwin.h - a restore image of a Darwin kernel, from files that the caller has. */
#ifndef RESTORE_BUILD_DARWIN_H
#define RESTORE_BUILD_DARWIN_H

#include "restore/build/compose.h"
#include "restore/build/work.h"

#include <pome/image.h>

/* Errors: INVALID_CONFIGURATION: what is missing, or cannot be. */
bool darwin_check(const struct pome_image_build_options *o, struct pome_error *err);

/* Unpacks what was given into the work folder, checks that it is what it should be, and writes the image. */
bool darwin_compose(const struct pome_image_build_options *o, const struct work *w, compose_report *report, void *user, struct pome_error *err);

#endif
