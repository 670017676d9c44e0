/* record.h - one record as one line of JSON, both ways. No I/O. */
#ifndef LOG_RECORD_H
#define LOG_RECORD_H

#include "log/log.h"

/* Longest line that record_write makes: every byte of every text escaped to six, and the rest. */
enum { LOG_LINE_MAX = 6 * (LOG_MESSAGE_MAX + 256) + 512 };

/* Writes the line with its '\n' into line[LOG_LINE_MAX]; returns its length. Texts are cut at LOG_MESSAGE_MAX and 64
 * bytes (process, subsystem, category). */
size_t record_write(const struct log_record *r, char *line);

/* Parses a line of n bytes (without '\n') in place: texts in *r point into it. False when it is not a record. */
bool record_read(char *line, size_t n, struct log_record *r);

#endif
