/* extract.c - copying one member of a restore image to a file, which appears when it is whole. */
#include "restore/verify.h"
#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct copying {
    int fd;
    const char *path;
    uint64_t from, to; /* bytes of the member that are wanted */
    uint64_t total;
    pome_progress_fn *progress;
    void *user;
};

static bool copy_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    const struct copying *c = user;
    uint64_t from = MAX(offset, c->from), to = MIN(offset + n, c->to);
    for (uint64_t at = from; at < to;) {
        ssize_t w = write(c->fd, (const char *)bytes + (at - offset), (size_t)(to - at));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return pome_fail_errno(err, "%s: cannot write", c->path);
        at += (uint64_t)w;
    }
    struct pome_progress p = {.step = c->path, .step_number = 1, .step_count = 1, .done = offset + n, .total = c->total,
                              .fraction = c->total ? (double)(offset + n) / (double)c->total : 1};
    return !c->progress || c->progress(c->user, &p) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
}

/* A member without a digest in the manifest (the lists): the zip's CRC is what is checked. */
static bool copy_member(struct restore_image *image, int64_t i, struct copying *c, struct pome_error *err)
{
    struct manifest_component plain = {0};
    snprintf(plain.name, sizeof plain.name, "%.120s", zipin_member(image->zip, (size_t)i)->name);
    if (strlen(zipin_member(image->zip, (size_t)i)->name) >= sizeof plain.path)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%.60s...: the name is too long", plain.name);
    strcpy(plain.path, zipin_member(image->zip, (size_t)i)->name);
    bool unchecked;
    return restore_image_read(image, &plain, copy_piece, c, &unchecked, err);
}

/* The component that has this name, or whose file has this path. */
static const struct manifest_component *find(const struct restore_image *image, const char *name)
{
    const struct manifest_component *c = manifest_component(&image->manifest, name);
    for (size_t i = 0; i < image->manifest.n && !c; i++)
        if (!strcmp(image->manifest.components[i].path, name))
            c = &image->manifest.components[i];
    return c;
}

bool restore_image_extract(struct restore_image *image, const char *name, const char *out_path, bool payload, pome_progress_fn *progress,
                           void *user, struct pome_error *err)
{
    const struct manifest_component *c = find(image, name);
    int64_t member = zipin_find(image->zip, c ? c->path : name);
    struct im4p p = {0};
    char temporary[4096];
    struct stat st;
    bool unchecked;
    if (member < 0 || zipin_member(image->zip, (size_t)member)->directory)
        return pome_fail(err, POME_ERROR_NOT_FOUND, "%s: no component or member \"%.80s\"", zipin_path(image->zip), name);
    if (payload && (!c || !restore_image_im4p(image, c, NULL, &p, err)))
        return c ? false : pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%.80s: is not an Image4 payload", name);
    if (!lstat(out_path, &st))
        return pome_fail(err, POME_ERROR_EXISTS, "%s exists already", out_path);
    if (snprintf(temporary, sizeof temporary, "%s.tmp-XXXXXX", out_path) >= (int)sizeof temporary)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", out_path);
    struct copying k = {mkostemp(temporary, O_CLOEXEC), out_path, 0, UINT64_MAX, zipin_member(image->zip, (size_t)member)->size, progress, user};
    if (k.fd < 0)
        return pome_fail_errno(err, "%s: cannot create", temporary);
    if (payload) {
        k.from = p.payload_offset;
        k.to = p.payload_offset + p.payload_size;
    }
    mode_t mask = umask(0);
    umask(mask);
    fchmod(k.fd, 0666 & ~mask);
    bool ok = c ? restore_image_read(image, c, copy_piece, &k, &unchecked, err) : copy_member(image, member, &k, err);
    if (ok && (fsync(k.fd) || renameat2(AT_FDCWD, temporary, AT_FDCWD, out_path, RENAME_NOREPLACE)))
        ok = pome_fail_errno(err, "%s: cannot write", out_path);
    if (!ok)
        unlink(temporary);
    close(k.fd);
    return ok;
}
