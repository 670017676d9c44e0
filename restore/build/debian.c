/*
 * debian.c - builds a restore image of Debian: checks, a work folder, a table of steps, one rename at the end.
 *
 * How it works: the scripts in scripts/ do what shell and Debian's own programs do best; they are written into the work
 * folder from the bytes embedded in this library. What they leave there (kernel, ramdisks, os.img, a few facts in small
 * files) goes to compose.c. As root, everything that may run a package's script runs as nobody; nobody owns the
 * work folder then. The Debian repositories are those of the host's apt.
 */
#include "restore/build/compose.h"
#include "restore/build/configure.h"
#include "restore/build/embedded.h"
#include "restore/build/image_build.h"
#include "restore/build/tool.h"

#include "base/bits.h"
#include "base/error.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, TEXT_BYTES = 256, ROOTFS_LINES = 1000 };

#define WORK_NEEDED (3 * GiB)
#define WORK_NAME   "pome-image-"

static const char cmdline[] = "console=ttyAMA0 root=PARTLABEL=Container ro";
static const char recovery_cmdline[] = "console=ttyAMA0";

struct build {
    const struct pome_image_build_options *options;
    pome_progress_fn *progress;
    void *user;
    const char *suite;
    char work[PATH_BYTES], cache[PATH_BYTES], log_path[PATH_BYTES + 32];
    char packages[PATH_BYTES];
    FILE *log;
    int work_lock;        /* the open work folder, locked; -1: none */
    size_t step;          /* the one that runs */
    uint64_t lines;       /* of output in this step */
    double fraction;      /* never goes back */
    char text[TEXT_BYTES]; /* what is shown */
};

struct step {
    const char *name;
    unsigned weight;       /* share of the time, of all weights */
    uint64_t lines;        /* how much a script says here, more or less: for the bar */
    bool (*run)(struct build *b, struct pome_error *err);
};

/* program, Debian package */
static const char *const programs[][2] = {
    {"apt-get", "apt"},         {"dpkg-deb", "dpkg"},   {"bash", "bash"},          {"mmdebstrap", "mmdebstrap"},
    {"fakeroot", "fakeroot"},   {"cpio", "cpio"},       {"depmod", "kmod"},        {"mke2fs", "e2fsprogs"},
    {"e2fsck", "e2fsprogs"},    {"tar", "tar"},         {"find", "findutils"},     {"awk", "mawk"},
    {"systemctl", "systemd"}, /* systemd's own maintainer script calls the host's, with --root */
};

static bool check_programs(struct build *b, struct pome_error *err)
{
    char missing[TEXT_BYTES] = "", packages[TEXT_BYTES] = "";
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        if (tool_exists(programs[i][0]))
            continue;
        snprintf(missing + strlen(missing), sizeof missing - strlen(missing), " %s", programs[i][0]);
        if (!strstr(packages, programs[i][1]))
            snprintf(packages + strlen(packages), sizeof packages - strlen(packages), " %s", programs[i][1]);
    }
    return !*missing || pome_fail(err, POME_ERROR_MISSING_PROGRAM, "missing:%s; to get them: apt-get install%s", missing,
                                  packages);
}

/* A word that may go on a command line and into a file name: Debian's rule for package names, and suites. */
static bool is_name(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && !(i && strchr("+-.", s[i])))
            return false;
    return n > 0 && n < 100;
}

static bool check_names(struct build *b, struct pome_error *err)
{
    const char *mirror = b->options->mirror, *p = b->options->packages;
    b->suite = b->options->suite ? b->options->suite : "bookworm";
    if (!is_name(b->suite, strlen(b->suite)))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "\"%s\" is not a name of a Debian suite", b->suite);
    for (const char *c = mirror; c && *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("[]\"'\\", *c))
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the mirror's URL holds a character that no URL has");
    while (p && *p) {
        size_t n = strcspn(p, ", ");
        if (n && !is_name(p, n))
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "\"%.*s\" is not a package's name", (int)MIN(n, 99), p);
        if (strlen(b->packages) + n + 2 > sizeof b->packages)
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the list of packages is longer than %d bytes", PATH_BYTES);
        strncat(b->packages, p, n);
        strcat(b->packages, " ");
        p += n + (p[n] != 0);
    }
    return true;
}

/* mkdir -p */
static bool make_folders(char *path, struct pome_error *err)
{
    for (char *slash = path + 1;; slash++) {
        slash = strchrnul(slash, '/');
        char end = *slash;
        *slash = 0;
        bool ok = !mkdir(path, 0755) || errno == EEXIST;
        if (!ok)
            pome_fail_errno(err, "%s", path);
        *slash = end;
        if (!ok || !end)
            return ok;
    }
}

