/* recovery_disks.c - the restore image and the log as disks of Recovery. */
#include "vm/recovery_disks.h"

#include "base/bits.h"
#include "bundle/flash.h"
#include "log/timeline.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Two names in the common partition; the values are text. */
bool recovery_wanted(const struct bundle *b)
{
    struct nvram_variable v;
    struct flash *f = flash_open(b, false, NULL);
    bool asked = f && nvram_find(f->bank, NVRAM_COMMON, "recovery-boot-mode", &v);
    bool never_auto = f && nvram_find(f->bank, NVRAM_COMMON, "auto-boot", &v) && v.stored_size == 5 && !memcmp(v.stored, "false", 5);
    flash_close(f);
    return asked || never_auto;
}

/* One line. Control characters of a guest's text are not for the next reader's terminal. */
static void write_record(FILE *f, const struct log_record *r)
{
    time_t s = (time_t)(r->realtime_ns / 1000000000);
    struct tm tm;
    char date[32];
    gmtime_r(&s, &tm);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(f, "%s.%03d %s: ", date, (int)(r->realtime_ns / 1000000 % 1000), r->process);
    for (const char *c = r->message; *c; c++)
        fputc((unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c, f);
    fputc('\n', f);
}

/* The log as text in memory that has no name. */
static int make_log(const char *folder)
{
    struct log_record r;
    struct log_reader *reader = folder && folder[0] ? log_read_open(folder, NULL) : NULL;
    struct log_timeline *timeline = reader ? log_timeline_open(reader) : NULL;
    int fd = memfd_create("pome-log", MFD_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(dup(fd), "w") : NULL;
    while (f && timeline && log_timeline_next(timeline, &r))
        write_record(f, &r);
    log_timeline_close(timeline);
    if (f && !fclose(f) && !ftruncate(fd, (off_t)align_up((uint64_t)lseek(fd, 0, SEEK_END), 512))) /* whole sectors; NUL is no text */
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void add(struct recovery_disks *r, const char *path, const char *serial)
{
    r->disks[r->n++] = (struct machine_disk){.path = path, .read_only = true, .serial = serial};
}

void recovery_sources_init(struct recovery_sources *s, const struct bundle *b)
{
    int image = bundle_member_open(b, BUNDLE_IMAGE, O_RDONLY, NULL);
    if (image < 0 || !bundle_member_path(b, BUNDLE_IMAGE, s->image))
        s->image[0] = 0;
    if (image >= 0)
        close(image);
    if (!bundle_log_path(b, s->log))
        s->log[0] = 0;
}

void recovery_disks_init(struct recovery_disks *r, const char *image, const char *log_folder)
{
    *r = (struct recovery_disks){.log_fd = -1};
    if (image && image[0])
        add(r, image, "image");
    r->log_fd = make_log(log_folder);
    if (r->log_fd >= 0 && lseek(r->log_fd, 0, SEEK_END) > 0) {
        snprintf(r->log, sizeof r->log, "/proc/self/fd/%d", r->log_fd);
        add(r, r->log, "log");
    }
}

void recovery_disks_finish(struct recovery_disks *r)
{
    if (r->log_fd >= 0)
        close(r->log_fd);
    r->log_fd = -1;
}
