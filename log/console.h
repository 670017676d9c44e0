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

/* Who has the console, as far as it was heard in this boot. */
enum console_speaker {
    CONSOLE_FIRMWARE,    /* no kernel yet */
    CONSOLE_LINUX,       /* its kernel marks its lines: what is not marked is somebody else's */
    CONSOLE_DARWIN,      /* its kernel alone: nothing is marked */
    CONSOLE_DARWIN_USER, /* the first program was loaded: it and the kernel, not to be told apart */
};

/* Fills process, pid, guest_ns, level and message of *r from a line; message and process point into `line`, which is
 * changed. *speaker is 0 at a boot's beginning, and is kept here. */
void console_line_parse(char *line, enum console_speaker *speaker, struct log_record *r);

#endif
