/*
 * boot_state.c - changes to the boot of an installed machine.
 *
 * How it works. Disk.img is mapped for reading and written through the file; files of the FAT volumes are replaced one by one (fat_edit.c), each
 * in one step. What makes a change valid is the last thing written: a policy for a new set, the wrapper of AuxiliaryStorage for a new
 * authority. While the policy changes, the wrapper allows both the old and the new nonce.
 */
#include "restore/boot_state.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/fat.h"
#include "formats/gpt.h"
#include "restore/file_io.h"
#include "restore/layout.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum { SMALL_FILE = 1 << 16, OBJECT_MAX = 1 << 29, IMAGES_MAX = 8, SET_NAME = 8 };
static const char *const object_files[] = {"KERNEL.IM4", "RAMDISK.IM4", "CMDLINE.IM4"};
static const char *const object_types[] = {"krnl", "rdsk", "kcmd"};
static const char policy_path[] = "POLICY/LOCAL.IM4";

struct volume {
    struct fat_edit edit;
    struct boot *boot;
    uint64_t base; /* in Disk.img */
};

/* A machine's boot, opened. */
struct boot {
    struct bundle *bundle;
    const struct platform *platform;
    int disk_fd;
    char disk_path[PATH_MAX], aux_path[PATH_MAX];
    const uint8_t *disk;
    struct volume system, recovery;
    struct aux_wrapper wrapper;
    uint8_t anchor[SHA384_BYTES]; /* that the machine trusts, as the wrapper said when it was opened */
    struct authority *authority;  /* NULL: only reading */
    struct im4m policy;          /* points into policy_bytes */
    uint8_t policy_bytes[SMALL_FILE];
    size_t policy_size;
    bool policy_current; /* its nonce is the machine's: not one from before */
};

/* --- opening --- */

static bool volume_write(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    const struct volume *v = user;
    return file_write_at(v->boot->disk_fd, v->boot->disk_path, bytes, n, v->base + offset, err);
}

static bool volume_sync(void *user, struct pome_error *err)
{
    const struct volume *v = user;
    return !fdatasync(v->boot->disk_fd) || pome_fail_errno(err, "%s: cannot sync", v->boot->disk_path);
}

static bool open_volume(struct boot *o, const struct gpt *g, enum layout_container which, struct volume *v, struct pome_error *err)
{
    v->boot = o;
    v->base = layout_offset(g, which);
    v->edit = (struct fat_edit){.write = volume_write, .sync = volume_sync, .user = v};
    return fat_open(o->disk + v->base, layout_bytes(g, which), &v->edit.fat, err) || pome_fail_context(err, "%s, partition %d", o->disk_path, which + 1);
}

static bool open_disk(struct boot *o, struct pome_error *err)
{
    struct gpt g;
    uint64_t bytes = o->bundle->disk_bytes;
    o->disk_fd = bundle_member_open(o->bundle, BUNDLE_DISK, O_RDWR, err);
    if (o->disk_fd < 0)
        return false;
    const uint8_t *m = mmap(NULL, bytes, PROT_READ, MAP_SHARED, o->disk_fd, 0);
    if (m == MAP_FAILED)
        return pome_fail_errno(err, "%s: cannot map it", o->disk_path);
    o->disk = m;
    if (!gpt_read(m, bytes / GPT_SECTOR, &g, err) && !gpt_read_backup(m + bytes - GPT_BACKUP_BYTES, bytes / GPT_SECTOR, &g, NULL))
        return pome_fail_context(err, "%s", o->disk_path);
    if (g.n != LAYOUT_CONTAINERS)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: %zu partitions, needed %d", o->disk_path, g.n, LAYOUT_CONTAINERS);
    return open_volume(o, &g, LAYOUT_ISC, &o->system, err) && open_volume(o, &g, LAYOUT_RECOVERY, &o->recovery, err);
}

static bool open_aux(struct boot *o, struct pome_error *err)
{
    uint8_t bytes[AUX_WRAPPER_BYTES];
    int fd = bundle_member_open(o->bundle, BUNDLE_AUX, O_RDONLY, err);
    bool ok = fd >= 0 && file_read_at(fd, o->aux_path, bytes, sizeof bytes, 0, err);
    if (fd >= 0)
        close(fd);
    if (!ok || !aux_wrapper_read(bytes, &o->wrapper, err))
        return pome_fail_context(err, "%s", o->aux_path);
    memcpy(o->anchor, o->wrapper.trust.anchor, sizeof o->anchor);
    return true;
}

