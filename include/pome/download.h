/*
 * pome/download.h - restore images from elsewhere: the public catalogue of macOS images, and downloads that can be resumed.
 *
 * HTTP and HTTPS only, also after redirections, and never from HTTPS back to HTTP. The usual variables for proxies are respected.
 */
#ifndef POME_DOWNLOAD_H
#define POME_DOWNLOAD_H

#include <pome/error.h>
#include <pome/progress.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_catalogue pome_catalogue;

/* One restore image for virtual Macs. Borrowed from the catalogue. */
struct pome_catalogue_image {
    const char *version, *build; /* "26.2", "25C56" */
    const char *url;
    const char *sha1;            /* 40 hexadecimal digits; NULL: the catalogue has none */
};

/* Fetches the catalogue and reads it. url NULL: $POME_IMAGE_CATALOGUE, or else Apple's public one. Takes up to a minute.
 * Errors: RESTORE_IMAGE_CATALOG_LOAD_FAILED (network), INVALID_RESTORE_IMAGE_CATALOG, NO_SUPPORTED_RESTORE_IMAGES_IN_CATALOG.
 * Like:   VZMacOSRestoreImage.fetchLatestSupported.   Since: 0.1. */
POME_API pome_catalogue *pome_catalogue_fetch(const char *url, struct pome_error *err);
POME_API void pome_catalogue_free(pome_catalogue *catalogue); /* NULL is fine */

/* Newest first, at least one. */
POME_API size_t pome_catalogue_count(const pome_catalogue *catalogue);
POME_API bool pome_catalogue_image(const pome_catalogue *catalogue, size_t index, struct pome_catalogue_image *image);

struct pome_download_options {
    size_t size;        /* of this struct: POME_DOWNLOAD_OPTIONS_INIT */
    const char *url;
    const char *output; /* appears when it is whole; until then what has come lies in OUTPUT.part, what is known of it in OUTPUT.part.info */
    const char *sha1;   /* 40 hexadecimal digits that the file must have; NULL: not compared */
    uint64_t bytes;     /* that it must have; 0: as the server says */
};
#define POME_DOWNLOAD_OPTIONS_INIT {sizeof(struct pome_download_options), NULL, NULL, NULL, 0}

/* Downloads a file. What an interrupted download left is gone on with, if the server says (by ETag or date) that the file is still the same;
 * else it begins anew. A connection that breaks is tried again some times. On failure and cancellation the part stays for the next call, but not
 * when size or SHA-1 were found wrong. progress may be NULL.
 * Errors: NETWORK (also 404 and the like), EXISTS, BUSY (another process downloads the same), INVALID_DATA (size or SHA-1),
 *         OUT_OF_DISK_SPACE (known before the first byte, when the server says the size), OPERATION_CANCELLED, IO.   Since: 0.1. */
POME_API bool pome_download(const struct pome_download_options *options, pome_progress_fn *progress, void *user, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
