/* bundle.h - the insides of the public handles that api/ files share. */
#ifndef API_BUNDLE_H
#define API_BUNDLE_H

#include "bundle/bundle.h"
#include "restore/restore_image.h"

#include <pome/bundle.h>
#include <pome/progress.h>

struct pome_bundle {
    struct bundle *b;
};

struct pome_restore_image {
    struct restore_image *image;
};

/* pome_snapshot_delete that tells where it is, and can be cancelled. */
bool api_snapshot_delete(pome_bundle *p, const char *name, pome_progress_fn *progress, void *user, struct pome_error *err);

#endif
