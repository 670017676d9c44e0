/* embedded.h - the files under scripts/ and guest/ as bytes; the table is made while Pome is built. */
#ifndef RESTORE_BUILD_EMBEDDED_H
#define RESTORE_BUILD_EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

struct embedded_file {
    const char *name; /* "scripts/fetch.sh", "guest/root/etc/issue" */
    const unsigned char *bytes;
    size_t n;
    bool executable;
};

extern const struct embedded_file embedded_files[];
extern const size_t n_embedded_files;

#endif
