/* catalogue.h - the catalogue of restore images, fetched. See pome/download.h. */
#ifndef RESTORE_CATALOGUE_H
#define RESTORE_CATALOGUE_H

#include "formats/catalogue.h"

#include <pome/download.h>

struct pome_catalogue {
    struct catalogue catalogue;
    char (*sha1)[41]; /* of each image, "" when it has none */
};

struct pome_catalogue *catalogue_fetch(const char *url, struct pome_error *err);
void catalogue_end(struct pome_catalogue *c);

#endif
