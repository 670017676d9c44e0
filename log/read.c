/* read.c - the reading side of the log: all segments in order, as one stream of records. Compressed ones are in memory, one at a time. */
#include "base/error.h"
#include "log/boots.h"
#include "log/log.h"
#include "log/record.h"
#include "log/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_AHEAD = 8 * LOG_LINE_MAX };

struct log_reader {
    int dir_fd, fd;
    uint32_t segment;      /* number of the open one */
    uint64_t offset;       /* in it, of the next line */
    uint64_t line_at;      /* in it, of the line returned last */
    uint64_t skipped;
    uint64_t base;         /* offset of buffer[0] */
    size_t filled;
    uint64_t activity;     /* of the boot that the records belong to */
    char *memory;          /* a compressed segment; NULL: a plain one, through `own` */
    char *buffer;          /* one of the two */
    char own[READ_AHEAD];
};

/* From its beginning; the one before is closed. */
static void use(struct log_reader *r, uint32_t number, int fd, char *memory, size_t n)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r->memory);
    r->fd = fd;
    r->memory = memory;
    r->buffer = memory ? memory : r->own;
    r->filled = n;
    r->base = r->offset = 0;
    r->segment = number;
}

static bool open_segment(struct log_reader *r, uint32_t number)
{
    char name[SEGMENT_NAME_BYTES];
    struct stat st;
    size_t n = 0;
    int fd = openat(r->dir_fd, segment_name(number, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    char *memory = fd < 0 ? segment_load(r->dir_fd, number, &n) : NULL;
    if (fd < 0 && !memory)
        return false;
    use(r, number, fd, memory, n);
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
    use(r, 0, -1, NULL, 0);
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
            ssize_t n = r->memory ? 0 : pread(r->fd, r->own, sizeof r->own, (off_t)r->offset);
            if (n <= 0)
                return 0;
            r->base = r->offset;
            r->filled = (size_t)n;
            end = buffered_line(r, line);
        }
        if (!end && r->filled < sizeof r->own)
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

/* It was erased: a plain one that lost its name without being compressed, or a number that is no longer there. */
static bool is_erased(const struct log_reader *r)
{
    struct stat st;
    const bool there = segment_at_or_after(r->dir_fd, r->segment) == r->segment;
    return r->fd >= 0 ? !fstat(r->fd, &st) && !st.st_nlink && (!there || segment_is_plain(r->dir_fd, r->segment)) : r->segment && !there;
}

bool log_read_next(struct log_reader *r, struct log_record *record)
{
    if (r->dir_fd < 0)
        return false;
    for (;;) {
        size_t n;
        char *line;
        while ((r->fd >= 0 || r->memory) && (n = next_line(r, &line))) {
            if (record_read(line, n, record)) {
                if (*record->boot)
                    r->activity = strtoul(record->boot, NULL, 16);
                record->activity = r->activity;
                return true;
            }
            r->skipped++;
        }
        uint32_t next = segment_at_or_after(r->dir_fd, r->segment + 1);
        if (!next && is_erased(r)) { /* whoever writes next may begin at the first again */
            use(r, 0, -1, NULL, 0);
            next = segment_at_or_after(r->dir_fd, 1);
        }
        if (!next)
            return false;
        if (!open_segment(r, next)) { /* damaged: what comes after it is not */
            r->skipped++;
            use(r, next, -1, NULL, 0);
        }
    }
}

/* To the newest boot that the index knows, if the record it points to begins that boot. */
static bool seek_by_index(struct log_reader *r)
{
    struct boot_place place;
    struct log_record record;
    if (!boots_read(r->dir_fd, &place, 1) || !open_segment(r, place.segment))
        return false;
    r->offset = place.offset;
    if (!log_read_next(r, &record) || r->line_at != place.offset || strcmp(record.boot, place.uuid) || !open_segment(r, place.segment))
        return false;
    r->offset = place.offset;
    return true;
}

bool log_read_seek_last_boot(struct log_reader *r)
{
    struct log_record record;
    uint32_t segment = 0;
    uint64_t offset = 0;
    if (r->dir_fd < 0)
        return false;
    if (!seek_by_index(r))
        use(r, 0, -1, NULL, 0); /* from the beginning, wherever we are */
    while (log_read_next(r, &record)) /* the index may have missed some */
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
