/* install.c - installation as a table of steps. */
#include "restore/install.h"
#include "base/bits.h"
#include "base/error.h"
#include "bundle/snapshot_line.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool check(struct install *in, struct pome_error *err);
static bool look(struct install *in, struct pome_error *err);
static bool finish(struct install *in, struct pome_error *err);

struct install_step {
    const char *name;
    double weight;
    bool (*run)(struct install *in, struct pome_error *err);
    void (*undo)(struct install *in);
    bool noted;    /* once done it is not done again by an installation that goes on */
    int container; /* of those: 1 + the container that it writes, which must read as zero before; 0: none */
};

static const struct install_step steps[] = {
    {"Checking the restore image", 1, check, NULL},
    {"Looking at what is there", 1, look, NULL},
    {"Creating the partition map", 1, install_partition_map, install_empty_disk},
    {"Restoring the OS image", 80, install_os, NULL},
    {"Personalising", 1, install_personalize, NULL},
    {"Writing the boot set", 6, install_boot_container, NULL},
    {"Writing Recovery", 6, install_recovery_container, NULL},
    {"Writing NVRAM and firmware", 2, install_aux, install_empty_aux},
    {"Finishing", 5, finish, NULL},
};

static const struct install_step apple_steps[] = {
    {"Checking the restore image", 1, apple_check, NULL},
    {"Looking at what is there", 1, apple_look, NULL},
    {"Creating the partition map", 1, install_partition_map, install_empty_disk},
    {"Personalising", 1, apple_personalize, NULL, true},
    {"Creating iBootSystemContainer", 2, apple_boot_container, NULL, true, 1 + LAYOUT_ISC},
    {"Creating Container and restoring", 60, apple_main_container, NULL, true, 1 + LAYOUT_MAIN},
    {"Creating RecoveryOSContainer", 10, apple_recovery_container, NULL, true, 1 + LAYOUT_RECOVERY},
    {"Verifying the containers", 15, apple_verify, NULL},
    {"Writing NVRAM and firmware", 2, install_aux, install_empty_aux},
    {"Finishing", 5, finish, NULL},
};

static const struct install_steps {
    const struct install_step *list;
    size_t n;
} families[] = {
    [RESTORE_POME] = {steps, ARRAY_SIZE(steps)},
    [RESTORE_APPLE] = {apple_steps, ARRAY_SIZE(apple_steps)},
};

unsigned install_step_count(void)
{
    return ARRAY_SIZE(steps);
}

const char *install_step_name(unsigned step)
{
    return step < ARRAY_SIZE(steps) ? steps[step].name : "";
}

/* --- progress --- */

enum { SHOW_NS = 50000000 };

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool install_progress(struct install *in, uint64_t done, uint64_t total, struct pome_error *err)
{
    int64_t now = now_ns();
    bool edge = !done || done == total;
    if (!in->progress || (!edge && now - in->shown_ns < SHOW_NS))
        return true;
    in->shown_ns = now;
    in->report.done = done;
    in->report.total = total;
    double share = total ? (double)done / (double)total : 0;
    in->report.fraction = (in->weight_done + in->weight * (share > 1 ? 1 : share)) / in->weight_all;
    return in->progress(in->user, &in->report) || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "cancelled while: %s", in->report.step);
}

/* --- first and last step --- */

const struct manifest_component *install_component(const struct install *in, const char *name)
{
    const struct manifest_component *c = manifest_component(&in->image->manifest, name);
    assert(c);
    return c;
}

bool install_check_machine(const struct install *in, struct pome_error *err)
{
    const struct bundle *b = in->bundle;
    struct findings l = {0};
    restore_image_check_machine(in->image, b->settings.cpu_count, b->settings.memory_bytes, 0, &l);
    bool ok = findings_ok(&l, POME_ERROR_INVALID_CONFIGURATION, b->path, err);
    findings_free(&l);
    return ok;
}

bool install_open_members(struct install *in, struct pome_error *err)
{
    struct job whole = {.progress = in->progress, .user = in->user};
    if (!snapshots_end_keeping(in->bundle, &whole, err)) /* opening does it, too, but tells nobody */
        return false;
    in->disk_fd = bundle_member_open(in->bundle, BUNDLE_DISK, O_RDWR, err);
    in->aux_fd = in->disk_fd < 0 ? -1 : bundle_member_open(in->bundle, BUNDLE_AUX, O_RDWR, err);
    return in->aux_fd >= 0;
}

bool install_has(const struct install *in, const struct component_role *role)
{
    return manifest_component(&in->image->manifest, role->name);
}

/* Everything that can be known to fail is known before the disk is touched. */
static bool check(struct install *in, struct pome_error *err)
{
    struct bundle *b = in->bundle;
    struct im4p p;
    if (!restore_image_supported(in->image, err))
        return false;
    if (b->model.platform != PLATFORM_POME)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: its hardware model has platform version %u, this image is for %d", b->path,
                         b->model.platform, PLATFORM_POME);
    if (!install_check_machine(in, err))
        return false;
    for (size_t i = 0; i < COMPONENT_ROLES; i++)
        if (component_roles[i].type && install_has(in, &component_roles[i]) &&
            !restore_image_im4p(in->image, install_component(in, component_roles[i].name), component_roles[i].type, &p, err))
            return false;
    if (!layout_make(b->disk_bytes, install_component(in, "OS")->uncompressed_size, &in->gpt, err))
        return pome_fail_context(err, "%s", b->path);
    return install_open_members(in, err);
}

/* --- the journal --- */

/* Install.json once the OS image is on the disk. It is compared as text: whatever else is there means nothing. */
static size_t journal_text(const struct install *in, char text[256])
{
    char digest[2 * SHA384_BYTES + 1];
    hex_upper(install_component(in, "OS")->uncompressed_digest, SHA384_BYTES, digest);
    return (size_t)snprintf(text, 256, "{\"version\": 1, \"state\": \"installing\", \"os\": \"%s\"}\n", digest);
}