static void close_boot(struct boot *o)
{
    if (!o)
        return;
    if (o->disk)
        munmap((void *)o->disk, o->bundle->disk_bytes);
    if (o->disk_fd >= 0)
        close(o->disk_fd);
    authority_close(o->authority);
    free(o);
}

/* A small file whole: its size, 0 when there is none or it is too large. */
static size_t read_small(const struct volume *v, const char *path, void *out, size_t room)
{
    struct fat_entry e;
    if (!fat_find(&v->edit.fat, path, &e, NULL) || e.directory || e.size > room)
        return 0;
    return fat_read(&v->edit.fat, &e, 0, out, e.size) == e.size ? e.size : 0;
}

/* The ticket is from the authority that the machine trusts, or from this host's: then an earlier change was cut off. */
static bool trusted(const struct boot *o, const void *im4m, size_t n, struct pome_error *err)
{
    return (o->authority && ticket_verify(im4m, n, authority_anchor(o->authority), NULL)) || ticket_verify(im4m, n, o->anchor, err);
}

static const struct im4m_property *policy_property(const struct boot *o, const char *name, size_t size)
{
    const struct im4m_group *g = im4m_group(&o->policy, "MANP");
    const struct im4m_property *p = g ? im4m_property(g, name) : NULL;
    return p && (!size || p->size == size) ? p : NULL;
}

static bool read_policy(struct boot *o, struct pome_error *err)
{
    struct img4 i;
    o->policy_size = read_small(&o->system, policy_path, o->policy_bytes, sizeof o->policy_bytes);
    if (!o->policy_size)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: its LocalPolicy is missing", o->bundle->path);
    if (!img4_read(o->policy_bytes, o->policy_size, &i, err) || !i.im4m_bytes || !trusted(o, i.im4m_bytes, i.im4m_size, err) ||
        !im4m_read(i.im4m_bytes, i.im4m_size, &o->policy, err)) {
        pome_fail_context(err, "%s: LocalPolicy", o->bundle->path);
        return false;
    }
    const struct im4m_property *lpnh = policy_property(o, "lpnh", SHA384_BYTES);
    const struct aux_trust *t = &o->wrapper.trust;
    o->policy_current = lpnh && (!memcmp(lpnh->bytes, t->policy_nonces[0], SHA384_BYTES) || !memcmp(lpnh->bytes, t->policy_nonces[1], SHA384_BYTES));
    return true;
}

/* change: the authority is needed. any: it need not be the one that the machine trusts, nor the policy the last one. */
static struct boot *open_boot(struct bundle *b, bool change, bool any, struct pome_error *err)
{
    struct boot *o = calloc(1, sizeof *o);
    if (!o) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to look at its boot sets", b->path);
        return NULL;
    }
    *o = (struct boot){.bundle = b, .disk_fd = -1, .platform = platform_of(b->model.platform)};
    if (!b->installed || b->model.platform != PLATFORM_POME)
        pome_fail(err, b->installed ? POME_ERROR_NOT_SUPPORTED : POME_ERROR_INVALID_STATE, "%s: is not an installed machine of Pome's platform", b->path);
    else if (bundle_member_path(b, BUNDLE_DISK, o->disk_path) && bundle_member_path(b, BUNDLE_AUX, o->aux_path) && open_aux(o, err) &&
             open_disk(o, err) && (!change || (o->authority = authority_open(NULL, any, err))) && read_policy(o, err)) {
        if (any || (o->policy_current && (!change || !memcmp(authority_anchor(o->authority), o->anchor, SHA384_BYTES))))
            return o;
        if (!o->policy_current)
            pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: its LocalPolicy is an old one, or of another machine: \"pome personalize --all\" makes a new one",
                      b->path);
        else
            pome_fail(err, POME_ERROR_PERMISSION, "%s: trusts another signing authority than %s (\"%s\")", b->path,
                      authority_path(o->authority), authority_name(o->authority));
    }
    close_boot(o);
    return NULL;
}

/* --- reading --- */

/* BOOT/ACTIVE or BOOT/PENDING: "" when there is none or it is no name. */
static void read_name(const struct boot *o, const char *path, char name[SET_NAME + 1])
{
    char text[128];
    size_t n = read_small(&o->system, path, text, sizeof text);
    name[0] = 0;
    if (n < SET_NAME || strspn(text, "0123456789ABCDEFabcdef") < SET_NAME)
        return;
    for (int i = 0; i < SET_NAME; i++)
        name[i] = (char)(text[i] >= 'a' ? text[i] - 'a' + 'A' : text[i]);
    name[SET_NAME] = 0;
}

