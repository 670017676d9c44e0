/*
 * write.c - the writing side of the log.
 *
 * One mutex; every record is one write(2) to a file opened O_APPEND. Data reaches the disk when the kernel likes,
 * except that errors are followed by fdatasync, and the first record of a boot by one on a thread of its own, which no guest
 * waits for: losing the power loses at most seconds of harmless lines, and killing the process loses nothing.
 */
#include "base/error.h"
#include "log/boots.h"
#include "log/console.h"
#include "log/journal.h"
#include "log/log.h"
#include "log/record.h"
#include "log/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct log {
    pthread_mutex_t lock;
    int dir_fd, fd;
    uint32_t segment;
    uint64_t segment_bytes, lost;
    uint64_t last_at; /* in the segment, of the record written last */
    struct boot_place boot; /* that runs, */
    int64_t boot_monotonic_ns;
    bool boot_marked; /* if one did since this log was opened */
    bool torn;
    bool disorderly; /* the writer before us did not come to its log_close */
    pthread_t syncer; /* of a boot's first record */
    bool has_syncer; /* it is to be joined */
    struct {
        struct console_line line;
        enum console_speaker speaker;
    } console[LOG_CONSOLES];
    struct journal journal;
    char line[LOG_LINE_MAX];
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool segment_open(struct log *l, uint32_t number)
{
    char name[SEGMENT_NAME_BYTES], last;
    struct stat st;
    int fd = openat(l->dir_fd, segment_name(number, name), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        errno = EINVAL;
        return false;
    }
    /* A torn last line, left by a process that died, is closed so that it spoils no other. */
    if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n' && write(fd, "\n", 1) == 1)
        st.st_size++;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = fd;
    l->segment = number;
    l->segment_bytes = (uint64_t)st.st_size;
    return true;
}

static const char closed_text[] = "log closed";

/* True when the segment's last record is not the one that log_close writes. */
static bool ends_disorderly(const struct log *l)
{
    char tail[512];
    struct log_record r;
    uint64_t from = l->segment_bytes > sizeof tail ? l->segment_bytes - sizeof tail : 0;
    ssize_t n = pread(l->fd, tail, sizeof tail, (off_t)from);
    if (n <= 1) /* nothing yet; or it was killed between making this segment and writing to it */
        return segment_at_or_after(l->dir_fd, 1) < l->segment;
    char *end = tail + n - 1, *begin = memrchr(tail, '\n', (size_t)(n - 1));
    begin = begin ? begin + 1 : tail;
    return !record_read(begin, (size_t)(end - begin), &r) || strcmp(r.message, closed_text);
}

/* Only the serial port is known to firmware. */
static void begin_consoles(struct log *l)
{
    for (unsigned i = 0; i < LOG_CONSOLES; i++) {
        l->console[i].line.escape = 0;
        l->console[i].speaker = i == LOG_CONSOLE_SERIAL ? CONSOLE_FIRMWARE : CONSOLE_LINUX;
    }
}

struct log *log_open(const char *dir, struct pome_error *err)
{
    struct log *l = calloc(1, sizeof *l);
    if (!l) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for the log", dir);
        return NULL;
    }
    l->fd = -1;
    if (mkdir(dir, 0700) && errno != EEXIST) {
        pome_fail_errno(err, "%s: cannot make the log folder", dir);
        free(l);
        return NULL;
    }
    l->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint32_t last = l->dir_fd < 0 ? 0 : segment_last(l->dir_fd);
    if (l->dir_fd < 0 || !segment_open(l, last ? last : 1)) {
        pome_fail_errno(err, "%s: cannot open the log", dir);
        if (l->dir_fd >= 0)
            close(l->dir_fd);
        free(l);
        return NULL;
    }
    /* What an older Pome, or a process that was killed, left plain. */
    for (uint32_t n = segment_at_or_after(l->dir_fd, 1); n && n < l->segment; n = segment_at_or_after(l->dir_fd, n + 1))
        if (segment_is_plain(l->dir_fd, n))
            segment_compress(l->dir_fd, n);
    l->disorderly = ends_disorderly(l);
    begin_consoles(l);
    journal_init(&l->journal);
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

