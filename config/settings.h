/*
 * settings.h - what a bundle's Config.json says: the part of a machine that its user chooses.
 *
 * {"version": 1, "cpuCount": 2, "memorySize": 2147483648, "cpuModel": "default"}   schema: docs/config.schema.json
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum { SETTINGS_MAX_BYTES = 65536, SETTINGS_MAX_CPUS = 8 };
#define SETTINGS_MIN_MEMORY (UINT64_C(128) << 20)
#define SETTINGS_MAX_MEMORY (UINT64_C(254) << 30)

struct settings {
    uint32_t cpu_count;    /* 1..8; fixed when the machine was installed */
    uint64_t memory_bytes; /* 128 MiB..254 GiB, a multiple of 1 MiB */
    char cpu_model[16];    /* "default" or "apple" */
};

/* 2 CPUs, 2 GiB, "default". */
void settings_init(struct settings *s);

/* Parses n bytes of JSON. `what` names the file. Errors: INVALID_CONFIGURATION with the key, what was found, what is allowed; a key that is not
 * known is one, with the key that was probably meant. */
bool settings_read(const void *bytes, size_t n, const char *what, struct settings *s, struct pome_error *err);

/* Checks ranges. */
bool settings_validate(const struct settings *s, const char *what, struct pome_error *err);

/* JSON text, NUL-terminated; free() it. NULL when there is no memory. */
char *settings_write(const struct settings *s, size_t *n);

#endif
