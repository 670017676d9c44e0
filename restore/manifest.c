/* manifest.c - BuildManifest.plist, Restore.plist and SystemVersion.plist. */
#include "restore/manifest.h"
#include "base/error.h"
#include "formats/plist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- single values --- */

/* Copies a string, if it is there; false when it is too long or another type. */
static bool get_text(const struct pl *dict, const char *key, char *out, size_t size, struct pome_error *err)
{
    const struct pl *node = pl_get(dict, key);
    const char *text = pl_text(node);
    out[0] = 0;
    if (!node)
        return true;
    if (!text || strlen(text) >= size)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: not a string of at most %zu bytes", key, size - 1);
    strcpy(out, text);
    return true;
}

/* A number, written as an integer or as text ("0x20", "32"). */
bool manifest_number(const struct pl *dict, const char *key, uint64_t *value, struct pome_error *err)
{
    const struct pl *node = pl_get(dict, key);
    const char *text = pl_text(node);
    char *end;
    *value = 0;
    if (!node || pl_integer(node, value))
        return true;
    errno = 0;
    if (text && text[0] >= '0' && text[0] <= '9')
        *value = strtoull(text, &end, 0);
    if (!text || text[0] < '0' || text[0] > '9' || errno || *end)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: not a number", key);
    return true;
}

bool version_parse(const char *text, uint32_t version[3])
{
    version[0] = version[1] = version[2] = 0;
    for (int i = 0; i < 3; i++) {
        char *end;
        if (*text < '0' || *text > '9')
            return false;
        unsigned long v = strtoul(text, &end, 10);
        if (v > 65535)
            return false;
        version[i] = (uint32_t)v;
        if (!*end)
            return true;
        if (*end != '.')
            return false;
        text = end + 1;
    }
    return false;
}

/* --- components --- */

struct reading {
    struct manifest *m;
    struct pome_error *err;
};

static bool get_digest(const struct pl *entry, struct manifest_component *c, struct pome_error *err)
{
    size_t n = 0;
    const struct pl *node = pl_get(entry, "Digest");
    const uint8_t *digest = pl_data(node, &n);
    if (!node)
        return true;
    if (!digest || n > sizeof c->digest)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "%s: Digest is not data of at most %zu bytes", c->name, sizeof c->digest);
    memcpy(c->digest, digest, n);
    c->digest_bytes = n;
    return true;
}

static bool get_uncompressed(const struct pl *info, struct manifest_component *c, struct pome_error *err)
{
    size_t n = 0;
    const uint8_t *digest = pl_data(pl_get(info, "UncompressedDigest"), &n);
    if (!get_text(info, "Compression", c->compression, sizeof c->compression, err) ||
        !manifest_number(info, "UncompressedSize", &c->uncompressed_size, err))
        return false;
    if (!digest)
        return true;
    if (n != SHA384_BYTES)
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "UncompressedDigest: %zu bytes, needed %d", n, SHA384_BYTES);
    memcpy(c->uncompressed_digest, digest, n);
    c->has_uncompressed_digest = true;
    return true;
}

static bool read_component(void *user, const char *name, struct pl *entry)
{
    struct reading *r = user;
    struct manifest *m = r->m;
    const struct pl *info = pl_get(entry, "Info");
    if (!pl_is_dict(entry))
        return pome_fail(r->err, POME_ERROR_INVALID_RESTORE_IMAGE, "component %.80s: not a dictionary", name);
    if (m->n == MANIFEST_COMPONENTS_MAX || strlen(name) >= MANIFEST_TEXT)
        return pome_fail(r->err, POME_ERROR_INVALID_RESTORE_IMAGE, "component %.80s: the name is too long, or there are more than %d", name,
                         MANIFEST_COMPONENTS_MAX);
    struct manifest_component *c = &m->components[m->n];
    *c = (struct manifest_component){0};
    strcpy(c->name, name);
    pl_boolean(pl_get(entry, "Trusted"), &c->trusted);
    if (!get_digest(entry, c, r->err) || !get_text(info, "Path", c->path, sizeof c->path, r->err) || !get_uncompressed(info, c, r->err))
        return pome_fail_context(r->err, "component %s", c->name);
    m->n++;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct manifest_component *)a)->name, ((const struct manifest_component *)b)->name);
}

static bool read_components(const struct pl *dict, struct manifest *m, struct pome_error *err)
{
    struct reading r = {m, err};
    if (!pl_is_dict(dict))
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "Manifest: not a dictionary");
    m->components = calloc(MANIFEST_COMPONENTS_MAX, sizeof *m->components);
    if (!m->components)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the components");
    if (!pl_walk(dict, read_component, &r))
        return false;
    qsort(m->components, m->n, sizeof *m->components, by_name);
    struct manifest_component *fit = realloc(m->components, (m->n + 1) * sizeof *fit);
    if (fit)
        m->components = fit;
    return true;
}

const struct manifest_component *manifest_component(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->components[i].name, name))
            return &m->components[i];
    return NULL;
}

