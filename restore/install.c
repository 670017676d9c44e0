/* install.c - installation as a table of steps. */
#include "restore/install.h"
#include "base/bits.h"
#include "base/error.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool check(struct install *in, struct pome_error *err);
static bool finish(struct install *in, struct pome_error *err);

static const struct install_step {
    const char *name;
    double weight;
    bool (*run)(struct install *in, struct pome_error *err);
    void (*undo)(struct install *in);
} steps[] = {
    {"Checking the restore image", 1, check, NULL},
    {"Creating the partition map", 1, install_partition_map, install_empty_disk},
    {"Restoring the OS image", 80, install_os, NULL},
    {"Personalising", 1, install_personalize, NULL},
    {"Writing the boot set", 6, install_boot_container, NULL},
    {"Writing Recovery", 6, install_recovery_container, NULL},
    {"Writing NVRAM and firmware", 2, install_aux, install_empty_aux},
    {"Finishing", 5, finish, NULL},
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

/* Everything that can be known to fail is known before the disk is touched. */
static bool check(struct install *in, struct pome_error *err)
{
    struct bundle *b = in->bundle;
    const struct manifest *m = &in->image->manifest;
    struct im4p p;
    if (!restore_image_supported(in->image, err))
        return false;
    if (b->model.platform != PLATFORM_POME)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: its hardware model has platform version %u, this image is for %d", b->path,
                         b->model.platform, PLATFORM_POME);
    if (b->settings.cpu_count < m->min_cpus || b->settings.memory_bytes / MiB < m->min_memory_mb)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s: %u CPUs and %llu MiB, the image needs %llu and %llu MiB", b->path,
                         b->settings.cpu_count, (unsigned long long)(b->settings.memory_bytes / MiB), (unsigned long long)m->min_cpus,
                         (unsigned long long)m->min_memory_mb);
    for (size_t i = 0; i < COMPONENT_ROLES; i++)
        if (component_roles[i].type &&
            !restore_image_im4p(in->image, install_component(in, component_roles[i].name), component_roles[i].type, &p, err))
            return false;
    if (!layout_make(b->disk_bytes, install_component(in, "OS")->uncompressed_size, &in->gpt, err))
        return pome_fail_context(err, "%s", b->path);
    in->disk_fd = bundle_member_open(b, BUNDLE_DISK, O_RDWR, err);
    in->aux_fd = in->disk_fd < 0 ? -1 : bundle_member_open(b, BUNDLE_AUX, O_RDWR, err);
    return in->aux_fd >= 0;
}

static bool finish(struct install *in, struct pome_error *err)
{
    if (!install_progress(in, 0, 1, err))
        return false;
    if (fsync(in->disk_fd) || fsync(in->aux_fd))
        return pome_fail_errno(err, "%s: cannot sync", in->bundle->path);
    return bundle_set_installed(in->bundle, err);
}

/* --- running --- */

static void undo(struct install *in, size_t failed)
{
    for (size_t i = failed + 1; i-- > 0;)
        if (steps[i].undo && in->disk_fd >= 0 && in->aux_fd >= 0)
            steps[i].undo(in);
}

static bool run_steps(struct install *in, struct pome_error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        in->weight_all += steps[i].weight;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        in->report = (struct pome_progress){.step = steps[i].name, .step_number = (uint32_t)i + 1, .step_count = ARRAY_SIZE(steps)};
        in->weight = steps[i].weight;
        log_host(in->log, "org.pome.install", "step", LOG_LEVEL_DEFAULT, "%zu of %zu: %s", i + 1, ARRAY_SIZE(steps), steps[i].name);
        if (!install_progress(in, 0, 0, err) || !steps[i].run(in, err)) {
            log_host(in->log, "org.pome.install", "step", LOG_LEVEL_ERROR, "%s: %s", steps[i].name, err->message);
            undo(in, i);
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
    *in = (struct install){.bundle = bundle, .image = image, .disk_fd = -1, .aux_fd = -1, .progress = progress, .user = user};
    bool ok = bundle_set_not_installed(bundle, err);
    if (ok && bundle_log_path(bundle, path))
        in->log = log_open(path, NULL); /* a log that cannot be written is no reason not to install */
    ok = ok && run_steps(in, err);
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
