/*
 * installer_async.c - an installation on a thread of its own: pome_installer of pome/installer.h.
 *
 * The thread leaves its latest report and, at the end, the result behind the lock; the caller's thread finds them when it dispatches.
 */
#include <pome/installer.h>

#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct pome_installer {
    pome_bundle *bundle;
    pome_restore_image *image;
    bool again;
    pome_progress_fn *progress;
    void (*done)(void *user, const struct pome_error *err);
    void *user;
    pthread_t thread;
    bool started, told; /* told: done was called */
    int event_fd;

    pthread_mutex_t lock; /* of all below */
    bool cancel, over, ok, has_report;
    struct pome_progress report;
    char step[128]; /* report.step */
    struct pome_error error;
};

static void wake(pome_installer *i)
{
    static const uint64_t one = 1;
    if (write(i->event_fd, &one, sizeof one) < 0)
        perror("pome: eventfd");
}

/* On the installation's thread. */
static bool on_progress(void *user, const struct pome_progress *p)
{
    pome_installer *i = user;
    pthread_mutex_lock(&i->lock);
    i->report = *p;
    snprintf(i->step, sizeof i->step, "%s", p->step ? p->step : "");
    i->has_report = true;
    bool go_on = !i->cancel;
    pthread_mutex_unlock(&i->lock);
    wake(i);
    return go_on;
}

static void *thread_main(void *arg)
{
    pome_installer *i = arg;
    struct pome_error err = {0};
    bool ok = pome_install(i->bundle, i->image, i->again, on_progress, i, &err);
    pthread_mutex_lock(&i->lock);
    i->ok = ok;
    i->error = err;
    i->over = true;
    pthread_mutex_unlock(&i->lock);
    wake(i);
    return NULL;
}

pome_installer *pome_installer_new(pome_bundle *bundle, pome_restore_image *image, bool again, struct pome_error *err)
{
    pome_installer *i = calloc(1, sizeof *i);
    if (!i) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "installer: out of memory");
        return NULL;
    }
    *i = (pome_installer){.bundle = bundle, .image = image, .again = again, .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (i->event_fd < 0) {
        pome_fail_errno(err, "eventfd");
        free(i);
        return NULL;
    }
    pthread_mutex_init(&i->lock, NULL);
    return i;
}

bool pome_installer_start(pome_installer *i, pome_progress_fn *progress, void (*done)(void *user, const struct pome_error *err), void *user,
                          struct pome_error *err)
{
    if (i->started)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "this installer was started already: make another one");
    i->progress = progress;
    i->done = done;
    i->user = user;
    int e = pthread_create(&i->thread, NULL, thread_main, i);
    if (e)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "cannot create a thread: %s", strerror(e));
    return i->started = true;
}

void pome_installer_cancel(pome_installer *i)
{
    pthread_mutex_lock(&i->lock);
    i->cancel = true;
    pthread_mutex_unlock(&i->lock);
}

int pome_installer_fd(const pome_installer *i)
{
    return i->event_fd;
}

bool pome_installer_dispatch(pome_installer *i)
{
    uint64_t n;
    char step[sizeof i->step];
    if (read(i->event_fd, &n, sizeof n) < 0)
        n = 0; /* nothing new */
    pthread_mutex_lock(&i->lock);
    bool over = i->over, has_report = i->has_report;
    struct pome_progress report = i->report;
    memcpy(step, i->step, sizeof step);
    i->has_report = false;
    pthread_mutex_unlock(&i->lock);
    report.step = step;
    if (has_report && i->progress && !i->progress(i->user, &report))
        pome_installer_cancel(i);
    if (over && !i->told) {
        i->told = true;
        if (i->done)
            i->done(i->user, i->ok ? NULL : &i->error);
    }
    return over;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool pome_installer_wait(pome_installer *i, int timeout_ms, struct pome_error *err)
{
    int64_t end = now_ms() + timeout_ms;
    if (!i->started)
        return pome_fail(err, POME_ERROR_INVALID_STATE, "the installation was not started");
    while (!pome_installer_dispatch(i)) {
        int64_t left = timeout_ms < 0 ? -1 : end - now_ms();
        if (timeout_ms >= 0 && left <= 0)
            return pome_fail(err, POME_ERROR_TIMED_OUT, "the installation is not over after %d ms", timeout_ms);
        struct pollfd p = {.fd = i->event_fd, .events = POLLIN};
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return pome_fail_errno(err, "poll");
    }
    if (!i->ok && err)
        *err = i->error;
    return i->ok;
}

void pome_installer_free(pome_installer *i)
{
    if (!i)
        return;
    if (i->started) {
        pome_installer_cancel(i);
        pthread_join(i->thread, NULL);
        i->progress = NULL;
        pome_installer_dispatch(i);
    }
    close(i->event_fd);
    pthread_mutex_destroy(&i->lock);
    free(i);
}
