/* restore_image.c - pome/restore_image.h. */
#include "api/bundle.h"
#include "base/bits.h"
#include "base/error.h"
#include "restore/verify.h"

#include <stdlib.h>
#include <string.h>

pome_restore_image *pome_restore_image_load(const char *path, struct pome_error *err)
{
    pome_restore_image *p = calloc(1, sizeof *p);
    if (!p) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    p->image = restore_image_open(path, err);
    if (!p->image) {
        free(p);
        return NULL;
    }
    return p;
}

void pome_restore_image_free(pome_restore_image *p)
{
    if (!p)
        return;
    restore_image_close(p->image);
    free(p);
}

void pome_restore_image_set_archive_key(pome_restore_image *p, const uint8_t *key)
{
    p->image->has_key = key;
    if (key)
        memcpy(p->image->key, key, sizeof p->image->key);
}

const char *pome_restore_image_path(const pome_restore_image *p)
{
    return zipin_path(p->image->zip);
}

const char *pome_restore_image_product_name(const pome_restore_image *p)
{
    return p->image->product_name;
}

const char *pome_restore_image_version(const pome_restore_image *p)
{
    return p->image->manifest.version;
}

const char *pome_restore_image_build(const pome_restore_image *p)
{
    return p->image->manifest.build;
}

const char *pome_restore_image_device_class(const pome_restore_image *p)
{
    return p->image->manifest.device_class;
}

const char *pome_restore_image_variant(const pome_restore_image *p)
{
    return p->image->manifest.variant;
}

uint64_t pome_restore_image_bytes(const pome_restore_image *p)
{
    return zipin_bytes(p->image->zip);
}

unsigned pome_restore_image_minimum_cpu_count(const pome_restore_image *p)
{
    return (unsigned)MIN(p->image->manifest.min_cpus, UINT64_C(1) << 16);
}

uint64_t pome_restore_image_minimum_memory_size(const pome_restore_image *p)
{
    return MIN(p->image->manifest.min_memory_mb, UINT64_C(1) << 40) * MiB;
}

uint64_t pome_restore_image_minimum_disk_size(const pome_restore_image *p)
{
    return restore_image_min_disk(p->image);
}

bool pome_restore_image_is_supported(const pome_restore_image *p, struct pome_error *err)
{
    return restore_image_supported(p->image, err);
}

size_t pome_restore_image_component_count(const pome_restore_image *p)
{
    return p->image->manifest.n;
}

bool pome_restore_image_component(const pome_restore_image *p, size_t index, struct pome_component *out)
{
    if (index >= p->image->manifest.n)
        return false;
    const struct manifest_component *c = &p->image->manifest.components[index];
    int64_t member = c->path[0] ? zipin_find(p->image->zip, c->path) : -1;
    *out = (struct pome_component){
        .name = c->name, .path = c->path, .bytes = member < 0 ? 0 : zipin_member(p->image->zip, (size_t)member)->size,
        .present = member >= 0, .digest_bytes = c->digest_bytes, .digest = c->digest,
    };
    return true;
}

size_t pome_restore_image_member_count(const pome_restore_image *p)
{
    return zipin_count(p->image->zip);
}

bool pome_restore_image_member(const pome_restore_image *p, size_t index, struct pome_member *out)
{
    if (index >= zipin_count(p->image->zip))
        return false;
    const struct zip_member *m = zipin_member(p->image->zip, index);
    *out = (struct pome_member){m->name, m->size, m->stored_size, m->compressed};
    return true;
}

bool pome_restore_image_verify(pome_restore_image *p, struct pome_verify_result *result, pome_progress_fn *progress, void *user,
                               struct pome_error *err)
{
    return restore_image_verify(p->image, result, progress, user, err);
}

bool pome_restore_image_extract(pome_restore_image *p, const char *name, const char *out_path, bool inside, const uint8_t *archive_key,
                                pome_progress_fn *progress, void *user, struct pome_error *err)
{
    struct archive_key key;
    if (archive_key)
        memcpy(key.bytes, archive_key, sizeof key.bytes);
    return restore_image_extract(p->image, name, out_path, inside, archive_key ? &key : NULL, progress, user, err);
}
