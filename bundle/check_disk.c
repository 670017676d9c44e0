/* check_disk.c - the partition map, the containers, and the boot sets in them (docs/boot.md, sections 2 and 5). */
#include "base/bits.h"
#include "base/error.h"
#include "bundle/check.h"
#include "formats/fat.h"
#include "formats/gpt.h"
#include "formats/guid.h"
#include "formats/image4.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct disk {
    const struct bundle *b;
    const uint8_t *bytes;
    uint64_t n;
    char path[PATH_MAX + 32];
    struct findings *out;
};

#define FOUND(d, rule, field, ...) findings_add((d)->out, &bundle_rules[CHECK_##rule], (d)->path, field, __VA_ARGS__)

/* --- tickets --- */

/* Whom a ticket is for. */
static const char *wrong_machine(const struct bundle *b, const struct im4m *m)
{
    const struct im4m_group *g = im4m_group(m, "MANP");
    const struct im4m_property *ecid = g ? im4m_property(g, "ECID") : NULL, *board = g ? im4m_property(g, "BORD") : NULL;
    const struct platform *p = platform_of(b->model.platform);
    if (!ecid || ecid->integer != b->ecid)
        return "a ticket for another machine (ECID)";
    return !board || !p || board->integer != p->board ? "a ticket for another board" : NULL;
}

static bool has_digest(const struct im4m *m, const char *type, const uint8_t *bytes, size_t n)
{
    uint8_t digest[SHA384_BYTES];
    const struct im4m_group *g = im4m_group(m, type);
    const struct im4m_property *p = g ? im4m_property(g, "DGST") : NULL;
    sha384(bytes, n, digest);
    return p && p->size == SHA384_BYTES && !memcmp(p->bytes, digest, SHA384_BYTES);
}

void check_firmware(const struct bundle *b, const uint8_t *area, size_t n, struct findings *out)
{
    struct disk d = {.b = b, .out = out};
    struct img4 i;
    struct pome_error why;
    struct im4m *m = malloc(sizeof *m);
    snprintf(d.path, sizeof d.path, "%s/AuxiliaryStorage", b->path);
    if (!m || !img4_read(area, n, &i, &why) || !i.im4m_bytes || !im4m_read(i.im4m_bytes, i.im4m_size, m, &why))
        FOUND(&d, AUX_FIRMWARE, "firmware", "no firmware image");
    else if (wrong_machine(b, m))
        FOUND(&d, AUX_FIRMWARE, "firmware", "%s", wrong_machine(b, m));
    else if (!has_digest(m, "illb", i.im4p_bytes, i.im4p_size))
        FOUND(&d, AUX_FIRMWARE, "firmware", "other bytes than its ticket is for");
    free(m);
}

/* --- files of a volume --- */

/* A whole file in new memory; NULL: not there, damaged, or larger than any of ours. */
static uint8_t *read_file(const struct fat *f, const char *path, size_t *n)
{
    struct fat_entry e;
    struct pome_error ignored;
    if (!fat_find(f, path, &e, &ignored) || e.directory || !e.size || e.size > (1u << 30) || e.size > f->n)
        return NULL;
    uint8_t *bytes = malloc(e.size);
    if (bytes && fat_read(f, &e, 0, bytes, e.size) == e.size) {
        *n = e.size;
        return bytes;
    }
    free(bytes);
    return NULL;
}

static void check_object(const struct disk *d, const struct fat *f, const char *path, const char *type, const struct im4m *m,
                         enum bundle_rule missing)
{
    size_t n;
    struct im4p p;
    struct pome_error why;
    uint8_t *bytes = read_file(f, path, &n);
    if (!bytes)
        findings_add(d->out, &bundle_rules[missing], d->path, path, "missing or damaged");
    else if (!im4p_read_head(bytes, n, n, &p, &why) || strcmp(p.type, type))
        FOUND(d, BOOT_OBJECT, path, "no %s object", type);
    else if (m && !has_digest(m, type, bytes, n))
        FOUND(d, BOOT_OBJECT, path, "other bytes than its ticket is for");
    free(bytes);
}

static const struct object {
    const char *file, *type, *recovery_type;
    bool optional; /* there when the ticket lists it */
} objects[] = {
    {"KERNEL.IM4", "krnl", "rkrn"}, {"RAMDISK.IM4", "rdsk", "rrdk"}, {"CMDLINE.IM4", "kcmd", "rcmd"},
    {"DEVTREE.IM4", "dtre", "rdtr", true}, {"TRUST.IM4", "trst", "rtsc", true},
};

/* Ticket and objects of a folder. */
static void check_set(const struct disk *d, const struct fat *f, const char *folder, bool recovery)
{
    char path[64];
    size_t n = 0;
    struct pome_error why;
    enum bundle_rule missing = recovery ? CHECK_RECOVERY : CHECK_BOOT_SET;
    struct im4m *m = malloc(sizeof *m);
    snprintf(path, sizeof path, "%s/TICKET.IM4", folder);
    uint8_t *ticket = m ? read_file(f, path, &n) : NULL;
    bool readable = ticket && im4m_read(ticket, n, m, &why);
    if (!ticket)
        findings_add(d->out, &bundle_rules[missing], d->path, path, "missing or damaged");
    else if (!readable)
        FOUND(d, TICKET, path, "%s", why.message);
    else if (wrong_machine(d->b, m))
        FOUND(d, TICKET, path, "%s", wrong_machine(d->b, m));
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        const char *type = recovery ? objects[i].recovery_type : objects[i].type;
        if (objects[i].optional && !(readable && im4m_group(m, type)))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, objects[i].file);
        check_object(d, f, path, type, readable ? m : NULL, missing);
    }
    free(ticket);
    free(m);
}