static void set_path(char out[64], const char *name, const char *file)
{
    snprintf(out, 64, "BOOT/%.8s/%s", name, file);
}

static void read_version(const struct boot *o, char out[64])
{
    const struct im4m_property *p = policy_property(o, "love", 0);
    snprintf(out, 64, "%.*s", p ? (int)MIN(p->size, 63) : 0, p ? (const char *)p->bytes : "");
}

bool boot_state_read(struct bundle *b, struct boot_state *s, struct pome_error *err)
{
    char path[64];
    struct fat_entry e;
    struct boot *o = open_boot(b, false, false, err);
    if (!o)
        return false;
    *s = (struct boot_state){.security = personalize_security(&o->policy)};
    memcpy(s->anchor, o->wrapper.trust.anchor, sizeof s->anchor);
    memcpy(s->policy_nonce, o->wrapper.trust.policy_nonces[0], sizeof s->policy_nonce);
    read_version(o, s->version);
    read_name(o, "BOOT/ACTIVE", s->active);
    read_name(o, "BOOT/PENDING", s->pending);
    set_path(path, s->pending, "TICKET.IM4");
    s->pending_signed = s->pending[0] && fat_find(&o->system.edit.fat, path, &e, NULL);
    close_boot(o);
    return true;
}

/* --- the policy --- */

/* All of AuxiliaryStorage, for free(). */
static uint8_t *read_aux(struct boot *o, struct pome_error *err)
{
    int fd = bundle_member_open(o->bundle, BUNDLE_AUX, O_RDONLY, err);
    uint8_t *aux = fd < 0 ? NULL : malloc(AUX_BYTES);
    if (fd >= 0 && !aux)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for AuxiliaryStorage");
    if (aux && !file_read_at(fd, o->aux_path, aux, AUX_BYTES, 0, err)) {
        free(aux);
        aux = NULL;
    }
    if (fd >= 0)
        close(fd);
    return aux;
}

/* AuxiliaryStorage with the wrapper as it is now takes the place of the old one in one step. */
static bool replace_aux(struct boot *o, uint8_t *aux, struct pome_error *err)
{
    aux_wrapper_write(&o->wrapper, aux);
    return bundle_member_write(o->bundle, BUNDLE_AUX, aux, AUX_BYTES, err);
}

static bool write_wrapper(struct boot *o, struct pome_error *err)
{
    uint8_t *aux = read_aux(o, err);
    bool ok = aux && replace_aux(o, aux, err);
    free(aux);
    return ok;
}

/* Signs a policy for the nonce that is given, in the place of the old one. nsih: NULL: as before. */
static bool write_policy(struct boot *o, const struct personality *who, enum policy_security security, const uint8_t *nsih, const uint8_t *lpnh,
                         struct pome_error *err)
{
    static const uint8_t none[SHA384_BYTES];
    uint8_t im4p[POLICY_IM4P_BYTES];
    const struct im4m_property *old = policy_property(o, "nsih", SHA384_BYTES), *vuid = policy_property(o, "vuid", 16),
                               *rpnh = policy_property(o, "rpnh", SHA384_BYTES), *ronh = policy_property(o, "ronh", SHA384_BYTES);
    if (!old || !vuid)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: LocalPolicy lacks nsih or vuid", o->bundle->path);
    const struct policy_content content = {security, nsih ? nsih : old->bytes, lpnh, rpnh ? rpnh->bytes : none, ronh ? ronh->bytes : none, vuid->bytes};
    struct ticket *t = malloc(sizeof *t);
    struct img4_frame *f = malloc(sizeof *f);
    uint8_t *file = malloc(SMALL_FILE);
    bool ok = (t && f && file) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a policy");
    ok = ok && personalize_policy(who, &content, t, im4p, err);
    if (ok && (!img4_frame(sizeof im4p, t->der, t->size, NULL, 0, f) || f->head_size + sizeof im4p + f->tail_size > SMALL_FILE))
        ok = pome_fail(err, POME_ERROR_INTERNAL, "a policy does not fit %d bytes", SMALL_FILE);
    if (ok) {
        memcpy(file, f->head, f->head_size);
        memcpy(file + f->head_size, im4p, sizeof im4p);
        memcpy(file + f->head_size + sizeof im4p, f->tail, f->tail_size);
        ok = fat_replace(&o->system.edit, policy_path, file, f->head_size + sizeof im4p + f->tail_size, err);
    }
    free(file);
    free(f);
    free(t);
    return ok;
}

