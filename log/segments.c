/* segments.c - the files of a log folder. */
#include "log/segments.h"

#include "base/file_io.h"
#include "log/record.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

const char *segment_name(uint32_t number, char *name)
{
    snprintf(name, SEGMENT_NAME_BYTES, "%08u.log", number % 100000000);
    return name;
}

static const char *packed_name(uint32_t number, char *name)
{
    snprintf(name, SEGMENT_NAME_BYTES, "%08u.log.zst", number % 100000000);
    return name;
}

static uint32_t number_of(const char *name)
{
    uint32_t n = 0;
    for (int i = 0; i < 8; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        n = n * 10 + (uint32_t)(name[i] - '0');
    }
    return strcmp(name + 8, ".log") && strcmp(name + 8, ".log.zst") ? 0 : n;
}

bool segment_is_name(const char *name)
{
    return number_of(name) != 0;
}

/* Calls each with every segment's number, in no order. */
static void walk(int dir_fd, void (*each)(void *user, uint32_t number), void *user)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        uint32_t n = number_of(e->d_name);
        if (n)
            each(user, n);
    }
    closedir(d);
}

struct search {
    uint32_t from, best;
};

static void nearest(void *user, uint32_t number)
{
    struct search *s = user;
    if (number >= s->from && (!s->best || number < s->best))
        s->best = number;
}

uint32_t segment_at_or_after(int dir_fd, uint32_t from)
{
    struct search s = {from, 0};
    walk(dir_fd, nearest, &s);
    return s.best;
}

static void largest(void *user, uint32_t number)
{
    uint32_t *best = user;
    if (number > *best)
        *best = number;
}

uint32_t segment_last(int dir_fd)
{
    uint32_t best = 0;
    walk(dir_fd, largest, &best);
    return best;
}

void segments_prune(int dir_fd, uint32_t keep_from)
{
    for (uint32_t n; (n = segment_at_or_after(dir_fd, 1)) && n < keep_from;) {
        char name[SEGMENT_NAME_BYTES], packed[SEGMENT_NAME_BYTES];
        bool gone = !unlinkat(dir_fd, segment_name(n, name), 0);
        gone |= !unlinkat(dir_fd, packed_name(n, packed), 0);
        if (!gone)
            return;
    }
}

/* ---- compressed segments ---- */

enum { LEVEL = 3, LOADED_MAX = LOG_SEGMENT_BYTES + LOG_LINE_MAX + 2 };

static char *read_file(int dir_fd, const char *name, size_t max, size_t *n)
{
    struct stat st;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *bytes = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size <= max ? malloc((size_t)st.st_size) : NULL;
    ssize_t got = bytes ? pread(fd, bytes, (size_t)st.st_size, 0) : -1;
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        free(bytes);
        return NULL;
    }
    *n = (size_t)got;
    return bytes;
}

static bool write_file(int dir_fd, const char *temporary, const char *name, const char *bytes, size_t n)
{
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && file_write_whole(fd, bytes, n) && !fsync(fd);
    if (fd >= 0)
        close(fd);
    if (ok && !renameat(dir_fd, temporary, dir_fd, name))
        return true;
    unlinkat(dir_fd, temporary, 0);
    return false;
}

bool segment_is_plain(int dir_fd, uint32_t number)
{
    char name[SEGMENT_NAME_BYTES];
    return !faccessat(dir_fd, segment_name(number, name), F_OK, AT_SYMLINK_NOFOLLOW);
}

/* With a checksum, which decompression compares. Returns a size or an error of zstd. */
static size_t compress(char *to, size_t room, const char *bytes, size_t n)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    if (!c)
        return (size_t)-1;
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    size_t m = ZSTD_compress2(c, to, room, bytes, n);
    ZSTD_freeCCtx(c);
    return m;
}

void segment_compress(int dir_fd, uint32_t number)
{
    char name[SEGMENT_NAME_BYTES], packed[SEGMENT_NAME_BYTES];
    size_t n;
    char *bytes = read_file(dir_fd, segment_name(number, name), LOADED_MAX, &n);
    size_t room = bytes ? ZSTD_compressBound(n) : 0;
    char *small = bytes ? malloc(room) : NULL;
    size_t m = small ? compress(small, room, bytes, n) : 0;
    if (small && !ZSTD_isError(m) && write_file(dir_fd, ".segment.new", packed_name(number, packed), small, m))
        unlinkat(dir_fd, name, 0);
    free(small);
    free(bytes);
}

char *segment_load(int dir_fd, uint32_t number, size_t *n)
{
    char name[SEGMENT_NAME_BYTES];
    size_t m;
    char *small = read_file(dir_fd, packed_name(number, name), LOADED_MAX, &m);
    unsigned long long says = small ? ZSTD_getFrameContentSize(small, m) : 0;
    char *bytes = says && says <= LOADED_MAX ? malloc((size_t)says + 1) : NULL;
    *n = bytes ? ZSTD_decompress(bytes, (size_t)says, small, m) : 0;
    free(small);
    if (bytes && !ZSTD_isError(*n))
        return bytes;
    free(bytes);
    return NULL;
}
