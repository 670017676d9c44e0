/*
 * loop.h - one thread that waits: tasks posted from other threads, file descriptors, timers.
 *
 * Tasks, watches and timers are the caller's memory and hold no allocation of ours. Their functions run on the thread
 * inside loop_run, one at a time, with no lock of the loop held.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <pome/error.h>
#include <stddef.h>

struct loop;

struct loop *loop_create(struct pome_error *err);
void loop_destroy(struct loop *l); /* not while it runs; NULL allowed */

/* Runs until loop_stop. Tasks posted before loop_stop was called still run. Can be run again afterwards. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* any thread */

/* True on the thread that is inside loop_run of this loop. */
bool loop_is_current(const struct loop *l);

struct loop_task {
    void (*fn)(void *ctx);
    void *ctx;
    struct loop_task *next; /* the loop's */
    bool queued;            /* the loop's */
};
/* Runs task->fn soon, in the order of posting. Posting a task that is queued already does nothing. Any thread. */
void loop_post(struct loop *l, struct loop_task *task);
/* After this returns the task is not queued; on another thread than the loop's its function may be running. */
void loop_unpost(struct loop *l, struct loop_task *task);

struct loop_watch {
    void (*fn)(void *ctx, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR */
    void *ctx;
    int fd; /* the loop's */
};
/* Calls watch->fn when fd is ready, level triggered. Fails for regular files (EPERM). Any thread. */
bool loop_watch(struct loop *l, struct loop_watch *watch, int fd, uint32_t events, struct pome_error *err);
void loop_unwatch(struct loop *l, struct loop_watch *watch); /* on the loop's thread, or when it does not run */

struct loop_timer {
    void (*fn)(void *ctx);
    void *ctx;
    uint64_t deadline_ns;    /* the loop's */
    struct loop_timer *next; /* the loop's */
    bool armed;              /* the loop's */
};
/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t loop_now_ns(void);
/* (Re-)arms the timer for a moment of loop_now_ns(); one in the past fires at once. Any thread. */
void loop_timer_set(struct loop *l, struct loop_timer *timer, uint64_t deadline_ns);
void loop_timer_cancel(struct loop *l, struct loop_timer *timer); /* any thread */

#endif
