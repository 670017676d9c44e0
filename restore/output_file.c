/* output_file.c - files that appear when they are whole. */
#include "restore/output_file.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOLE = 64 << 10 };

bool output_begin(struct output_file *o, const char *path, struct pome_error *err)
{
    struct stat st;
    o->fd = -1;
    o->path = path;
    o->bytes = 0;
    if (!lstat(path, &st))
        return pome_fail(err, POME_ERROR_EXISTS, "%s exists already", path);
    if (snprintf(o->temporary, sizeof o->temporary, "%s.tmp-XXXXXX", path) >= (int)sizeof o->temporary)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", path);
    o->fd = mkostemp(o->temporary, O_CLOEXEC);
    if (o->fd < 0)
        return pome_fail_errno(err, "%s: cannot create", o->temporary);
    mode_t mask = umask(0);
    umask(mask);
    fchmod(o->fd, 0666 & ~mask);
    return true;
}

bool output_write(struct output_file *o, const void *bytes, size_t n, struct pome_error *err)
{
    for (const uint8_t *p = bytes; n;) {
        size_t piece = MIN(n, (size_t)HOLE - (size_t)(o->bytes % HOLE));
        bool hole = piece == HOLE && !p[0] && !memcmp(p, p + 1, piece - 1);
        if (!hole && !file_write_at(o->fd, o->path, p, piece, o->bytes, err))
            return false;
        o->bytes += piece;
        p += piece;
        n -= piece;
    }
    return true;
}

bool output_end(struct output_file *o, bool ok, struct pome_error *err)
{
    if (o->fd < 0)
        return false;
    if (ok && (ftruncate(o->fd, (off_t)o->bytes) || fsync(o->fd) || renameat2(AT_FDCWD, o->temporary, AT_FDCWD, o->path, RENAME_NOREPLACE)))
        ok = pome_fail_errno(err, "%s: cannot write", o->path);
    if (!ok)
        unlink(o->temporary);
    close(o->fd);
    o->fd = -1;
    return ok;
}
