/* rom_file.c - see rom_file.h. */
#include "vm/rom_file.h"

#include "base/error.h"
#include "base/file_io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool load_fd(int fd, const char *path, struct rom_file *f, struct pome_error *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return pome_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: not a regular file", path);
    if (!st.st_size || st.st_size > ROM_FILE_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %lld bytes, a boot ROM has 1 to %d", path, (long long)st.st_size, ROM_FILE_MAX);
    f->n = (size_t)st.st_size;
    f->bytes = malloc(f->n);
    if (!f->bytes)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", path);
    return file_read_at(fd, path, f->bytes, f->n, 0, err);
}

bool rom_file_load(const char *path, struct rom_file *f, struct pome_error *err)
{
    *f = (struct rom_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pome_fail_errno(err, "%s", path);
    bool ok = load_fd(fd, path, f, err);
    close(fd);
    if (!ok)
        rom_file_free(f);
    return ok;
}

void rom_file_free(struct rom_file *f)
{
    free(f->bytes);
    *f = (struct rom_file){0};
}
