/* adopt.c - a copy of an installed machine gets an identity of its own. */
#include "restore/adopt.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "bundle/flash.h"
#include "formats/aux_storage.h"
#include "formats/fat.h"
#include "formats/guid.h"
#include "restore/layout.h"
#include "restore/personalize.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct adoption {
    const struct bundle *from;
    struct bundle *b;
    int disk_fd, aux_fd;
    const uint8_t *disk; /* all of Disk.img, mapped; it changes as it is written */
    uint64_t disk_bytes;
    struct gpt gpt;
    struct aux_trust old_trust, trust;
    struct authority *authority;
    struct personality who;
    char version[64]; /* of the system, from the ticket that was read last */
    uint64_t boot_nonce;
    uint8_t nonces[NONCES_BYTES], rpnh[SHA384_BYTES], ronh[SHA384_BYTES], nsih[SHA384_BYTES];
};

static bool damaged(const struct adoption *a, const char *what, const char *why, struct pome_error *err)
{
    return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: %s: %s", a->from->path, what, why);
}

/* --- tickets --- */

/* Reads an old ticket and says whether the machine it comes from would take it. */
static bool open_ticket(const struct adoption *a, const char *what, const void *bytes, size_t n, struct im4m *m,
                        struct pome_error *err)
{
    if (!im4m_read(bytes, n, m, err) || !ticket_verify(bytes, n, a->old_trust.anchor, err)) {
        err->code = POME_ERROR_INVALID_BUNDLE;
        return pome_fail_context(err, "%s: %s", a->from->path, what);
    }
    const struct im4m_group *manp = im4m_group(m, "MANP");
    const struct im4m_property *ecid = manp ? im4m_property(manp, "ECID") : NULL;
    return (ecid && ecid->integer == a->from->ecid) || damaged(a, what, "its ticket is for another machine", err);
}

