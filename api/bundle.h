/* bundle.h - the insides of the public handles that api/ files share. */
#ifndef API_BUNDLE_H
#define API_BUNDLE_H

#include "bundle/bundle.h"
#include "restore/restore_image.h"

#include <pome/bundle.h>

struct pome_bundle {
    struct bundle *b;
};

struct pome_restore_image {
    struct restore_image *image;
};

#endif
