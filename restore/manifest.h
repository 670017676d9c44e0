/*
 * manifest.h - BuildManifest.plist and its companions, as structs. Bytes in, structs out.
 *
 * Reads our own manifests and Apple's (macOS, iOS). Of several identities the one chosen is: ours, else a macOS VM's, else the
 * first; among equals the one that erases.
 */
#ifndef RESTORE_MANIFEST_H
#define RESTORE_MANIFEST_H

#include "formats/plist.h"
#include "formats/sha384.h"

#include <pome/error.h>

enum { MANIFEST_TEXT = 128, MANIFEST_PATH = 512, MANIFEST_COMPONENTS_MAX = 1024, MANIFEST_IDENTITIES_MAX = 1024 /* a macOS image has about 200 */ };

struct manifest_component {
    char name[MANIFEST_TEXT];
    char path[MANIFEST_PATH];       /* "" when it has none */
    uint8_t digest[64];
    size_t digest_bytes;            /* 0 when it has none */
    bool trusted;
    char compression[16];           /* OS: "zstd"; "" otherwise */
    uint64_t uncompressed_size;
    bool has_uncompressed_digest;
    uint8_t uncompressed_digest[SHA384_BYTES];
};

struct manifest {
    char version[MANIFEST_TEXT], build[MANIFEST_TEXT];
    size_t identities;              /* in the list */
    char device_class[MANIFEST_TEXT], variant[MANIFEST_TEXT], behavior[MANIFEST_TEXT];
    uint64_t board, chip, domain;   /* ApBoardID, ApChipID, ApSecurityDomain; 0 when absent */
    bool has_min_host;
    uint32_t min_host[3];           /* VirtualMachineMinHostOS */
    uint64_t min_cpus, min_memory_mb; /* 0 when absent */
    char long_version[MANIFEST_TEXT]; /* Ap,OSLongVersion */
    size_t n;
    struct manifest_component *components; /* in the order of their names */
};

/* Parses BuildManifest.plist. Errors: INVALID_RESTORE_IMAGE (which key), OUT_OF_MEMORY. */
bool manifest_read(const void *bytes, size_t n, struct manifest *m, struct pome_error *err);
bool manifest_of(const struct pl *root, struct manifest *m, struct pome_error *err); /* of a list that is parsed already */
void manifest_free(struct manifest *m);

/* NULL when there is none of that name. */
const struct manifest_component *manifest_component(const struct manifest *m, const char *name);

/* Restore.plist: how many device rows it has, and whether one is for this device class. */
struct restore_plist {
    char version[MANIFEST_TEXT], build[MANIFEST_TEXT];
    size_t devices;
    bool for_device;
};
bool restore_plist_read(const void *bytes, size_t n, const char *device_class, struct restore_plist *r, struct pome_error *err);
bool restore_plist_of(const struct pl *root, const char *device_class, struct restore_plist *r, struct pome_error *err);

/* SystemVersion.plist: ProductName, "" when absent. */
bool system_version_of(const struct pl *root, char product_name[MANIFEST_TEXT], struct pome_error *err);

/* A number of an identity, written as an integer or as text ("0x20", "32"); 0 when absent. */
bool manifest_number(const struct pl *dict, const char *key, uint64_t *value, struct pome_error *err);

/* "0.1.0" -> {0, 1, 0}; missing parts are 0. */
bool version_parse(const char *text, uint32_t version[3]);

#endif
