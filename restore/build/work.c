/* work.c - the folders of one build. */
#include "restore/build/work.h"
#include "restore/build/embedded.h"
#include "restore/build/tool.h"

#include "base/bits.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define WORK_NEEDED (3 * GiB)
#define WORK_NAME   "pome-image-"

enum { NAME_DIGITS = 6, FOLDERS_OPEN = 32, YOUNG_S = 60 };

const char *work_path(const struct work *w, const char *name, char path[WORK_PATH + 64])
{
    snprintf(path, WORK_PATH + 64, "%s/%s", w->folder, name);
    return path;
}

enum modes { AS_THE_UMASK_SAYS, FOR_IMAGES };

/* mkdir -p. FOR_IMAGES: modes go into images, so the umask has no part in them. */
static bool make_folders(char *path, enum modes modes, struct pome_error *err)
{
    for (char *slash = path + 1;; slash++) {
        slash = strchrnul(slash, '/');
        char end = *slash;
        *slash = 0;
        bool made = !mkdir(path, 0755);
        bool ok = made ? modes != FOR_IMAGES || !chmod(path, 0755) : errno == EEXIST;
        if (!ok)
            pome_fail_errno(err, "%s", path);
        *slash = end;
        if (!ok || !end)
            return ok;
    }
}

/* --- the cache and the log in it --- */

static bool name_cache(struct work *w, const char *given, struct pome_error *err)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *base = given && *given ? given : xdg && *xdg == '/' ? xdg : home;
    if (!base || *base != '/')
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "neither XDG_CACHE_HOME nor HOME says where to keep packages");
    if (strlen(base) > WORK_PATH / 2)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the cache's path is longer than %d bytes", WORK_PATH / 2);
    snprintf(w->cache, sizeof w->cache, "%s%s", base, base == given ? "" : base == xdg ? "/pome" : "/.cache/pome");
    return make_folders(w->cache, AS_THE_UMASK_SAYS, err);
}

/* Another build that runs now keeps the name: this one's log has our process number. */
static bool open_log(struct work *w, struct pome_error *err)
{
    snprintf(w->log_path, sizeof w->log_path, "%s/image-build.log", w->cache);
    w->log = fopen(w->log_path, "ae");
    if (w->log && flock(fileno(w->log), LOCK_EX | LOCK_NB)) {
        fclose(w->log);
        snprintf(w->log_path, sizeof w->log_path, "%s/image-build-%d.log", w->cache, (int)getpid());
        w->log = fopen(w->log_path, "ae");
    }
    return (w->log && !ftruncate(fileno(w->log), 0)) || pome_fail_errno(err, "%s", w->log_path);
}

/* --- the work folder --- */

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *ftw)
{
    if (kind == FTW_DNR && !chmod(path, 0700)) /* package folders without read right */
        return 0;
    remove(path);
    return 0;
}

static void remove_folder(const char *folder)
{
    nftw(folder, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
    if (!access(folder, F_OK))
        nftw(folder, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS); /* what the first round made readable */
}

/* Removes work folders of builds that were killed: a living build holds a lock on its own. */
static void remove_stale(const char *tmp)
{
    DIR *d = opendir(tmp);
    uid_t mine = geteuid() ? geteuid() : TOOL_NOBODY;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[WORK_PATH + 64];
        struct stat s;
        if (strncmp(e->d_name, WORK_NAME, sizeof WORK_NAME - 1) || strlen(e->d_name) != sizeof WORK_NAME - 1 + NAME_DIGITS)
            continue;
        snprintf(path, sizeof path, "%s/%s", tmp, e->d_name);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        /* Young ones are between being made and being locked. */
        if (fd >= 0 && !fstat(fd, &s) && s.st_uid == mine && s.st_ctime < time(NULL) - YOUNG_S && !flock(fd, LOCK_EX | LOCK_NB))
            remove_folder(path);
        if (fd >= 0)
            close(fd);
    }
    if (d)
        closedir(d);
}

