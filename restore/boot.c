/* boot.c - opening the boot of an installed machine. */
#include "restore/boot.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/gpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool volume_write(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    const struct boot_volume *v = user;
    return changes_write(v->boot->changes, BUNDLE_DISK, v->base + offset, bytes, n, err);
}

/* All of it is decided at once, and synced then. */
static bool volume_sync(void *user, struct pome_error *err)
{
    return true;
}

static bool open_volume(struct boot *o, const uint8_t *disk, const struct gpt *g, enum layout_container which, struct boot_volume *v, struct pome_error *err)
{
    v->boot = o;
    v->base = layout_offset(g, which);
    v->edit = (struct fat_edit){.write = volume_write, .sync = volume_sync, .user = v};
    return fat_open(disk + v->base, layout_bytes(g, which), &v->edit.fat, err) ||
           pome_fail_context(err, "%s/Disk.img, partition %d", o->bundle->path, which + 1);
}

static bool open_disk(struct boot *o, struct pome_error *err)
{
    struct gpt g;
    uint64_t bytes;
    const uint8_t *disk = changes_bytes(o->changes, BUNDLE_DISK, &bytes);
    if (!gpt_read(disk, bytes / GPT_SECTOR, &g, err) && !gpt_read_backup(disk + bytes - GPT_BACKUP_BYTES, bytes / GPT_SECTOR, &g, NULL))
        return pome_fail_context(err, "%s/Disk.img", o->bundle->path);
    if (g.n != LAYOUT_CONTAINERS)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/Disk.img: %zu partitions, needed %d", o->bundle->path, g.n, LAYOUT_CONTAINERS);
    return open_volume(o, disk, &g, LAYOUT_ISC, &o->system, err) && open_volume(o, disk, &g, LAYOUT_RECOVERY, &o->recovery, err);
}

static bool open_aux(struct boot *o, struct pome_error *err)
{
    uint64_t bytes;
    o->aux = changes_bytes(o->changes, BUNDLE_AUX, &bytes);
    if (bytes != AUX_BYTES)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/AuxiliaryStorage: has %llu bytes, needed %llu", o->bundle->path, (unsigned long long)bytes,
                         (unsigned long long)AUX_BYTES);
    if (!aux_wrapper_read(o->aux, &o->wrapper, err))
        return pome_fail_context(err, "%s/AuxiliaryStorage", o->bundle->path);
    memcpy(o->anchor, o->wrapper.trust.anchor, sizeof o->anchor);
    return true;
}

void boot_close(struct boot *o)
{
    if (!o)
        return;
    changes_end(o->changes);
    authority_close(o->authority);
    free(o);
}

size_t boot_read_small(const struct boot_volume *v, const char *path, void *out, size_t room)
{
    struct fat_entry e;
    if (!fat_find(&v->edit.fat, path, &e, NULL) || e.directory || e.size > room)
        return 0;
    return fat_read(&v->edit.fat, &e, 0, out, e.size) == e.size ? e.size : 0;
}

bool boot_trusted(const struct boot *o, const void *im4m, size_t n, struct pome_error *err)
{
    return (o->authority && ticket_verify(im4m, n, authority_anchor(o->authority), NULL)) || ticket_verify(im4m, n, o->anchor, err);
}

const struct im4m_property *boot_policy_property(const struct boot *o, const char *name, size_t size)
{
    const struct im4m_group *g = im4m_group(&o->policy, "MANP");
    const struct im4m_property *p = g ? im4m_property(g, name) : NULL;
    return p && (!size || p->size == size) ? p : NULL;
}

static bool read_policy(struct boot *o, struct pome_error *err)
{
    struct img4 i;
    o->policy_size = boot_read_small(&o->system, BOOT_POLICY_PATH, o->policy_bytes, sizeof o->policy_bytes);
    if (!o->policy_size)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: its LocalPolicy is missing", o->bundle->path);
    bool ok = img4_read(o->policy_bytes, o->policy_size, &i, err) && (i.im4m_bytes || pome_fail(err, POME_ERROR_INVALID_DATA, "it has no ticket")) &&
              boot_trusted(o, i.im4m_bytes, i.im4m_size, err) && im4m_read(i.im4m_bytes, i.im4m_size, &o->policy, err);
    if (!ok)
        return pome_fail_context(err, "%s: LocalPolicy", o->bundle->path);
    const struct im4m_property *lpnh = boot_policy_property(o, "lpnh", SHA384_BYTES);
    const struct aux_trust *t = &o->wrapper.trust;
    o->policy_current = lpnh && (!memcmp(lpnh->bytes, t->policy_nonces[0], SHA384_BYTES) || !memcmp(lpnh->bytes, t->policy_nonces[1], SHA384_BYTES));
    return true;
}

struct boot *boot_open(struct bundle *b, bool change, bool any, struct pome_error *err)
{
    struct boot *o = calloc(1, sizeof *o);
    if (!o) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to look at its boot sets", b->path);
        return NULL;
    }
    *o = (struct boot){.bundle = b, .platform = platform_of(b->model.platform)};
    if (!b->installed || b->model.platform != PLATFORM_POME)
        pome_fail(err, b->installed ? POME_ERROR_NOT_SUPPORTED : POME_ERROR_INVALID_STATE, "%s: is not an installed machine of Pome's platform", b->path);
    else if ((o->changes = changes_begin(b, err)) && open_aux(o, err) && open_disk(o, err) &&
             (!change || (o->authority = authority_open(NULL, any, err))) && read_policy(o, err)) {
        if (any || (o->policy_current && (!change || !memcmp(authority_anchor(o->authority), o->anchor, SHA384_BYTES))))
            return o;
        if (!o->policy_current)
            pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: its LocalPolicy is an old one, or of another machine: \"pome personalize --all\" makes a new one",
                      b->path);
        else
            pome_fail(err, POME_ERROR_PERMISSION, "%s: trusts another signing authority than %s (\"%s\")", b->path,
                      authority_path(o->authority), authority_name(o->authority));
    }
    boot_close(o);
    return NULL;
}

/* --- reading --- */

void boot_read_name(const struct boot *o, const char *path, char name[BOOT_SET_NAME + 1])
{
    char text[128];
    size_t n = boot_read_small(&o->system, path, text, sizeof text);
    name[0] = 0;
    if (n < BOOT_SET_NAME || strspn(text, "0123456789ABCDEFabcdef") < BOOT_SET_NAME)
        return;
    for (int i = 0; i < BOOT_SET_NAME; i++)
        name[i] = (char)(text[i] >= 'a' ? text[i] - 'a' + 'A' : text[i]);
    name[BOOT_SET_NAME] = 0;
}

void boot_set_path(char out[64], const char *name, const char *file)
{
    snprintf(out, 64, "BOOT/%.8s/%s", name, file);
}

void boot_read_version(const struct boot *o, char out[64])
{
    const struct im4m_property *p = boot_policy_property(o, "love", 0);
    snprintf(out, 64, "%.*s", p ? (int)MIN(p->size, 63) : 0, p ? (const char *)p->bytes : "");
}
