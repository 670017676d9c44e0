/*
 * task.c - long calls on threads of their own: pome/task.h.
 *
 * The thread leaves its latest report and, at the end, findings and result behind the lock; the caller's thread finds them when it dispatches.
 */
#include <pome/inspect.h>
#include <pome/installer.h>
#include <pome/snapshot.h>

#include "api/bundle.h"
#include "api/task.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/findings.h"
#include "bundle/check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct pome_task {
    struct pome_task_options o;
    char *text[3]; /* copies of name, path, snapshot */
    pome_progress_fn *progress;
    pome_finding_fn *finding;
    pome_done *done;
    void *user;
    pthread_t thread;
    bool begun, told; /* told: done was called */
    int event_fd;

    /* Of the thread until `over`. */
    struct findings findings;
    pome_bundle *made;
    pome_restore_image *loaded;
    pome_catalogue *catalogue;
    struct pome_copy_result copied;

    pthread_mutex_t lock; /* of all below */
    bool cancel, over, ok, has_report;
    struct pome_progress report;
    char step[128]; /* report.step */
    struct pome_error error;
};

/* ---- on the task's thread ---- */

static void wake(pome_task *t)
{
    static const uint64_t one = 1;
    if (write(t->event_fd, &one, sizeof one) < 0)
        perror("pome: eventfd");
}

static bool on_progress(void *user, const struct pome_progress *p)
{
    pome_task *t = user;
    pthread_mutex_lock(&t->lock);
    t->report = *p;
    snprintf(t->step, sizeof t->step, "%s", p->step ? p->step : "");
    t->has_report = true;
    bool go_on = !t->cancel;
    pthread_mutex_unlock(&t->lock);
    wake(t);
    return go_on;
}

#define RUN(kind) static bool run_##kind(pome_task *t, const struct pome_task_options *o, struct pome_error *err)

RUN(INSTALL) { return pome_install(o->bundle, o->image, o->replace, on_progress, t, err); }
RUN(BUNDLE_CLONE) { return (t->made = pome_bundle_clone(o->bundle, o->name, &t->copied, on_progress, t, err)); }
RUN(BUNDLE_MOVE) { return pome_bundle_move(o->bundle, o->name, &t->copied, on_progress, t, err); }
RUN(BUNDLE_EXPORT) { return pome_bundle_export(o->bundle, o->path, o->replace, on_progress, t, err); }
RUN(BUNDLE_IMPORT) { return (t->made = pome_bundle_import(o->path, o->name, on_progress, t, err)); }
RUN(BUNDLE_CHECK) { return bundle_check(o->name, &t->findings, err) && findings_ok(&t->findings, POME_ERROR_INVALID_BUNDLE, o->name, err); }
RUN(BUNDLE_REPAIR)
{
    unsigned mended;
    return bundle_repair(o->name, &t->findings, &mended, err) && findings_ok(&t->findings, POME_ERROR_INVALID_BUNDLE, o->name, err);
}
RUN(BUNDLE_DISK_RESIZE) { return pome_bundle_disk_resize(o->bundle, o->bytes, on_progress, t, err); }
RUN(SNAPSHOT_CREATE) { return pome_snapshot_create(o->bundle, o->snapshot, &t->copied, on_progress, t, err); }
RUN(SNAPSHOT_RESTORE) { return pome_snapshot_restore(o->bundle, o->snapshot, &t->copied, on_progress, t, err); }
RUN(SNAPSHOT_DELETE) { return api_snapshot_delete(o->bundle, o->snapshot, on_progress, t, err); }
RUN(SNAPSHOT_CLONE) { return (t->made = pome_snapshot_clone(o->bundle, o->snapshot, o->name, &t->copied, on_progress, t, err)); }
RUN(SNAPSHOT_CLONE_WARM) { return (t->made = pome_snapshot_clone_warm(o->bundle, o->snapshot, o->name, &t->copied, on_progress, t, err)); }
RUN(IMAGE_LOAD) { return (t->loaded = pome_restore_image_load(o->path, err)); }
RUN(IMAGE_VERIFY) { return pome_restore_image_verify(o->image, NULL, on_progress, t, err); }
RUN(IMAGE_EXTRACT) { return pome_restore_image_extract(o->image, o->name, o->path, o->inside, NULL, on_progress, t, err); }
RUN(IMAGE_BUILD) { return pome_image_build(o->build, on_progress, t, err); }
RUN(DOWNLOAD) { return pome_download(o->download, on_progress, t, err); }
RUN(CATALOGUE_FETCH) { return (t->catalogue = pome_catalogue_fetch(o->path, err)); }
RUN(FILE_VERIFY) { return pome_file_verify(o->path, NULL, NULL, on_progress, t, err); }
RUN(FILE_EXTRACT) { return pome_file_extract(o->path, NULL, o->name, on_progress, t, err); }