static bool make_folder(struct work *w, struct pome_error *err)
{
    const char *tmp = getenv("TMPDIR");
    struct statvfs fs;
    tmp = tmp && *tmp == '/' ? tmp : "/var/tmp";
    if (strlen(tmp) > WORK_PATH / 2)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "TMPDIR is longer than %d bytes", WORK_PATH / 2);
    remove_stale(tmp);
    snprintf(w->folder, sizeof w->folder, "%s/" WORK_NAME "XXXXXX", tmp);
    if (!mkdtemp(w->folder)) {
        pome_fail_errno(err, "%s", w->folder);
        *w->folder = 0;
        return false;
    }
    w->lock = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->lock < 0 || flock(w->lock, LOCK_EX | LOCK_NB))
        return pome_fail_errno(err, "%s", w->folder);
    if (!statvfs(w->folder, &fs) && (uint64_t)fs.f_bavail * fs.f_frsize < WORK_NEEDED)
        return pome_fail(err, POME_ERROR_OUT_OF_DISK_SPACE, "%s: %llu MiB are free, a build needs %llu (TMPDIR chooses another place)",
                         w->folder, (unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize >> 20),
                         (unsigned long long)(WORK_NEEDED >> 20));
    /* nobody works here when we are root; nobody else may read what is not finished. */
    return geteuid() || !chown(w->folder, TOOL_NOBODY, TOOL_NOBODY) || pome_fail_errno(err, "%s", w->folder);
}

static bool write_file(const char *path, const void *bytes, size_t n, mode_t mode, struct pome_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool ok = fd >= 0 && !fchmod(fd, mode) &&
              write(fd, bytes, n) == (ssize_t)n; /* whatever the umask is, as make_folders */
    if (fd >= 0 && close(fd))
        ok = false;
    return ok || pome_fail_errno(err, "%s", path);
}

/* The embedded files: "scripts/x" and "guest/..." below FOLDER/files, "scripts/" left out. */
static bool write_scripts(struct work *w, struct pome_error *err)
{
    for (size_t i = 0; i < n_embedded_files; i++) {
        const struct embedded_file *f = &embedded_files[i];
        char path[2 * WORK_PATH];
        const char *name = strncmp(f->name, "scripts/", 8) ? f->name : f->name + 8;
        snprintf(path, sizeof path, "%s/files/%s", w->folder, name);
        char *slash = strrchr(path, '/');
        *slash = 0;
        if (!make_folders(path, FOR_IMAGES, err))
            return false;
        *slash = '/';
        if (!write_file(path, f->bytes, f->n, f->executable ? 0755 : 0644, err))
            return false;
    }
    return true;
}

bool work_write(const struct work *w, const char *name, const void *bytes, size_t n, struct pome_error *err)
{
    char path[WORK_PATH + 64];
    return write_file(work_path(w, name, path), bytes, n, 0600, err);
}

bool work_fact(const struct work *w, const char *name, char *text, size_t n, struct pome_error *err)
{
    char path[WORK_PATH + 64];
    FILE *f = fopen(work_path(w, name, path), "re");
    bool ok = f && fgets(text, (int)n, f);
    if (f)
        fclose(f);
    if (!ok)
        return pome_fail(err, POME_ERROR_INTERNAL, "the scripts left no %s", name);
    text[strcspn(text, "\n")] = 0;
    return true;
}

static int give_one(const char *path, const struct stat *s, int kind, struct FTW *ftw)
{
    return lchown(path, TOOL_NOBODY, TOOL_NOBODY);
}

bool work_give(const struct work *w, struct pome_error *err)
{
    return geteuid() || !nftw(w->folder, give_one, FOLDERS_OPEN, FTW_PHYS) || pome_fail_errno(err, "%s", w->folder);
}

bool work_open(struct work *w, const char *cache, struct pome_error *err)
{
    *w = (struct work){.lock = -1};
    return name_cache(w, cache, err) && open_log(w, err) && make_folder(w, err) && write_scripts(w, err);
}

void work_close(struct work *w)
{
    if (*w->folder)
        remove_folder(w->folder);
    if (w->lock >= 0)
        close(w->lock);
    if (w->log)
        fclose(w->log);
    *w = (struct work){.lock = -1};
}
