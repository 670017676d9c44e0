/* image.c - pome/image.h: building restore images. */
#include <pome/image.h>

#include "base/error.h"
#include "restore/build/image_build.h"

bool pome_image_build(const struct pome_image_build_options *options, pome_progress_fn *progress, void *user,
                             struct pome_error *err)
{
    if (options->size != sizeof *options)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "options of %zu bytes, this library knows %zu", options->size,
                         sizeof *options);
    return image_build(options, progress, user, err);
}
