/*
 * boot_state.c - changes to the boot of an installed machine.
 *
 * How it works. Every change is made in the private copies that changes.h keeps of disk and AuxiliaryStorage, files of the FAT volumes by fat_edit.c,
 * and then committed: a new policy, the wrapper that allows its nonce, tickets and NVRAM's copies of the nonces come all at once.
 */
#include "restore/boot_state.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/nvram.h"
#include "restore/boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECT_MAX = 1 << 29 };
static const char *const object_files[] = {"KERNEL.IM4", "RAMDISK.IM4", "CMDLINE.IM4"};
static const char *const object_types[] = {"krnl", "rdsk", "kcmd"};
static const char *const recovery_types[] = {"rkrn", "rrdk", "rcmd"};

bool boot_state_read(struct bundle *b, struct boot_state *s, struct pome_error *err)
{
    char path[64];
    struct fat_entry e;
    struct boot *o = boot_open(b, false, false, err);
    if (!o)
        return false;
    *s = (struct boot_state){.security = personalize_security(&o->policy)};
    memcpy(s->anchor, o->wrapper.trust.anchor, sizeof s->anchor);
    memcpy(s->policy_nonce, o->wrapper.trust.policy_nonces[0], sizeof s->policy_nonce);
    boot_read_version(o, s->version);
    boot_read_name(o, "BOOT/ACTIVE", s->active);
    boot_read_name(o, "BOOT/PENDING", s->pending);
    boot_set_path(path, s->pending, "TICKET.IM4");
    s->pending_signed = s->pending[0] && fat_find(&o->system.edit.fat, path, &e, NULL);
    boot_close(o);
    return true;
}

static struct personality personality_of(const struct boot *o, char version[64])
{
    boot_read_version(o, version);
    return (struct personality){o->authority, o->bundle->ecid, o->platform->board, o->platform->chip, o->wrapper.trust.boot_nonce, version};
}

/* --- AuxiliaryStorage --- */

static bool write_wrapper(struct boot *o, struct pome_error *err)
{
    uint8_t bytes[AUX_WRAPPER_BYTES];
    aux_wrapper_write(&o->wrapper, bytes);
    return changes_write(o->changes, BUNDLE_AUX, 0, bytes, sizeof bytes, err);
}

/* NVRAM's copies of the nonces: the policy's, and the boot nonce's generator unless it is NULL. Nothing is checked against them: a machine
 * whose NVRAM is lost has none. Both banks: the older one must not keep what was. */
static bool write_nonces(struct boot *o, const uint8_t lpnh_nonce[NONCE_BYTES], const uint64_t *generator, struct pome_error *err)
{
    const uint8_t *flash = o->aux + AUX_FLASH_OFFSET;
    uint32_t generation;
    int current = nvram_current(flash + AUX_NVRAM_BANK(0), flash + AUX_NVRAM_BANK(1));
    if (current < 0)
        return true;
    uint8_t *bank = malloc(NVRAM_BANK_BYTES);
    if (!bank)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for NVRAM");
    memcpy(bank, flash + AUX_NVRAM_BANK((unsigned)current), NVRAM_BANK_BYTES);
    bool ok = nvram_bank_valid(bank, &generation) && nonces_to_nvram(bank, NONCE_LPNH, lpnh_nonce, NONCE_BYTES, generator, err);
    for (int i = 1; ok && i <= 2; i++) {
        nvram_bank_finish(bank, generation + (uint32_t)i);
        ok = changes_write(o->changes, BUNDLE_AUX, AUX_FLASH_OFFSET + AUX_NVRAM_BANK((unsigned)(current + i) % 2), bank, NVRAM_BANK_BYTES, err);
    }
    free(bank);
    return ok;
}

/* --- the policy --- */

