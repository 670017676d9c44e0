/*
 * task.c - long calls in the background: reports, findings and completion come on this thread when it dispatches, once; what a task made is taken or closed;
 * cancelled tasks leave nothing; tasks of every kind say what they need.
 *
 * usage: task RESTORE_IMAGE_MAKER
 */
#include "kit.h"

#include <pome/installer.h>
#include <pome/snapshot.h>
#include <pome/task.h>

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

static pthread_t me;
static unsigned reports, findings, stop_after;

static bool progress(void *user, const struct pome_progress *p)
{
    CHECK(pthread_equal(pthread_self(), me) && p->fraction >= 0 && p->fraction <= 1);
    return ++reports != stop_after;
}

static void finding(void *user, const struct pome_finding *f)
{
    CHECK(pthread_equal(pthread_self(), me) && f->code);
    findings++;
}

static pome_task *begin(const struct pome_task_options *o, struct outcome *end)
{
    unsigned before = end->ok + end->failed;
    reports = findings = 0;
    pome_task *t = pome_task_start(o, progress, finding, kit_done, end, &err);
    CHECK(t && end->ok + end->failed == before && !reports); /* nothing is called before the first dispatch */
    return t;
}

/* By poll, as a program with a loop does it. */
static void finish(pome_task *t)
{
    struct pollfd p = {.fd = pome_task_fd(t), .events = POLLIN};
    do
        CHECK(poll(&p, 1, LONG_MS) == 1);
    while (!pome_task_dispatch(t));
}

static void kinds(void)
{
    unsigned n = 0;
    for (int k = -1; k < 200; k++) {
        struct pome_task_options o = POME_TASK_OPTIONS_INIT;
        o.kind = (enum pome_task_kind)k;
        CHECK(!pome_task_kind_call(o.kind) == !pome_task_kind_needs(o.kind));
        n += pome_task_kind_call(o.kind) != NULL;
        if (o.kind == POME_TASK_CATALOGUE_FETCH)
            continue; /* needs nothing, and would reach for the network */
        CHECK(!pome_task_start(&o, NULL, NULL, NULL, NULL, &err) && err.code == POME_ERROR_INVALID_CONFIGURATION);
    }
#define ONE(name, number, call, needs) +1
    CHECK(n == 0 POME_TASKS(ONE));
}

static void all(const char *folder, const char *image, const char *name)
{
    struct outcome end = {0};
    char copy[128], archive[128], out[128];
    snprintf(copy, sizeof copy, "%s/copy.bundle", folder);
    snprintf(archive, sizeof archive, "%s/a.tar.zst", folder);
    snprintf(out, sizeof out, "%s/out", folder);

    struct pome_task_options o = POME_TASK_OPTIONS_INIT;
    o.kind = POME_TASK_IMAGE_LOAD;
    o.path = image;
    pome_task *t = begin(&o, &end);
    finish(t);
    pome_restore_image *i = pome_task_take_image(t);
    CHECK(i && !pome_task_take_image(t) && !pome_task_take_bundle(t) && end.ok == 1);
    pome_task_free(t);

    struct pome_bundle_options bo = POME_BUNDLE_OPTIONS_INIT;
    pome_bundle *b = pome_bundle_create(name, i, &bo, &err);
    CHECK(b);
    o = (struct pome_task_options)POME_TASK_OPTIONS_INIT;
    o.bundle = b;
    o.image = i;
    t = begin(&o, &end);
    finish(t);
    pome_task_free(t);
    CHECK(end.ok == 2 && reports && pome_bundle_is_installed(b));

    o.kind = POME_TASK_IMAGE_VERIFY;
    t = begin(&o, &end);
    CHECK(pome_task_wait(t, LONG_MS, &err) && pome_task_wait(t, 0, &err) && end.ok == 3);
    pome_task_free(t);

    o.kind = POME_TASK_SNAPSHOT_CREATE;
    o.snapshot = "one";
    t = begin(&o, &end);
    CHECK(pome_task_wait(t, LONG_MS, &err));
    pome_task_free(t);
    t = begin(&o, &end); /* it is there: told by the completion */
    CHECK(!pome_task_wait(t, LONG_MS, &err) && err.code == POME_ERROR_EXISTS && end.ok == 4 && end.failed == 1);
    pome_task_free(t);

    o.kind = POME_TASK_SNAPSHOT_CLONE_WARM;
    o.name = copy;
    t = begin(&o, &end);
    CHECK(!pome_task_wait(t, LONG_MS, &err) && err.code == POME_ERROR_INVALID_STATE); /* it has no memory */
    pome_task_free(t);

    o.kind = POME_TASK_SNAPSHOT_CLONE;
    stop_after = 1; /* cancelled by the answer to the first report */
    t = begin(&o, &end);
    bool ok = pome_task_wait(t, LONG_MS, &err);
    CHECK(ok || (err.code == POME_ERROR_OPERATION_CANCELLED && access(copy, F_OK)));
    pome_task_free(t); /* what it made is closed */
    stop_after = 0;
    if (!ok) {
        t = begin(&o, &end);
        finish(t);
        pome_bundle *c = pome_task_take_bundle(t);
        struct pome_copy_result r = POME_COPY_RESULT_INIT;
        pome_task_copy_result(t, &r);
        CHECK(c && r.instant == !r.why[0] && pome_bundle_ecid(c) != pome_bundle_ecid(b));
        pome_task_free(t);
        pome_bundle_free(c);
    }

    o.kind = POME_TASK_BUNDLE_EXPORT;
    o.path = archive;
    t = begin(&o, &end);
    pome_task_free(t); /* at once: cancelled, or over; done was called */
    o.replace = true;
    t = begin(&o, &end);
    CHECK(pome_task_wait(t, LONG_MS, &err));
    pome_task_free(t);
    pome_bundle_free(b);

    o = (struct pome_task_options)POME_TASK_OPTIONS_INIT;
    o.kind = POME_TASK_BUNDLE_IMPORT;
    o.path = archive;
    o.name = out;
    t = begin(&o, &end);
    CHECK(pome_task_wait(t, LONG_MS, &err)); /* nobody takes it */
    pome_task_free(t);

    o = (struct pome_task_options)POME_TASK_OPTIONS_INIT;
    o.kind = POME_TASK_BUNDLE_CHECK;
    o.name = copy;
    t = begin(&o, &end);
    CHECK(pome_task_wait(t, LONG_MS, &err));
    pome_task_free(t);
    char disk[160];
    snprintf(disk, sizeof disk, "%s/Disk.img", copy);
    CHECK(!unlink(disk));
    t = begin(&o, &end);
    CHECK(!pome_task_wait(t, LONG_MS, &err) && findings);
    pome_task_free(t);
    pome_restore_image_free(i);
    pome_task_free(NULL);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/pome-task-XXXXXX", image[64], bundle[64], command[1024];
    me = pthread_self();
    CHECK(mkdtemp(folder));
    setenv("HOME", folder, 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("XDG_DATA_HOME", folder, 1);
    snprintf(image, sizeof image, "%s/small.ipsw", folder);
    snprintf(bundle, sizeof bundle, "%s/small.bundle", folder);
    snprintf(command, sizeof command, "'%s' '%s' '%s'", argv[1], folder, image);
    CHECK(!system(command));
    kinds();
    all(folder, image, bundle);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    CHECK(!system(command));
    return 0;
}