/* A new policy with a new nonce: the wrapper allows both, the policy is replaced, the wrapper allows the new one alone. */
static bool change_policy(struct boot *o, enum policy_security security, const uint8_t *nsih, struct pome_error *err)
{
    uint8_t nonce[16];
    char version[64];
    struct aux_trust *trust = &o->wrapper.trust;
    const struct personality who = {o->authority, o->bundle->ecid, o->platform->board, o->platform->chip, trust->boot_nonce, version};
    const struct im4m_property *lpnh = policy_property(o, "lpnh", SHA384_BYTES);
    read_version(o, version);
    /* An earlier change may have ended before its last step: the nonce of the policy that is there is the one to keep. */
    if (lpnh && !memcmp(lpnh->bytes, trust->policy_nonces[1], SHA384_BYTES))
        memcpy(trust->policy_nonces[0], trust->policy_nonces[1], SHA384_BYTES);
    if (!personalize_draw_nonce(nonce, trust->policy_nonces[1], err) || !write_wrapper(o, err) ||
        !write_policy(o, &who, security, nsih, trust->policy_nonces[1], err))
        return false;
    memcpy(trust->policy_nonces[0], trust->policy_nonces[1], SHA384_BYTES);
    memset(trust->policy_nonces[1], 0, SHA384_BYTES);
    return write_wrapper(o, err);
}

bool boot_set_security(struct bundle *b, enum policy_security security, struct pome_error *err)
{
    struct boot *o = open_boot(b, true, false, err);
    bool ok = o && change_policy(o, security, NULL, err);
    close_boot(o);
    return ok;
}

/* --- sets --- */

/* Digest of an object of a set, which must be an IM4P of this type. */
static bool digest_object(const struct volume *v, const char *path, const char *type, uint8_t digest[SHA384_BYTES], struct pome_error *err)
{
    struct fat_entry e;
    struct im4p p;
    if (!fat_find(&v->edit.fat, path, &e, err))
        return false;
    if (e.directory || e.size > OBJECT_MAX)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %u bytes, at most %d are allowed", path, e.size, OBJECT_MAX);
    uint8_t *bytes = malloc(e.size + 1);
    if (!bytes)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for %u bytes", path, e.size);
    bool ok = fat_read(&v->edit.fat, &e, 0, bytes, e.size) == e.size || pome_fail(err, POME_ERROR_INVALID_DATA, "%s: ends before its length", path);
    ok = ok && (im4p_read_head(bytes, e.size, e.size, &p, err) || pome_fail_context(err, "%s", path));
    if (ok && (p.size != e.size || strcmp(p.type, type)))
        ok = pome_fail(err, POME_ERROR_INVALID_DATA, "%s: is an IM4P of type %s and %llu bytes, needed %s and %u", path, p.type, (unsigned long long)p.size,
                       type, e.size);
    sha384(bytes, e.size, digest);
    free(bytes);
    return ok;
}

