/* foreign.c - virtual machines of other tools: finding out whose it is, checking, importing. */
#include "bundle/foreign.h"
#include "base/bits.h"
#include "base/error.h"
#include "bundle/paths.h"
#include "bundle/stage.h"
#include "formats/aux_storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20 };

const struct rule foreign_rules[FOREIGN_RULE_COUNT] = {
#define ROW(id, code, severity, needed, advice, repairable)                                                                        \
    [FOREIGN_##id] = {code, POME_FINDING_##severity, needed, advice, repairable},
    FOREIGN_RULES(ROW)
#undef ROW
};

/* --- whose is it --- */

static bool has(const char *folder, const char *file)
{
    char path[PATH_MAX];
    struct stat st;
    return snprintf(path, sizeof path, "%s/%s", folder, file) < (int)sizeof path && !stat(path, &st);
}

static ssize_t read_some(const char *path, uint8_t *bytes, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) ? pread(fd, bytes, max, 0) : -1;
    if (fd >= 0)
        close(fd);
    return n;
}

static const struct foreign_reader *reader_of_file(const char *path)
{
    uint8_t text[4097];
    ssize_t n = read_some(path, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = 0;
    for (const struct foreign_reader *r = foreign_readers; n > 0 && r->tool; r++)
        if (r->is_text && r->is_text((const char *)text))
            return r;
    return NULL;
}

static const struct foreign_reader *reader_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) || (S_ISDIR(st.st_mode) && has(path, bundle_member_name(BUNDLE_CONFIG))))
        return NULL;
    if (!S_ISDIR(st.st_mode))
        return reader_of_file(path);
    for (const struct foreign_reader *r = foreign_readers; r->tool; r++)
        if (r->file && has(path, r->file) && !(r->not_file && has(path, r->not_file)))
            return r;
    return NULL;
}

const char *foreign_tool(const char *path)
{
    const struct foreign_reader *r = reader_of(path);
    return r ? r->tool : NULL;
}

const char *foreign_owner(const char *path, int dir_fd)
{
    static const char *const ours[] = {"Config.json", "Install.json", "Log", "Snapshots", "SaveFile.pomesave", "Changes"};
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (!faccessat(dir_fd, ours[i], F_OK, AT_SYMLINK_NOFOLLOW))
            return NULL;
    return foreign_tool(path);
}

/* --- reading --- */

uint8_t *foreign_file(struct foreign *f, const char *path, size_t *n)
{
    uint8_t *bytes = malloc(FILE_MAX + 1);
    ssize_t got = bytes ? read_some(path, bytes, FILE_MAX + 1) : -1;
    if (got < 0 || got > FILE_MAX) {
        FOREIGN_FOUND(f, FILE, path, "%s", got < 0 ? strerror(errno) : "more than 1 MiB");
        free(bytes);
        return NULL;
    }
    bytes[got] = 0;
    *n = (size_t)got;
    return bytes;
}

/* "/a/tart/dev.utm/" -> "dev". */
static void set_name(struct foreign *f)
{
    static const char *const ends[] = {".bundle", ".vbvm", ".utm", ".json", ".sh"};
    const char *slash = strrchr(f->path, '/');
    snprintf(f->name, sizeof f->name, "%.200s", slash ? slash + 1 : f->path);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        size_t n = strlen(f->name), k = strlen(ends[i]);
        if (n > k && !strcmp(f->name + n - k, ends[i]))
            f->name[n - k] = 0;
    }
}

/* --- checks --- */

static void check_format(struct foreign *f, const char *path, const uint8_t head[8])
{
    static const struct {
        const char *magic;
        size_t n;
        const char *name;
    } formats[] = {{"QFI\xfb", 4, "qcow2"}, {"shdw", 4, "ASIF"},     {"sprs", 4, "a sparse image"},
                   {"KDMV", 4, "VMDK"},     {"vhdxfile", 8, "VHDX"}, {"encrcdsa", 8, "an encrypted image"}};
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (!memcmp(head, formats[i].magic, formats[i].n))
            FOREIGN_FOUND(f, FORMAT, path, "%s", formats[i].name);
}