bool install_write_journal(struct install *in, struct pome_error *err)
{
    char text[256];
    size_t n = journal_text(in, text);
    if (fdatasync(in->disk_fd))
        return pome_fail_errno(err, "%s: cannot sync", in->bundle->path);
    return bundle_member_write(in->bundle, BUNDLE_INSTALL, text, n, err);
}

static bool apple_has_journal(const struct install *in)
{
    int fd = bundle_member_open(in->bundle, BUNDLE_INSTALL_STATE, O_RDONLY, NULL);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && !in->bundle->installed;
}

static bool has_journal(const struct install *in)
{
    char want[256], got[256];
    if (restore_image_family(in->image) == RESTORE_APPLE)
        return apple_has_journal(in);
    if (!manifest_component(&in->image->manifest, "OS"))
        return false;
    size_t n = journal_text(in, want);
    int fd = bundle_member_open(in->bundle, BUNDLE_INSTALL, O_RDONLY, NULL);
    bool same = fd >= 0 && pread(fd, got, sizeof got, 0) == (ssize_t)n && !memcmp(got, want, n);
    if (fd >= 0)
        close(fd);
    return same;
}

static bool look(struct install *in, struct pome_error *err)
{
    if (!in->journal)
        return true;
    if (!install_keep_disk(in, err))
        return false;
    log_host(in->log, "org.pome.install", "resume", LOG_LEVEL_DEFAULT, in->kept ? "the OS image is on the disk: it stays" : "the OS image on the disk is not whole");
    return in->kept || bundle_set_not_installed(in->bundle, err);
}

static bool finish(struct install *in, struct pome_error *err)
{
    if (!install_progress(in, 0, 1, err))
        return false;
    if (fsync(in->disk_fd) || fsync(in->aux_fd))
        return pome_fail_errno(err, "%s: cannot sync", in->bundle->path);
    return bundle_set_installed(in->bundle, err);
}

/* Which steps of an earlier attempt stay. */
bool apple_look(struct install *in, struct pome_error *err)
{
    if (!in->journal)
        return true;
    in->done = install_find_map(in) ? install_state_read(in) : 0;
    for (size_t i = in->done; in->done && i < ARRAY_SIZE(apple_steps); i++)
        if (apple_steps[i].container && !install_empty_container(in, (enum layout_container)(apple_steps[i].container - 1)))
            in->done = 0;
    in->kept = in->done;
    if (in->kept)
        log_host(in->log, "org.pome.install", "resume", LOG_LEVEL_DEFAULT, "%zu steps were done: what they made stays", in->done);
    else
        log_host(in->log, "org.pome.install", "resume", LOG_LEVEL_DEFAULT, "nothing that is there can stay");
    return in->kept || bundle_set_not_installed(in->bundle, err);
}

/* --- running --- */

static void undo(struct install *in, const struct install_steps *s, size_t failed)
{
    bundle_set_not_installed(in->bundle, NULL); /* the journal goes before what it speaks of */
    for (size_t i = failed + 1; i-- > 0;)
        if (s->list[i].undo && in->disk_fd >= 0 && in->aux_fd >= 0)
            s->list[i].undo(in);
}

static bool run_steps(struct install *in, const struct install_steps *s, struct pome_error *err)
{
    for (size_t i = 0; i < s->n; i++)
        in->weight_all += s->list[i].weight;
    for (size_t i = 0; i < s->n; i++) {
        const struct install_step *step = &s->list[i];
        in->report = (struct pome_progress){.step = step->name, .step_number = (uint32_t)i + 1, .step_count = (uint32_t)s->n};
        in->weight = step->weight;
        log_host(in->log, "org.pome.install", "step", LOG_LEVEL_DEFAULT, "%zu of %zu: %s", i + 1, s->n, step->name);
        bool there = step->noted && i < in->done;
        if (!install_progress(in, 0, 0, err) || !(there || (step->run(in, err) && (!step->noted || install_state_write(in, i + 1, err))))) {
            log_host(in->log, "org.pome.install", "step", LOG_LEVEL_ERROR, "%s: %s", step->name, err->message);
            undo(in, s, i);
            return false;
        }
        in->weight_done += in->weight;
    }
    in->weight = 0;
    install_progress(in, 1, 1, NULL); /* it is done: too late to cancel */
    return true;
}

bool install_run(struct bundle *bundle, struct restore_image *image, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    char path[PATH_MAX];
    struct pome_error own = {0};
    struct install *in = calloc(1, sizeof *in);
    assert(bundle->locked);
    if (!err)
        err = &own;
    if (!in)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to install");
    *in = (struct install){.bundle = bundle, .image = image, .disk_fd = -1, .aux_fd = -1,
                           .security = (enum policy_security)bundle->install_security, .progress = progress, .user = user};
    in->journal = has_journal(in);
    bool ok = in->journal || bundle_set_not_installed(bundle, err);
    if (ok && bundle_log_path(bundle, path))
        in->log = log_open(path, NULL); /* a log that cannot be written is no reason not to install */
    ok = ok && run_steps(in, &families[restore_image_family(image)], err);
    log_host(in->log, "org.pome.install", "result", ok ? LOG_LEVEL_DEFAULT : LOG_LEVEL_ERROR, "%s %s (%s): %s", image->product_name,
             image->manifest.version, image->manifest.build, ok ? "installed" : err->message);
    log_close(in->log);
    if (in->disk_fd >= 0)
        close(in->disk_fd);
    if (in->aux_fd >= 0)
        close(in->aux_fd);
    free(in);
    return ok;
}