/* The line "<96 digits>  FILE" of DIGESTS says the same. */
static bool listed(const char *digests, const char *file, const uint8_t digest[SHA384_BYTES])
{
    char hex[2 * SHA384_BYTES + 1];
    hex_upper(digest, SHA384_BYTES, hex);
    for (const char *line = digests; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (!strncasecmp(line, hex, 2 * SHA384_BYTES) && strlen(line) > 2 * SHA384_BYTES + 2 &&
            !strncmp(line + 2 * SHA384_BYTES + 2, file, strlen(file)) && line[2 * SHA384_BYTES + 2 + strlen(file)] == '\n')
            return true;
    return false;
}

static bool sign_set(struct boot *o, const char *name, struct pome_error *err)
{
    char path[64], digests[1024], version[64];
    uint8_t digest[ARRAY_SIZE(object_files)][SHA384_BYTES], nsih[SHA384_BYTES];
    struct image_digest images[ARRAY_SIZE(object_files)];
    const struct personality who = {o->authority, o->bundle->ecid, o->platform->board, o->platform->chip, o->wrapper.trust.boot_nonce, version};
    read_version(o, version);
    set_path(path, name, "DIGESTS");
    digests[read_small(&o->system, path, digests, sizeof digests - 1)] = 0;
    for (size_t i = 0; i < ARRAY_SIZE(object_files); i++) {
        set_path(path, name, object_files[i]);
        if (!digest_object(&o->system, path, object_types[i], digest[i], err))
            return false;
        if (!listed(digests, object_files[i], digest[i]))
            return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: is not what DIGESTS says: it was damaged, or not written to its end", path);
        images[i] = (struct image_digest){object_types[i], digest[i]};
    }
    struct ticket *t = malloc(sizeof *t);
    if (!t)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a ticket");
    set_path(path, name, "TICKET.IM4");
    bool ok = personalize_images(&who, images, ARRAY_SIZE(images), t, err) && fat_replace(&o->system.edit, path, t->der, t->size, err);
    sha384(t->der, t->size, nsih);
    free(t);
    return ok && change_policy(o, personalize_security(&o->policy), nsih, err); /* from here on it is the machine's set */
}

bool boot_sign_pending(struct bundle *b, struct pome_error *err)
{
    char name[SET_NAME + 1], text[SET_NAME + 2];
    struct boot *o = open_boot(b, true, false, err);
    if (!o)
        return false;
    read_name(o, "BOOT/PENDING", name);
    bool ok = name[0] || pome_fail(err, POME_ERROR_NOT_FOUND, "%s: no boot set waits for a signature", b->path);
    snprintf(text, sizeof text, "%s\n", name);
    ok = ok && sign_set(o, name, err) && fat_replace(&o->system.edit, "BOOT/ACTIVE", text, strlen(text), err) &&
         fat_remove(&o->system.edit, "BOOT/PENDING", err);
    close_boot(o);
    return ok;
}

/* --- all tickets anew --- */

/* The images that a ticket lists, checked to be from an authority that the machine trusts. m keeps the digests. */
static bool list_images(const struct boot *o, const void *im4m, size_t n, struct im4m *m, struct image_digest images[IMAGES_MAX], size_t *count,
                        struct pome_error *err)
{
    *count = 0;
    if (!trusted(o, im4m, n, err) || !im4m_read(im4m, n, m, err))
        return false;
    for (size_t i = 0; i < m->n; i++) {
        const struct im4m_property *d = im4m_property(&m->groups[i], "DGST");
        if (!strcmp(m->groups[i].name, "MANP"))
            continue;
        if (!d || d->size != SHA384_BYTES || *count == IMAGES_MAX)
            return pome_fail(err, POME_ERROR_INVALID_DATA, "the ticket's entry %s is not one of ours", m->groups[i].name);
        images[(*count)++] = (struct image_digest){m->groups[i].name, d->bytes};
    }
    return true;
}

/* Objects of a set in `folder` are what its old ticket says: then a new ticket for the same. nsih: of the new one. */
static bool renew_set(struct boot *o, struct volume *v, const char *folder, const char *const types[3], const struct personality *who,
                      uint8_t nsih[SHA384_BYTES], struct pome_error *err)
{
    char path[64];
    uint8_t digest[SHA384_BYTES], old[SMALL_FILE];
    struct image_digest images[IMAGES_MAX];
    size_t count, n;
    struct im4m *m = malloc(sizeof *m);
    struct ticket *t = malloc(sizeof *t);
    snprintf(path, sizeof path, "%.40s/TICKET.IM4", folder);
    bool ok = (m && t) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a ticket");
    n = read_small(v, path, old, sizeof old);
    ok = ok && (list_images(o, old, n, m, images, &count, err) || pome_fail_context(err, "%s", path));
    for (size_t i = 0; ok && i < ARRAY_SIZE(object_files); i++) {
        size_t k = 0;
        snprintf(path, sizeof path, "%.40s/%s", folder, object_files[i]);
        ok = digest_object(v, path, types[i], digest, err);
        while (ok && k < count && strcmp(images[k].type, types[i]))
            k++;
        if (ok && (k == count || memcmp(images[k].digest, digest, sizeof digest)))
            ok = pome_fail(err, POME_ERROR_INVALID_DATA, "%s: is not what its ticket says", path);
    }
    snprintf(path, sizeof path, "%.40s/TICKET.IM4", folder);
    ok = ok && personalize_images(who, images, count, t, err) && fat_replace(&v->edit, path, t->der, t->size, err);
    if (ok)
        sha384(t->der, t->size, nsih);
    free(t);
    free(m);
    return ok;
}

/* The LLB with a new ticket in flash[], which is all of AuxiliaryStorage. */
static bool renew_firmware(struct boot *o, uint8_t *aux, const struct personality *who, uint64_t generator, struct pome_error *err)
{
    uint8_t *place = aux + AUX_FLASH_OFFSET + AUX_FIRMWARE, im4r[IMAGE4_IM4R_MAX], digest[SHA384_BYTES];
    struct img4 i;
    struct image_digest images[IMAGES_MAX];
    size_t count, im4r_size = im4r_write(generator, im4r);
    struct im4m *m = malloc(sizeof *m);
    struct ticket *t = malloc(sizeof *t);
    struct img4_frame *f = malloc(sizeof *f);
    uint8_t *im4p = NULL;
    bool ok = (m && t && f) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the firmware");
    ok = ok && img4_read(place, AUX_FIRMWARE_MAX, &i, err) && i.im4m_bytes && list_images(o, i.im4m_bytes, i.im4m_size, m, images, &count, err);
    if (ok) {
        sha384(i.im4p_bytes, i.im4p_size, digest);
        ok = (count == 1 && !memcmp(digest, images[0].digest, sizeof digest)) || pome_fail(err, POME_ERROR_INVALID_DATA, "is not what its ticket says");
    }
    ok = ok && personalize_images(who, images, count, t, err) && img4_frame(i.im4p_size, t->der, t->size, im4r, im4r_size, f) &&
         f->head_size + i.im4p_size + f->tail_size <= AUX_FIRMWARE_MAX && (im4p = malloc(i.im4p_size));
    if (ok) {
        memcpy(im4p, i.im4p_bytes, i.im4p_size); /* it may move */
        memset(place, 0xff, i.size);
        memcpy(place, f->head, f->head_size);
        memcpy(place + f->head_size, im4p, i.im4p_size);
        memcpy(place + f->head_size + i.im4p_size, f->tail, f->tail_size);
    }
    free(im4p);
    free(f);
    free(t);
    free(m);
    return ok || pome_fail_context(err, "%s: LLB", o->aux_path);
}

static bool sign_all(struct boot *o, struct pome_error *err)
{
    static const char *const recovery_types[] = {"rkrn", "rrdk", "rcmd"};
    char version[64], name[SET_NAME + 1], folder[16];
    uint8_t nsih[SHA384_BYTES], recovery_nsih[SHA384_BYTES], nonce[16], boot_nonce[AUX_NONCE_BYTES], lpnh[SHA384_BYTES];
    uint64_t generator;
    const struct personality who = {o->authority, o->bundle->ecid, o->platform->board, o->platform->chip, boot_nonce, version};
    if (getrandom(&generator, sizeof generator, 0) != sizeof generator || !personalize_draw_nonce(nonce, lpnh, err))
        return pome_fail_errno(err, "random numbers");
    read_version(o, version);
    personalize_boot_nonce(generator, boot_nonce);
    read_name(o, "BOOT/ACTIVE", name);
    snprintf(folder, sizeof folder, "BOOT/%s", name);
    if (!renew_set(o, &o->system, folder, object_types, &who, nsih, err) || !renew_set(o, &o->recovery, "BOOT", recovery_types, &who, recovery_nsih, err) ||
        !write_policy(o, &who, o->policy_current ? personalize_security(&o->policy) : POLICY_FULL, nsih, lpnh, err))
        return false;
    struct aux_wrapper *w = &o->wrapper;
    *w = (struct aux_wrapper){.ecid = o->bundle->ecid, .board = o->platform->board, .chip = o->platform->chip};
    memcpy(w->trust.anchor, authority_anchor(o->authority), SHA384_BYTES);
    memcpy(w->trust.boot_nonce, boot_nonce, sizeof boot_nonce);
    memcpy(w->trust.policy_nonces[0], lpnh, sizeof lpnh);
    uint8_t *aux = read_aux(o, err);
    bool ok = aux && renew_firmware(o, aux, &who, generator, err) && replace_aux(o, aux, err); /* this makes the new tickets valid */
    free(aux);
    return ok;
}

bool boot_sign_all(struct bundle *b, struct pome_error *err)
{
    struct boot *o = open_boot(b, true, true, err);
    bool ok = o && sign_all(o, err);
    close_boot(o);
    return ok;
}
