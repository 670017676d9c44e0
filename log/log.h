/*
 * log.h - the machine's own log: what the host did and what the guest said, on one clock.
 *
 * The store is the folder Log/ of a bundle: segments 00000001.log, 00000002.log, ... of at most 4 MiB, the newest
 * 64 kept, all but the one being written compressed. A segment is lines, one JSON object each, written with one write(2), so that a
 * killed process loses at most the line it was writing; a torn line is skipped by readers and closed by the next writer.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEFAULT,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_FAULT,
    LOG_LEVELS,
};

enum {
    LOG_SEGMENT_BYTES = 4 << 20,
    LOG_SEGMENTS = 64,
    LOG_MESSAGE_MAX = 4096, /* bytes of one message; longer console lines become several records */
};

/* "Default", "Info", ... ; "?" out of range. */
const char *log_level_name(enum log_level level);

/* --- writing (vm/, restore/) ----------------------------------------------------------------------------------- */

struct log;

/* Opens the store in folder `dir` for appending; makes the folder if it is missing. NULL and *err on failure.
 * Owner: the caller, log_close(). One writer at a time (the bundle's lock sees to that). */
struct log *log_open(const char *dir, struct pome_error *err);

/* Writes what is pending, a last record that says so (at debug level), and closes. NULL is fine. */
void log_close(struct log *l);

/* All writers below may be called from any thread and take l == NULL for "no log". They never fail visibly: records
 * that cannot be written are counted and the count is logged when writing works again. */

/* First record of a boot: "=== system boot: UUID"; an error follows when the writer before this one never came to log_close.
 * Fills uuid (36 characters and NUL, upper-case) with a new random UUID. */
void log_boot_begin(struct log *l, char uuid[37]);

/* What Pome itself did. subsystem like "org.pome.machine", category like "boot". */
void log_host(struct log *l, const char *subsystem, const char *category, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The guest's consoles that are logged. */
enum log_console {
    LOG_CONSOLE_SERIAL,  /* the board's UART, which firmware has, too */
    LOG_CONSOLE_VIRTIO,  /* hvc0; its records have that as their category */
    LOG_CONSOLES,
};
#define LOG_HVC0 "hvc0"

/* Bytes that the guest wrote to a console, as they come. Split into lines here; a line is one record, stamped with the time of its first
 * byte. "[    1.234567] text" is the kernel's and keeps the guest's time; what comes on the serial port before the first such line of a boot is
 * the firmware's, the rest "console". Escape sequences and carriage returns are dropped. What the kernel says on several consoles is stored as often, and shown once. */
void log_guest_console(struct log *l, enum log_console console, const void *bytes, size_t n);

/* Bytes of the guest's systemd journal in its export format (log/journal.h), as they come. An entry is a record: process, PID, level by its priority, the unit as
 * subsystem, the transport ("kernel", "syslog", "stdout", ...) as category, and the guest's time. */
void log_guest_journal(struct log *l, const void *bytes, size_t n);
/* What of it is no whole entry yet, at most LOG_JOURNAL_UNFINISHED_MAX bytes: given to another log, the next bytes go on there. */
enum { LOG_JOURNAL_UNFINISHED_MAX = 65536 };
size_t log_guest_journal_unfinished(struct log *l, uint8_t *bytes);

/* Writes the unfinished line of each console, if any (a prompt), as a record of its own, and forgets an unfinished entry of the journal. Call when a boot has ended. */
void log_guest_flush(struct log *l);

/* --- reading (api/) ---------------------------------------------------------------------------------------------- */

struct log_record {
    int64_t realtime_ns;  /* since 1970, host clock */
    int64_t monotonic_ns; /* CLOCK_MONOTONIC of the host */
    int64_t guest_ns;     /* the guest kernel's own time stamp; -1 when it gave none */
    enum log_level level;
    uint32_t pid;
    uint64_t thread;
    const char *process;   /* "pome", "kernel", "firmware", "console", "systemd" */
    const char *subsystem; /* "" when there is none */
    const char *category;
    const char *message;
    const char *boot; /* UUID when this record begins a boot, else "" */
    uint64_t activity; /* what was under way: the boot, as the first eight digits of its UUID; 0: none. Given by the reader */
};

struct log_reader;

/* Opens the store for reading, at its oldest record. A folder that is missing is an empty log. */
struct log_reader *log_read_open(const char *dir, struct pome_error *err);
void log_read_close(struct log_reader *r);

/* The next record, valid until the next call; false at the end (records written later are seen by calling again).
 * Lines that cannot be parsed are skipped and counted. */
bool log_read_next(struct log_reader *r, struct log_record *record);

/* Goes to the record that begins the last boot; to the oldest record when no boot is marked. */
bool log_read_seek_last_boot(struct log_reader *r);

/* How much there is. */
struct log_size {
    uint32_t segments;
    uint64_t bytes; /* on the disk */
};
void log_store_size(const char *dir, struct log_size *size);

/* Removes all that the store has. Who writes meanwhile goes on with a new segment, who reads with what is written then. */
bool log_store_erase(const char *dir, struct pome_error *err);

/* Copies the store as it is at this moment to a folder that must not exist, while it may be written: whole lines at least up to now. */
bool log_store_copy(const char *dir, const char *to, struct pome_error *err);

/* Lines skipped so far because they were torn or foreign. */
uint64_t log_read_skipped(const struct log_reader *r);

#endif
