/* file_io.c - whole reads and writes at a place of a file. */
#include "base/file_io.h"
#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool file_write_whole(int fd, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        errno = EIO; /* none that nothing set */
        ssize_t w = write(fd, (const char *)bytes + done, n - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        done += (size_t)w;
    }
    return true;
}

bool file_write_at(int fd, const char *path, const void *bytes, size_t n, uint64_t offset, struct pome_error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t w = pwrite(fd, (const char *)bytes + done, n - done, (off_t)(offset + done));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return pome_fail_errno(err, "%s: cannot write %zu bytes at %llu", path, n - done, (unsigned long long)(offset + done));
        done += (size_t)w;
    }
    return true;
}

bool file_read_at(int fd, const char *path, void *bytes, size_t n, uint64_t offset, struct pome_error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = pread(fd, (char *)bytes + done, n - done, (off_t)(offset + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return pome_fail_errno(err, "%s: cannot read %zu bytes at %llu", path, n - done, (unsigned long long)(offset + done));
        if (!r)
            return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "%s: ends at %llu", path, (unsigned long long)(offset + done));
        done += (size_t)r;
    }
    return true;
}

enum { HOLE = 4096 };

static bool is_zero(const uint8_t *p, size_t n)
{
    return !p[0] && !memcmp(p, p + 1, n - 1);
}

bool file_write_sparse(int fd, const char *path, const void *bytes, size_t n, uint64_t offset, struct pome_error *err)
{
    const uint8_t *p = bytes;
    for (size_t at = 0; at < n;) {
        size_t end = at; /* of a run that is written in one go */
        while (end < n) {
            size_t block = MIN(HOLE - (size_t)((offset + end) % HOLE), n - end);
            if (block == HOLE && is_zero(p + end, HOLE))
                break;
            end += block;
        }
        if (end > at && !file_write_at(fd, path, p + at, end - at, offset + at, err))
            return false;
        at = end;
        while (n - at >= HOLE && (offset + at) % HOLE == 0 && is_zero(p + at, HOLE))
            at += HOLE;
    }
    return true;
}
