/* disk_pool.c - the threads that read and write disk images. */
#include "backend/disk_inside.h"

#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define MAX_THREADS 16

struct disk_list {
    struct disk_io *first, **last;
};

struct disk_pool {
    struct loop *loop;
    struct loop_task task; /* runs completions */
    pthread_mutex_t lock;
    pthread_cond_t some_work, some_done;
    struct disk_list work, done;
    size_t under_way; /* submitted, `done` not returned yet */
    bool stop;
    unsigned n_threads;
    pthread_t thread[MAX_THREADS];
};

static void list_add(struct disk_list *l, struct disk_io *io)
{
    io->next = NULL;
    *l->last = io;
    l->last = &io->next;
}

static struct disk_io *list_take(struct disk_list *l)
{
    struct disk_io *io = l->first;
    if (io && !(l->first = io->next))
        l->last = &l->first;
    return io;
}

static void *worker(void *ctx)
{
    struct disk_pool *p = ctx;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct disk_io *io = list_take(&p->work);
        if (io) {
            pthread_mutex_unlock(&p->lock);
            io->error = disk_perform(io->disk, io);
            pthread_mutex_lock(&p->lock);
            list_add(&p->done, io);
            pthread_cond_broadcast(&p->some_done);
            loop_post(p->loop, &p->task);
        } else if (p->stop) {
            break;
        } else {
            pthread_cond_wait(&p->some_work, &p->lock);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void run_done(void *ctx)
{
    struct disk_pool *p = ctx;
    pthread_mutex_lock(&p->lock);
    for (struct disk_io *io; (io = list_take(&p->done));) {
        pthread_mutex_unlock(&p->lock);
        io->done(io);
        pthread_mutex_lock(&p->lock);
        if (!--p->under_way)
            pthread_cond_broadcast(&p->some_done);
    }
    pthread_mutex_unlock(&p->lock);
}

bool disk_pool_drain(struct disk_pool *p, unsigned timeout_ms)
{
    uint64_t until = loop_now_ns() + (uint64_t)timeout_ms * 1000000;
    struct timespec t = { .tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000) };
    pthread_mutex_lock(&p->lock);
    bool late = false;
    while (p->under_way && !late) {
        if (p->done.first) {
            pthread_mutex_unlock(&p->lock);
            run_done(p);
            pthread_mutex_lock(&p->lock);
        } else {
            late = pthread_cond_timedwait(&p->some_done, &p->lock, &t);
        }
    }
    bool idle = !p->under_way;
    pthread_mutex_unlock(&p->lock);
    return idle;
}

struct disk_pool *disk_pool_create(struct loop *loop, unsigned n_threads, struct pome_error *err)
{
    assert(n_threads && n_threads <= MAX_THREADS);
    struct disk_pool *p = calloc(1, sizeof *p);
    if (!p) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "disk threads");
        return NULL;
    }
    p->loop = loop;
    p->task = (struct loop_task){ .fn = run_done, .ctx = p };
    p->work.last = &p->work.first;
    p->done.last = &p->done.first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->some_work, &monotonic);
    pthread_cond_init(&p->some_done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* signals are for the program's own threads */
    int e = 0;
    while (!e && p->n_threads < n_threads)
        if (!(e = pthread_create(&p->thread[p->n_threads], NULL, worker, p)))
            p->n_threads++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e) {
        errno = e;
        pome_fail_errno(err, "disk threads");
        disk_pool_destroy(p);
        return NULL;
    }
    return p;
}

void disk_pool_destroy(struct disk_pool *p)
{
    if (!p)
        return;
    while (!disk_pool_drain(p, 1000))
        ;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->some_work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_threads; i++)
        pthread_join(p->thread[i], NULL);
    loop_unpost(p->loop, &p->task);
    pthread_cond_destroy(&p->some_work);
    pthread_cond_destroy(&p->some_done);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void disk_pool_add(struct disk_pool *p, struct disk_io *io)
{
    pthread_mutex_lock(&p->lock);
    list_add(&p->work, io);
    p->under_way++;
    pthread_cond_signal(&p->some_work);
    pthread_mutex_unlock(&p->lock);
}
