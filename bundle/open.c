/* open.c - opening, checking and locking a bundle. */
#include "bundle/bundle.h"
#include "base/error.h"
#include "bundle/changes.h"
#include "bundle/foreign.h"
#include "bundle/paths.h"
#include "bundle/snapshot.h"
#include "bundle/stage.h"
#include "formats/aux_storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads a small member whole. */
static ssize_t read_member(const struct bundle *b, enum bundle_member m, void *bytes, size_t max, struct pome_error *err)
{
    int fd = bundle_member_open(b, m, O_RDONLY, err);
    if (fd < 0)
        return -1;
    struct stat st;
    ssize_t n = -1;
    if (fstat(fd, &st) || (uint64_t)st.st_size > max || !st.st_size)
        pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: has %lld bytes, needed 1 to %zu", b->path, bundle_member_name(m), (long long)st.st_size, max);
    else if ((n = pread(fd, bytes, max, 0)) < 0)
        pome_fail_errno(err, "%s/%s: cannot read", b->path, bundle_member_name(m));
    close(fd);
    return n;
}

static bool read_settings(const struct bundle *b, enum bundle_member m, struct settings *out, struct pome_error *err)
{
    char path[PATH_MAX], *text = malloc(SETTINGS_MAX_BYTES);
    ssize_t n = text ? read_member(b, m, text, SETTINGS_MAX_BYTES, err) : -1;
    if (!text)
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", b->path);
    bool ok = n >= 0 && bundle_member_path(b, m, path) && settings_read(text, (size_t)n, path, out, err);
    free(text);
    return ok;
}

bool bundle_read_config(struct bundle *b, struct pome_error *err)
{
    return read_settings(b, BUNDLE_CONFIG, &b->settings, err);
}

bool bundle_saved_settings(const struct bundle *b, struct settings *out, struct pome_error *err)
{
    struct stat st;
    *out = b->settings;
    if (fstatat(b->dir_fd, bundle_member_name(BUNDLE_SAVED), &st, AT_SYMLINK_NOFOLLOW) ||
        fstatat(b->dir_fd, bundle_member_name(BUNDLE_SAVED_CONFIG), &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT || pome_fail_errno(err, "%s/%s", b->path, bundle_member_name(BUNDLE_SAVED_CONFIG));
    if (!read_settings(b, BUNDLE_SAVED_CONFIG, out, err))
        return false;
    if (settings_seen_alike(out, &b->settings))
        *out = b->settings;
    return true;
}

static bool read_model(struct bundle *b, struct pome_error *err)
{
    uint8_t bytes[HARDWARE_MODEL_MAX];
    ssize_t n = read_member(b, BUNDLE_MODEL, bytes, sizeof bytes, err);
    if (n < 0)
        return false;
    return hardware_model_read(bytes, (size_t)n, &b->model, err) || pome_fail_context(err, "%s", b->path);
}

static bool read_identifier(struct bundle *b, struct pome_error *err)
{
    uint8_t bytes[MACHINE_IDENTIFIER_MAX];
    ssize_t n = read_member(b, BUNDLE_IDENTIFIER, bytes, MACHINE_IDENTIFIER_MAX, err);
    if (n < 0)
        return false;
    return machine_identifier_read(bytes, (size_t)n, &b->ecid, err) || pome_fail_context(err, "%s", b->path);
}

static bool check_aux(const struct bundle *b, struct pome_error *err)
{
    struct stat st;
    struct aux_wrapper w;
    uint8_t bytes[AUX_WRAPPER_BYTES];
    int fd = bundle_member_open(b, BUNDLE_AUX, O_RDONLY, err);
    if (fd < 0)
        return false;
    bool ok = !fstat(fd, &st) && (uint64_t)st.st_size == AUX_BYTES && pread(fd, bytes, sizeof bytes, 0) == sizeof bytes;
    close(fd);
    if (!ok)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/AuxiliaryStorage: has %lld bytes, needed %llu", b->path, (long long)st.st_size,
                         (unsigned long long)AUX_BYTES);
    /* Apple's wrapper is private: only its size can be checked. While changes wait to be made (by bundle_lock) ours may be half written. */
    if (b->model.platform != PLATFORM_POME || changes_waiting(b))
        return true;
    if (!aux_wrapper_read(bytes, &w, err))
        return pome_fail_context(err, "%s/AuxiliaryStorage", b->path);
    if (w.ecid != b->ecid)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/AuxiliaryStorage: belongs to machine %016llX, MachineIdentifier says %016llX", b->path,
                         (unsigned long long)w.ecid, (unsigned long long)b->ecid);
    return true;
}

static bool check_disk(struct bundle *b, struct pome_error *err)
{
    struct stat st;
    int fd = bundle_member_open(b, BUNDLE_DISK, O_RDONLY, err);
    if (fd < 0)
        return false;
    int bad = fstat(fd, &st);
    close(fd);
    if (bad || st.st_size < 1 << 20 || st.st_size % 512)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/Disk.img: has %lld bytes, needed a multiple of 512 and at least 1 MiB", b->path,
                         (long long)st.st_size);
    b->disk_bytes = (uint64_t)st.st_size;
    b->disk_used = (uint64_t)st.st_blocks * 512;
    return true;
}

