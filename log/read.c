/* read.c - the reading side of the log: all segments in order, as one stream of records. */
#include "base/error.h"
#include "log/log.h"
#include "log/record.h"
#include "log/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct log_reader {
    int dir_fd, fd;
    uint32_t segment;      /* number of the open one */
    uint64_t offset;       /* in it, of the next line */
    uint64_t line_at;      /* in it, of the line returned last */
    uint64_t skipped;
    uint64_t base;         /* offset of buffer[0] */
    size_t filled;
    char buffer[2 * LOG_LINE_MAX];
};

static bool open_segment(struct log_reader *r, uint32_t number)
{
    char name[SEGMENT_NAME_BYTES];
    struct stat st;
    int fd = openat(r->dir_fd, segment_name(number, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        return false;
    if (r->fd >= 0)
        close(r->fd);
    r->fd = fd;
    r->segment = number;
    r->offset = 0;
    r->filled = 0;
    return true;
}

struct log_reader *log_read_open(const char *dir, struct pome_error *err)
{
    struct log_reader *r = calloc(1, sizeof *r);
    if (!r) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read the log", dir);
        return NULL;
    }
    r->fd = -1;
    r->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir_fd < 0 && errno != ENOENT) {
        pome_fail_errno(err, "%s: cannot open the log", dir);
        free(r);
        return NULL;
    }
    return r;
}

void log_read_close(struct log_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    if (r->dir_fd >= 0)
        close(r->dir_fd);
    free(r);
}

/* The end of the line at r->offset, if the buffer holds all of it. */
static char *buffered_line(struct log_reader *r, char **begin)
{
    if (r->offset < r->base || r->offset >= r->base + r->filled)
        return NULL;
    *begin = r->buffer + (r->offset - r->base);
    return memchr(*begin, '\n', r->filled - (size_t)(r->offset - r->base));
}

/* The next whole line of the open segment, NUL-terminated; 0 when there is none (yet). Overlong ones are passed over. */
static size_t next_line(struct log_reader *r, char **line)
{
    for (;;) {
        char *end = buffered_line(r, line);
        if (!end) {
            ssize_t n = pread(r->fd, r->buffer, sizeof r->buffer, (off_t)r->offset);
            if (n <= 0)
                return 0;
            r->base = r->offset;
            r->filled = (size_t)n;
            end = buffered_line(r, line);
        }
        if (!end && r->filled < sizeof r->buffer)
            return 0;
        r->line_at = r->offset;
        if (!end) {
            r->offset += r->filled;
            r->skipped++;
            continue;
        }
        r->offset += (uint64_t)(end - *line) + 1;
        *end = 0;
        if (end > *line)
            return (size_t)(end - *line);
    }
}

bool log_read_next(struct log_reader *r, struct log_record *record)
{
    if (r->dir_fd < 0)
        return false;
    for (;;) {
        size_t n;
        char *line;
        while (r->fd >= 0 && (n = next_line(r, &line))) {
            if (record_read(line, n, record))
                return true;
            r->skipped++;
        }
        uint32_t next = segment_at_or_after(r->dir_fd, r->segment + 1);
        if (!next || !open_segment(r, next))
            return false;
    }
}

bool log_read_seek_last_boot(struct log_reader *r)
{
    struct log_record record;
    uint32_t segment = 0;
    uint64_t offset = 0;
    if (r->dir_fd < 0)
        return false;
    if (r->fd >= 0) /* from the beginning, wherever we are */
        close(r->fd);
    r->fd = -1;
    r->segment = 0;
    while (log_read_next(r, &record))
        if (*record.boot) {
            segment = r->segment;
            offset = r->line_at;
        }
    if (!segment)
        segment = segment_at_or_after(r->dir_fd, 1);
    if (!segment || !open_segment(r, segment))
        return false;
    r->offset = offset;
    return true;
}

uint64_t log_read_skipped(const struct log_reader *r)
{
    return r->skipped;
}