static bool open_cache(struct build *b, struct pome_error *err)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if ((xdg && strlen(xdg) > PATH_BYTES / 2) || (home && strlen(home) > PATH_BYTES / 2))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "XDG_CACHE_HOME or HOME is longer than %d bytes", PATH_BYTES / 2);
    if (xdg && *xdg == '/')
        snprintf(b->cache, sizeof b->cache, "%s/pome/debs", xdg);
    else if (home && *home == '/')
        snprintf(b->cache, sizeof b->cache, "%s/.cache/pome/debs", home);
    else
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "neither XDG_CACHE_HOME nor HOME says where to keep packages");
    if (!make_folders(b->cache, err))
        return false;
    snprintf(b->log_path, sizeof b->log_path, "%.*s/image-build.log", (int)(strlen(b->cache) - strlen("/debs")), b->cache);
    /* Another build that runs now keeps the name: this one's log has our process number. */
    b->log = fopen(b->log_path, "ae");
    if (b->log && flock(fileno(b->log), LOCK_EX | LOCK_NB)) {
        fclose(b->log);
        snprintf(b->log_path, sizeof b->log_path, "%.*s/image-build-%d.log", (int)(strlen(b->cache) - strlen("/debs")), b->cache,
                 (int)getpid());
        b->log = fopen(b->log_path, "ae");
    }
    return (b->log && !ftruncate(fileno(b->log), 0)) || pome_fail_errno(err, "%s", b->log_path);
}

static bool write_file(const char *path, const void *bytes, size_t n, mode_t mode, struct pome_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool ok = fd >= 0 && write(fd, bytes, n) == (ssize_t)n;
    if (fd >= 0 && close(fd))
        ok = false;
    return ok || pome_fail_errno(err, "%s", path);
}

/* The scripts as files: "scripts/x" and "guest/..." below work/files, "scripts/" left out. */
static bool write_scripts(struct build *b, struct pome_error *err)
{
    for (size_t i = 0; i < n_embedded_files; i++) {
        const struct embedded_file *f = &embedded_files[i];
        char path[2 * PATH_BYTES];
        const char *name = strncmp(f->name, "scripts/", 8) ? f->name : f->name + 8;
        snprintf(path, sizeof path, "%s/files/%s", b->work, name);
        char *slash = strrchr(path, '/');
        *slash = 0;
        if (!make_folders(path, err))
            return false;
        *slash = '/';
        if (!write_file(path, f->bytes, f->n, f->executable ? 0755 : 0644, err))
            return false;
    }
    return true;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *ftw)
{
    if (kind == FTW_DNR && !chmod(path, 0700)) /* package folders without read right */
        return 0;
    remove(path);
    return 0;
}

static void remove_work(const char *work)
{
    if (!*work)
        return;
    nftw(work, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    if (!access(work, F_OK))
        nftw(work, remove_one, 32, FTW_DEPTH | FTW_PHYS); /* what the first round made readable */
}

/* Removes work folders of builds that were killed: a living build holds a lock on its own. */
static void remove_stale(const char *tmp)
{
    DIR *d = opendir(tmp);
    uid_t mine = geteuid() ? geteuid() : TOOL_NOBODY;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[PATH_BYTES + 64];
        struct stat s;
        if (strncmp(e->d_name, WORK_NAME, sizeof WORK_NAME - 1) || strlen(e->d_name) != sizeof WORK_NAME - 1 + 6)
            continue;
        snprintf(path, sizeof path, "%s/%s", tmp, e->d_name);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        /* A minute: between making a folder and locking it. */
        if (fd >= 0 && !fstat(fd, &s) && s.st_uid == mine && s.st_ctime < time(NULL) - 60 && !flock(fd, LOCK_EX | LOCK_NB))
            remove_work(path);
        if (fd >= 0)
            close(fd);
    }
    if (d)
        closedir(d);
}

static bool open_work(struct build *b, struct pome_error *err)
{
    const char *tmp = getenv("TMPDIR");
    struct statvfs fs;
    tmp = tmp && *tmp == '/' ? tmp : "/var/tmp";
    if (strlen(tmp) > PATH_BYTES / 2)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "TMPDIR is longer than %d bytes", PATH_BYTES / 2);
    remove_stale(tmp);
    snprintf(b->work, sizeof b->work, "%s/" WORK_NAME "XXXXXX", tmp);
    if (!mkdtemp(b->work)) {
        pome_fail_errno(err, "%s", b->work);
        *b->work = 0;
        return false;
    }
    b->work_lock = open(b->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->work_lock < 0 || flock(b->work_lock, LOCK_EX | LOCK_NB))
        return pome_fail_errno(err, "%s", b->work);
    if (!statvfs(b->work, &fs) && (uint64_t)fs.f_bavail * fs.f_frsize < WORK_NEEDED)
        return pome_fail(err, POME_ERROR_OUT_OF_DISK_SPACE, "%s: %llu MiB are free, a build needs %llu (TMPDIR chooses another place)",
                         b->work, (unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize >> 20),
                         (unsigned long long)(WORK_NEEDED >> 20));
    /* nobody works here when we are root; nobody else may read what is not finished. */
    if (!geteuid() && chown(b->work, TOOL_NOBODY, TOOL_NOBODY))
        return pome_fail_errno(err, "%s", b->work);
    return write_scripts(b, err);
}