static void check_boot_container(const struct disk *d, const struct fat *f)
{
    size_t n = 0;
    char folder[16];
    uint8_t *active = read_file(f, "BOOT/ACTIVE", &n);
    bool ok = active && n >= 8;
    for (size_t i = 0; ok && i < 8; i++)
        ok = (active[i] >= '0' && active[i] <= '9') || (active[i] >= 'A' && active[i] <= 'F');
    if (!ok) {
        FOUND(d, BOOT_SET, "BOOT/ACTIVE", "missing or damaged");
    } else {
        snprintf(folder, sizeof folder, "BOOT/%.8s", (const char *)active);
        check_set(d, f, folder, false);
    }
    free(active);
    uint8_t *policy = read_file(f, "POLICY/LOCAL.IM4", &n);
    struct img4 i;
    struct pome_error why;
    if (!policy || !img4_read(policy, n, &i, &why))
        FOUND(d, BOOT_SET, "POLICY/LOCAL.IM4", "missing or damaged");
    free(policy);
}

/* --- containers and partition map --- */

static const struct {
    const char *name, *type;
} containers[] = {
    {"iBootSystemContainer", "69646961-6700-11AA-AA11-00306543ECAC"},
    {"Container", "7C3457EF-0000-11AA-AA11-00306543ECAC"},
    {"RecoveryOSContainer", "52637672-7900-11AA-AA11-00306543ECAC"},
};

static void check_containers(const struct disk *d, const struct gpt *g)
{
    for (size_t i = 0; i < ARRAY_SIZE(containers); i++) {
        uint8_t type[16];
        struct fat f;
        struct pome_error why;
        guid_parse(containers[i].type, type);
        const struct gpt_partition *p = gpt_find(g, type);
        if (!p)
            FOUND(d, CONTAINER, containers[i].name, "missing");
        else if (i == 1 || d->b->model.platform != PLATFORM_POME)
            continue; /* the guest's own, or Apple's */
        else if (p->last >= d->n / GPT_SECTOR ||
                 !fat_open(d->bytes + p->first * GPT_SECTOR, (p->last - p->first + 1) * GPT_SECTOR, &f, &why))
            FOUND(d, VOLUME, containers[i].name, "%s", p->last >= d->n / GPT_SECTOR ? "beyond the end of the disk" : why.message);
        else if (i == 0)
            check_boot_container(d, &f);
        else
            check_set(d, &f, "BOOT", true);
    }
}

static bool same_map(const struct gpt *a, const struct gpt *b)
{
    bool same = a->n == b->n && !memcmp(a->disk, b->disk, sizeof a->disk);
    for (size_t i = 0; same && i < a->n; i++)
        same = !memcmp(a->partitions[i].unique, b->partitions[i].unique, 16) && a->partitions[i].first == b->partitions[i].first &&
               a->partitions[i].last == b->partitions[i].last;
    return same;
}

static void check_map(const struct disk *d)
{
    struct gpt *g = malloc(2 * sizeof *g);
    struct pome_error why[2];
    if (!g)
        return;
    bool primary = gpt_read(d->bytes, d->n / GPT_SECTOR, &g[0], &why[0]);
    bool backup = gpt_read_backup(d->bytes + d->n - GPT_BACKUP_BYTES, d->n / GPT_SECTOR, &g[1], &why[1]);
    if (!primary && !backup)
        FOUND(d, GPT_BOTH, "GPT", "%s", why[0].message);
    else if (!primary)
        FOUND(d, GPT_PRIMARY, "GPT, beginning of the disk", "%s", why[0].message);
    else if (!backup)
        FOUND(d, GPT_BACKUP, "GPT, end of the disk", "%s", why[1].message);
    else if (!same_map(&g[0], &g[1]))
        FOUND(d, GPT_DIFFERS, "GPT", "two maps that differ");
    if (primary || backup)
        check_containers(d, primary ? &g[0] : &g[1]);
    free(g);
}

void check_disk(const struct bundle *b, bool installed, struct findings *out)
{
    struct disk d = {.b = b, .out = out};
    struct stat st;
    if (!installed) /* there need be nothing on it */
        return;
    int fd = openat(b->dir_fd, bundle_member_name(BUNDLE_DISK), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    void *bytes = fd < 0 || fstat(fd, &st) ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes != MAP_FAILED) {
        d.bytes = bytes;
        d.n = (uint64_t)st.st_size;
        snprintf(d.path, sizeof d.path, "%s/%s", b->path, bundle_member_name(BUNDLE_DISK));
        check_map(&d);
        munmap(bytes, (size_t)st.st_size);
    }
    if (fd >= 0)
        close(fd);
}
