/* download.h - HTTP through libcurl: a small file into memory, a large one to disk with resume. See pome/download.h. */
#ifndef RESTORE_DOWNLOAD_H
#define RESTORE_DOWNLOAD_H

#include <pome/download.h>

#include <stdint.h>

/* At most max bytes; free() them. Errors: NETWORK, INVALID_DATA (more than max), OUT_OF_MEMORY. */
uint8_t *download_small(const char *url, size_t max, size_t *n, struct pome_error *err);

bool download(const struct pome_download_options *options, pome_progress_fn *progress, void *user, struct pome_error *err);

#endif
