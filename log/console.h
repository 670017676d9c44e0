/* console.h - what a line of the guest's console means. No I/O. */
#ifndef LOG_CONSOLE_H
#define LOG_CONSOLE_H

#include "log/log.h"

/* Collects console bytes into lines. */
struct console_line {
    char text[LOG_MESSAGE_MAX + 1];
    size_t n;
    int escape;           /* state of the escape-sequence filter */
    int64_t realtime_ns, monotonic_ns; /* of the line's first byte */
};

/* Feeds one byte. True when `text` holds a whole line (NUL-terminated): use it, then set n = 0. */
bool console_line_feed(struct console_line *c, unsigned char byte);

/* Fills process, pid, guest_ns, level and message of *r from a line; message and process point into `line`, which is
 * changed. kernel_seen says whether a kernel has spoken in this boot, and is set when this line is its first. */
void console_line_parse(char *line, bool *kernel_seen, struct log_record *r);

#endif
