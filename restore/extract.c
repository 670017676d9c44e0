/* extract.c - copying one member of a restore image, or what is inside it, to a file, which appears when it is whole. */
#include "restore/verify.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/image4_file.h"
#include "restore/output_file.h"
#include "restore/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct copying {
    struct output_file out;
    struct payload_stream *payload; /* NULL: the file as it is */
    uint64_t from, to;              /* bytes of the member that are wanted */
    uint64_t total;
    pome_progress_fn *progress;
    void *user;
};

static bool show(const struct copying *c, uint64_t done)
{
    struct pome_progress p = {.step = c->out.path, .step_number = 1, .step_count = 1, .done = done, .total = c->total,
                              .fraction = c->total ? (double)done / (double)c->total : 1};
    return !c->progress || c->progress(c->user, &p);
}

static bool write_out(void *user, const void *bytes, size_t n, struct pome_error *err)
{
    return output_write(user, bytes, n, err);
}

static bool copy_piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct copying *c = user;
    uint64_t from = MAX(offset, c->from), to = MIN(offset + n, c->to);
    const uint8_t *p = (const uint8_t *)bytes + (from - offset);
    if (from < to && !(c->payload ? payload_add(c->payload, p, (size_t)(to - from), err) : output_write(&c->out, p, (size_t)(to - from), err)))
        return false;
    return show(c, offset + n) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
}

/* A member without a digest in the manifest (the lists): the zip's CRC is what is checked. */
static bool as_component(struct restore_image *image, int64_t i, struct manifest_component *c, struct pome_error *err)
{
    const char *path = zipin_member(image->zip, (size_t)i)->name;
    *c = (struct manifest_component){0};
    snprintf(c->name, sizeof c->name, "%.120s", path);
    if (strlen(path) >= sizeof c->path)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%.60s...: the name is too long", path);
    strcpy(c->path, path);
    return true;
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

/* The payload of an IM4P, uncompressed, the digest of the whole compared on the way. */
static bool copy_payload(struct restore_image *image, const struct manifest_component *c, const struct im4p *p, struct copying *k,
                         struct pome_error *err)
{
    bool unchecked;
    k->from = p->payload_offset;
    k->to = p->payload_offset + p->payload_size;
    k->payload = payload_begin(PAYLOAD_MAX, write_out, &k->out);
    bool ok = (k->payload || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to uncompress it", c->name)) &&
              restore_image_read(image, c, copy_piece, k, &unchecked, err) && (payload_end(k->payload, err) || pome_fail_context(err, "%s", c->name));
    payload_free(k->payload);
    return ok;
}

/* The disk in a disk image or archive. Its digest is of the file around it: compared first, then the disk is read. */
static bool copy_disk(struct restore_image *image, const struct manifest_component *c, const struct archive_key *key, struct copying *k,
                      struct pome_error *err)
{
    struct source *disk = restore_image_disk(image, c, key, err);
    uint8_t *block = malloc(ZIP_BLOCK);
    uint64_t file = k->total;
    bool unchecked, ok = disk && (block || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", c->name));
    if (ok) {
        k->total = file + disk->bytes;
        k->from = k->to = 0; /* nothing of the file itself */
        ok = restore_image_read(image, c, copy_piece, k, &unchecked, err);
    }
    for (uint64_t at = 0; ok && at < disk->bytes;) {
        size_t n = (size_t)MIN(disk->bytes - at, (uint64_t)ZIP_BLOCK);
        ok = source_read(disk, at, block, n, err) && output_write(&k->out, block, n, err) &&
             (show(k, file + at + n) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled"));
        at += n;
    }
    source_close(disk);
    free(block);
    return ok;
}

/* What is inside: a payload, else the disk of an image; anything else has no inside. */
static bool copy_inside(struct restore_image *image, const struct manifest_component *c, const struct archive_key *key, struct copying *k,
                        struct pome_error *err)
{
    struct im4p p;
    size_t n = strlen(c->path);
    if (restore_image_im4p(image, c, NULL, &p, err))
        return copy_payload(image, c, &p, k, err);
    if ((n > 4 && !strcmp(c->path + n - 4, ".dmg")) || (n > 4 && !strcmp(c->path + n - 4, ".aea")))
        return copy_disk(image, c, key, k, err);
    return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%.80s: neither an Image4 payload nor a disk image: nothing is inside", c->name);
}

bool restore_image_extract(struct restore_image *image, const char *name, const char *out_path, bool inside, const struct archive_key *key,
                           pome_progress_fn *progress, void *user, struct pome_error *err)
{
    const struct manifest_component *c = find(image, name);
    struct manifest_component plain;
    struct copying k = {.to = UINT64_MAX, .progress = progress, .user = user};
    int64_t member = zipin_find(image->zip, c ? c->path : name);
    bool unchecked;
    if (member < 0 || zipin_member(image->zip, (size_t)member)->directory)
        return pome_fail(err, POME_ERROR_NOT_FOUND, "%s: no component or member \"%.80s\"", zipin_path(image->zip), name);
    if (!c && !as_component(image, member, &plain, err))
        return false;
    c = c ? c : &plain;
    k.total = zipin_member(image->zip, (size_t)member)->size;
    if (!output_begin(&k.out, out_path, err))
        return false;
    bool ok = inside ? copy_inside(image, c, key, &k, err) : restore_image_read(image, c, copy_piece, &k, &unchecked, err);
    return output_end(&k.out, ok, err);
}