/* Signs a policy for the nonce that is given, in the place of the old one. nsih: NULL: as before. */
static bool write_policy(struct boot *o, const struct personality *who, enum policy_security security, const uint8_t *nsih, const uint8_t *lpnh,
                         struct pome_error *err)
{
    static const uint8_t none[SHA384_BYTES];
    uint8_t im4p[POLICY_IM4P_BYTES], *file = NULL;
    size_t n = 0;
    const struct im4m_property *old = boot_policy_property(o, "nsih", SHA384_BYTES), *vuid = boot_policy_property(o, "vuid", 16),
                               *rpnh = boot_policy_property(o, "rpnh", SHA384_BYTES), *ronh = boot_policy_property(o, "ronh", SHA384_BYTES);
    if (!old || !vuid)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: LocalPolicy lacks nsih or vuid", o->bundle->path);
    const struct policy_content content = {security, nsih ? nsih : old->bytes, lpnh, rpnh ? rpnh->bytes : none, ronh ? ronh->bytes : none, vuid->bytes};
    struct ticket *t = malloc(sizeof *t);
    bool ok = (t || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a policy")) && personalize_policy(who, &content, t, im4p, err) &&
              (file = ticket_img4(im4p, sizeof im4p, t, NULL, 0, &n, err)) && fat_replace(&o->system.edit, BOOT_POLICY_PATH, file, n, err);
    free(file);
    free(t);
    return ok;
}

/* A new policy with a new nonce, which the wrapper allows instead of the old one. generator: of a new boot nonce, or NULL. */
static bool renew_policy(struct boot *o, const struct personality *who, enum policy_security security, const uint8_t *nsih, const uint64_t *generator,
                         struct pome_error *err)
{
    uint8_t nonce[NONCE_BYTES];
    struct aux_trust *trust = &o->wrapper.trust;
    if (!personalize_draw_nonce(nonce, trust->policy_nonces[0], err))
        return false;
    memset(trust->policy_nonces[1], 0, SHA384_BYTES);
    return write_policy(o, who, security, nsih, trust->policy_nonces[0], err) && write_wrapper(o, err) && write_nonces(o, nonce, generator, err);
}

bool boot_set_security(struct bundle *b, enum policy_security security, struct pome_error *err)
{
    char version[64];
    struct boot *o = boot_open(b, true, false, err);
    if (!o)
        return false;
    const struct personality who = personality_of(o, version);
    bool ok = renew_policy(o, &who, security, NULL, NULL, err) && changes_commit(o->changes, err);
    boot_close(o);
    return ok;
}

/* --- sets --- */

/* Digest of an object of a set, which must be an IM4P of this type. */
static bool digest_object(const struct boot_volume *v, const char *path, const char *type, uint8_t digest[SHA384_BYTES], struct pome_error *err)
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

/* A ticket for the pending set, and a policy that names it: from then on it is the machine's set. */
static bool sign_set(struct boot *o, const char *name, struct pome_error *err)
{
    char path[64], digests[1024], version[64];
    uint8_t digest[ARRAY_SIZE(object_files)][SHA384_BYTES], nsih[SHA384_BYTES];
    struct image_digest images[ARRAY_SIZE(object_files)];
    const struct personality who = personality_of(o, version);
    boot_set_path(path, name, "DIGESTS");
    digests[boot_read_small(&o->system, path, digests, sizeof digests - 1)] = 0;
    for (size_t i = 0; i < ARRAY_SIZE(object_files); i++) {
        boot_set_path(path, name, object_files[i]);
        if (!digest_object(&o->system, path, object_types[i], digest[i], err))
            return false;
        if (!listed(digests, object_files[i], digest[i]))
            return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: is not what DIGESTS says: it was damaged, or not written to its end", path);
        images[i] = (struct image_digest){object_types[i], digest[i]};
    }
    struct ticket *t = malloc(sizeof *t);
    if (!t)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a ticket");
    boot_set_path(path, name, "TICKET.IM4");
    bool ok = personalize_images(&who, images, ARRAY_SIZE(images), t, err) && fat_replace(&o->system.edit, path, t->der, t->size, err);
    if (ok)
        sha384(t->der, t->size, nsih);
    free(t);
    return ok && renew_policy(o, &who, personalize_security(&o->policy), nsih, NULL, err);
}

bool boot_sign_pending(struct bundle *b, struct pome_error *err)
{
    char name[BOOT_SET_NAME + 1], text[BOOT_SET_NAME + 2];
    struct boot *o = boot_open(b, true, false, err);
    if (!o)
        return false;
    boot_read_name(o, "BOOT/PENDING", name);
    bool ok = name[0] || pome_fail(err, POME_ERROR_NOT_FOUND, "%s: no boot set waits for a signature", b->path);
    snprintf(text, sizeof text, "%s\n", name);
    ok = ok && sign_set(o, name, err) && fat_replace(&o->system.edit, "BOOT/ACTIVE", text, strlen(text), err) &&
         fat_remove(&o->system.edit, "BOOT/PENDING", err) && changes_commit(o->changes, err);
    boot_close(o);
    return ok;
}

/* --- all tickets anew --- */

/* The ticket in a folder, checked to be one that the machine or this host signed. m points into der. */
static bool read_ticket(const struct boot *o, const struct boot_volume *v, const char *folder, uint8_t der[BOOT_SMALL_FILE], struct im4m *m,
                        struct pome_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "%.40s/TICKET.IM4", folder);
    size_t n = boot_read_small(v, path, der, BOOT_SMALL_FILE);
    return (n ? boot_trusted(o, der, n, err) && im4m_read(der, n, m, err) : pome_fail(err, POME_ERROR_INVALID_DATA, "is missing")) ||
           pome_fail_context(err, "%s", path);
}

