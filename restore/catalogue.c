/* catalogue.c - fetching the catalogue of restore images. */
#include "restore/catalogue.h"
#include "base/error.h"
#include "formats/plist.h"
#include "formats/sha384.h"
#include "restore/download.h"

#include <stdlib.h>

static const char apples[] = "https://mesu.apple.com/assets/macos/com_apple_macOSIPSW/com_apple_macOSIPSW.xml";

struct pome_catalogue *catalogue_fetch(const char *url, struct pome_error *err)
{
    size_t n;
    const char *other = getenv("POME_IMAGE_CATALOGUE");
    struct pome_catalogue *c = calloc(1, sizeof *c);
    uint8_t *bytes = c ? download_small(url ? url : other && *other ? other : apples, PLIST_MAX_BYTES, &n, err) : NULL;
    if (!c)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the catalogue");
    else if (!bytes && err && err->code == POME_ERROR_NETWORK)
        err->code = POME_ERROR_RESTORE_IMAGE_CATALOG_LOAD_FAILED;
    bool ok = bytes && catalogue_read(bytes, n, &c->catalogue, err);
    free(bytes);
    if (ok && !(c->sha1 = calloc(c->catalogue.n, sizeof *c->sha1)))
        ok = pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the catalogue");
    for (size_t i = 0; ok && i < c->catalogue.n; i++)
        if (c->catalogue.offers[i].has_sha1)
            hex_upper(c->catalogue.offers[i].sha1, 20, c->sha1[i]);
    if (ok)
        return c;
    catalogue_end(c);
    return NULL;
}

void catalogue_end(struct pome_catalogue *c)
{
    if (!c)
        return;
    catalogue_free(&c->catalogue);
    free(c->sha1);
    free(c);
}
