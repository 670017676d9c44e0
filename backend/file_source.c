/* file_source.c - files of the host as sources. */
#include "backend/file_source.h"
#include "base/error.h"
#include "base/file_io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    struct source source;
    int fd;
    char *path;
};

static bool read_file(struct source *s, uint64_t at, void *bytes, size_t n, struct pome_error *err)
{
    struct file *f = (struct file *)s;
    return file_read_at(f->fd, f->path, bytes, n, at, err);
}

static void close_file(struct source *s)
{
    struct file *f = (struct file *)s;
    close(f->fd);
    free(f->path);
    free(f);
}

struct source *source_file(const char *path, struct pome_error *err)
{
    struct file *f = calloc(1, sizeof *f);
    struct stat st;
    if (!f || !(f->path = strdup(path))) {
        free(f);
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    off_t size = f->fd < 0 || fstat(f->fd, &st) ? -1 : lseek(f->fd, 0, SEEK_END);
    if (size >= 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
        f->source = (struct source){f->path, (uint64_t)size, read_file, close_file};
        return &f->source;
    }
    if (f->fd < 0 || size < 0)
        pome_fail_errno(err, "%s", path);
    else
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: not a regular file", path);
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f);
    return NULL;
}