/* --- identities --- */

/* How much we want this identity: our class, a macOS VM's, any; erasing before updating. */
static int rank(const struct pl *identity)
{
    const struct pl *info = pl_get(identity, "Info");
    const char *class = pl_text(pl_get(info, "DeviceClass")), *behavior = pl_text(pl_get(info, "RestoreBehavior"));
    int r = !class ? 0 : !strcmp(class, "pome1ap") ? 6 : !strcmp(class, "vma2macosap") ? 4 : 2;
    return r + (behavior && !strcmp(behavior, "Erase"));
}

static const struct pl *choose(const struct pl *identities)
{
    const struct pl *best = pl_item(identities, 0);
    for (size_t i = 1; i < pl_count(identities); i++)
        if (rank(pl_item(identities, i)) > rank(best))
            best = pl_item(identities, i);
    return best;
}

static bool read_identity(const struct pl *id, struct manifest *m, struct pome_error *err)
{
    char host[MANIFEST_TEXT];
    const struct pl *info = pl_get(id, "Info");
    if (!manifest_number(id, "ApBoardID", &m->board, err) || !manifest_number(id, "ApChipID", &m->chip, err) ||
        !manifest_number(id, "ApSecurityDomain", &m->domain, err) ||
        !get_text(id, "Ap,OSLongVersion", m->long_version, sizeof m->long_version, err) ||
        !get_text(info, "DeviceClass", m->device_class, sizeof m->device_class, err) ||
        !get_text(info, "Variant", m->variant, sizeof m->variant, err) ||
        !get_text(info, "RestoreBehavior", m->behavior, sizeof m->behavior, err) ||
        !manifest_number(info, "VirtualMachineMinCPUCount", &m->min_cpus, err) ||
        !manifest_number(info, "VirtualMachineMinMemorySizeMB", &m->min_memory_mb, err) ||
        !get_text(info, "VirtualMachineMinHostOS", host, sizeof host, err))
        return false;
    m->has_min_host = host[0];
    if (host[0] && !version_parse(host, m->min_host))
        return pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "VirtualMachineMinHostOS: \"%.40s\" is not a version", host);
    return read_components(pl_get(id, "Manifest"), m, err);
}

bool manifest_of(const struct pl *root, struct manifest *m, struct pome_error *err)
{
    *m = (struct manifest){0};
    const struct pl *identities = pl_get(root, "BuildIdentities");
    m->identities = pl_count(identities);
    bool ok;
    if (!m->identities || m->identities > MANIFEST_IDENTITIES_MAX)
        ok = pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE, "BuildManifest.plist: %zu BuildIdentities, needed 1 to %d", m->identities,
                       MANIFEST_IDENTITIES_MAX);
    else
        ok = (get_text(root, "ProductVersion", m->version, sizeof m->version, err) &&
              get_text(root, "ProductBuildVersion", m->build, sizeof m->build, err) && read_identity(choose(identities), m, err)) ||
             pome_fail_context(err, "BuildManifest.plist");
    if (!ok)
        manifest_free(m);
    return ok;
}

bool manifest_read(const void *bytes, size_t n, struct manifest *m, struct pome_error *err)
{
    *m = (struct manifest){0};
    struct pl *root = pl_parse(bytes, n, "BuildManifest.plist", err);
    bool ok = root && manifest_of(root, m, err);
    if (!root && err && err->code == POME_ERROR_INVALID_DATA)
        err->code = POME_ERROR_INVALID_RESTORE_IMAGE;
    pl_free(root);
    return ok;
}

void manifest_free(struct manifest *m)
{
    free(m->components);
    m->components = NULL;
    m->n = 0;
}

/* --- the other lists --- */

bool restore_plist_of(const struct pl *root, const char *device_class, struct restore_plist *r, struct pome_error *err)
{
    const struct pl *map = pl_get(root, "DeviceMap");
    *r = (struct restore_plist){.devices = pl_count(map)};
    if (!get_text(root, "ProductVersion", r->version, sizeof r->version, err) || !get_text(root, "ProductBuildVersion", r->build, sizeof r->build, err))
        return pome_fail_context(err, "Restore.plist");
    for (size_t i = 0; i < r->devices; i++) {
        const char *board = pl_text(pl_get(pl_item(map, i), "BoardConfig"));
        r->for_device |= board && !strcmp(board, device_class);
    }
    return true;
}

bool restore_plist_read(const void *bytes, size_t n, const char *device_class, struct restore_plist *r, struct pome_error *err)
{
    struct pl *root = pl_parse(bytes, n, "Restore.plist", err);
    bool ok = root && restore_plist_of(root, device_class, r, err);
    pl_free(root);
    return ok;
}

bool system_version_of(const struct pl *root, char product_name[MANIFEST_TEXT], struct pome_error *err)
{
    return get_text(root, "ProductName", product_name, MANIFEST_TEXT, err) || pome_fail_context(err, "SystemVersion.plist");
}