/* --- progress --- */

static const struct step steps[];
static const size_t n_steps;

static bool tell(struct build *b, uint64_t done, uint64_t total, double part)
{
    unsigned before = 0, all = 0;
    for (size_t i = 0; i < n_steps; i++) {
        before += i < b->step ? steps[i].weight : 0;
        all += steps[i].weight;
    }
    double now = (before + steps[b->step].weight * (part < 1 ? part : 1)) / all;
    b->fraction = now > b->fraction ? now : b->fraction;
    struct pome_progress p = {.step = b->text,
                              .step_number = (uint32_t)b->step + 1,
                              .step_count = (uint32_t)n_steps,
                              .done = done,
                              .total = total,
                              .fraction = b->fraction};
    return !b->progress || b->progress(b->user, &p);
}

static bool script_line(void *user, const char *line)
{
    struct build *b = user;
    if (line && !strncmp(line, "== ", 3))
        snprintf(b->text, sizeof b->text, "%s", line + 3);
    if (line)
        b->lines++;
    return tell(b, 0, 0, steps[b->step].lines ? (double)b->lines / (double)steps[b->step].lines : 0);
}

static bool compose_line(void *user, const char *step, uint64_t done, uint64_t total, double part)
{
    struct build *b = user;
    snprintf(b->text, sizeof b->text, "%s", step);
    return tell(b, done, total, part);
}

/* --- steps --- */

static bool run_script(struct build *b, const char *name, bool as_nobody, struct pome_error *err)
{
    char script[PATH_BYTES + 64], work[PATH_BYTES + 64], files[PATH_BYTES + 64], cache[PATH_BYTES + 64];
    char suite[TEXT_BYTES], mirror[PATH_BYTES], packages[PATH_BYTES + 64], tmp[PATH_BYTES + 64], home[PATH_BYTES + 64];
    snprintf(script, sizeof script, "%s/files/%s", b->work, name);
    snprintf(work, sizeof work, "POME_WORK=%s", b->work);
    snprintf(files, sizeof files, "POME_FILES=%s/files", b->work);
    snprintf(cache, sizeof cache, "POME_CACHE=%s", b->cache);
    snprintf(suite, sizeof suite, "POME_SUITE=%s", b->suite);
    snprintf(mirror, sizeof mirror, "POME_MIRROR=%s", b->options->mirror ? b->options->mirror : "");
    snprintf(packages, sizeof packages, "POME_PACKAGES=%s", b->packages);
    snprintf(tmp, sizeof tmp, "TMPDIR=%s", b->work);
    snprintf(home, sizeof home, "HOME=%s", b->work);
    const char *const with_rights[] = {"bash", script, NULL};
    const char *const without[] = {"fakeroot", "--", "bash", script, NULL};
    const char *const environment[] = {work, files, cache, suite, mirror, packages, tmp, as_nobody ? home : NULL, NULL};
    struct tool t = {
        .argv = as_nobody ? without : with_rights,
        .environment = environment,
        .directory = b->work,
        .drop_rights = as_nobody,
        .log = b->log,
        .log_path = b->log_path,
        .line = script_line,
        .user = b,
    };
    return tool_run(&t, err);
}

/* What root fetched must be readable, and its folder writable, for nobody. */
static int give_one(const char *path, const struct stat *s, int kind, struct FTW *ftw)
{
    return lchown(path, TOOL_NOBODY, TOOL_NOBODY);
}

static bool step_fetch(struct build *b, struct pome_error *err)
{
    return run_script(b, "fetch.sh", false, err) &&
           (geteuid() || !nftw(b->work, give_one, 32, FTW_PHYS) || pome_fail_errno(err, "%s", b->work));
}

static bool step_ramdisks(struct build *b, struct pome_error *err)
{
    return run_script(b, "ramdisks.sh", true, err);
}

static bool step_rootfs(struct build *b, struct pome_error *err)
{
    return run_script(b, "rootfs.sh", true, err);
}

static bool configure_tick(void *user, double part)
{
    return tell(user, 0, 0, part);
}

