/*
 * pome/nvram.h - the NVRAM variables of a machine that does not run.
 *
 * Like Apple's nvram(8): a variable is a name and bytes, in one of two partitions. A change is on disk when the call returns: it
 * goes to the older of the two banks, so that whatever happens meanwhile the newer one is still whole. One thread at a time.
 */
#ifndef POME_NVRAM_H
#define POME_NVRAM_H

#include <pome/bundle.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_nvram pome_nvram;

enum pome_nvram_partition {
    POME_NVRAM_COMMON = 0, /* what the OS and its user set: boot-args, auto-boot */
    POME_NVRAM_SYSTEM = 1, /* what firmware and policy keep */
    POME_NVRAM_ANY = 2,    /* reading and deleting: wherever it is, common first */
};

struct pome_nvram_variable {
    size_t size; /* of this struct, as the library knows it */
    enum pome_nvram_partition partition;
    const char *name;
    const uint8_t *value; /* followed by a NUL that does not count */
    size_t value_size;
};

/* Locks the bundle and reads its NVRAM. The bundle is borrowed and must outlive it.
 * Errors: BUSY (it runs), NOT_SUPPORTED (another platform), INVALID_BUNDLE (neither bank is valid: pome_bundle_repair()), IO.
 * Since: 0.1. */
POME_API pome_nvram *pome_nvram_open(pome_bundle *bundle, struct pome_error *err);
POME_API void pome_nvram_free(pome_nvram *nvram); /* NULL is fine */

/* Calls each for every variable, common first, in the order they are stored, until it returns false. Texts are borrowed for the
 * call. */
typedef bool pome_nvram_fn(void *user, const struct pome_nvram_variable *variable);
POME_API void pome_nvram_each(const pome_nvram *nvram, pome_nvram_fn *each, void *user);

/* One variable; what it points to is valid until the next call. Errors: NOT_FOUND.   Since: 0.1. */
POME_API bool pome_nvram_get(pome_nvram *nvram, enum pome_nvram_partition partition, const char *name,
                             struct pome_nvram_variable *variable, struct pome_error *err);

/* Sets one. partition: COMMON or SYSTEM. name: 1..127 printable ASCII characters but '='.
 * Errors: INVALID_DATA (the name), OUT_OF_DISK_SPACE (the partition is full; nothing is changed), IO.   Since: 0.1. */
POME_API bool pome_nvram_set(pome_nvram *nvram, enum pome_nvram_partition partition, const char *name, const void *value, size_t n,
                             struct pome_error *err);

/* Errors: NOT_FOUND, IO.   Since: 0.1. */
POME_API bool pome_nvram_delete(pome_nvram *nvram, enum pome_nvram_partition partition, const char *name, struct pome_error *err);

/* Bytes that are free in a partition; the generation of the bank that is current, and its number, 0 or 1. */
POME_API size_t pome_nvram_free_bytes(const pome_nvram *nvram, enum pome_nvram_partition partition);
POME_API uint32_t pome_nvram_generation(const pome_nvram *nvram);
POME_API int pome_nvram_bank(const pome_nvram *nvram);

/* "common", "system". Static storage. */
POME_API const char *pome_nvram_partition_name(enum pome_nvram_partition partition);

#ifdef __cplusplus
}
#endif
#endif
