/* check.c - every file of a bundle by itself, and what they must agree on. */
#include "bundle/check.h"
#include "base/bits.h"
#include "base/error.h"
#include "bundle/changes.h"
#include "bundle/flash.h"
#include "bundle/paths.h"
#include "bundle/snapshot.h"
#include "bundle/stage.h"
#include "formats/aux_storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct rule bundle_rules[BUNDLE_RULE_COUNT] = {
#define ROW(id, code, severity, needed, advice, repairable)                                                                        \
    [CHECK_##id] = {code, POME_FINDING_##severity, needed, advice, repairable},
    BUNDLE_RULES(ROW)
#undef ROW
};

/* A check under way: what is known so far. */
struct check {
    struct bundle b; /* path, dir_fd, settings, model, ecid */
    bool generic, have_model, have_ecid;
    struct findings *out;
};

#define FOUND(c, rule, file, field, ...)                                                                                           \
    findings_add((c)->out, &bundle_rules[CHECK_##rule], (file)[0] ? path_of(c, file) : (c)->b.path, field, __VA_ARGS__)

static const char *path_of(const struct check *c, const char *file)
{
    static _Thread_local char path[PATH_MAX + 300];
    snprintf(path, sizeof path, "%s/%s", c->b.path, file);
    return path;
}

/* Opens a file of the bundle; what is wrong with it is told. -1: it cannot be looked at. */
static int open_file(const struct check *c, const char *file, struct stat *st)
{
    int fd = openat(c->b.dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        FOUND(c, MISSING, file, NULL, "missing");
    else if (fd < 0 && errno == ELOOP)
        FOUND(c, KIND, file, NULL, "a symbolic link");
    else if (fd < 0)
        FOUND(c, UNREADABLE, file, NULL, "%s", strerror(errno));
    if (fd < 0)
        return -1;
    if (!fstat(fd, st) && S_ISREG(st->st_mode)) {
        if (st->st_mode & 077)
            FOUND(c, MODE, file, "mode", "0%o", (unsigned)st->st_mode & 0777);
        return fd;
    }
    FOUND(c, KIND, file, NULL, "no file");
    close(fd);
    return -1;
}

/* A small file whole; its size, or -1. */
static ssize_t read_small(const struct check *c, const char *file, void *bytes, size_t max)
{
    struct stat st;
    int fd = open_file(c, file, &st);
    if (fd < 0)
        return -1;
    ssize_t n = -1;
    if (!st.st_size || (uint64_t)st.st_size > max) {
        FOUND(c, SIZE, file, NULL, "%lld bytes", (long long)st.st_size);
        findings_expected(c->out, "1 to %zu bytes", max);
    } else if ((n = pread(fd, bytes, max, 0)) < 0) {
        FOUND(c, UNREADABLE, file, NULL, "%s", strerror(errno));
    }
    close(fd);
    return n;
}

/* --- the small files --- */

static void check_config(struct check *c)
{
    const char *file = bundle_member_name(BUNDLE_CONFIG);
    char *text = malloc(SETTINGS_MAX_BYTES);
    struct findings faults = {0};
    ssize_t n = text ? read_small(c, file, text, SETTINGS_MAX_BYTES) : -1;
    settings_init(&c->b.settings);
    if (n >= 0)
        settings_parse(text, (size_t)n, path_of(c, file), &c->b.settings, &faults);
    for (size_t i = 0; i < faults.n; i++) { /* as they are, and as one that can be mended */
        const struct finding *f = &faults.items[i];
        if (f->rule->severity == POME_FINDING_ERROR)
            FOUND(c, CONFIG, file, f->field, "%s", f->found);
        else
            findings_add(c->out, f->rule, f->path, f->field, "%s", f->found);
        findings_expected(c->out, "%s", f->expected);
        if (c->out->n) {
            c->out->items[c->out->n - 1].line = f->line;
            c->out->items[c->out->n - 1].column = f->column;
        }
    }
    c->generic = c->b.settings.platform == SETTINGS_GENERIC;
    findings_free(&faults);
    free(text);
}

static void check_model(struct check *c)
{
    const char *file = bundle_member_name(BUNDLE_MODEL);
    uint8_t bytes[HARDWARE_MODEL_MAX], again[HARDWARE_MODEL_MAX];
    struct pome_error why;
    ssize_t n = read_small(c, file, bytes, sizeof bytes);
    if (n < 0)
        return;
    if (!hardware_model_read(bytes, (size_t)n, &c->b.model, &why)) {
        FOUND(c, MODEL, file, NULL, "%s", why.message);
        return;
    }
    c->have_model = true;
    if (!platform_of(c->b.model.platform))
        FOUND(c, PLATFORM, file, "PlatformVersion", "%u", c->b.model.platform);
    if (hardware_model_write(&c->b.model, again) != (size_t)n || memcmp(bytes, again, (size_t)n))
        FOUND(c, ENCODING, file, NULL, "other bytes than this hardware model has usually");
}

static void check_identifier(struct check *c)
{
    const char *file = bundle_member_name(BUNDLE_IDENTIFIER);
    uint8_t bytes[MACHINE_IDENTIFIER_MAX], again[MACHINE_IDENTIFIER_MAX];
    struct pome_error why;
    ssize_t n = read_small(c, file, bytes, sizeof bytes);
    if (n < 0)
        return;
    if (!machine_identifier_read(bytes, (size_t)n, &c->b.ecid, &why)) {
        FOUND(c, IDENTIFIER, file, NULL, "%s", why.message);
        return;
    }
    c->have_ecid = true;
    if (machine_identifier_write(c->b.ecid, again) != (size_t)n || memcmp(bytes, again, (size_t)n))
        FOUND(c, ENCODING, file, NULL, "other bytes than this ECID has usually");
}

/* --- AuxiliaryStorage --- */

static void check_wrapper(struct check *c, int fd)
{
    const char *file = bundle_member_name(BUNDLE_AUX);
    uint8_t bytes[AUX_WRAPPER_BYTES], header[AUX_FLASH_HEADER_BYTES];
    struct aux_wrapper w;
    struct pome_error why;
    if (pread(fd, bytes, sizeof bytes, 0) != sizeof bytes || pread(fd, header, sizeof header, AUX_FLASH_OFFSET) != sizeof header)
        FOUND(c, UNREADABLE, file, NULL, "%s", strerror(errno));
    else if (!aux_wrapper_read(bytes, &w, &why))
        FOUND(c, AUX_WRAPPER, file, "wrapper", "%s", why.message);
    else if (c->have_ecid && w.ecid != c->b.ecid)
        FOUND(c, AUX_OWNER, file, "wrapper", "ECID %016llX", (unsigned long long)w.ecid);
    else if (c->b.installed && !aux_flash_header_valid(header))
        FOUND(c, AUX_FLASH, file, "flash header", "damaged");
}

static void check_variables(struct check *c, const uint8_t *bank)
{
    static const char *const names[] = {"NVRAM, common", "NVRAM, system"};
    for (int p = NVRAM_COMMON; p <= NVRAM_SYSTEM; p++)
        if (!nvram_list_whole(bank, (enum nvram_partition)p))
            FOUND(c, NVRAM_LIST, bundle_member_name(BUNDLE_AUX), names[p], "a variable that is none");
}

static void check_nvram(struct check *c, int fd)
{
    const char *file = bundle_member_name(BUNDLE_AUX);
    uint8_t *banks = malloc(2 * NVRAM_BANK_BYTES);
    uint32_t generation;
    bool valid[2] = {false, false};
    for (int i = 0; banks && i < 2; i++)
        valid[i] = pread(fd, banks + i * NVRAM_BANK_BYTES, NVRAM_BANK_BYTES,
                         (off_t)(AUX_FLASH_OFFSET + AUX_NVRAM_BANK((unsigned)i))) == NVRAM_BANK_BYTES &&
                   nvram_bank_valid(banks + i * NVRAM_BANK_BYTES, &generation);
    if (banks && !valid[0] && !valid[1])
        FOUND(c, NVRAM_BOTH, file, "NVRAM", "two damaged banks");
    else if (banks && !(valid[0] && valid[1]))
        FOUND(c, NVRAM_BANK, file, valid[0] ? "NVRAM bank 1" : "NVRAM bank 0", "damaged");
    if (valid[0] || valid[1])
        check_variables(c, banks + nvram_current(banks, banks + NVRAM_BANK_BYTES) * NVRAM_BANK_BYTES);
    free(banks);
}

static void check_aux(struct check *c)
{
    const char *file = bundle_member_name(BUNDLE_AUX);
    struct stat st;
    int fd = open_file(c, file, &st);
    if (fd < 0)
        return;
    if ((uint64_t)st.st_size != AUX_BYTES) {
        FOUND(c, SIZE, file, NULL, "%lld bytes", (long long)st.st_size);
        findings_expected(c->out, "%llu bytes", (unsigned long long)AUX_BYTES);
    } else if (c->have_model &&
               c->b.model.platform == PLATFORM_POME) { /* Apple's wrapper is private: only its size can be checked */
        check_wrapper(c, fd);
        uint8_t *firmware = c->b.installed ? malloc(AUX_FIRMWARE_MAX) : NULL;
        if (c->b.installed)
            check_nvram(c, fd);
        if (firmware && c->have_ecid &&
            pread(fd, firmware, AUX_FIRMWARE_MAX, AUX_FLASH_OFFSET + AUX_FIRMWARE) == (ssize_t)AUX_FIRMWARE_MAX)
            check_firmware(&c->b, firmware, AUX_FIRMWARE_MAX, c->out);
        free(firmware);
    }
    close(fd);
}

/* --- the rest --- */

static void check_disk_file(struct check *c, const char *file, enum bundle_rule rule, uint64_t min)
{
    struct stat st;
    int fd = open_file(c, file, &st);
    if (fd < 0)
        return;
    if ((uint64_t)st.st_size < min || st.st_size % 512) {
        findings_add(c->out, &bundle_rules[rule], path_of(c, file), NULL, "%lld bytes", (long long)st.st_size);
        findings_expected(c->out, "at least %llu bytes, a multiple of 512", (unsigned long long)min);
    } else if (rule == CHECK_SIZE && c->have_model && !c->generic) {
        check_disk(&c->b, c->b.installed, c->out);
    }
    close(fd);
}

static bool is_known(const struct check *c, const char *name)
{
    static const char *const others[] = {"Log", "Snapshots"};
    const struct settings *s = &c->b.settings;
    bool known = !strcmp(name, s->kernel) || !strcmp(name, s->ramdisk) || !strcmp(name, s->firmware);
    for (int m = 0; m < BUNDLE_MEMBERS; m++)
        known |= !strcmp(name, bundle_member_name((enum bundle_member)m));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        known |= !strcmp(name, others[i]);
    for (size_t i = 0; i < s->n_disks; i++)
        known |= !strcmp(name, s->disks[i].file);
    size_t n = strlen(name);
    return known || (n > 4 && !strcmp(name + n - 4, ".old")); /* kept by a repair */
}

static void check_folder(struct check *c)
{
    struct stat st;
    int fd = openat(c->b.dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!fstat(c->b.dir_fd, &st) && st.st_mode & 077)
        FOUND(c, MODE, "", "mode", "0%o", (unsigned)st.st_mode & 0777);
    for (struct dirent *e; d && (e = readdir(d));)
        if (is_temporary(e->d_name))
            FOUND(c, LEFTOVER, e->d_name, NULL, "a temporary file of a command that died");
        else if (e->d_name[0] != '.' && !is_known(c, e->d_name))
            FOUND(c, UNKNOWN_FILE, e->d_name, NULL, "a file that is not Pome's");
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
}

static void on_snapshot(void *user, const char *file, const char *what, bool pending)
{
    struct check *c = user;
    findings_add(c->out, &bundle_rules[pending ? CHECK_SNAPSHOT_CUT : CHECK_SNAPSHOT], path_of(c, file), NULL, "%s", what);
}

static void check_files_of_config(struct check *c)
{
    const struct settings *s = &c->b.settings;
    struct stat st;
    const char *const texts[] = {s->kernel, s->ramdisk, s->firmware};
    for (size_t i = 0; i < s->n_disks; i++)
        check_disk_file(c, s->disks[i].file, CHECK_EXTRA_FILE, 512);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int fd = texts[i][0] ? open_file(c, texts[i], &st) : -1;
        if (fd >= 0)
            close(fd);
    }
}

/* True when a change waits to be made. */
static bool check_changes(struct check *c)
{
    const char *file = bundle_member_name(BUNDLE_CHANGES);
    struct pome_error why;
    if (!changes_waiting(&c->b))
        return false;
    bool whole = changes_whole(&c->b, &why);
    if (whole)
        FOUND(c, CHANGES, file, NULL, "a change that was cut off");
    else
        FOUND(c, CHANGES_DAMAGED, file, NULL, "%s", why.message);
    return whole;
}

static void check_all(struct check *c)
{
    struct stat st;
    int pid;
    bool busy = bundle_in_use(&c->b, &pid);
    c->b.installed = fstatat(c->b.dir_fd, bundle_member_name(BUNDLE_INSTALL), &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;
    if (busy)
        FOUND(c, IN_USE, "", NULL, "in use by process %d", pid);
    if (!c->b.installed)
        FOUND(c, NOT_INSTALLED, bundle_member_name(BUNDLE_INSTALL), NULL, "an installation that was interrupted");
    check_config(c);
    check_identifier(c);
    if (!c->generic)
        check_model(c);
    if (!busy && check_changes(c))
        return; /* the disk is between before and after */
    if (busy)
        return; /* what the guest writes meanwhile would look like damage */
    if (!c->generic)
        check_aux(c);
    check_disk_file(c, bundle_member_name(BUNDLE_DISK), CHECK_SIZE, MiB);
    check_files_of_config(c);
    check_folder(c);
    snapshots_check(&c->b, on_snapshot, c);
}

bool bundle_check(const char *name, struct findings *out, struct pome_error *err)
{
    struct check *c = calloc(1, sizeof *c);
    if (!c)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to check it", name);
    c->out = out;
    c->b.dir_fd = -1;
    bool ok = bundle_resolve(name, c->b.path, err);
    c->b.dir_fd = ok ? open(c->b.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (ok && c->b.dir_fd < 0)
        ok = errno == ENOENT ? stage_not_there(c->b.path, err)
                             : pome_fail_errno(err, "%s: cannot open", c->b.path);
    ok = ok && !stage_cut_off(c->b.path, err);
    if (ok && !looks_like_bundle(c->b.dir_fd))
        ok = pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: is not a bundle: none of its files is there", c->b.path);
    if (ok)
        check_all(c);
    if (c->b.dir_fd >= 0)
        close(c->b.dir_fd);
    free(c);
    return ok;
}
