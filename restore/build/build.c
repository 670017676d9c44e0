/*
 * build.c - builds a restore image: checks, a work folder, a table of steps, one rename at the end.
 *
 * How it works: the scripts in scripts/ do what shell and Debian's own programs do best; they are written into the work
 * folder from the bytes embedded in this library. Either rootfs.sh installs Debian and a machine configures it, or input.sh
 * takes the caller's root file system: both leave an archive, root.tar, of which system.sh makes os.img. compose.c writes
 * the image of that, the kernel and the ramdisks. As root, everything that may run a package's script runs as nobody; nobody
 * owns the work folder then. The Debian repositories are those of the host's apt.
 *
 * The same bytes again: all dates are one date (common.sh); the machine that configures packages has one CPU and is told
 * that date; whatever order or time a running system leaves in its file system is lost in the archive between the two.
 */
#include "restore/build/compose.h"
#include "restore/build/configure.h"
#include "restore/build/darwin.h"
#include "restore/build/image_build.h"
#include "restore/build/names.h"
#include "restore/build/tool.h"
#include "restore/build/work.h"

#include "base/bits.h"
#include "base/error.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES = 256, ROOTFS_LINES = 1000 };

static const char cmdline[] = "console=ttyAMA0 root=PARTLABEL=Container ro";
static const char recovery_cmdline[] = "console=ttyAMA0";

struct build {
    const struct pome_image_build_options *options;
    pome_progress_fn *progress;
    void *user;
    const char *suite;
    char packages[WORK_PATH]; /* separated by spaces */
    struct work work;
    size_t step;          /* the one that runs */
    uint64_t lines;       /* of output in this step */
    double fraction;      /* never goes back */
    char text[TEXT_BYTES]; /* what is shown */
};

/* --- what a build is made of --- */

static bool needs_debian(const struct build *b)
{
    return !b->options->rootfs;
}

/* The machine that configures packages always runs Debian's kernel. */
static bool needs_kernel(const struct build *b)
{
    return needs_debian(b) || !b->options->kernel;
}

static bool needs_ramdisks(const struct build *b)
{
    return needs_debian(b) || !b->options->ramdisk || !b->options->recovery_ramdisk;
}

static bool needs_kernel_or_ramdisks(const struct build *b)
{
    return needs_kernel(b) || needs_ramdisks(b);
}

static bool needs_packages(const struct build *b)
{
    return needs_debian(b) || needs_kernel_or_ramdisks(b);
}

static bool always(const struct build *b)
{
    return true;
}

static const struct {
    const char *program, *package;
    bool (*needed)(const struct build *b);
} programs[] = {
    {"bash", "bash", always},
    {"fakeroot", "fakeroot", always},
    {"mke2fs", "e2fsprogs", always},
    {"e2fsck", "e2fsprogs", always},
    {"debugfs", "e2fsprogs", always},
    {"tar", "tar", always},
    {"find", "findutils", always},
    {"awk", "mawk", always},
    {"cpio", "cpio", needs_ramdisks},
    {"depmod", "kmod", needs_kernel_or_ramdisks},
    {"apt-get", "apt", needs_packages},
    {"dpkg-deb", "dpkg", needs_packages},
    {"mmdebstrap", "mmdebstrap", needs_debian},
    {"systemctl", "systemd", needs_debian}, /* systemd's own maintainer script calls the host's, with --root */
};

static bool check_programs(const struct build *b, struct pome_error *err)
{
    char missing[TEXT_BYTES] = "", packages[TEXT_BYTES] = "";
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        if (!programs[i].needed(b) || tool_exists(programs[i].program))
            continue;
        snprintf(missing + strlen(missing), sizeof missing - strlen(missing), " %s", programs[i].program);
        if (!strstr(packages, programs[i].package))
            snprintf(packages + strlen(packages), sizeof packages - strlen(packages), " %s", programs[i].package);
    }
    return !*missing || pome_fail(err, POME_ERROR_MISSING_PROGRAM, "missing:%s; to get them: apt-get install%s", missing,
                                  packages);
}

static bool check_options(struct build *b, struct pome_error *err)
{
    const struct pome_image_build_options *o = b->options;
    b->suite = o->suite ? o->suite : "bookworm";
    if (o->rootfs && (o->packages || o->package_list))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "packages are for Debian; a root file system is taken as it is");
    if (o->device_tree || o->trust_cache || o->os_image)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "device tree, trust cache and OS image are for Darwin kernels");
    if (o->modules && !o->kernel)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "modules belong to a kernel, and none is given");
    if (o->recovery_ramdisk && o->n_recovery_includes)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "nothing is put into a Recovery ramdisk that is given");
    if (o->os_bytes % 4096 || o->os_bytes > 64 * GiB || (o->os_bytes && o->os_bytes < 16 * MiB))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION,
                         "the OS file system: %llu bytes, allowed are multiples of 4096 from 16 MiB to 64 GiB",
                         (unsigned long long)o->os_bytes);
    return names_check_suite(b->suite, err) && names_check_mirror(o->mirror, err) &&
           names_check_hostname(o->hostname, err) && names_check_line("the command line", o->command_line, err) &&
           names_check_line("the Recovery command line", o->recovery_command_line, err) &&
           names_check_line("the name", o->name, err) && names_check_line("the version", o->version, err) &&
           names_check_line("the build", o->build, err) &&
           names_add_packages(b->packages, sizeof b->packages, o->packages, err) &&
           names_add_package_file(b->packages, sizeof b->packages, o->package_list, err);
}