static void set_name(struct bundle *b)
{
    const char *slash = strrchr(b->path, '/');
    snprintf(b->name, sizeof b->name, "%.255s", slash ? slash + 1 : b->path);
    char *end = strstr(b->name, ".bundle");
    if (end && !end[7] && end > b->name)
        *end = 0;
}

bool bundle_load(struct bundle *b, struct pome_error *err)
{
    struct stat st;
    set_name(b);
    b->installed = fstatat(b->dir_fd, bundle_member_name(BUNDLE_INSTALL), &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;
    const char *owner = foreign_owner(b->path, b->dir_fd);
    if (owner)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: is a machine of %s: \"pome bundle info\" and \"check\" describe it, %s", b->path, owner,
                         foreign_is_macos(b->path) ? "a macOS guest, which runs on a Mac only" : "\"pome bundle import\" makes one of Pome's from it");
    if (fstatat(b->dir_fd, bundle_member_name(BUNDLE_CONFIG), &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
        return pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: is not a bundle of Pome, or a damaged one: Config.json is missing", b->path);
    if (!bundle_read_config(b, err) || !read_identifier(b, err))
        return false;
    bool generic = b->settings.platform == SETTINGS_GENERIC; /* has neither hardware model nor auxiliary storage */
    return (generic || (read_model(b, err) && check_aux(b, err))) && check_disk(b, err);
}

struct bundle *bundle_open(const char *name, struct pome_error *err)
{
    struct bundle *b = calloc(1, sizeof *b);
    if (!b) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", name);
        return NULL;
    }
    b->dir_fd = -1;
    if (!bundle_resolve(name, b->path, err)) {
        bundle_close(b);
        return NULL;
    }
    b->dir_fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->dir_fd < 0) {
        if (errno == ENOENT)
            stage_not_there(b->path, err);
        else if (errno == ENOTDIR)
            pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s: is not a folder", b->path);
        else
            pome_fail_errno(err, "%s: cannot open", b->path);
    }
    if (b->dir_fd < 0 || stage_cut_off(b->path, err) || !bundle_load(b, err)) {
        bundle_close(b);
        return NULL;
    }
    return b;
}

bool bundle_startable(const struct bundle *b, struct pome_error *err)
{
    if (!b->installed)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "%s: its installation was not completed", b->path);
    if (b->settings.platform == SETTINGS_APPLE && b->model.platform != PLATFORM_POME)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED,
                         "%s: is a macOS machine (platform version %u): its boot ROM (AVPBooter) is Apple's and comes with macOS only, and it takes only boot "
                         "objects that Apple's server signed for this ECID; all else is there",
                         b->path, b->model.platform);
    return true;
}

void bundle_close(struct bundle *b)
{
    if (!b)
        return;
    if (b->dir_fd >= 0)
        close(b->dir_fd); /* the lock goes with it */
    free(b);
}

static void name_of_process(int pid, char name[32])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *f = fopen(path, "re");
    name[0] = 0;
    if (f && !fgets(name, 32, f))
        name[0] = 0;
    name[strcspn(name, "\n")] = 0;
    if (f)
        fclose(f);
}

bool lock_folder(struct bundle *b, struct pome_error *err)
{
    if (b->locked)
        return true;
    if (flock(b->dir_fd, LOCK_EX | LOCK_NB)) {
        char process[32];
        if (errno != EWOULDBLOCK)
            return pome_fail_errno(err, "%s: cannot lock", b->path);
        int pid = lock_holder(b->dir_fd);
        if (!pid)
            return pome_fail(err, POME_ERROR_BUSY, "%s: is in use by another process", b->path);
        name_of_process(pid, process);
        return pome_fail(err, POME_ERROR_BUSY, "%s: is in use by process %d%s%s%s", b->path, pid, process[0] ? " (" : "", process, process[0] ? ")" : "");
    }
    b->locked = true;
    remove_temporaries(b);
    return true;
}

bool bundle_lock(struct bundle *b, struct pome_error *err)
{
    bool before = b->locked, changed = false;
    if (lock_folder(b, err) && changes_finish(b, err) && (before || snapshots_finish(b, &changed, err)) && (!changed || bundle_load(b, err)))
        return true;
    if (!before)
        bundle_unlock(b);
    return false;
}

void bundle_unlock(struct bundle *b)
{
    if (b->locked)
        flock(b->dir_fd, LOCK_UN);
    b->locked = false;
}

bool bundle_in_use(const struct bundle *b, int *pid)
{
    *pid = 0;
    if (b->locked)
        return false;
    /* Asked on a description of its own, so that a lock of ours is not touched. */
    int fd = openat(b->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool busy = flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (busy)
        *pid = lock_holder(fd);
    close(fd);
    return busy;
}