/* The same images for the new machine. */
static bool renew(struct adoption *a, const char *what, const void *bytes, size_t n, struct ticket *out, struct pome_error *err)
{
    struct image_digest images[IMAGE4_GROUPS_MAX];
    size_t count = 0;
    struct im4m *m = malloc(sizeof *m);
    bool ok = m ? open_ticket(a, what, bytes, n, m, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a ticket");
    for (size_t i = 0; ok && i < m->n; i++) {
        const struct im4m_property *love = im4m_property(&m->groups[i], "love");
        if (love && love->kind == IM4M_TEXT)
            snprintf(a->version, sizeof a->version, "%.*s", (int)MIN(love->size, sizeof a->version - 1), (const char *)love->bytes);
    }
    ok = ok && (ticket_images(m, images, &count, err) || pome_fail_context(err, "%s: %s", a->from->path, what));
    ok = ok && personalize_images(&a->who, images, count, out, err);
    free(m);
    return ok;
}

/* The LocalPolicy as IMG4: security and volume group as they were, all nonces new. *file is for free(). */
static bool renew_policy(struct adoption *a, const uint8_t *bytes, size_t n, uint8_t **file, size_t *size, struct pome_error *err)
{
    uint8_t im4p[POLICY_IM4P_BYTES];
    struct img4 i;
    struct im4m *m = malloc(sizeof *m);
    struct ticket *t = malloc(sizeof *t);
    bool ok = (m && t) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the policy");
    if (ok && (!img4_read(bytes, n, &i, err) || !i.im4m_bytes))
        ok = damaged(a, "POLICY/LOCAL.IM4", "is no Image4 file", err);
    ok = ok && open_ticket(a, "POLICY/LOCAL.IM4", i.im4m_bytes, i.im4m_size, m, err);
    const struct im4m_group *manp = ok ? im4m_group(m, "MANP") : NULL;
    const struct im4m_property *vuid = manp ? im4m_property(manp, "vuid") : NULL;
    if (ok && (!vuid || vuid->size != 16))
        ok = damaged(a, "POLICY/LOCAL.IM4", "names no volume group", err);
    if (ok) {
        const struct policy_content content = {personalize_security(m), a->nsih, a->trust.policy_nonces[0],
                                               a->rpnh,           a->ronh, vuid->bytes};
        ok = personalize_policy(&a->who, &content, t, im4p, err);
    }
    ok = ok && (*file = ticket_img4(im4p, sizeof im4p, t, NULL, 0, size, err));
    free(m);
    free(t);
    return ok;
}

/* --- FAT containers --- */

struct volume {
    size_t n;
    struct fat_file files[FAT_FILES_MAX];
    char paths[FAT_FILES_MAX][80];
    uint8_t *bytes[FAT_FILES_MAX];
};

static bool read_files(const struct adoption *a, const struct fat *f, uint32_t folder, const char *path, int depth,
                       struct volume *v, struct pome_error *err)
{
    struct fat_entry e;
    for (size_t k = 0; fat_list(f, folder, k, &e); k++) {
        char name[96];
        if (e.name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%.79s%s%s", path, path[0] ? "/" : "", e.name);
        if (strlen(name) >= sizeof v->paths[0] || depth == 4 || v->n == FAT_FILES_MAX)
            return damaged(a, name, "too many files or folders", err);
        if (e.directory) {
            if (!read_files(a, f, e.cluster, name, depth + 1, v, err))
                return false;
            continue;
        }
        uint8_t *bytes = e.size <= f->n ? malloc(e.size + 1) : NULL;
        if (!bytes || fat_read(f, &e, 0, bytes, e.size) != e.size) {
            free(bytes);
            return damaged(a, name, "cannot be read", err);
        }
        strcpy(v->paths[v->n], name);
        v->bytes[v->n] = bytes;
        v->files[v->n] = (struct fat_file){.path = v->paths[v->n], .size = e.size};
        v->n++;
    }
    return true;
}

static size_t find(const struct volume *v, const char *path)
{
    for (size_t i = 0; i < v->n; i++)
        if (!strcmp(v->paths[i], path))
            return i;
    return FAT_FILES_MAX;
}

static bool replace(struct volume *v, size_t i, const void *bytes, size_t n)
{
    uint8_t *copy = malloc(n + 1);
    if (!copy)
        return false;
    memcpy(copy, bytes, n);
    free(v->bytes[i]);
    v->bytes[i] = copy;
    v->files[i].size = n;
    return true;
}

/* The ticket in a folder, renewed in its place. */
static bool renew_set(struct adoption *a, struct volume *v, const char *folder, struct ticket *t, struct pome_error *err)
{
    char path[96];
    snprintf(path, sizeof path, "%.70s/TICKET.IM4", folder);
    size_t i = find(v, path);
    if (i == FAT_FILES_MAX)
        return damaged(a, path, "is missing", err);
    return renew(a, path, v->bytes[i], v->files[i].size, t, err) &&
           (replace(v, i, t->der, t->size) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for %s", path));
}

/* BOOT/OLD/... becomes BOOT/NEW/... */
static void rename_set(struct volume *v, const char *old, const char *new)
{
    for (size_t i = 0; i < v->n; i++)
        if (!strncmp(v->paths[i], "BOOT/", 5) && !strncmp(v->paths[i] + 5, old, 8) && v->paths[i][13] == '/')
            memcpy(v->paths[i] + 5, new, 8);
}

static bool renew_boot(struct adoption *a, struct volume *v, struct pome_error *err)
{
    char old[9], folder[16], nsih[2 * SHA384_BYTES + 1];
    uint8_t *policy_file = NULL;
    size_t active = find(v, "BOOT/ACTIVE"), policy = find(v, "POLICY/LOCAL.IM4"), size = 0;
    if (active == FAT_FILES_MAX || v->files[active].size < 8)
        return damaged(a, "BOOT/ACTIVE", "is missing or too short", err);
    if (policy == FAT_FILES_MAX)
        return damaged(a, "POLICY/LOCAL.IM4", "is missing", err);
    snprintf(old, sizeof old, "%.8s", (const char *)v->bytes[active]);
    for (int i = 0; i < 8; i++)
        if (!isxdigit((unsigned char)old[i]))
            return damaged(a, "BOOT/ACTIVE", "is not the name of a boot set", err);
    snprintf(folder, sizeof folder, "BOOT/%s", old);
    struct ticket *t = malloc(sizeof *t);
    bool ok = t ? renew_set(a, v, folder, t, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a ticket");
    if (ok) {
        sha384(t->der, t->size, a->nsih);
        hex_upper(a->nsih, sizeof a->nsih, nsih);
        rename_set(v, old, nsih);
        nsih[8] = '\n';
        ok = (replace(v, active, nsih, 9) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the boot set")) &&
             renew_policy(a, v->bytes[policy], v->files[policy].size, &policy_file, &size, err) &&
             (replace(v, policy, policy_file, size) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the policy"));
    }
    free(policy_file);
    free(t);
    return ok;
}

static bool renew_recovery(struct adoption *a, struct volume *v, struct pome_error *err)
{
    struct ticket *t = malloc(sizeof *t);
    bool ok = t ? renew_set(a, v, "BOOT", t, err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a ticket");
    free(t);
    return ok;
}

/* What is not written reads as zero afterwards. */
static bool clear(const struct adoption *a, uint64_t offset, uint64_t bytes, struct pome_error *err)
{
    static const uint8_t zero[1 << 20];
    if (!fallocate(a->disk_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes))
        return true;
    for (uint64_t at = 0; at < bytes; at += sizeof zero)
        if (!file_write_at(a->disk_fd, a->b->path, zero, (size_t)MIN((uint64_t)sizeof zero, bytes - at), offset + at, err))
            return false;
    return true;
}

static bool write_volume(const struct adoption *a, const struct gpt_partition *p, const char *label, struct volume *v,
                         struct pome_error *err)
{
    uint8_t block[FAT_CLUSTER];
    uint64_t base = p->first * GPT_SECTOR, bytes = (p->last - p->first + 1) * GPT_SECTOR, offset;
    uint32_t serial = 0;
    struct fat_plan plan;
    (void)!getrandom(&serial, sizeof serial, 0);
    if (!fat_plan(&plan, bytes, (uint32_t)p->first, label, serial, time(NULL), v->files, v->n, err) || !clear(a, base, bytes, err))
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (!file_write_at(a->disk_fd, a->b->path, v->bytes[i], (size_t)v->files[i].size, base + v->files[i].offset, err))
            return false;
    for (size_t i = 0; fat_block(&plan, i, &offset, block); i++)
        if (!file_write_at(a->disk_fd, a->b->path, block, sizeof block, base + offset, err))
            return false;
    return true;
}

static bool adopt_volume(struct adoption *a, const char *type_text, const char *label,
                         bool (*renew_it)(struct adoption *, struct volume *, struct pome_error *), struct pome_error *err)
{
    uint8_t type[16];
    struct fat f;
    guid_parse(type_text, type);
    const struct gpt_partition *p = gpt_find(&a->gpt, type);
    if (!p || p->last >= a->disk_bytes / GPT_SECTOR)
        return damaged(a, label, "this container is missing", err);
    struct volume *v = calloc(1, sizeof *v);
    bool ok = v ? fat_open(a->disk + p->first * GPT_SECTOR, (p->last - p->first + 1) * GPT_SECTOR, &f, err)
                : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for %s", label);
    ok = ok && read_files(a, &f, f.root, "", 0, v, err) && renew_it(a, v, err) && write_volume(a, p, label, v, err);
    for (size_t i = 0; v && i < v->n; i++)
        free(v->bytes[i]);
    free(v);
    return ok;
}

/* --- AuxiliaryStorage --- */

static bool adopt_firmware(struct adoption *a, struct pome_error *err)
{
    uint8_t *old = malloc(AUX_FIRMWARE_MAX), *area = malloc(AUX_FIRMWARE_MAX);
    struct img4 i;
    struct ticket *t = malloc(sizeof *t);
    const uint64_t at = AUX_FLASH_OFFSET + AUX_FIRMWARE;
    bool ok = (old && area && t) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the firmware");
    ok = ok && file_read_at(a->aux_fd, a->b->path, old, AUX_FIRMWARE_MAX, at, err);
    if (ok && (!img4_read(old, AUX_FIRMWARE_MAX, &i, err) || !i.im4m_bytes))
        ok = damaged(a, "AuxiliaryStorage, firmware", "is no Image4 file", err);
    ok = ok && renew(a, "AuxiliaryStorage, firmware", i.im4m_bytes, i.im4m_size, t, err) &&
         ticket_firmware(i.im4p_bytes, i.im4p_size, t, a->boot_nonce, area, err) &&
         file_write_at(a->aux_fd, a->b->path, area, AUX_FIRMWARE_MAX, at, err);
    free(old);
    free(area);
    free(t);
    return ok;
}

static bool adopt_wrapper(struct adoption *a, struct pome_error *err)
{
    uint8_t wrapper[AUX_WRAPPER_BYTES];
    aux_wrapper_write(&(struct aux_wrapper){a->who.ecid, a->who.board, a->who.chip, a->trust}, wrapper);
    return file_write_at(a->aux_fd, a->b->path, wrapper, sizeof wrapper, 0, err);
}

/* Both banks: the older one must not keep the old machine's nonces. */
static bool adopt_nvram(struct adoption *a, struct pome_error *err)
{
    struct flash *f = flash_open(a->b, false, err);
    bool ok = f && nonces_to_nvram(f->bank, 0, a->nonces, sizeof a->nonces, &a->boot_nonce, err) && flash_write(f, err) && flash_write(f, err);
    flash_close(f);
    return ok;
}

/* --- all of it --- */

static bool prepare(struct adoption *a, uint64_t ecid, struct pome_error *err)
{
    const struct platform *p = platform_of(a->from->model.platform);
    uint8_t bytes[AUX_WRAPPER_BYTES];
    struct aux_wrapper old;
    struct stat st;
    struct pome_error ignored;
    if (!p || p->version != PLATFORM_POME)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED,
                         "%s: the tickets of an Apple machine are Apple's to issue: it cannot get another identity", a->from->path);
    a->disk_fd = bundle_member_open(a->b, BUNDLE_DISK, O_RDWR, err);
    a->aux_fd = a->disk_fd < 0 ? -1 : bundle_member_open(a->b, BUNDLE_AUX, O_RDWR, err);
    if (a->aux_fd < 0 || !file_read_at(a->aux_fd, a->b->path, bytes, sizeof bytes, 0, err) || !aux_wrapper_read(bytes, &old, err))
        return false;
    if (fstat(a->disk_fd, &st))
        return pome_fail_errno(err, "%s/Disk.img", a->b->path);
    a->disk_bytes = (uint64_t)st.st_size;
    void *map = mmap(NULL, a->disk_bytes, PROT_READ, MAP_SHARED, a->disk_fd, 0);
    if (map == MAP_FAILED)
        return pome_fail_errno(err, "%s/Disk.img: cannot map", a->b->path);
    a->disk = map;
    if (!gpt_read(a->disk, a->disk_bytes / GPT_SECTOR, &a->gpt, err) &&
        !gpt_read_backup(a->disk + a->disk_bytes - GPT_BACKUP_BYTES, a->disk_bytes / GPT_SECTOR, &a->gpt, &ignored))
        return pome_fail_context(err, "%s/Disk.img", a->from->path);
    a->old_trust = old.trust;
    a->authority = authority_open(NULL, true, err);
    if (!a->authority)
        return pome_fail_context(err, "signing authority");
    memcpy(a->trust.anchor, authority_anchor(a->authority), SHA384_BYTES);
    if (!personalize_draw(&a->boot_nonce, sizeof a->boot_nonce, err))
        return false;
    personalize_boot_nonce(a->boot_nonce, a->trust.boot_nonce);
    snprintf(a->version, sizeof a->version, "0");
    a->who = (struct personality){a->authority, ecid, p->board, p->chip, a->trust.boot_nonce, a->version};
    return personalize_draw_nonce(a->nonces + NONCE_RPNH, a->rpnh, err) &&
           personalize_draw_nonce(a->nonces + NONCE_LPNH, a->trust.policy_nonces[0], err) &&
           personalize_draw_nonce(a->nonces + NONCE_RONH, a->ronh, err);
}

static bool sync_all(const struct adoption *a, struct pome_error *err)
{
    return (!fsync(a->disk_fd) && !fsync(a->aux_fd)) || pome_fail_errno(err, "%s: cannot sync", a->b->path);
}

bool restore_adopt(void *user, const struct bundle *from, struct bundle *staged, uint64_t ecid, struct pome_error *err)
{
    struct pome_error own;
    struct adoption *a = calloc(1, sizeof *a);
    if (!a)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory for another identity", from->path);
    err = err ? err : &own;
    a->from = from;
    a->b = staged;
    a->disk_fd = a->aux_fd = -1;
    bool ok = prepare(a, ecid, err) && adopt_firmware(a, err) &&
              adopt_volume(a, "69646961-6700-11AA-AA11-00306543ECAC", "ISC", renew_boot, err) &&
              adopt_volume(a, "52637672-7900-11AA-AA11-00306543ECAC", "RECOVERY", renew_recovery, err) && adopt_wrapper(a, err) &&
              adopt_nvram(a, err) && sync_all(a, err);
    authority_close(a->authority);
    if (a->disk)
        munmap((void *)(uintptr_t)a->disk, a->disk_bytes);
    if (a->disk_fd >= 0)
        close(a->disk_fd);
    if (a->aux_fd >= 0)
        close(a->aux_fd);
    free(a);
    return ok;
}
