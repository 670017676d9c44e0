/* nvram.c - pome/nvram.h. */
#include <pome/nvram.h>

#include "api/bundle.h"
#include "base/error.h"
#include "bundle/flash.h"

#include <stdlib.h>
#include <string.h>

struct pome_nvram {
    struct flash *flash;
    const char *path;
    struct nvram_variable variable; /* the one that was asked for last */
    uint8_t *value;
};

pome_nvram *pome_nvram_open(pome_bundle *bundle, struct pome_error *err)
{
    struct bundle *b = bundle->b;
    if (b->model.platform != PLATFORM_POME) {
        pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: has no NVRAM of Pome's", b->path);
        return NULL;
    }
    pome_nvram *v = calloc(1, sizeof *v);
    if (!v)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for NVRAM", b->path);
    else if (bundle_lock(b, err) && (v->flash = flash_open(b, false, err)))
        v->path = b->path;
    else {
        free(v);
        v = NULL;
    }
    return v;
}

void pome_nvram_free(pome_nvram *v)
{
    if (!v)
        return;
    flash_close(v->flash);
    free(v->value);
    free(v);
}

/* The value of `from`, unescaped, in memory that lasts until the next call. */
static bool describe(pome_nvram *v, enum nvram_partition p, const struct nvram_variable *from, struct pome_nvram_variable *to)
{
    uint8_t *value = realloc(v->value, from->size + 1);
    if (!value)
        return false;
    v->value = value;
    v->variable = *from;
    nvram_value(from, value);
    value[from->size] = 0;
    *to = (struct pome_nvram_variable){sizeof *to, (enum pome_nvram_partition)p, v->variable.name, value, from->size};
    return true;
}

void pome_nvram_each(const pome_nvram *v, pome_nvram_fn *each, void *user)
{
    for (int p = NVRAM_COMMON; p <= NVRAM_SYSTEM; p++) {
        struct nvram_variable stored;
        struct pome_nvram_variable variable;
        for (size_t cursor = 0; nvram_next(v->flash->bank, (enum nvram_partition)p, &cursor, &stored);)
            if (!describe((pome_nvram *)(uintptr_t)v, (enum nvram_partition)p, &stored, &variable) || !each(user, &variable))
                return;
    }
}

static bool find(const pome_nvram *v, enum pome_nvram_partition in, const char *name, enum nvram_partition *p,
                 struct nvram_variable *found, struct pome_error *err)
{
    static const enum nvram_partition order[] = {NVRAM_COMMON, NVRAM_SYSTEM};
    for (int i = 0; i < 2; i++) {
        *p = order[i];
        if ((in == POME_NVRAM_ANY || (int)in == (int)*p) && nvram_find(v->flash->bank, *p, name, found))
            return true;
    }
    return pome_fail(err, POME_ERROR_NOT_FOUND, "%s: its NVRAM has no variable \"%.127s\"%s%s", v->path, name,
                     in == POME_NVRAM_ANY ? "" : " in ", in == POME_NVRAM_ANY ? "" : pome_nvram_partition_name(in));
}

bool pome_nvram_get(pome_nvram *v, enum pome_nvram_partition in, const char *name, struct pome_nvram_variable *variable,
                    struct pome_error *err)
{
    struct nvram_variable stored;
    enum nvram_partition p;
    return find(v, in, name, &p, &stored, err) &&
           (describe(v, p, &stored, variable) ||
            pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for %zu bytes", name, stored.size));
}

bool pome_nvram_set(pome_nvram *v, enum pome_nvram_partition in, const char *name, const void *value, size_t n,
                    struct pome_error *err)
{
    if (in != POME_NVRAM_COMMON && in != POME_NVRAM_SYSTEM)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "NVRAM: %s: common or system, not both", name);
    return nvram_set(v->flash->bank, (enum nvram_partition)in, name, value, n, err) && flash_write(v->flash, err);
}

bool pome_nvram_delete(pome_nvram *v, enum pome_nvram_partition in, const char *name, struct pome_error *err)
{
    struct nvram_variable stored;
    enum nvram_partition p;
    return find(v, in, name, &p, &stored, err) && nvram_remove(v->flash->bank, p, name) && flash_write(v->flash, err);
}

size_t pome_nvram_free_bytes(const pome_nvram *v, enum pome_nvram_partition in)
{
    return in > POME_NVRAM_SYSTEM ? 0 : nvram_room(v->flash->bank, (enum nvram_partition)in);
}

uint32_t pome_nvram_generation(const pome_nvram *v)
{
    return v->flash->generation;
}

int pome_nvram_bank(const pome_nvram *v)
{
    return v->flash->current;
}

const char *pome_nvram_partition_name(enum pome_nvram_partition p)
{
    return p == POME_NVRAM_COMMON ? "common" : p == POME_NVRAM_SYSTEM ? "system" : "any";
}
