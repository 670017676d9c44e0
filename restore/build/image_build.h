/* image_build.h - building a restore image. What callers see is pome/image.h. */
#ifndef RESTORE_BUILD_IMAGE_BUILD_H
#define RESTORE_BUILD_IMAGE_BUILD_H

#include <pome/image.h>

/* As pome_image_build(). Runs on the caller's thread; one build at a time in a process is enough, several work. */
bool image_build(const struct pome_image_build_options *options, pome_progress_fn *progress, void *user,
                        struct pome_error *err);

#endif