static void check_disk(struct foreign *f, size_t i)
{
    const char *path = f->disks[i].path;
    uint8_t head[8] = {0};
    struct stat st;
    if (stat(path, &st)) {
        FOREIGN_FOUND(f, FILE, path, "%s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        FOREIGN_FOUND(f, FILE, path, "no regular file");
    } else if (read_some(path, head, sizeof head) < 0) {
        FOREIGN_FOUND(f, FILE, path, "%s", strerror(errno));
    } else {
        if (i == 0)
            f->disk_bytes = (uint64_t)st.st_size;
        size_t errors = f->out->errors;
        check_format(f, path, head);
        if (f->out->errors == errors && ((uint64_t)st.st_size < MiB || st.st_size % 512))
            FOREIGN_FOUND(f, DISK_SIZE, path, "%lld bytes", (long long)st.st_size);
    }
}

static void check_named(struct foreign *f, const char *path)
{
    struct stat st;
    if (path[0] && (stat(path, &st) || !S_ISREG(st.st_mode)))
        FOREIGN_FOUND(f, FILE, path, "missing, or no regular file");
}

static void check_kernel(struct foreign *f)
{
    uint8_t head[64] = {0};
    check_named(f, f->kernel);
    if (!f->kernel[0] || read_some(f->kernel, head, sizeof head) < 0)
        return;
    /* Linux Documentation/arch/arm64/booting.rst: "ARM\x64" at 56; or gzip */
    if (memcmp(head + 56, "ARM\x64", 4) && !(head[0] == 0x1f && head[1] == 0x8b))
        FOREIGN_FOUND(f, KERNEL, f->kernel, "no arm64 kernel");
}

/* AuxiliaryStorage of a macOS machine: only its size is public. */
static void check_macos(struct foreign *f)
{
    struct stat st;
    if (!f->has_model || !f->has_ecid)
        FOREIGN_FOUND(f, IDENTITY, f->has_model ? "machine identifier" : "hardware model", "missing or damaged");
    if (!f->aux[0] || stat(f->aux, &st))
        FOREIGN_FOUND(f, FILE, f->aux[0] ? f->aux : "AuxiliaryStorage", "missing");
    else if ((uint64_t)st.st_size != AUX_BYTES)
        FOREIGN_FOUND(f, FILE, f->aux, "%lld bytes, not %llu", (long long)st.st_size, (unsigned long long)AUX_BYTES);
    FOREIGN_FOUND(f, MACOS, "operating system", "macOS");
}

static void check_numbers(struct foreign *f)
{
    struct settings *s = &f->settings;
    uint64_t memory = MIN(MAX(align_down(s->memory_bytes, MiB), SETTINGS_MIN_MEMORY), SETTINGS_MAX_MEMORY);
    uint32_t cpus = MIN(MAX(s->cpu_count, 1u), (uint32_t)SETTINGS_MAX_CPUS);
    if (cpus != s->cpu_count)
        FOREIGN_FOUND(f, CPUS, "CPUs", "%u", s->cpu_count);
    if (memory != s->memory_bytes)
        FOREIGN_FOUND(f, MEMORY, "memory", "%llu bytes", (unsigned long long)s->memory_bytes);
    s->cpu_count = cpus;
    s->memory_bytes = memory;
}

static void check_all(struct foreign *f)
{
    check_numbers(f);
    if (!f->n_disks && !(f->settings.boot == SETTINGS_BOOT_LINUX && f->ramdisk[0]))
        FOREIGN_FOUND(f, FILE, "disk", "no disk at all");
    for (size_t i = 0; i < f->n_disks; i++)
        check_disk(f, i);
    if (f->macos) {
        check_macos(f);
        return;
    }
    check_kernel(f);
    check_named(f, f->ramdisk);
    if (f->settings.boot == SETTINGS_BOOT_EFI)
        FOREIGN_FOUND(f, EFI, "boot loader", "EFI");
}

bool foreign_open(const char *path, struct foreign *f, struct findings *out, struct pome_error *err)
{
    struct stat st;
    size_t n = 0;
    memset(f, 0, sizeof *f);
    f->out = out;
    settings_init(&f->settings);
    f->settings.platform = SETTINGS_GENERIC;
    f->settings.boot = SETTINGS_BOOT_EFI;
    if (snprintf(f->path, sizeof f->path, "%s", path) >= (int)sizeof f->path - 64)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%.60s: the path is too long", path);
    for (size_t k = strlen(f->path); k > 1 && f->path[k - 1] == '/'; k--)
        f->path[k - 1] = 0;
    if (stat(f->path, &st))
        return pome_fail_errno(err, "%s", f->path);
    const struct foreign_reader *r = reader_of(f->path);
    if (!r)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE,
                         "%s: is no machine of Apple's sample, tart, VirtualBuddy, UTM, macosvm or vfkit", f->path);
    f->tool = r->tool;
    set_name(f);
    char file[PATH_MAX + 64];
    snprintf(file, sizeof file, r->file ? "%s/%s" : "%s", f->path, r->file);
    uint8_t *bytes = r->marker ? NULL : foreign_file(f, file, &n);
    if (bytes || r->marker) {
        r->read(f, bytes, n);
        check_all(f);
    }
    free(bytes);
    return true;
}

