/*
 * loop.c - epoll, one eventfd for "something was posted", timers in a short sorted list (see loop.h).
 *
 * How it works. One mutex guards the task queue, the timer list and the stop flag; it is never held while a function of
 * the caller runs. Whoever changes one of them writes the eventfd, so that epoll_wait returns and looks again; a flag
 * saves that write when the loop is awake anyway. The time of the first timer is epoll_wait's time-out.
 */
#include "base/loop.h"

#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct loop {
    int epoll, event;
    pthread_mutex_t lock;
    struct loop_task *first, **last; /* queue of posted tasks */
    struct loop_timer *timers;       /* by deadline, first one first */
    bool stop, woken;                /* woken: the eventfd is written already */
    bool running;
    pthread_t thread; /* valid while running */
};

uint64_t loop_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct loop *loop_create(struct pome_error *err)
{
    struct loop *l = calloc(1, sizeof *l);
    if (!l) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "event loop");
        return NULL;
    }
    l->last = &l->first;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
    if (l->epoll < 0 || l->event < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->event, &e)) {
        pome_fail_errno(err, "event loop");
        if (l->epoll >= 0)
            close(l->epoll);
        if (l->event >= 0)
            close(l->event);
        free(l);
        return NULL;
    }
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    close(l->epoll);
    close(l->event);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* With the lock held. */
static void wake(struct loop *l)
{
    if (l->woken)
        return;
    l->woken = true;
    uint64_t one = 1;
    ssize_t n = write(l->event, &one, sizeof one);
    (void)n; /* cannot fail: the counter is far from its end */
}

void loop_stop(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    wake(l);
    pthread_mutex_unlock(&l->lock);
}

bool loop_is_current(const struct loop *l)
{
    return __atomic_load_n(&l->running, __ATOMIC_ACQUIRE) && pthread_equal(l->thread, pthread_self());
}

void loop_post(struct loop *l, struct loop_task *task)
{
    pthread_mutex_lock(&l->lock);
    if (!task->queued) {
        task->queued = true;
        task->next = NULL;
        *l->last = task;
        l->last = &task->next;
        wake(l);
    }
    pthread_mutex_unlock(&l->lock);
}

void loop_unpost(struct loop *l, struct loop_task *task)
{
    pthread_mutex_lock(&l->lock);
    if (task->queued) {
        struct loop_task **p = &l->first;
        while (*p != task)
            p = &(*p)->next;
        *p = task->next;
        if (l->last == &task->next)
            l->last = p;
        task->queued = false;
    }
    pthread_mutex_unlock(&l->lock);
}

/* With the lock held. */
static void timer_remove(struct loop *l, struct loop_timer *timer)
{
    if (!timer->armed)
        return;
    struct loop_timer **p = &l->timers;
    while (*p != timer)
        p = &(*p)->next;
    *p = timer->next;
    timer->armed = false;
}

void loop_timer_set(struct loop *l, struct loop_timer *timer, uint64_t deadline_ns)
{
    pthread_mutex_lock(&l->lock);
    timer_remove(l, timer);
    struct loop_timer **p = &l->timers;
    while (*p && (*p)->deadline_ns <= deadline_ns)
        p = &(*p)->next;
    timer->deadline_ns = deadline_ns;
    timer->next = *p;
    timer->armed = true;
    *p = timer;
    if (l->timers == timer)
        wake(l);
    pthread_mutex_unlock(&l->lock);
}

void loop_timer_cancel(struct loop *l, struct loop_timer *timer)
{
    pthread_mutex_lock(&l->lock);
    timer_remove(l, timer);
    pthread_mutex_unlock(&l->lock);
}

bool loop_watch(struct loop *l, struct loop_watch *watch, int fd, uint32_t events, struct pome_error *err)
{
    struct epoll_event e = { .events = events, .data.ptr = watch };
    watch->fd = fd;
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e))
        return pome_fail_errno(err, "watching file descriptor %d", fd);
    return true;
}

void loop_unwatch(struct loop *l, struct loop_watch *watch)
{
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
}

/* Milliseconds until the first timer, rounded up; -1: none; 0: something to do now. With the lock held. */
static int wait_ms(const struct loop *l)
{
    if (l->first || l->stop)
        return 0;
    if (!l->timers)
        return -1;
    uint64_t now = loop_now_ns();
    if (l->timers->deadline_ns <= now)
        return 0;
    return (int)MIN((l->timers->deadline_ns - now + 999999) / 1000000, 60000);
}

static void run_timers(struct loop *l)
{
    for (uint64_t now = loop_now_ns();;) {
        pthread_mutex_lock(&l->lock);
        struct loop_timer *timer = l->timers;
        bool due = timer && timer->deadline_ns <= now;
        if (due)
            timer_remove(l, timer);
        pthread_mutex_unlock(&l->lock);
        if (!due)
            return;
        timer->fn(timer->ctx);
    }
}

/* Runs the tasks that are queued now; those they post wait for the next round. Returns the stop flag. */
static bool run_tasks(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    bool stop = l->stop;
    size_t n = 0;
    for (struct loop_task *t = l->first; t; t = t->next)
        n++;
    for (; n && l->first; n--) {
        struct loop_task *task = l->first;
        l->first = task->next;
        if (!l->first)
            l->last = &l->first;
        task->queued = false;
        void (*fn)(void *) = task->fn; /* once not queued, the task may be freed or posted again */
        void *ctx = task->ctx;
        pthread_mutex_unlock(&l->lock);
        fn(ctx);
        pthread_mutex_lock(&l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return stop;
}

static void wait_and_dispatch(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    int ms = wait_ms(l);
    pthread_mutex_unlock(&l->lock);
    struct epoll_event e[16];
    int n = epoll_wait(l->epoll, e, ARRAY_SIZE(e), ms);
    for (int i = 0; i < n; i++) {
        struct loop_watch *watch = e[i].data.ptr;
        if (watch) {
            watch->fn(watch->ctx, e[i].events);
            continue;
        }
        pthread_mutex_lock(&l->lock);
        uint64_t count;
        ssize_t got = read(l->event, &count, sizeof count);
        (void)got;
        l->woken = false;
        pthread_mutex_unlock(&l->lock);
    }
}

void loop_run(struct loop *l)
{
    l->thread = pthread_self();
    __atomic_store_n(&l->running, true, __ATOMIC_RELEASE);
    for (;;) {
        wait_and_dispatch(l);
        run_timers(l);
        if (run_tasks(l))
            break;
    }
    __atomic_store_n(&l->running, false, __ATOMIC_RELEASE);
    pthread_mutex_lock(&l->lock);
    l->stop = false;
    pthread_mutex_unlock(&l->lock);
}