#define ROW(kind, number, call, needs) [number] = {#call, needs, run_##kind},
static const struct {
    const char *call, *needs;
    bool (*run)(pome_task *t, const struct pome_task_options *o, struct pome_error *err);
} kinds[] = {POME_TASKS(ROW)};

static void *thread_main(void *arg)
{
    pome_task *t = arg;
    struct pome_error err = {0};
    bool ok = kinds[t->o.kind].run(t, &t->o, &err);
    pthread_mutex_lock(&t->lock);
    t->ok = ok;
    t->error = err;
    t->over = true;
    pthread_mutex_unlock(&t->lock);
    wake(t);
    return NULL;
}

/* ---- beginning ---- */

static bool is_kind(enum pome_task_kind kind)
{
    return (size_t)kind < ARRAY_SIZE(kinds) && kinds[kind].run;
}

const char *pome_task_kind_call(enum pome_task_kind kind)
{
    return is_kind(kind) ? kinds[kind].call : NULL;
}

const char *pome_task_kind_needs(enum pome_task_kind kind)
{
    return is_kind(kind) ? kinds[kind].needs : NULL;
}

/* The words of a row before its semicolon or colon, without those in brackets, are members that must be there. */
static bool has_all(const struct pome_task_options *o, struct pome_error *err)
{
    const struct {
        const char *word;
        bool there;
    } members[] = {{"bundle", o->bundle}, {"image", o->image}, {"name", o->name},   {"path", o->path},
                   {"snapshot", o->snapshot}, {"bytes", o->bytes}, {"build", o->build}, {"download", o->download}};
    for (const char *p = kinds[o->kind].needs; *p && *p != ';'; p += strspn(p, ", ")) {
        size_t n = strcspn(p, ",;: ");
        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
            if (strlen(members[i].word) == n && !memcmp(members[i].word, p, n) && !members[i].there)
                return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%s as a task: no %s; needed %s", kinds[o->kind].call, members[i].word, kinds[o->kind].needs);
        p += n;
        p += *p == ':' ? strcspn(p, ",;") : 0;
    }
    return true;
}

static bool copy_text(pome_task *t, unsigned i, const char **text)
{
    t->text[i] = *text ? strdup(*text) : NULL;
    bool ok = !*text || t->text[i];
    *text = t->text[i];
    return ok;
}

static void destroy(pome_task *t)
{
    for (size_t i = 0; i < ARRAY_SIZE(t->text); i++)
        free(t->text[i]);
    if (t->event_fd >= 0)
        close(t->event_fd);
    pthread_mutex_destroy(&t->lock);
    findings_free(&t->findings);
    free(t);
}

static bool prepare(pome_task *t, struct pome_error *err)
{
    bool copied = copy_text(t, 0, &t->o.name);
    copied = copy_text(t, 1, &t->o.path) && copied;
    copied = copy_text(t, 2, &t->o.snapshot) && copied;
    t->copied = (struct pome_copy_result)POME_COPY_RESULT_INIT;
    t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!copied)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "task: out of memory");
    return t->event_fd >= 0 || pome_fail_errno(err, "eventfd");
}

pome_task *api_task_new(const struct pome_task_options *options, struct pome_error *err)
{
    struct pome_task_options o = {0}; /* of a caller that was built with an older header: what it does not know is off */
    memcpy(&o, options, MIN(options->size, sizeof o));
    if (!is_kind(o.kind)) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "task: there is no kind %d", (int)o.kind);
        return NULL;
    }
    if (!has_all(&o, err))
        return NULL;
    pome_task *t = calloc(1, sizeof *t);
    if (!t) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "task: out of memory");
        return NULL;
    }
    t->o = o;
    pthread_mutex_init(&t->lock, NULL);
    if (prepare(t, err))
        return t;
    destroy(t);
    return NULL;
}

