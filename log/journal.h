/*
 * journal.h - the guest's systemd journal, in its export format, as bytes come. No I/O.
 *
 * An entry is fields and an empty line (systemd.io/JOURNAL_EXPORT_FORMATS): "NAME=text\n", or, for any bytes, "NAME\n", their number as 8 bytes,
 * little-endian, the bytes, "\n". Whatever the guest sends, memory is bounded: of a field no more than fits the entry is kept, fields that nobody wants
 * are skipped, and what is no field is skipped up to the next empty line.
 */
#ifndef LOG_JOURNAL_H
#define LOG_JOURNAL_H

#include "log/log.h"

enum { JOURNAL_NAME_MAX = 64, JOURNAL_TEXT_MAX = 64 };

struct journal_entry {
    char message[LOG_MESSAGE_MAX + 1];
    char identifier[JOURNAL_TEXT_MAX + 1], command[JOURNAL_TEXT_MAX + 1]; /* SYSLOG_IDENTIFIER, _COMM */
    char unit[JOURNAL_TEXT_MAX + 1], transport[JOURNAL_TEXT_MAX + 1], boot[JOURNAL_TEXT_MAX + 1];
    char priority[24], pid[24], syslog_pid[24], monotonic[24], source_monotonic[24]; /* decimal; the latter in microseconds */
};

struct journal {
    enum { JOURNAL_LINE, JOURNAL_VALUE, JOURNAL_LENGTH, JOURNAL_DATA, JOURNAL_DATA_END, JOURNAL_SKIP } state;
    char name[JOURNAL_NAME_MAX + 1];
    size_t name_n;
    char *to; /* where the value goes; NULL: nowhere */
    size_t to_n, to_max;
    uint8_t length[8];
    uint64_t left; /* of JOURNAL_DATA; in JOURNAL_LENGTH: bytes still to come */
    bool line_empty; /* of JOURNAL_SKIP */
    bool ended;      /* the entry: the next byte begins another */
    struct journal_entry entry;
    uint8_t raw[LOG_JOURNAL_UNFINISHED_MAX]; /* of the entry that is not finished */
    size_t raw_n;       /* more than fits: it is not kept */

    /* A reader that began anew gives the boot's entries once more: those up to the last one are left out. */
    char boot[JOURNAL_TEXT_MAX + 1];
    int64_t last_us;
    unsigned n_last, n_again; /* entries of that microsecond, and of these seen again */
    bool again;
};

void journal_init(struct journal *j);

/* Takes one byte. True when it ended an entry that was not there before and says something: *r is filled but for the host's times; its texts are
 * valid until the next byte. */
bool journal_feed(struct journal *j, uint8_t byte, struct log_record *r);

/* Copies the bytes of the entry that is not finished; fed to another reader, they bring it where this one is. At most sizeof raw; 0 as well when it is longer. */
size_t journal_unfinished(const struct journal *j, uint8_t *bytes);

#endif
