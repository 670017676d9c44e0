/* sources.c - files and members of restore images as sources. */
#include "restore/sources.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/aea.h"
#include "formats/udif.h"
#include "restore/file_io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- files --- */

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
        pome_fail(err, POME_ERROR_RESTORE_IMAGE_LOAD_FAILED, "%s: not a regular file", path);
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f);
    return NULL;
}

/* --- members --- */

struct member {
    struct source source;
    struct zipin_stream *stream;
};

static bool read_member(struct source *s, uint64_t at, void *bytes, size_t n, struct pome_error *err)
{
    struct member *m = (struct member *)s;
    if (!zipin_seek(m->stream, at, err))
        return false;
    for (uint8_t *to = bytes; n;) {
        ssize_t got = zipin_read(m->stream, to, n, err);
        if (got <= 0)
            return got < 0 ? false : pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s ends early", s->name);
        to += got;
        n -= (size_t)got;
    }
    return true;
}

static void close_member(struct source *s)
{
    struct member *m = (struct member *)s;
    zipin_stream_close(m->stream);
    free(m);
}

struct source *source_member(struct zipin *zip, size_t i, struct pome_error *err)
{
    const struct zip_member *z = zipin_member(zip, i);
    struct member *m = calloc(1, sizeof *m);
    if (!m) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read %s", zipin_path(zip), z->name);
        return NULL;
    }
    m->source = (struct source){z->name, z->size, read_member, close_member};
    m->stream = zipin_stream_open(zip, i, err);
    if (m->stream)
        return &m->source;
    free(m);
    return NULL;
}

/* --- layers --- */

static bool is_archive(struct source *in, bool *is, struct pome_error *err)
{
    char magic[4] = {0};
    if (in->bytes >= AEA_PROLOGUE && !source_read(in, 0, magic, sizeof magic, err))
        return false;
    *is = !memcmp(magic, "AEA1", 4);
    return true;
}

struct source *source_disk(struct source *in, const struct archive_key *key, struct pome_error *err)
{
    bool archive = false, udif = false;
    struct source *inner = in;
    if (!in)
        return NULL;
    if (!is_archive(in, &archive, err))
        goto fail;
    if (archive && !key) {
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: encrypted, and no key was given", in->name);
        goto fail;
    }
    if (archive && !(inner = aea_open(in, key->bytes, err)))
        goto fail;
    in = inner;
    if (!udif_is(in, &udif, err) || (udif && !(inner = udif_open(in, err))))
        goto fail;
    return inner;
fail:
    source_close(in);
    return NULL;
}

struct source *restore_image_disk(struct restore_image *image, const struct manifest_component *c, const struct archive_key *key,
                                  struct pome_error *err)
{
    int64_t i = restore_image_member(image, c, err);
    return i < 0 ? NULL : source_disk(source_member(image->zip, (size_t)i, err), key, err);
}