/* The log was erased meanwhile: what we write to nobody would find. */
static bool is_erased(const struct log *l)
{
    struct stat st;
    return !fstat(l->fd, &st) && !st.st_nlink;
}

static bool append(struct log *l, const struct log_record *r);

/* The record that begins the boot, and its place in the index. */
static void mark_boot(struct log *l)
{
    char text[64];
    snprintf(text, sizeof text, "=== system boot: %s", l->boot.uuid);
    l->boot_marked = false;
    if (!append(l, &(struct log_record){.realtime_ns = l->boot.realtime_ns, .monotonic_ns = l->boot_monotonic_ns, .guest_ns = -1,
                                        .level = LOG_LEVEL_DEFAULT, .boot = l->boot.uuid, .message = text}))
        l->lost++;
    l->boot_marked = true;
    l->boot.segment = l->segment;
    l->boot.offset = l->last_at;
    boots_add(l->dir_fd, &l->boot);
}

/* What comes next stands under the mark of its boot, as what was erased did. */
static void go_on_erased(struct log *l)
{
    if (!segment_open(l, l->segment + 1))
        return;
    l->torn = false;
    if (l->boot_marked)
        mark_boot(l);
}

static bool append(struct log *l, const struct log_record *r)
{
    if (is_erased(l))
        go_on_erased(l);
    size_t n = record_write(r, l->line);
    if (l->segment_bytes + n > LOG_SEGMENT_BYTES && l->segment_bytes && segment_open(l, l->segment + 1)) {
        segment_compress(l->dir_fd, l->segment - 1);
        if (l->segment >= LOG_SEGMENTS)
            segments_prune(l->dir_fd, l->segment - LOG_SEGMENTS + 1);
    }
    ssize_t done;
    if (l->torn && write(l->fd, "\n", 1) != 1) /* the disk was full in the middle of a line: close it first */
        return false;
    do
        done = write(l->fd, l->line, n);
    while (done < 0 && errno == EINTR);
    l->last_at = l->segment_bytes;
    if (done > 0)
        l->segment_bytes += (uint64_t)done;
    l->torn = done > 0 && done < (ssize_t)n;
    return done == (ssize_t)n;
}

/* Lock held. */
static void put(struct log *l, const struct log_record *r)
{
    if (l->lost) {
        char text[64];
        snprintf(text, sizeof text, "%llu records could not be written", (unsigned long long)l->lost);
        struct log_record note = {.realtime_ns = r->realtime_ns, .monotonic_ns = r->monotonic_ns, .guest_ns = -1,
                                  .level = LOG_LEVEL_ERROR, .pid = (uint32_t)getpid(), .process = "pome",
                                  .subsystem = "org.pome.log", .category = "store", .message = text};
        if (append(l, &note))
            l->lost = 0;
    }
    if (!append(l, r))
        l->lost++;
    else if (r->level >= LOG_LEVEL_FAULT)
        fdatasync(l->fd);
}

/* Lock held: a console has a line. */
static void put_console(struct log *l, enum log_console console)
{
    struct console_line *c = &l->console[console].line;
    struct log_record r = {.realtime_ns = c->realtime_ns, .monotonic_ns = c->monotonic_ns, .category = console == LOG_CONSOLE_VIRTIO ? LOG_HVC0 : NULL};
    if (c->n) {
        console_line_parse(c->text, &l->console[console].speaker, &r);
        if (*r.message)
            put(l, &r);
    }
    c->n = 0;
}

void log_guest_console(struct log *l, enum log_console console, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    if (!l)
        return;
    struct console_line *c = &l->console[console].line;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < n; i++) {
        if (!c->n) {
            c->realtime_ns = now_ns(CLOCK_REALTIME);
            c->monotonic_ns = now_ns(CLOCK_MONOTONIC);
        }
        if (console_line_feed(c, b[i]))
            put_console(l, console);
    }
    pthread_mutex_unlock(&l->lock);
}