static bool step_configure(struct build *b, struct pome_error *err)
{
    char kernel[PATH_BYTES + 32], ramdisk[PATH_BYTES + 32], os[PATH_BYTES + 32], console[PATH_BYTES + 32];
    struct pome_error why = {0};
    snprintf(kernel, sizeof kernel, "%s/kernel", b->work);
    snprintf(ramdisk, sizeof ramdisk, "%s/ramdisk", b->work);
    snprintf(os, sizeof os, "%s/os.img", b->work);
    snprintf(console, sizeof console, "%s/console", b->work);
    const struct configure c = {kernel, ramdisk, os, console, b->log, b->log_path, configure_tick, b};
    if (image_configure(&c, &why))
        return run_script(b, "check.sh", true, err);
    /* A host that cannot run machines still builds images: their first start does this work. */
    if (why.code == POME_ERROR_NOT_SUPPORTED) {
        fprintf(b->log, "no machine here (%s): packages are left to the first start\n", why.message);
        return true;
    }
    if (err)
        *err = why;
    return false;
}

static bool step_keep(struct build *b, struct pome_error *err)
{
    return run_script(b, "keep.sh", false, err);
}

/* A fact that a script left in a small file: one line. */
static bool read_fact(const struct build *b, const char *name, char *text, size_t n, struct pome_error *err)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", b->work, name);
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(text, (int)n, f);
    if (f)
        fclose(f);
    if (!ok)
        return pome_fail(err, POME_ERROR_INTERNAL, "the scripts left no %s", name);
    text[strcspn(text, "\n")] = 0;
    return true;
}

static bool step_compose(struct build *b, struct pome_error *err)
{
    char kernel[PATH_BYTES + 32], ramdisk[PATH_BYTES + 32], recovery[PATH_BYTES + 32], os[PATH_BYTES + 32];
    char version[64], build[64], date[32];
    snprintf(kernel, sizeof kernel, "%s/kernel", b->work);
    snprintf(ramdisk, sizeof ramdisk, "%s/ramdisk", b->work);
    snprintf(recovery, sizeof recovery, "%s/recovery-ramdisk", b->work);
    snprintf(os, sizeof os, "%s/os.img", b->work);
    if (!read_fact(b, "version", version, sizeof version, err) || !read_fact(b, "build", build, sizeof build, err) ||
        !read_fact(b, "date", date, sizeof date, err))
        return false;
    const struct image_parts parts = {
        .kernel = kernel,
        .ramdisk = ramdisk,
        .recovery_ramdisk = recovery,
        .cmdline = cmdline,
        .recovery_cmdline = recovery_cmdline,
        .os_image = os,
        .work = b->work,
        .product_name = "Debian GNU/Linux",
        .product_version = version,
        .build_number = build,
        .date = (time_t)strtoll(date, NULL, 10),
    };
    return image_compose(&parts, b->options->output, compose_line, b, err);
}

static const struct step steps[] = {
    /* what, weight, lines, function */
    {"fetching packages", 15, 0, step_fetch},
    {"writing kernel and ramdisks", 5, 0, step_ramdisks},
    {"installing the system", 50, ROOTFS_LINES, step_rootfs},
    {"configuring packages in a machine", 15, 0, step_configure},
    {"keeping packages for the next build", 1, 0, step_keep},
    {"writing the restore image", 24, 0, step_compose},
};
static const size_t n_steps = ARRAY_SIZE(steps);

static bool run_steps(struct build *b, struct pome_error *err)
{
    for (b->step = 0; b->step < n_steps; b->step++) {
        b->lines = 0;
        snprintf(b->text, sizeof b->text, "%s", steps[b->step].name);
        if (!tell(b, 0, 0, 0))
            return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled");
        if (!steps[b->step].run(b, err))
            return false;
    }
    b->step = n_steps - 1;
    tell(b, 0, 0, 1);
    return true;
}

static bool check_output(const struct pome_image_build_options *o, struct pome_error *err)
{
    char folder[PATH_BYTES];
    struct stat s;
    if (!o->output || !*o->output || strlen(o->output) >= sizeof folder)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the restore image needs a file name of at most %d bytes", PATH_BYTES - 1);
    if (!o->replace && !lstat(o->output, &s))
        return pome_fail(err, POME_ERROR_EXISTS, "%s exists already", o->output);
    snprintf(folder, sizeof folder, "%s", o->output);
    char *slash = strrchr(folder, '/');
    snprintf(slash ? slash + 1 : folder, 2, ".");
    return !access(folder, W_OK | X_OK) || pome_fail_errno(err, "%s", folder);
}

bool image_build_debian(const struct pome_image_build_options *options, pome_progress_fn *progress, void *user,
                        struct pome_error *err)
{
    struct build b = {.options = options, .progress = progress, .user = user, .work_lock = -1};
    bool ok = check_output(options, err) && check_names(&b, err) && check_programs(&b, err) && open_cache(&b, err) &&
              open_work(&b, err) && run_steps(&b, err);
    remove_work(b.work);
    if (b.work_lock >= 0)
        close(b.work_lock);
    if (b.log)
        fclose(b.log);
    return ok;
}
