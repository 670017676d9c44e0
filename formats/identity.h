/*
 * identity.h - the two descriptors of a Mac-style machine: HardwareModel and MachineIdentifier.
 *
 * Both are small binary property lists with exact encodings (Apple's; the real samples round-trip byte for byte).
 */
#ifndef FORMATS_IDENTITY_H
#define FORMATS_IDENTITY_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum {
    HARDWARE_MODEL_MAX = 256,     /* bytes of any encoding we write */
    MACHINE_IDENTIFIER_MAX = 68,
    PLATFORM_APPLE = 2,           /* vma2: what every macOS VM has */
    PLATFORM_POME = 112,          /* ours: a Mac refuses it cleanly */
};

struct hardware_model {
    uint32_t representation; /* DataRepresentationVersion: 1 or 2 */
    uint32_t platform;       /* PlatformVersion */
    uint32_t minimum_os[3];  /* major, minor, patch of the host */
    bool short_version;      /* representation 1 written as a 1-byte integer (135-byte form) */
};

/* What a platform version stands for; NULL when it is not known. */
struct platform {
    uint32_t version, board, chip;
    const char *name;
};
const struct platform *platform_of(uint32_t version);

/* Parses the file. Errors: INVALID_DATA. */
bool hardware_model_read(const void *bytes, size_t n, struct hardware_model *m, struct pome_error *err);

/* Encodes; returns the length. */
size_t hardware_model_write(const struct hardware_model *m, uint8_t out[HARDWARE_MODEL_MAX]);

/* The ECID. */
bool machine_identifier_read(const void *bytes, size_t n, uint64_t *ecid, struct pome_error *err);
size_t machine_identifier_write(uint64_t ecid, uint8_t out[MACHINE_IDENTIFIER_MAX]);

#endif
