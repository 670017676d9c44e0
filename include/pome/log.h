/*
 * pome/log.h - reading a machine's own log: what the host did and what the guest said, on one clock and in the order in which
 * it happened (the kernel's early lines arrive late; their own time stamps put them in their place).
 */
#ifndef POME_LOG_H
#define POME_LOG_H

#include <pome/bundle.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_log pome_log;

enum pome_log_level {
    POME_LOG_DEBUG = 0,
    POME_LOG_INFO = 1,
    POME_LOG_DEFAULT = 2,
    POME_LOG_ERROR = 3,
    POME_LOG_FAULT = 4,
};

/* One record; texts are valid until the next call on the same log. */
struct pome_log_record {
    int64_t realtime_ns;  /* since 1970, the host's clock */
    int64_t monotonic_ns; /* CLOCK_MONOTONIC of the host */
    int64_t guest_ns;     /* the guest kernel's own time stamp; -1 when it gave none */
    enum pome_log_level level;
    uint32_t pid;
    uint64_t thread;
    const char *process;   /* "pome", "kernel", "firmware", "console", "systemd", ... */
    const char *subsystem; /* "org.pome.machine"; "" when there is none */
    const char *category;
    const char *message;
    const char *boot; /* UUID when this record begins a boot, else "" */
};

/* Opens a bundle's log at its oldest record. It can be read while the machine runs and when the bundle is damaged.
 * Errors: NOT_FOUND (no such bundle), PERMISSION, IO.   Since: 0.1. */
POME_API pome_log *pome_log_open(const char *bundle_name, struct pome_error *err);
POME_API void pome_log_free(pome_log *log); /* NULL is fine */

/* The next record; false at the end. Called again later it gives what was written since. */
POME_API bool pome_log_next(pome_log *log, struct pome_log_record *record);

/* Goes to where the last boot begins, or to the oldest record when no boot is marked. False when the log is empty. */
POME_API bool pome_log_seek_last_boot(pome_log *log);

/* "Default", "Error", ... Static storage. */
POME_API const char *pome_log_level_name(enum pome_log_level level);

#ifdef __cplusplus
}
#endif
#endif
