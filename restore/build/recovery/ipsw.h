/*
 * ipsw.h - a restore image in memory, read by Recovery inside the guest: components, their digests, where their bytes are.
 *
 * The guest has no library for zip files or property lists, so this reads the little that our images use (docs/boot.md §1): stored
 * members, one identity, XML. The memory may be a whole disk, with zeros behind the end of the zip file. Everything is hostile.
 */
#ifndef RESTORE_BUILD_RECOVERY_IPSW_H
#define RESTORE_BUILD_RECOVERY_IPSW_H

#include "formats/sha384.h"

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum { IPSW_NAME_MAX = 127 };

struct ipsw {
    const uint8_t *bytes;
    size_t n; /* up to the end of the zip file */
    uint64_t directory_at, directory_bytes, members;
    const char *manifest; /* XML, not NUL-terminated */
    size_t manifest_bytes;
};

struct ipsw_component {
    const uint8_t *bytes;
    uint64_t n;
    uint8_t digest[SHA384_BYTES];
    bool compressed; /* zstd; then the next two say what comes out */
    uint64_t uncompressed_bytes;
    uint8_t uncompressed_digest[SHA384_BYTES];
};

/* Finds directory and manifest. The memory must live as long as *i. Errors: INVALID_RESTORE_IMAGE. */
bool ipsw_open(const void *bytes, size_t n, struct ipsw *i, struct pome_error *err);

/* A text of the top level of the manifest ("ProductVersion"). False when there is none, or it does not fit. */
bool ipsw_text(const struct ipsw *i, const char *key, char *text, size_t size);

/* Finds a component of the first identity by name ("OS") without looking at its bytes. Errors: NOT_FOUND, INVALID_RESTORE_IMAGE. */
bool ipsw_component(const struct ipsw *i, const char *name, struct ipsw_component *c, struct pome_error *err);

/* Compares the component's bytes with its digest. Errors: INVALID_RESTORE_IMAGE. */
bool ipsw_verify(const struct ipsw_component *c, const char *name, struct pome_error *err);

#endif
