/* file_source.h - files of the host as sources (formats/source.h). */
#ifndef BACKEND_FILE_SOURCE_H
#define BACKEND_FILE_SOURCE_H

#include "formats/source.h"

/* A regular file or block device. Errors: NOT_FOUND, PERMISSION, IO, INVALID_DATA (no file), OUT_OF_MEMORY. */
struct source *source_file(const char *path, struct pome_error *err);

#endif
