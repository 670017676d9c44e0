/* download.c - pome/download.h. */
#include "base/error.h"
#include "restore/catalogue.h"
#include "restore/download.h"

pome_catalogue *pome_catalogue_fetch(const char *url, struct pome_error *err)
{
    return catalogue_fetch(url, err);
}

void pome_catalogue_free(pome_catalogue *c)
{
    catalogue_end(c);
}

size_t pome_catalogue_count(const pome_catalogue *c)
{
    return c->catalogue.n;
}

bool pome_catalogue_image(const pome_catalogue *c, size_t i, struct pome_catalogue_image *image)
{
    if (i >= c->catalogue.n)
        return false;
    const struct catalogue_offer *o = &c->catalogue.offers[i];
    *image = (struct pome_catalogue_image){o->version, o->build, o->url, o->has_sha1 ? c->sha1[i] : NULL};
    return true;
}

bool pome_download(const struct pome_download_options *options, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    if (options->size != sizeof *options || !options->url || !options->output)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "options of %zu bytes, this library knows %zu; url and output are needed", options->size,
                         sizeof *options);
    return download(options, progress, user, err);
}