/* --- progress --- */

struct step {
    const char *name;
    unsigned weight; /* share of the time, of all weights */
    uint64_t lines;  /* how much a script says here, more or less: for the bar */
    bool (*needed)(const struct build *b);
    bool (*run)(struct build *b, struct pome_error *err);
};
static const struct step steps[];
static const size_t n_steps;

static bool tell(struct build *b, uint64_t done, uint64_t total, double part)
{
    unsigned before = 0, all = 0;
    uint32_t number = 0, count = 0;
    for (size_t i = 0; i < n_steps; i++) {
        if (!steps[i].needed(b))
            continue;
        before += i < b->step ? steps[i].weight : 0;
        all += steps[i].weight;
        count++;
        number += i <= b->step;
    }
    double now = (before + steps[b->step].weight * (part < 1 ? part : 1)) / all;
    b->fraction = now > b->fraction ? now : b->fraction;
    struct pome_progress p = {.step = b->text,
                              .step_number = number,
                              .step_count = count,
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

/* Of what must be done also when the build was cancelled. */
static bool no_line(void *user, const char *line)
{
    return true;
}

/* --- scripts --- */

enum { ENVIRONMENT_MAX = 24 };

struct environment {
    char *text[ENVIRONMENT_MAX + 1];
    size_t n;
};

static void export(struct environment *e, const char *name, const char *value)
{
    if (e->n < ENVIRONMENT_MAX && asprintf(&e->text[e->n], "%s=%s", name, value ? value : "") >= 0)
        e->n++;
    e->text[e->n] = NULL;
}

/* Paths, one a line. They are absolute: scripts run in the work folder. */
static void export_paths(struct environment *e, const char *name, const char *const *paths, size_t n)
{
    char *all = NULL;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    for (size_t i = 0; f && i < n; i++) {
        char *full = realpath(paths[i], NULL);
        fprintf(f, "%s\n", full ? full : paths[i]);
        free(full);
    }
    if (f)
        fclose(f);
    export(e, name, all);
    free(all);
}

static void export_path(struct environment *e, const char *name, const char *path)
{
    char *full = path ? realpath(path, NULL) : NULL;
    export(e, name, full);
    free(full);
}

static bool is_folder(const char *path)
{
    struct stat s;
    return path && !stat(path, &s) && S_ISDIR(s.st_mode);
}

/* The variables of common.sh. */
static void make_environment(const struct build *b, bool as_nobody, struct environment *e)
{
    const struct pome_image_build_options *o = b->options;
    char path[WORK_PATH + 64];
    export(e, "POME_WORK", b->work.folder);
    export(e, "POME_FILES", work_path(&b->work, "files", path));
    export(e, "POME_CACHE", b->work.cache);
    export(e, "TMPDIR", b->work.folder);
    if (as_nobody)
        export(e, "HOME", b->work.folder);
    export(e, "POME_SUITE", b->suite);
    export(e, "POME_MIRROR", o->mirror);
    export(e, "POME_PACKAGES", b->packages);
    export(e, "POME_OFFLINE", o->offline ? "yes" : "");
    export(e, "POME_MAKE_SYSTEM", needs_debian(b) ? "yes" : "");
    export(e, "POME_MAKE_KERNEL", needs_kernel(b) ? "yes" : "");
    export(e, "POME_OWN_KERNEL", o->kernel ? "yes" : "");
    export(e, "POME_MAKE_RAMDISKS", needs_ramdisks(b) ? "yes" : "");
    export_path(e, "POME_ROOTFS", o->rootfs);
    export_path(e, "POME_MODULES", o->modules);
    export_paths(e, "POME_OVERLAYS", o->overlays, o->n_overlays);
    export_paths(e, "POME_SSH_KEYS", o->ssh_keys, o->n_ssh_keys);
    export_paths(e, "POME_RECOVERY_INCLUDES", o->recovery_includes, o->n_recovery_includes);
    export(e, "POME_HOSTNAME", o->hostname ? o->hostname : needs_debian(b) ? "pome" : "");
    char size[24];
    snprintf(size, sizeof size, "%llu", (unsigned long long)o->os_bytes);
    export(e, "POME_OS_BYTES", size);
}

static bool run_script_with(struct build *b, const char *name, bool as_nobody, bool (*line)(void *, const char *),
                            struct pome_error *err)
{
    char file[WORK_PATH], script[WORK_PATH + 64];
    snprintf(file, sizeof file, "files/%s", name);
    work_path(&b->work, file, script);
    struct environment e = {.n = 0};
    make_environment(b, as_nobody, &e);
    const char *const with_rights[] = {"bash", script, NULL};
    const char *const without[] = {"fakeroot", "--", "bash", script, NULL};
    struct tool t = {
        .argv = as_nobody ? without : with_rights,
        .environment = (const char *const *)e.text,
        .directory = b->work.folder,
        .drop_rights = as_nobody,
        .log = b->work.log,
        .log_path = b->work.log_path,
        .line = line,
        .user = b,
    };
    bool ok = tool_run(&t, err);
    while (e.n)
        free(e.text[--e.n]);
    return ok;
}

static bool run_script(struct build *b, const char *name, bool as_nobody, struct pome_error *err)
{
    return run_script_with(b, name, as_nobody, script_line, err);
}

/* --- steps --- */

static bool step_fetch(struct build *b, struct pome_error *err)
{
    return run_script(b, "fetch.sh", false, err) && work_give(&b->work, err);
}

/* What the caller gave, as far as scripts without rights must read it. */
static bool step_input(struct build *b, struct pome_error *err)
{
    const char *password = b->options->root_password_file;
    return (!password || names_write_password_hash(&b->work, password, err)) && run_script(b, "input.sh", false, err) && work_give(&b->work, err);
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
    char kernel[WORK_PATH + 64], ramdisk[WORK_PATH + 64], os[WORK_PATH + 64], console[WORK_PATH + 64], archive[WORK_PATH + 64];
    char date[32];
    struct pome_error why = {0};
    if (!work_fact(&b->work, "date", date, sizeof date, err))
        return false;
    const struct configure c = {
        .kernel = work_path(&b->work, "kernel", kernel),
        .ramdisk = work_path(&b->work, "configure-ramdisk", ramdisk),
        .os_image = work_path(&b->work, "os.img", os),
        .archive = work_path(&b->work, "root.tar", archive),
        .date = strtoll(date, NULL, 10),
        .console = work_path(&b->work, "console", console),
        .log = b->work.log,
        .log_path = b->work.log_path,
        .tick = configure_tick,
        .user = b,
    };
    if (image_configure(&c, &why))
        return true;
    /* A host that cannot run machines still builds images: their first start does this work. */
    if (why.code == POME_ERROR_NOT_SUPPORTED) {
        fprintf(b->work.log, "no machine here (%s): packages are left to the first start\n", why.message);
        return true;
    }
    if (err)
        *err = why;
    return false;
}

static bool step_system(struct build *b, struct pome_error *err)
{
    return work_give(&b->work, err) && run_script(b, "system.sh", true, err);
}

static bool step_keep(struct build *b, struct pome_error *err)
{
    return run_script(b, "keep.sh", false, err);
}

/* An option, or a fact that the scripts found. */
static bool option_or_fact(const struct build *b, const char *given, const char *name, char *text, size_t n, struct pome_error *err)
{
    return given ? (snprintf(text, n, "%s", given), true) : work_fact(&b->work, name, text, n, err);
}

static bool step_compose(struct build *b, struct pome_error *err)
{
    const struct pome_image_build_options *o = b->options;
    char kernel[WORK_PATH + 64], ramdisk[WORK_PATH + 64], recovery[WORK_PATH + 64], os[WORK_PATH + 64];
    char name[TEXT_BYTES], version[64], build[64], date[32];
    if (!option_or_fact(b, o->name, "name", name, sizeof name, err) ||
        !option_or_fact(b, o->version, "version", version, sizeof version, err) ||
        !option_or_fact(b, o->build, "build", build, sizeof build, err) || !work_fact(&b->work, "date", date, sizeof date, err))
        return false;
    const struct image_parts parts = {
        .firmware = o->firmware,
        .kernel = o->kernel ? o->kernel : work_path(&b->work, "kernel", kernel),
        .ramdisk = o->ramdisk ? o->ramdisk : work_path(&b->work, "ramdisk", ramdisk),
        .recovery_ramdisk = o->recovery_ramdisk ? o->recovery_ramdisk : work_path(&b->work, "recovery-ramdisk", recovery),
        .cmdline = o->command_line ? o->command_line : cmdline,
        .recovery_cmdline = o->recovery_command_line ? o->recovery_command_line : recovery_cmdline,
        .os_image = work_path(&b->work, "os.img", os),
        .work = b->work.folder,
        .product_name = name,
        .product_version = version,
        .build_number = build,
    };
    return image_compose(&parts, o->output, compose_line, b, err);
}

static const struct step steps[] = {
    /* what, weight, lines, when, function */
    {"reading what was given", 2, 0, always, step_input},
    {"fetching packages", 15, 0, needs_packages, step_fetch},
    {"writing kernel and ramdisks", 5, 0, needs_kernel_or_ramdisks, step_ramdisks},
    {"installing the system", 40, ROOTFS_LINES, needs_debian, step_rootfs},
    {"configuring packages in a machine", 25, 0, needs_debian, step_configure},
    {"writing the file system", 15, 0, always, step_system},
    {"keeping packages for the next build", 1, 0, needs_packages, step_keep},
    {"writing the restore image", 24, 0, always, step_compose},
};
static const size_t n_steps = ARRAY_SIZE(steps);

static bool run_steps(struct build *b, struct pome_error *err)
{
    for (b->step = 0; b->step < n_steps; b->step++) {
        if (!steps[b->step].needed(b))
            continue;
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

/* Whatever ended the build: what was fetched need not be fetched again. */
static void keep_packages(struct build *b)
{
    struct pome_error ignored = {0};
    if (*b->work.folder && needs_packages(b))
        run_script_with(b, "keep.sh", false, no_line, &ignored);
}

static bool check_output(const struct pome_image_build_options *o, struct pome_error *err)
{
    char folder[WORK_PATH];
    struct stat s;
    if (!o->output || !*o->output || strlen(o->output) >= sizeof folder)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the restore image needs a file name of at most %d bytes", WORK_PATH - 1);
    if (!o->replace && !lstat(o->output, &s))
        return pome_fail(err, POME_ERROR_EXISTS, "%s exists already", o->output);
    snprintf(folder, sizeof folder, "%s", o->output);
    char *slash = strrchr(folder, '/');
    snprintf(slash ? slash + 1 : folder, 2, ".");
    return !access(folder, W_OK | X_OK) || pome_fail_errno(err, "%s", folder);
}

/* A folder without a system in it; an archive is looked into when it is unpacked. */
static bool has_no_system(const char *folder)
{
    static const char *const parts[] = {"sbin", "usr"};
    char path[PATH_MAX];
    struct stat s;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (snprintf(path, sizeof path, "%s/%s", folder, parts[i]) < (int)sizeof path && !lstat(path, &s))
            return false;
    return true;
}

/* Every file and folder that was given is there and of the right kind, before an hour is spent. */
static bool check_inputs(const struct pome_image_build_options *o, struct pome_error *err)
{
    const char *const files[] = {o->package_list, o->rootfs, o->kernel, o->modules, o->ramdisk, o->recovery_ramdisk, o->firmware, o->root_password_file,
                                 o->device_tree, o->trust_cache, o->os_image};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (files[i] && access(files[i], R_OK))
            return pome_fail_errno(err, "%s", files[i]);
    for (size_t i = 0; i < o->n_ssh_keys; i++)
        if (access(o->ssh_keys[i], R_OK))
            return pome_fail_errno(err, "%s", o->ssh_keys[i]);
    if (is_folder(o->rootfs) && has_no_system(o->rootfs))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: no root file system: it holds neither sbin nor usr", o->rootfs);
    if (o->modules && !is_folder(o->modules))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: not a folder", o->modules);
    for (size_t i = 0; i < o->n_overlays + o->n_recovery_includes; i++) {
        const char *path = i < o->n_overlays ? o->overlays[i] : o->recovery_includes[i - o->n_overlays];
        if (!access(path, F_OK) && (!is_folder(path) || strchr(path, '\n')))
            return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: not a folder", path);
        if (access(path, R_OK | X_OK))
            return pome_fail_errno(err, "%s", path);
    }
    return true;
}

/* A Darwin kernel with what belongs to it: everything is given, nothing is fetched, installed or run. */
static bool build_darwin(struct build *b, struct pome_error *err)
{
    const struct pome_image_build_options *o = b->options;
    b->step = n_steps - 1; /* writing the restore image */
    return darwin_check(o, err) && check_inputs(o, err) && work_open(&b->work, o->cache, err) && darwin_compose(o, &b->work, compose_line, b, err);
}

bool image_build(const struct pome_image_build_options *options, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    struct build b = {.options = options, .progress = progress, .user = user, .work.lock = -1};
    if (options->darwin) {
        bool made = check_output(options, err) && build_darwin(&b, err);
        work_close(&b.work);
        return made;
    }
    bool ok = check_output(options, err) && check_options(&b, err) && check_inputs(options, err) && check_programs(&b, err) &&
              work_open(&b.work, options->cache, err) && run_steps(&b, err);
    if (!ok)
        keep_packages(&b);
    work_close(&b.work);
    return ok;
}
