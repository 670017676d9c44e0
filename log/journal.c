/* journal.c - see journal.h. */
#include "log/journal.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 16 << 20 }; /* bytes of a field: a length beyond that is none */

void journal_init(struct journal *j)
{
    memset(j, 0, sizeof *j);
    j->last_us = -1;
}

/* --- fields --- */

#define FIELD(member) offsetof(struct journal_entry, member), sizeof((struct journal_entry *)0)->member
static const struct {
    const char *name;
    size_t at, size;
} fields[] = {
    {"MESSAGE", FIELD(message)},
    {"SYSLOG_IDENTIFIER", FIELD(identifier)},
    {"_COMM", FIELD(command)},
    {"_SYSTEMD_UNIT", FIELD(unit)},
    {"_TRANSPORT", FIELD(transport)},
    {"_BOOT_ID", FIELD(boot)},
    {"PRIORITY", FIELD(priority)},
    {"_PID", FIELD(pid)},
    {"SYSLOG_PID", FIELD(syslog_pid)},
    {"__MONOTONIC_TIMESTAMP", FIELD(monotonic)},
    {"_SOURCE_MONOTONIC_TIMESTAMP", FIELD(source_monotonic)},
};

/* The value of the field j->name begins. */
static void begin_value(struct journal *j)
{
    j->name[j->name_n] = 0;
    j->to = NULL;
    j->to_n = j->to_max = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!strcmp(j->name, fields[i].name)) {
            j->to = (char *)&j->entry + fields[i].at;
            j->to_max = fields[i].size - 1;
        }
}

static void put(struct journal *j, uint8_t byte)
{
    if (j->to_n < j->to_max)
        j->to[j->to_n++] = byte ? (char)byte : ' ';
}

static void end_value(struct journal *j)
{
    if (j->to)
        j->to[j->to_n] = 0;
    j->name_n = 0;
    j->state = JOURNAL_LINE;
}

static void begin_entry(struct journal *j)
{
    j->state = JOURNAL_LINE;
    j->name_n = j->raw_n = 0;
    j->ended = false;
    memset(&j->entry, 0, sizeof j->entry);
}

/* --- entries --- */

static int64_t number(const char *text)
{
    char *end;
    long long v = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && v < INT64_MAX / 1000 ? v : -1;
}

/* syslog's priorities, as Apple's log takes them. */
static enum log_level level_of(int64_t priority)
{
    static const enum log_level levels[] = {LOG_LEVEL_FAULT,   LOG_LEVEL_FAULT,   LOG_LEVEL_FAULT, LOG_LEVEL_ERROR,
                                            LOG_LEVEL_DEFAULT, LOG_LEVEL_DEFAULT, LOG_LEVEL_INFO,  LOG_LEVEL_DEBUG};
    return priority >= 0 && priority < 8 ? levels[priority] : LOG_LEVEL_DEFAULT;
}

/* True for an entry that was given already. Entries come in the order of their times: an earlier one means that the reader began anew. */
static bool is_repeated(struct journal *j, int64_t us)
{
    if (strcmp(j->boot, j->entry.boot) != 0) {
        memcpy(j->boot, j->entry.boot, sizeof j->boot);
        j->last_us = -1;
    }
    if (us < j->last_us) {
        j->again = true;
        j->n_again = 0;
        return true;
    }
    if (us == j->last_us && j->again && j->n_again < j->n_last) {
        j->n_again++;
        return true;
    }
    j->n_last = us == j->last_us ? j->n_last + 1 : 1;
    j->last_us = us;
    j->again = false;
    return false;
}

static void drop_line_end(char *message)
{
    size_t n = strlen(message);
    while (n && (message[n - 1] == '\n' || message[n - 1] == '\r' || message[n - 1] == ' '))
        n--;
    message[n] = 0;
}

static bool make_record(struct journal *j, struct log_record *r)
{
    struct journal_entry *e = &j->entry;
    int64_t us = number(e->monotonic), source = number(e->source_monotonic), pid = number(e->pid);
    drop_line_end(e->message);
    if (us < 0 || is_repeated(j, us) || !e->message[0])
        return false;
    pid = pid >= 0 ? pid : number(e->syslog_pid);
    *r = (struct log_record){
        .guest_ns = 1000 * (source >= 0 ? source : us),
        .level = level_of(number(e->priority)),
        .pid = pid > 0 ? (uint32_t)pid : 0,
        .process = e->identifier[0] ? e->identifier : e->command[0] ? e->command : strcmp(e->transport, "kernel") ? "journal" : "kernel",
        .subsystem = e->unit,
        .category = e->transport[0] ? e->transport : "journal",
        .message = e->message,
    };
    return true;
}

/* --- bytes --- */

static bool in_name(uint8_t b)
{
    return (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '_';
}

static void begin_skipping(struct journal *j, uint8_t b)
{
    j->state = JOURNAL_SKIP;
    j->line_empty = b == '\n';
}

/* A field's name, or the empty line that ends the entry. */
static bool take_name(struct journal *j, uint8_t b, struct log_record *r)
{
    if (in_name(b) && j->name_n < JOURNAL_NAME_MAX) {
        j->name[j->name_n++] = (char)b;
    } else if (b == '=' && j->name_n) {
        begin_value(j);
        j->state = JOURNAL_VALUE;
    } else if (b == '\n' && j->name_n) {
        begin_value(j);
        j->state = JOURNAL_LENGTH;
        j->left = 8;
    } else if (b == '\n') {
        j->ended = true;
        return make_record(j, r);
    } else {
        begin_skipping(j, b);
    }
    return false;
}

static void take_length(struct journal *j, uint8_t b)
{
    j->length[8 - j->left--] = b;
    if (j->left)
        return;
    for (int i = 7; i >= 0; i--)
        j->left = j->left << 8 | j->length[i];
    if (j->left > MOST)
        begin_skipping(j, b);
    else
        j->state = j->left ? JOURNAL_DATA : JOURNAL_DATA_END;
}

/* Until the next empty line. */
static void skip(struct journal *j, uint8_t b)
{
    j->ended = b == '\n' && j->line_empty;
    j->line_empty = b == '\n';
}

bool journal_feed(struct journal *j, uint8_t b, struct log_record *r)
{
    bool complete = false;
    if (j->ended)
        begin_entry(j);
    if (j->raw_n < sizeof j->raw)
        j->raw[j->raw_n] = b;
    j->raw_n++;
    switch (j->state) {
    case JOURNAL_LINE: complete = take_name(j, b, r); break;
    case JOURNAL_VALUE:
        if (b == '\n')
            end_value(j);
        else
            put(j, b);
        break;
    case JOURNAL_LENGTH: take_length(j, b); break;
    case JOURNAL_DATA:
        put(j, b);
        if (!--j->left)
            j->state = JOURNAL_DATA_END;
        break;
    case JOURNAL_DATA_END:
        if (b == '\n')
            end_value(j);
        else
            begin_skipping(j, b);
        break;
    case JOURNAL_SKIP: skip(j, b); break;
    }
    return complete;
}

size_t journal_unfinished(const struct journal *j, uint8_t *bytes)
{
    size_t n = j->ended || j->raw_n > sizeof j->raw ? 0 : j->raw_n;
    memcpy(bytes, j->raw, n);
    return n;
}
