/* verify.h - reading a whole restore image and comparing every digest; copying one member out of it. */
#ifndef RESTORE_VERIFY_H
#define RESTORE_VERIFY_H

#include "restore/restore_image.h"
#include "restore/sources.h"

#include <pome/restore_image.h>

/* See pome_restore_image_verify and pome_restore_image_extract. */
bool restore_image_verify(struct restore_image *image, struct pome_verify_result *result, pome_progress_fn *progress, void *user,
                          struct pome_error *err);
bool restore_image_extract(struct restore_image *image, const char *name, const char *out_path, bool inside, const struct archive_key *key,
                           pome_progress_fn *progress, void *user, struct pome_error *err);

#endif
