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
    uint64_t activity; /* what was under way: the boot that it belongs to, as the first eight digits of its UUID; 0: none.   Since: 0.2. */
};

/* Opens a bundle's log at its oldest record. It can be read while the machine runs and when the bundle is damaged. A name that ends in ".logarchive" is
 * the path of what pome_log_collect() made.
 * Errors: NOT_FOUND (no such bundle), PERMISSION, IO.   Since: 0.1. */
POME_API pome_log *pome_log_open(const char *bundle_name, struct pome_error *err);
POME_API void pome_log_free(pome_log *log); /* NULL is fine */

/* Only records for which a predicate holds, of the level `lowest` and above, are given from now on. predicate: in the language of log(1) on a Mac, which
 * pome-log-show(1) describes; NULL: all. Errors: INVALID_DATA (where it is wrong, what is needed).   Since: 0.2. */
POME_API bool pome_log_filter(pome_log *log, const char *predicate, enum pome_log_level lowest, struct pome_error *err);

/* Goes behind the newest record: pome_log_next() gives what is written from now on.   Since: 0.2. */
POME_API void pome_log_seek_end(pome_log *log);

/* How much the store holds; oldest first it gives up what does not fit. Errors: as pome_log_open().   Since: 0.2. */
struct pome_log_store {
    size_t size; /* of this struct: POME_LOG_STORE_INIT */
    unsigned segments;
    uint64_t bytes; /* on the disk, compressed */
};
#define POME_LOG_STORE_INIT                                                                                                        \
    {                                                                                                                              \
        .size = sizeof(struct pome_log_store)                                                                                      \
    }
POME_API bool pome_log_store_info(const char *bundle_name, struct pome_log_store *store, struct pome_error *err);

/* Copies the log as it is at this moment to the folder `path`, which must not exist and ends in ".logarchive". The machine may run.
 * Errors: as pome_log_open(), EXISTS, INVALID_CONFIGURATION (another ending), OUT_OF_DISK_SPACE.   Since: 0.2. */
POME_API bool pome_log_collect(const char *bundle_name, const char *path, struct pome_error *err);

/* Removes all records. The machine may run, and logs on. Errors: as pome_log_open(), IO.   Since: 0.2. */
POME_API bool pome_log_erase(const char *bundle_name, struct pome_error *err);

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
