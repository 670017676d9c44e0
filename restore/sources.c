/* sources.c - files and members of restore images as sources. */
#include "restore/sources.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "formats/aea.h"
#include "formats/udif.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
