/* zipout.c - writing zip files as a stream through libarchive, into a temporary file that takes its name last. */
#include "restore/zipfile.h"
#include "base/error.h"
#include "bundle/libarchive.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct zipout {
    struct archive *zip;
    char *path, *temporary;
    int fd;
    struct sha384 *digest;
    char member[ZIP_NAME_MAX + 1];
    uint64_t size, done;
};

static bool fail(struct zipout *a, struct pome_error *err, const char *what)
{
    int e = libarchive.archive_errno(a->zip);
    errno = e > 0 ? e : EIO;
    return pome_fail_errno(err, "%s: %s%s%s", a->path, what, a->member[0] ? " " : "", a->member);
}

static void destroy(struct zipout *a)
{
    sha384_end(a->digest, NULL);
    if (a->zip)
        libarchive.archive_write_free(a->zip);
    if (a->fd >= 0)
        close(a->fd);
    free(a->path);
    free(a->temporary);
    free(a);
}

struct zipout *zipout_create(const char *path, struct pome_error *err)
{
    if (!libarchive_load(err))
        return NULL;
    struct zipout *a = calloc(1, sizeof *a);
    if (a) {
        a->fd = -1;
        a->path = strdup(path);
        if (asprintf(&a->temporary, "%s.tmp-XXXXXX", path) < 0)
            a->temporary = NULL;
        a->zip = libarchive.archive_write_new();
    }
    if (!a || !a->path || !a->temporary || !a->zip) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to write it", path);
        if (a)
            destroy(a);
        return NULL;
    }
    a->fd = mkostemp(a->temporary, O_CLOEXEC);
    if (a->fd < 0) {
        pome_fail_errno(err, "%s: cannot create", a->temporary);
        destroy(a);
        return NULL;
    }
    mode_t mask = umask(0);
    umask(mask);
    fchmod(a->fd, 0666 & ~mask);
    if (libarchive.archive_write_set_format_zip(a->zip) || libarchive.archive_write_zip_set_compression_store(a->zip) ||
        libarchive.archive_write_set_bytes_per_block(a->zip, ZIP_BLOCK) || libarchive.archive_write_set_bytes_in_last_block(a->zip, 1) ||
        libarchive.archive_write_open_fd(a->zip, a->fd)) {
        fail(a, err, "cannot begin the zip file");
        zipout_abandon(a);
        return NULL;
    }
    return a;
}

bool zipout_begin(struct zipout *a, const char *name, uint64_t size, struct pome_error *err)
{
    struct archive_entry *e = libarchive.archive_entry_new();
    snprintf(a->member, sizeof a->member, "%s", name);
    a->size = size;
    a->done = 0;
    a->digest = sha384_begin();
    if (!e || !a->digest || strlen(name) > ZIP_NAME_MAX) {
        libarchive.archive_entry_free(e);
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for %s", a->path, name);
    }
    libarchive.archive_entry_set_pathname_utf8(e, name);
    libarchive.archive_entry_set_size(e, (int64_t)size);
    libarchive.archive_entry_set_filetype(e, AE_IFREG);
    libarchive.archive_entry_set_perm(e, 0644);
    /* No time is set: libarchive would write it in the time zone of the host. Without one it is the first of 1980. */
    int status = libarchive.archive_write_header(a->zip, e);
    libarchive.archive_entry_free(e);
    return status >= ARCHIVE_WARN || fail(a, err, "cannot begin");
}

bool zipout_write(struct zipout *a, const void *bytes, size_t n, struct pome_error *err)
{
    if (n > a->size - a->done)
        return pome_fail(err, POME_ERROR_INTERNAL, "%s: %s grows over the %llu bytes announced", a->path, a->member, (unsigned long long)a->size);
    for (size_t at = 0; at < n;) {
        ssize_t w = libarchive.archive_write_data(a->zip, (const char *)bytes + at, n - at);
        if (w <= 0)
            return fail(a, err, "cannot write");
        at += (size_t)w;
    }
    sha384_add(a->digest, bytes, n);
    a->done += n;
    return true;
}

bool zipout_end(struct zipout *a, uint8_t digest[SHA384_BYTES], struct pome_error *err)
{
    sha384_end(a->digest, digest);
    a->digest = NULL;
    if (a->done != a->size)
        return pome_fail(err, POME_ERROR_INTERNAL, "%s: %s has %llu of the %llu bytes announced", a->path, a->member,
                         (unsigned long long)a->done, (unsigned long long)a->size);
    if (libarchive.archive_write_finish_entry(a->zip))
        return fail(a, err, "cannot end");
    a->member[0] = 0;
    return true;
}

static bool sync_parent(const char *path, struct pome_error *err)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = fd >= 0 && !fsync(fd);
    if (!ok)
        pome_fail_errno(err, "%s: cannot sync its folder", path);
    if (fd >= 0)
        close(fd);
    free(copy);
    return ok;
}

bool zipout_finish(struct zipout *a, struct pome_error *err)
{
    bool ok = !libarchive.archive_write_close(a->zip) || fail(a, err, "cannot end the zip file");
    if (ok && fsync(a->fd))
        ok = pome_fail_errno(err, "%s: cannot sync", a->temporary);
    if (ok && rename(a->temporary, a->path))
        ok = pome_fail_errno(err, "%s: cannot take this name", a->path);
    if (!ok) {
        unlink(a->temporary);
    } else {
        ok = sync_parent(a->path, err);
    }
    destroy(a);
    return ok;
}

void zipout_abandon(struct zipout *a)
{
    if (!a)
        return;
    unlink(a->temporary);
    destroy(a);
}
