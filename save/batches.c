/* batches.c - guest memory is compressed and decompressed by several threads, a few MiB at a time. */
#include "save/writer.h"

#include "base/bits.h"
#include "base/error.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct work {
    batch_fn *fn;
    void *user;
    size_t n_batches;
    pthread_mutex_t lock;
    pthread_cond_t some_done;
    size_t next, done;
    unsigned running;
    bool failed;
};

unsigned save_threads(size_t n_batches)
{
    long host = sysconf(_SC_NPROCESSORS_ONLN);
    return (unsigned)MIN(MIN((size_t)MAX(host, 1), n_batches), SAVE_THREADS_MAX);
}

/* The next batch, or n_batches. */
static size_t take(struct work *w)
{
    pthread_mutex_lock(&w->lock);
    size_t i = w->failed ? w->n_batches : w->next;
    w->next += i < w->n_batches;
    pthread_mutex_unlock(&w->lock);
    return i;
}

static void *work_main(void *arg)
{
    struct work *w = arg;
    struct sealer s = {0};
    for (size_t i; (i = take(w)) < w->n_batches;) {
        bool ok = w->fn(w->user, &s, i);
        pthread_mutex_lock(&w->lock);
        w->done++;
        w->failed |= !ok;
        pthread_cond_signal(&w->some_done);
        pthread_mutex_unlock(&w->lock);
    }
    sealer_finish(&s);
    pthread_mutex_lock(&w->lock);
    w->running--;
    pthread_cond_signal(&w->some_done);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static bool tell(struct work *w, uint64_t batch_bytes, uint64_t total, const struct save_progress *p)
{
    uint64_t bytes = MIN(w->done * batch_bytes, total);
    if (!p || !p->fn)
        return true;
    pthread_mutex_unlock(&w->lock);
    bool go_on = p->fn(p->user, bytes, total);
    pthread_mutex_lock(&w->lock);
    return go_on;
}

/* A thread for it would take longer to begin. */
static bool only_one(uint64_t total, batch_fn *fn, void *user, const struct save_progress *progress, struct pome_error *err)
{
    struct sealer s = {0};
    bool ok = fn(user, &s, 0);
    sealer_finish(&s);
    if (ok && progress && progress->fn && !progress->fn(progress->user, total, total))
        return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "given up");
    return ok;
}

bool save_batches(size_t n_batches, uint64_t batch_bytes, uint64_t total, batch_fn *fn, void *user, const struct save_progress *progress,
                  struct pome_error *err)
{
    if (n_batches == 1)
        return only_one(total, fn, user, progress, err);
    struct work w = {.fn = fn, .user = user, .n_batches = n_batches, .lock = PTHREAD_MUTEX_INITIALIZER, .some_done = PTHREAD_COND_INITIALIZER};
    pthread_t thread[SAVE_THREADS_MAX];
    unsigned n = save_threads(n_batches), started = 0;
    bool go_on = true;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* signals are for the program's own threads */
    pthread_mutex_lock(&w.lock);
    for (; started < n && !pthread_create(&thread[started], NULL, work_main, &w); started++)
        w.running++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    while (w.running) {
        pthread_cond_wait(&w.some_done, &w.lock);
        if (go_on && !(go_on = tell(&w, batch_bytes, total, progress)))
            w.failed = true;
    }
    pthread_mutex_unlock(&w.lock);
    for (unsigned i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    if (n && !started)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no thread for the machine's memory");
    if (!go_on)
        return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "given up");
    return !w.failed; /* fn says why */
}
