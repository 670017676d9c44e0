/* flash_image.c - see flash_image.h. */
#include "backend/flash_image.h"

#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (64 * KiB)

struct flash_image {
    uint8_t *data;
    uint64_t bytes;
    int fd; /* -1: none */
    bool read_only;
    uint64_t file_bytes; /* how far the file went when it was opened */
    struct loop *loop;
    struct loop_timer sync;
};

static void sync_now(void *ctx)
{
    struct flash_image *f = ctx;
    fdatasync(f->fd); /* a failure shows again at the next write */
}

static bool open_file(struct flash_image *f, const char *path, struct pome_error *err)
{
    struct stat st;
    f->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 && (errno == EACCES || errno == EROFS)) {
        f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        f->read_only = true;
    }
    if (f->fd < 0 || fstat(f->fd, &st))
        return pome_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "%s: no regular file, a variable store is one", path);
    if ((uint64_t)st.st_size > f->bytes)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "%s: %lld bytes, the flash has %" PRIu64, path, (long long)st.st_size, f->bytes);
    f->file_bytes = (uint64_t)st.st_size;
    if (flock(f->fd, (f->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
        return pome_fail(err, POME_ERROR_BUSY, "%s: another machine uses it", path);
    return true;
}

static bool all_zero(const uint8_t *p, size_t n)
{
    return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

/* Memory that was never touched reads as zero: zeros of the file are left out, as most of it are. */
static bool read_file(struct flash_image *f, const char *path, struct pome_error *err)
{
    uint8_t chunk[CHUNK];
    for (uint64_t at = 0; at < f->file_bytes;) {
        ssize_t n = pread(f->fd, chunk, (size_t)MIN(CHUNK, f->file_bytes - at), (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pome_fail_errno(err, "%s", path);
        if (!n)
            return pome_fail(err, POME_ERROR_IO, "%s: it became shorter while it was read", path);
        if (!all_zero(chunk, (size_t)n))
            memcpy(f->data + at, chunk, (size_t)n);
        at += (uint64_t)n;
    }
    return true;
}

struct flash_image *flash_image_open(const char *path, uint64_t bytes, struct loop *loop, struct pome_error *err)
{
    struct flash_image *f = calloc(1, sizeof *f);
    if (!f) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "flash");
        return NULL;
    }
    *f = (struct flash_image){.bytes = bytes, .fd = -1, .loop = loop, .sync = {.fn = sync_now, .ctx = f}};
    f->data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (f->data == MAP_FAILED) {
        f->data = NULL;
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "flash of %" PRIu64 " MiB", bytes / MiB);
    } else if (!path || (open_file(f, path, err) && read_file(f, path, err))) {
        return f;
    }
    flash_image_close(f);
    return NULL;
}

void flash_image_close(struct flash_image *f)
{
    if (!f)
        return;
    loop_timer_cancel(f->loop, &f->sync);
    if (f->fd >= 0) {
        if (!f->read_only)
            fdatasync(f->fd);
        close(f->fd);
    }
    if (f->data)
        munmap(f->data, f->bytes);
    free(f);
}

const uint8_t *flash_image_data(const struct flash_image *f)
{
    return f->data;
}

uint64_t flash_image_bytes(const struct flash_image *f)
{
    return f->bytes;
}

bool flash_image_is_read_only(const struct flash_image *f)
{
    return f->read_only;
}

static int write_file(struct flash_image *f, uint64_t offset, const uint8_t *from, size_t n)
{
    while (n) {
        ssize_t done = pwrite(f->fd, from, n, (off_t)offset);
        if (done < 0 && errno != EINTR)
            return errno;
        if (done > 0) {
            from += done;
            offset += (uint64_t)done;
            n -= (size_t)done;
        }
    }
    return 0;
}

int flash_image_write(struct flash_image *f, uint64_t offset, const void *from, size_t n)
{
    assert(offset <= f->bytes && n <= f->bytes - offset);
    if (f->read_only)
        return EROFS;
    if (f->fd >= 0) {
        int e = write_file(f, offset, from, n);
        if (e)
            return e;
        loop_timer_set(f->loop, &f->sync, loop_now_ns() + FLASH_SYNC_MS * UINT64_C(1000000));
    }
    memcpy(f->data + offset, from, n);
    return 0;
}
