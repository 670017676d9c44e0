/*
 * pome/error.h - the one error value of Pome, inside and out.
 *
 * A call that can fail returns bool (or a pointer) and takes `struct pome_error *err` last. The caller owns the
 * memory, usually on its stack; NULL is allowed. There is nothing to free and no thread-local state.
 *
 * Codes 1..30004 carry the numbers of Apple's VZErrorCode where one exists; ours start at 40000.
 */
#ifndef POME_ERROR_H
#define POME_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef POME_API
#define POME_API __attribute__((visibility("default")))
#endif

/* name, number, meaning, exit status of the pome command */
#define POME_ERRORS(E)                                                                                       \
    E(NONE, 0, "no error", 0)                                                                                \
    E(INTERNAL, 1, "internal error", 1)                                                                      \
    E(INVALID_CONFIGURATION, 2, "the configuration cannot make a machine", 2)                                \
    E(INVALID_STATE, 3, "the machine is in a state that does not allow this", 4)                             \
    E(INVALID_STATE_TRANSITION, 4, "the machine cannot go from its state to the one asked for", 4)           \
    E(INVALID_DISK_IMAGE, 5, "the disk image cannot be used", 1)                                             \
    E(NETWORK, 7, "a network error", 1)                                                                      \
    E(OUT_OF_DISK_SPACE, 8, "the file system is full", 1)                                                    \
    E(OPERATION_CANCELLED, 9, "cancelled", 130)                                                              \
    E(NOT_SUPPORTED, 10, "not supported", 69)                                                                \
    E(SAVE, 11, "saving the machine failed", 1)                                                              \
    E(RESTORE, 12, "restoring the machine failed", 1)                                                        \
    E(RESTORE_IMAGE_CATALOG_LOAD_FAILED, 10001, "the catalogue of restore images cannot be read", 1)         \
    E(INVALID_RESTORE_IMAGE_CATALOG, 10002, "the catalogue of restore images is not valid", 1)               \
    E(NO_SUPPORTED_RESTORE_IMAGES_IN_CATALOG, 10003, "the catalogue has no image that fits", 3)              \
    E(RESTORE_IMAGE_LOAD_FAILED, 10004, "the restore image cannot be read", 1)                               \
    E(INVALID_RESTORE_IMAGE, 10005, "the restore image is not valid", 1)                                     \
    E(INSTALLATION_REQUIRES_UPDATE, 10006, "this restore image needs a newer Pome", 69)                      \
    E(INSTALLATION_FAILED, 10007, "the installation failed", 1)                                              \
    E(NOT_FOUND, 40001, "not found", 3)                                                                      \
    E(EXISTS, 40002, "exists already", 1)                                                                    \
    E(BUSY, 40003, "in use", 6)                                                                              \
    E(PERMISSION, 40004, "not permitted", 5)                                                                 \
    E(IO, 40005, "input or output failed", 1)                                                                \
    E(INVALID_BUNDLE, 40006, "the bundle is damaged or not a bundle", 1)                                     \
    E(INVALID_DATA, 40007, "data does not have the form it should", 1)                                       \
    E(OUT_OF_MEMORY, 40008, "not enough memory", 1)                                                          \
    E(MISSING_PROGRAM, 40009, "a helper program is not installed", 69)                                       \
    E(TIMED_OUT, 40010, "timed out", 124)                                                                    \
    E(GUEST_CRASHED, 40011, "the guest crashed", 1)                                                          \
    E(CONFLICT, 40012, "someone else changed it meanwhile", 75)

enum pome_error_code {
#define POME_ERROR_ENUM(name, number, meaning, exit_status) POME_ERROR_##name = number,
    POME_ERRORS(POME_ERROR_ENUM)
#undef POME_ERROR_ENUM
};

/* 256 bytes, forever. `message` says which object: what was found, what was needed. UTF-8, no trailing dot. */
struct pome_error {
    int32_t code;     /* enum pome_error_code */
    int32_t os_errno; /* errno of the failing system call, or 0 */
    char message[248];
};

/* The constant's name without prefix ("INVALID_DISK_IMAGE"); "UNKNOWN" for a number that is not in the list.
 * Static storage. */
POME_API const char *pome_error_name(int32_t code);

/* One sentence on what the code means. Static storage. */
POME_API const char *pome_error_meaning(int32_t code);

/* The exit status that the pome command gives for this code: 1 failed, 2 usage, 3 not found, 4 wrong state,
 * 5 permission, 6 busy, 69 missing feature, 75 try again, 124 timed out, 130 interrupted. */
POME_API int pome_error_exit_status(int32_t code);

#ifdef __cplusplus
}
#endif
#endif