bool api_task_begin(pome_task *t, pome_progress_fn *progress, pome_finding_fn *finding, pome_done *done, void *user, struct pome_error *err)
{
    t->progress = progress;
    t->finding = finding;
    t->done = done;
    t->user = user;
    int e = pthread_create(&t->thread, NULL, thread_main, t);
    t->begun = !e;
    return t->begun || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "cannot create a thread: %s", strerror(e));
}

bool api_task_has_begun(const pome_task *t)
{
    return t->begun;
}

pome_task *pome_task_start(const struct pome_task_options *options, pome_progress_fn *progress, pome_finding_fn *finding, pome_done *done, void *user,
                           struct pome_error *err)
{
    pome_task *t = api_task_new(options, err);
    if (t && api_task_begin(t, progress, finding, done, user, err))
        return t;
    if (t)
        destroy(t);
    return NULL;
}

/* ---- on the caller's thread ---- */

void pome_task_cancel(pome_task *t)
{
    pthread_mutex_lock(&t->lock);
    t->cancel = true;
    pthread_mutex_unlock(&t->lock);
}

int pome_task_fd(const pome_task *t)
{
    return t->event_fd;
}

bool pome_task_dispatch(pome_task *t)
{
    uint64_t n;
    char step[sizeof t->step];
    if (read(t->event_fd, &n, sizeof n) < 0)
        n = 0; /* nothing new */
    pthread_mutex_lock(&t->lock);
    bool over = t->over, has_report = t->has_report;
    struct pome_progress report = t->report;
    memcpy(step, t->step, sizeof step);
    t->has_report = false;
    pthread_mutex_unlock(&t->lock);
    report.step = step;
    if (has_report && t->progress && !t->progress(t->user, &report))
        pome_task_cancel(t);
    if (over && !t->told) {
        t->told = true;
        if (t->finding)
            findings_report(&t->findings, t->finding, t->user);
        if (t->done)
            t->done(t->user, t->ok ? NULL : &t->error);
    }
    return over;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool pome_task_wait(pome_task *t, int timeout_ms, struct pome_error *err)
{
    int64_t end = now_ms() + timeout_ms;
    while (!pome_task_dispatch(t)) {
        int64_t left = timeout_ms < 0 ? -1 : end - now_ms();
        if (timeout_ms >= 0 && left <= 0)
            return pome_fail(err, POME_ERROR_TIMED_OUT, "%s is not over after %d ms", kinds[t->o.kind].call, timeout_ms);
        struct pollfd p = {.fd = t->event_fd, .events = POLLIN};
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return pome_fail_errno(err, "poll");
    }
    if (!t->ok && err)
        *err = t->error;
    return t->ok;
}

/* Whoever asks before it is over gets nothing. */
static bool is_over(pome_task *t)
{
    pthread_mutex_lock(&t->lock);
    bool over = t->over;
    pthread_mutex_unlock(&t->lock);
    return over;
}

#define TAKE(member)                                 \
    do {                                             \
        if (!is_over(t))                             \
            return NULL;                             \
        __typeof__(t->member) taken_ = t->member;    \
        t->member = NULL;                            \
        return taken_;                               \
    } while (0)

pome_bundle *pome_task_take_bundle(pome_task *t)
{
    TAKE(made);
}

pome_restore_image *pome_task_take_image(pome_task *t)
{
    TAKE(loaded);
}

pome_catalogue *pome_task_take_catalogue(pome_task *t)
{
    TAKE(catalogue);
}

void pome_task_copy_result(const pome_task *t, struct pome_copy_result *result)
{
    *result = t->copied;
}

void pome_task_free(pome_task *t)
{
    if (!t)
        return;
    pome_task_cancel(t);
    if (t->begun)
        pthread_join(t->thread, NULL);
    t->progress = NULL;
    t->finding = NULL;
    pome_task_dispatch(t);
    pome_bundle_free(t->made);
    pome_restore_image_free(t->loaded);
    pome_catalogue_free(t->catalogue);
    destroy(t);
}