/* Objects of a set in `folder` are what its old ticket says: then a new ticket for the same. nsih: of the new one; wanted: of the old one, or NULL. */
static bool renew_set(struct boot *o, struct boot_volume *v, const char *folder, const char *const types[3], const struct personality *who,
                      const uint8_t *wanted, uint8_t nsih[SHA384_BYTES], struct pome_error *err)
{
    char path[64];
    uint8_t digest[SHA384_BYTES], old[BOOT_SMALL_FILE];
    struct image_digest images[IMAGE4_GROUPS_MAX];
    size_t count = 0;
    struct im4m *m = malloc(sizeof *m);
    struct ticket *t = malloc(sizeof *t);
    bool ok = (m && t) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a ticket");
    ok = ok && read_ticket(o, v, folder, old, m, err) && (ticket_images(m, images, &count, err) || pome_fail_context(err, "%s/TICKET.IM4", folder));
    if (ok && wanted) {
        sha384(m->whole, m->whole_size, digest);
        ok = !memcmp(digest, wanted, sizeof digest) ||
             pome_fail(err, POME_ERROR_INVALID_DATA, "%s: is not the boot set that LocalPolicy names (nsih)", folder);
    }
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

/* The LLB with a new ticket. */
static bool renew_firmware(struct boot *o, const struct personality *who, uint64_t generator, struct pome_error *err)
{
    const uint64_t at = AUX_FLASH_OFFSET + AUX_FIRMWARE;
    uint8_t digest[SHA384_BYTES], *area = malloc(AUX_FIRMWARE_MAX);
    struct img4 i;
    struct image_digest images[IMAGE4_GROUPS_MAX];
    size_t count = 0;
    struct im4m *m = malloc(sizeof *m);
    struct ticket *t = malloc(sizeof *t);
    bool ok = (m && t && area) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the firmware");
    ok = ok && img4_read(o->aux + at, AUX_FIRMWARE_MAX, &i, err) && (i.im4m_bytes || pome_fail(err, POME_ERROR_INVALID_DATA, "it has no ticket")) &&
         boot_trusted(o, i.im4m_bytes, i.im4m_size, err) && im4m_read(i.im4m_bytes, i.im4m_size, m, err) && ticket_images(m, images, &count, err);
    if (ok) {
        sha384(i.im4p_bytes, i.im4p_size, digest);
        ok = (count == 1 && !memcmp(digest, images[0].digest, sizeof digest)) || pome_fail(err, POME_ERROR_INVALID_DATA, "is not what its ticket says");
    }
    ok = ok && personalize_images(who, images, count, t, err) && ticket_firmware(i.im4p_bytes, i.im4p_size, t, generator, area, err) &&
         changes_write(o->changes, BUNDLE_AUX, at, area, AUX_FIRMWARE_MAX, err);
    free(area);
    free(t);
    free(m);
    return ok || pome_fail_context(err, "%s/AuxiliaryStorage: LLB", o->bundle->path);
}

/* The machine trusts this host's authority from now on, and a new boot nonce. */
static bool renew_trust(struct boot *o, uint64_t *generator, struct pome_error *err)
{
    struct aux_wrapper *w = &o->wrapper;
    if (!personalize_draw(generator, sizeof *generator, err))
        return false;
    *w = (struct aux_wrapper){.ecid = o->bundle->ecid, .board = o->platform->board, .chip = o->platform->chip};
    memcpy(w->trust.anchor, authority_anchor(o->authority), SHA384_BYTES);
    personalize_boot_nonce(*generator, w->trust.boot_nonce);
    return true;
}

static bool sign_all(struct boot *o, struct pome_error *err)
{
    char version[64], name[BOOT_SET_NAME + 1], folder[16];
    uint8_t nsih[SHA384_BYTES], recovery_nsih[SHA384_BYTES];
    uint64_t generator;
    const struct im4m_property *wanted = boot_policy_property(o, "nsih", SHA384_BYTES);
    if (!wanted)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: LocalPolicy lacks nsih", o->bundle->path);
    if (!renew_trust(o, &generator, err))
        return false;
    const struct personality who = personality_of(o, version);
    boot_read_name(o, "BOOT/ACTIVE", name);
    snprintf(folder, sizeof folder, "BOOT/%s", name);
    return renew_set(o, &o->system, folder, object_types, &who, wanted->bytes, nsih, err) &&
           renew_set(o, &o->recovery, "BOOT", recovery_types, &who, NULL, recovery_nsih, err) && renew_firmware(o, &who, generator, err) &&
           renew_policy(o, &who, o->policy_current ? personalize_security(&o->policy) : POLICY_FULL, nsih, &generator, err);
}

bool boot_sign_all(struct bundle *b, struct pome_error *err)
{
    struct boot *o = boot_open(b, true, true, err);
    bool ok = o && sign_all(o, err) && changes_commit(o->changes, err);
    boot_close(o);
    return ok;
}