void log_guest_journal(struct log *l, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    struct log_record r;
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < n; i++)
        if (journal_feed(&l->journal, b[i], &r)) {
            r.realtime_ns = now_ns(CLOCK_REALTIME);
            r.monotonic_ns = now_ns(CLOCK_MONOTONIC);
            put(l, &r);
        }
    pthread_mutex_unlock(&l->lock);
}

size_t log_guest_journal_unfinished(struct log *l, uint8_t *bytes)
{
    if (!l)
        return 0;
    pthread_mutex_lock(&l->lock);
    size_t n = journal_unfinished(&l->journal, bytes);
    pthread_mutex_unlock(&l->lock);
    return n;
}

void log_guest_flush(struct log *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < LOG_CONSOLES; i++)
        put_console(l, i);
    journal_init(&l->journal);
    pthread_mutex_unlock(&l->lock);
}

static void random_uuid(char uuid[37])
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        for (size_t i = 0; i < sizeof b; i++)
            b[i] = (uint8_t)(now_ns(CLOCK_MONOTONIC) >> i);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 4122: version 4, variant 1 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(uuid, 37, "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0], b[1], b[2], b[3], b[4],
             b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void *sync_main(void *arg)
{
    int fd = (int)(intptr_t)arg;
    fdatasync(fd);
    close(fd);
    return NULL;
}

static void end_sync(struct log *l)
{
    if (l->has_syncer)
        pthread_join(l->syncer, NULL);
    l->has_syncer = false;
}

/* Lock held, which the thread does not take. */
static void begin_sync(struct log *l)
{
    end_sync(l);
    int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* signals are for the program's own threads */
    l->has_syncer = fd >= 0 && !pthread_create(&l->syncer, NULL, sync_main, (void *)(intptr_t)fd);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (l->has_syncer)
        return;
    fdatasync(l->fd);
    if (fd >= 0)
        close(fd);
}

void log_boot_begin(struct log *l, char uuid[37])
{
    random_uuid(uuid);
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < LOG_CONSOLES; i++)
        put_console(l, i);
    begin_consoles(l);
    l->boot = (struct boot_place){.realtime_ns = now_ns(CLOCK_REALTIME)};
    l->boot_monotonic_ns = now_ns(CLOCK_MONOTONIC);
    memcpy(l->boot.uuid, uuid, sizeof l->boot.uuid);
    l->boot_marked = false;
    mark_boot(l);
    begin_sync(l);
    bool disorderly = l->disorderly;
    l->disorderly = false;
    pthread_mutex_unlock(&l->lock);
    if (disorderly)
        log_host(l, "org.pome.log", "store", LOG_LEVEL_ERROR,
                 "the log was not closed before this boot: the last start or installation was killed, or the host stopped");
}

void log_host(struct log *l, const char *subsystem, const char *category, enum log_level level, const char *format, ...)
{
    char text[1024];
    va_list ap;
    if (!l)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    pthread_mutex_lock(&l->lock);
    put(l, &(struct log_record){.realtime_ns = now_ns(CLOCK_REALTIME), .monotonic_ns = now_ns(CLOCK_MONOTONIC),
                                .guest_ns = -1, .level = level, .pid = (uint32_t)getpid(), .thread = (uint64_t)gettid(),
                                .process = "pome", .subsystem = subsystem, .category = category, .message = text});
    pthread_mutex_unlock(&l->lock);
}

void log_close(struct log *l)
{
    if (!l)
        return;
    log_guest_flush(l);
    log_host(l, "org.pome.log", "store", LOG_LEVEL_DEBUG, "%s", closed_text);
    end_sync(l);
    fdatasync(l->fd);
    close(l->fd);
    close(l->dir_fd);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
