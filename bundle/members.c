/* members.c - the files of a bundle: names, sizes, opening without links, replacing whole. */
#include "bundle/bundle.h"
#include "base/error.h"
#include "bundle/paths.h"
#include "bundle/snapshot_line.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

enum { COPY_BYTES = 64 << 20 };

static const char *const names[BUNDLE_MEMBERS] = {
    [BUNDLE_AUX] = "AuxiliaryStorage",          [BUNDLE_DISK] = "Disk.img",       [BUNDLE_MODEL] = "HardwareModel",
    [BUNDLE_IDENTIFIER] = "MachineIdentifier", [BUNDLE_CONFIG] = "Config.json", [BUNDLE_INSTALL] = "Install.json",
    [BUNDLE_IMAGE] = "RestoreImage.ipsw",      [BUNDLE_SAVED] = "SaveFile.pomesave", [BUNDLE_CHANGES] = "Changes", [BUNDLE_NVRAM] = "NVRAM",
    [BUNDLE_WARM] = "Warm.json",               [BUNDLE_GENID] = "GenerationID",  [BUNDLE_SAVED_CONFIG] = "SaveFile.json",
    [BUNDLE_INSTALL_STATE] = "Install.state",
};

const char *bundle_member_name(enum bundle_member m)
{
    return names[m];
}

static bool join(const struct bundle *b, const char *name, char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s/%s", b->path, name);
    return n > 0 && n < PATH_MAX;
}

bool bundle_member_path(const struct bundle *b, enum bundle_member m, char path[PATH_MAX])
{
    return join(b, names[m], path);
}

bool bundle_log_path(const struct bundle *b, char path[PATH_MAX])
{
    return join(b, "Log", path);
}

int member_open(const struct bundle *b, enum bundle_member m, int flags, struct pome_error *err)
{
    struct stat st;
    int fd = openat(b->dir_fd, names[m], flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ELOOP) {
        pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: is a symbolic link, needed a file", b->path, names[m]);
        return -1;
    }
    if (fd < 0 && errno == ENOENT) {
        pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: is missing", b->path, names[m]);
        return -1;
    }
    if (fd < 0) {
        pome_fail_errno(err, "%s/%s: cannot open", b->path, names[m]);
        return -1;
    }
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: is not a regular file", b->path, names[m]);
        return -1;
    }
    return fd;
}

/* Whoever writes without asking overwrites what snapshots need: they become whole ones first. */
int bundle_member_open(const struct bundle *b, enum bundle_member m, int flags, struct pome_error *err)
{
    return m != BUNDLE_DISK || (flags & O_ACCMODE) == O_RDONLY || snapshots_end_keeping(b, NULL, err) ? member_open(b, m, flags, err) : -1;
}

static bool write_all(int fd, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t w = write(fd, (const char *)bytes + done, n - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        done += (size_t)w;
    }
    return true;
}

/* A new file beside the member; its name is ".Disk.img.89abcdef". */
static int begin(struct bundle *b, enum bundle_member m, char temporary[64])
{
    unsigned random = 0;
    (void)!getrandom(&random, sizeof random, 0);
    snprintf(temporary, 64, ".%s.%08x", names[m], random);
    return openat(b->dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

/* Syncs it and gives it the member's name; or, when ok is false, removes it. */
static bool end(struct bundle *b, enum bundle_member m, int fd, const char *temporary, bool ok, struct pome_error *err)
{
    ok = ok && !fsync(fd) && !renameat(b->dir_fd, temporary, b->dir_fd, names[m]) && !fsync(b->dir_fd);
    if (!ok) {
        pome_fail_errno(err, "%s/%s: cannot write", b->path, names[m]);
        if (fd >= 0)
            unlinkat(b->dir_fd, temporary, 0);
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

bool bundle_member_write(struct bundle *b, enum bundle_member m, const void *bytes, size_t n, struct pome_error *err)
{
    char temporary[64];
    int fd = begin(b, m, temporary);
    return end(b, m, fd, temporary, fd >= 0 && write_all(fd, bytes, n), err);
}

bool bundle_member_make_sparse(struct bundle *b, enum bundle_member m, uint64_t bytes, const void *first, size_t n, struct pome_error *err)
{
    char temporary[64];
    if (m == BUNDLE_DISK && !snapshots_end_keeping(b, NULL, err))
        return false;
    int fd = begin(b, m, temporary);
    return end(b, m, fd, temporary, fd >= 0 && write_all(fd, first, n) && !ftruncate(fd, (off_t)bytes), err);
}

/* Shares the blocks, or copies them. */
static bool copy_all(int to, int from)
{
    if (!ioctl(to, FICLONE, from))
        return true;
    ssize_t n;
    while ((n = copy_file_range(from, NULL, to, NULL, COPY_BYTES, 0)) > 0)
        ;
    if (!n || (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP))
        return !n;
    while ((n = sendfile(to, from, NULL, COPY_BYTES)) > 0)
        ;
    return !n;
}

bool bundle_member_copy(struct bundle *b, enum bundle_member m, const char *path, struct pome_error *err)
{
    char temporary[64];
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return pome_fail_errno(err, "%s", path);
    int fd = begin(b, m, temporary);
    bool ok = end(b, m, fd, temporary, fd >= 0 && copy_all(fd, from), err);
    close(from);
    return ok;
}

bool is_temporary(const char *name)
{
    for (int m = 0; m < BUNDLE_MEMBERS; m++) {
        size_t n = strlen(names[m]);
        if (name[0] == '.' && !strncmp(name + 1, names[m], n) && name[1 + n] == '.')
            return true;
    }
    return false;
}

void remove_temporaries(const struct bundle *b)
{
    int fd = openat(b->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (is_temporary(e->d_name))
            unlinkat(b->dir_fd, e->d_name, 0);
    closedir(d);
}

/* Synced: what it speaks of goes next. */
static bool forget_state(struct bundle *b, struct pome_error *err)
{
    if (!unlinkat(b->dir_fd, names[BUNDLE_INSTALL_STATE], 0))
        return !fsync(b->dir_fd) || pome_fail_errno(err, "%s: cannot sync", b->path);
    return errno == ENOENT || pome_fail_errno(err, "%s/%s: cannot remove", b->path, names[BUNDLE_INSTALL_STATE]);
}

bool bundle_set_installed(struct bundle *b, struct pome_error *err)
{
    if (!forget_state(b, err))
        return false;
    if ((unlinkat(b->dir_fd, names[BUNDLE_INSTALL], 0) && errno != ENOENT) || fsync(b->dir_fd))
        return pome_fail_errno(err, "%s/%s: cannot remove", b->path, names[BUNDLE_INSTALL]);
    b->installed = true;
    return true;
}

bool bundle_set_not_installed(struct bundle *b, struct pome_error *err)
{
    static const char text[] = "{\"version\": 1, \"state\": \"installing\"}\n";
    if (!forget_state(b, err) || !bundle_member_write(b, BUNDLE_INSTALL, text, sizeof text - 1, err))
        return false;
    b->installed = false;
    return true;
}
