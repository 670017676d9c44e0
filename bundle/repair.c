/* repair.c - mending what can be mended without guessing. */
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "bundle/changes.h"
#include "bundle/check.h"
#include "bundle/flash.h"
#include "bundle/paths.h"
#include "bundle/snapshot.h"
#include "formats/gpt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Keeps bytes that will be replaced: NAME.old, synced, before anything is changed. One of before is replaced: it was mended
 * already. */
static bool keep(const struct bundle *b, const char *name, const void *bytes, size_t n, struct pome_error *err)
{
    char old[64];
    snprintf(old, sizeof old, "%s.old", name);
    int fd = openat(b->dir_fd, old, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = (fd >= 0 && file_write_whole(fd, bytes, n) && !fsync(fd) && !fsync(b->dir_fd)) ||
              pome_fail_errno(err, "%s/%s: cannot write", b->path, old);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* --- each fault --- */

static bool mend_mode(struct bundle *b, struct pome_error *err)
{
    struct stat st;
    bool ok = !fchmod(b->dir_fd, 0700);
    const struct settings *s = &b->settings;
    const char *files[BUNDLE_MEMBERS + 3 + SETTINGS_MAX_ITEMS];
    size_t n = 0;
    for (int m = 0; m < BUNDLE_MEMBERS; m++)
        files[n++] = bundle_member_name((enum bundle_member)m);
    files[n++] = s->kernel;
    files[n++] = s->ramdisk;
    files[n++] = s->firmware;
    for (size_t i = 0; i < s->n_disks; i++)
        files[n++] = s->disks[i].file;
    for (size_t i = 0; i < n; i++)
        if (files[i][0] && !fstatat(b->dir_fd, files[i], &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) && st.st_mode & 077)
            ok &= !fchmodat(b->dir_fd, files[i], st.st_mode & 0700, 0);
    return ok || pome_fail_errno(err, "%s: cannot change modes", b->path);
}

static bool mend_leftovers(struct bundle *b, struct pome_error *err)
{
    remove_temporaries(b);
    return !fsync(b->dir_fd) || pome_fail_errno(err, "%s: cannot sync", b->path);
}

static bool mend_damaged_changes(struct bundle *b, struct pome_error *err)
{
    const char *name = bundle_member_name(BUNDLE_CHANGES);
    char old[64];
    snprintf(old, sizeof old, "%s.old", name);
    return (!renameat(b->dir_fd, name, b->dir_fd, old) && !fsync(b->dir_fd)) || pome_fail_errno(err, "%s/%s: cannot rename", b->path, name);
}

static bool mend_config(struct bundle *b, struct pome_error *err)
{
    char *text = malloc(SETTINGS_MAX_BYTES);
    struct findings ignored = {0};
    int fd = text ? openat(b->dir_fd, bundle_member_name(BUNDLE_CONFIG), O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? -1 : pread(fd, text, SETTINGS_MAX_BYTES, 0);
    bool ok = n >= 0 || pome_fail_errno(err, "%s/%s: cannot read", b->path, bundle_member_name(BUNDLE_CONFIG));
    if (ok) {
        settings_parse(text, (size_t)n, b->path, &b->settings, &ignored);
        settings_mend(&b->settings);
        ok = keep(b, bundle_member_name(BUNDLE_CONFIG), text, (size_t)n, err) && bundle_save_settings(b, &b->settings, err);
    }
    if (fd >= 0)
        close(fd);
    findings_free(&ignored);
    free(text);
    return ok;
}

/* The damaged bank gets what the good one has, as a change does. */
static bool mend_nvram_bank(struct bundle *b, struct pome_error *err)
{
    struct flash *f = flash_open(b, false, err);
    bool ok = f && flash_write(f, err);
    flash_close(f);
    return ok;
}

static bool mend_nvram(struct bundle *b, struct pome_error *err)
{
    struct flash *f = flash_open(b, true, err);
    if (!f)
        return false;
    bool ok = keep(b, "NVRAM-bank", f->bank, sizeof f->bank, err);
    nvram_bank_init(f->bank);
    ok = ok && nvram_set(f->bank, NVRAM_COMMON, "auto-boot", "true", 4, err) &&
         nvram_set(f->bank, NVRAM_COMMON, "boot-args", "", 0, err) && flash_write(f, err) && flash_write(f, err); /* both banks */
    flash_close(f);
    return ok;
}

struct maps {
    uint8_t primary[GPT_PRIMARY_BYTES], backup[GPT_BACKUP_BYTES], new_primary[GPT_PRIMARY_BYTES], new_backup[GPT_BACKUP_BYTES];
    struct gpt gpt;
};

static bool read_maps(const struct bundle *b, int fd, uint64_t bytes, struct maps *m, bool from_backup, struct pome_error *err)
{
    if (pread(fd, m->primary, sizeof m->primary, 0) != sizeof m->primary ||
        pread(fd, m->backup, sizeof m->backup, (off_t)(bytes - sizeof m->backup)) != sizeof m->backup)
        return pome_fail_errno(err, "%s/Disk.img: cannot read its partition maps", b->path);
    if (from_backup ? !gpt_read_backup(m->backup, bytes / GPT_SECTOR, &m->gpt, err)
                    : !gpt_read(m->primary, bytes / GPT_SECTOR, &m->gpt, err))
        return false;
    gpt_write(&m->gpt, m->new_primary, m->new_backup);
    return true;
}

/* Writes one map from the other. */
static bool mend_map(struct bundle *b, bool from_backup, struct pome_error *err)
{
    struct stat st;
    struct maps *m = malloc(sizeof *m);
    int fd = m ? bundle_member_open(b, BUNDLE_DISK, O_RDWR, err) : -1;
    bool ok = fd >= 0 && !fstat(fd, &st) && st.st_size >= (off_t)MiB &&
              read_maps(b, fd, (uint64_t)st.st_size, m, from_backup, err) &&
              (from_backup ? keep(b, "GPT-primary", m->primary, sizeof m->primary, err)
                           : keep(b, "GPT-backup", m->backup, sizeof m->backup, err));
    if (ok) {
        char path[PATH_MAX + 16];
        snprintf(path, sizeof path, "%s/Disk.img", b->path);
        ok = from_backup ? file_write_at(fd, path, m->new_primary, sizeof m->new_primary, 0, err)
                         : file_write_at(fd, path, m->new_backup, sizeof m->new_backup, (uint64_t)st.st_size - sizeof m->new_backup, err);
        ok = ok && (!fdatasync(fd) || pome_fail_errno(err, "%s: cannot sync", path));
    }
    if (fd >= 0)
        close(fd);
    free(m);
    return ok;
}

static bool mend_primary(struct bundle *b, struct pome_error *err)
{
    return mend_map(b, true, err);
}

static bool mend_backup(struct bundle *b, struct pome_error *err)
{
    return mend_map(b, false, err);
}

static bool mend_snapshots(struct bundle *b, struct pome_error *err)
{
    bool changed;
    return snapshots_finish(b, &changed, err);
}

/* In this order: the configuration says which files there are. */
static const struct {
    enum bundle_rule rule;
    bool (*mend)(struct bundle *b, struct pome_error *err);
} repairs[] = {
    {CHECK_CHANGES, changes_finish},     {CHECK_CHANGES_DAMAGED, mend_damaged_changes},
    {CHECK_CONFIG, mend_config},         {CHECK_MODE, mend_mode},          {CHECK_LEFTOVER, mend_leftovers}, {CHECK_SNAPSHOT_CUT, mend_snapshots},
    {CHECK_NVRAM_BANK, mend_nvram_bank}, {CHECK_NVRAM_BOTH, mend_nvram},   {CHECK_GPT_PRIMARY, mend_primary},
    {CHECK_GPT_BACKUP, mend_backup},     {CHECK_GPT_DIFFERS, mend_backup},
};

static unsigned count(const struct findings *l, enum bundle_rule rule)
{
    unsigned n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += l->items[i].rule == &bundle_rules[rule];
    return n;
}

static bool mend_all(struct bundle *b, const struct findings *faults, unsigned *mended, struct pome_error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(repairs); i++) {
        unsigned n = count(faults, repairs[i].rule);
        if (n && !repairs[i].mend(b, err))
            return false;
        *mended += n;
    }
    return true;
}

bool bundle_repair(const char *name, struct findings *out, unsigned *mended, struct pome_error *err)
{
    struct findings faults = {0};
    struct bundle *b = calloc(1, sizeof *b);
    *mended = 0;
    bool ok = b ? bundle_check(name, &faults, err) && bundle_resolve(name, b->path, err)
                : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", name);
    if (b)
        b->dir_fd = ok ? open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (ok && b->dir_fd < 0)
        ok = pome_fail_errno(err, "%s: cannot open", b->path);
    if (ok) {
        settings_init(&b->settings);
        ok = lock_folder(b, err) && mend_all(b, &faults, mended, err);
    }
    bundle_close(b);
    findings_free(&faults);
    return ok && bundle_check(name, out, err);
}
