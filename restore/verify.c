/* verify.c - reading a whole restore image and comparing every digest. */
#include "restore/verify.h"
#include "base/bits.h"
#include "base/error.h"

#include <string.h>
#include <time.h>

enum { SHOW_NS = 50000000 };

struct verifying {
    struct restore_image *image;
    struct pome_verify_result result;
    pome_progress_fn *progress;
    void *user;
    struct pome_progress report;
    uint64_t all, before; /* bytes of all components; of those that are done */
    int64_t shown_ns;
};

static bool show(struct verifying *v, uint64_t done)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (!v->progress || (done && done != v->report.total && now - v->shown_ns < SHOW_NS))
        return true;
    v->shown_ns = now;
    v->report.done = done;
    v->report.fraction = v->all ? (double)(v->before + done) / (double)v->all : 1;
    return v->progress(v->user, &v->report);
}

static bool piece(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    return show(user, offset + n) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
}

static bool os_piece(void *user, uint64_t read, uint64_t made, struct pome_error *err)
{
    return show(user, read) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
}

/* True when an earlier component has the same file and digest: Apple's manifests name many files several times. */
static bool repeated(const struct manifest *m, size_t i)
{
    const struct manifest_component *c = &m->components[i];
    for (size_t k = 0; k < i; k++)
        if (!strcmp(m->components[k].path, c->path) && m->components[k].digest_bytes == c->digest_bytes &&
            !memcmp(m->components[k].digest, c->digest, c->digest_bytes))
            return true;
    return false;
}

static bool verify_one(struct verifying *v, size_t i, struct pome_error *err)
{
    const struct manifest_component *c = &v->image->manifest.components[i];
    int64_t member = restore_image_member(v->image, c, err);
    bool unchecked = false;
    if (member < 0)
        return false;
    v->report.step = c->name;
    v->report.step_number++;
    v->report.total = zipin_member(v->image->zip, (size_t)member)->size;
    if (!show(v, 0))
        return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
    bool ours = !strcmp(c->compression, "zstd") && c->has_uncompressed_digest;
    if (ours ? !restore_image_verify_os(v->image, c, os_piece, v, err) : !restore_image_read(v->image, c, piece, v, &unchecked, err))
        return false;
    for (size_t r = 0; r < COMPONENT_ROLES; r++) {
        struct im4p p;
        if (!strcmp(v->image->manifest.device_class, "pome1ap") && component_roles[r].type && !strcmp(component_roles[r].name, c->name) &&
            !restore_image_im4p(v->image, c, component_roles[r].type, &p, err))
            return false;
    }
    v->before += v->report.total;
    v->result.bytes += v->report.total;
    v->result.checked += !unchecked;
    v->result.unchecked += unchecked;
    return true;
}

static bool named(const struct manifest *m, const char *path)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->components[i].path, path))
            return true;
    return false;
}

/* What no digest covers (the plists at the top) has the zip's CRC. */
static bool verify_rest(struct verifying *v, struct pome_error *err)
{
    uint8_t bytes[16 * KiB];
    for (size_t i = 0; i < zipin_count(v->image->zip); i++) {
        const struct zip_member *member = zipin_member(v->image->zip, i);
        if (member->directory || named(&v->image->manifest, member->name))
            continue;
        struct zipin_stream *s = zipin_stream_open(v->image->zip, i, err);
        ssize_t n = s ? 1 : -1;
        while (n > 0)
            n = zipin_read(s, bytes, sizeof bytes, err);
        if (s)
            zipin_stream_close(s);
        if (n < 0)
            return false;
    }
    return true;
}

bool restore_image_verify(struct restore_image *image, struct pome_verify_result *result, pome_progress_fn *progress, void *user,
                          struct pome_error *err)
{
    struct verifying v = {.image = image, .progress = progress, .user = user};
    const struct manifest *m = &image->manifest;
    for (size_t i = 0; i < m->n; i++) {
        int64_t member = m->components[i].path[0] && !repeated(m, i) ? zipin_find(image->zip, m->components[i].path) : -1;
        v.all += member < 0 ? 0 : zipin_member(image->zip, (size_t)member)->size;
        v.report.step_count += m->components[i].path[0] && !repeated(m, i);
    }
    for (size_t i = 0; i < m->n; i++)
        if (m->components[i].path[0] && !repeated(m, i) && !verify_one(&v, i, err))
            return false;
    if (!verify_rest(&v, err))
        return false;
    if (result)
        *result = v.result;
    return true;
}
