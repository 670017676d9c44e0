/* catalogue.h - the public catalogue of macOS restore images: a property list of devices, builds and where each image lies. */
#ifndef FORMATS_CATALOGUE_H
#define FORMATS_CATALOGUE_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum { CATALOGUE_OFFERS_MAX = 256, CATALOGUE_URL = 1024 };

struct catalogue_offer {
    char version[32], build[32];
    char url[CATALOGUE_URL]; /* http or https */
    bool has_sha1;
    uint8_t sha1[20];
};

struct catalogue {
    size_t n;
    struct catalogue_offer *offers; /* newest first, each build once; catalogue_free */
};

/* Reads the images for virtual Macs ("VirtualMac2,1"). Errors: INVALID_RESTORE_IMAGE_CATALOG (not of that form),
 * NO_SUPPORTED_RESTORE_IMAGES_IN_CATALOG, OUT_OF_MEMORY. */
bool catalogue_read(const void *bytes, size_t n, struct catalogue *c, struct pome_error *err);
void catalogue_free(struct catalogue *c);

#endif