/* --- import --- */

static bool copy_in(struct bundle *to, const char *path, const char *name, struct job *j, struct pome_error *err)
{
    struct stat st;
    int in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = in >= 0 && !fstat(in, &st) && S_ISREG(st.st_mode);
    ok = ok ? tree_copy_open(in, to, name, (uint64_t)st.st_size, j, err) : pome_fail_errno(err, "%s: cannot open", path);
    if (in >= 0)
        close(in);
    return ok;
}

static uint64_t data_of(const struct foreign *f)
{
    struct stat st;
    uint64_t sum = 0;
    for (size_t i = 0; i < f->n_disks; i++)
        sum += stat(f->disks[i].path, &st) ? 0 : MIN((uint64_t)st.st_blocks * 512, (uint64_t)st.st_size);
    return sum;
}

static bool fill(const struct foreign *f, struct bundle *b, struct job *j, struct pome_error *err)
{
    uint8_t identifier[MACHINE_IDENTIFIER_MAX];
    uint64_t ecid;
    char name[128];
    bool ok = job_step(j, "Copying the disks", 1, 1, data_of(f), err) && bundle_draw_ecid(&ecid, err);
    b->settings = f->settings;
    for (size_t i = 0; ok && i < f->n_disks; i++) {
        snprintf(name, sizeof name, i ? "Disk%zu.img" : "Disk.img", i + 1);
        ok = copy_in(b, f->disks[i].path, name, j, err);
        if (i == 0)
            continue;
        struct settings_disk *d = &b->settings.disks[b->settings.n_disks++];
        *d = (struct settings_disk){.read_only = f->disks[i].read_only};
        snprintf(d->file, sizeof d->file, "%s", name);
    }
    if (ok && !f->n_disks) /* a bundle has a disk: an empty one */
        ok = bundle_member_make_sparse(b, BUNDLE_DISK, MiB, NULL, 0, err);
    if (ok && f->kernel[0])
        ok = copy_in(b, f->kernel, strcpy(b->settings.kernel, "Kernel"), j, err);
    if (ok && f->ramdisk[0])
        ok = copy_in(b, f->ramdisk, strcpy(b->settings.ramdisk, "Ramdisk"), j, err);
    if (ok && f->efi[0])
        ok = copy_in(b, f->efi, "NVRAM", j, err);
    return ok && bundle_member_write(b, BUNDLE_IDENTIFIER, identifier, machine_identifier_write(ecid, identifier), err) &&
           bundle_save_settings(b, &b->settings, err);
}

bool foreign_is_macos(const char *path)
{
    struct findings found = {0};
    struct foreign *f = calloc(1, sizeof *f);
    bool macos = f && foreign_open(path, f, &found, NULL) && f->macos;
    findings_free(&found);
    free(f);
    return macos;
}

struct bundle *foreign_import(const struct foreign *f, const char *name, struct job *j, struct pome_error *err)
{
    struct stage s;
    if (f->macos) {
        pome_fail(err, POME_ERROR_NOT_SUPPORTED,
                  "%s: a macOS guest of %s: it starts by Apple's boot ROM and boot tickets only, which Pome cannot have", f->path,
                  f->tool);
        return NULL;
    }
    return findings_ok(f->out, POME_ERROR_INVALID_BUNDLE, f->path, err) && stage_begin(&s, name ? name : f->name, err)
               ? stage_end(&s, fill(f, s.b, j, err), err)
               : NULL;
}
