/* loop_test.c - order, coalescing, timers, descriptors, posting from other threads. */
#include "base/loop.h"

#include "base/bits.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

struct trace {
    struct loop *l;
    char text[32];
    size_t n;
};
struct step {
    struct trace *t;
    char c;
    struct loop_task task;
    struct loop_timer timer;
    struct loop_watch watch;
};

static void mark(void *ctx)
{
    struct step *s = ctx;
    s->t->text[s->t->n++] = s->c;
    if (s->c == '.')
        loop_stop(s->t->l);
}

static void ready(void *ctx, uint32_t events)
{
    struct step *s = ctx;
    char c;
    if (read(s->watch.fd, &c, 1) == 1)
        mark(s);
}

static void start(struct trace *t, struct step *s, size_t n, const char *names)
{
    memset(t, 0, sizeof *t);
    t->l = loop_create(NULL);
    assert_non_null(t->l);
    for (size_t i = 0; i < n; i++)
        s[i] = (struct step){ .t = t, .c = names[i], .task = { .fn = mark, .ctx = &s[i] },
                              .timer = { .fn = mark, .ctx = &s[i] }, .watch = { .fn = ready, .ctx = &s[i] } };
}

static void tasks_run_in_order_and_once(void **state)
{
    struct trace t;
    struct step s[4];
    start(&t, s, 4, "abc.");
    loop_post(t.l, &s[0].task);
    loop_post(t.l, &s[1].task);
    loop_post(t.l, &s[0].task);
    loop_post(t.l, &s[2].task);
    loop_unpost(t.l, &s[2].task);
    loop_post(t.l, &s[3].task);
    loop_run(t.l);
    assert_string_equal(t.text, "ab.");
    loop_destroy(t.l);
}

static void timers_fire_in_time(void **state)
{
    struct trace t;
    struct step s[4];
    start(&t, s, 4, "abc.");
    uint64_t now = loop_now_ns();
    loop_timer_set(t.l, &s[3].timer, now + 30000000);
    loop_timer_set(t.l, &s[1].timer, now + 20000000);
    loop_timer_set(t.l, &s[0].timer, now + 90000000);
    loop_timer_set(t.l, &s[0].timer, now + 10000000);
    loop_timer_set(t.l, &s[2].timer, now - 1);
    loop_timer_cancel(t.l, &s[2].timer);
    loop_run(t.l);
    assert_string_equal(t.text, "ab.");
    assert_true(loop_now_ns() - now >= 30000000);
    loop_destroy(t.l);
}

static void descriptors_wake_it(void **state)
{
    struct trace t;
    struct step s[2];
    int fd[2];
    start(&t, s, 2, "a.");
    assert_int_equal(pipe(fd), 0);
    assert_true(loop_watch(t.l, &s[0].watch, fd[0], EPOLLIN, NULL));
    assert_int_equal(write(fd[1], "x", 1), 1);
    loop_timer_set(t.l, &s[1].timer, loop_now_ns() + 20000000);
    loop_run(t.l);
    assert_string_equal(t.text, "a.");
    loop_unwatch(t.l, &s[0].watch);
    close(fd[0]);
    close(fd[1]);
    loop_destroy(t.l);
}

struct poster {
    struct loop *l;
    struct loop_task task;
    int ran;
    pthread_t thread;
};

static void count(void *ctx)
{
    struct poster *p = ctx;
    assert_true(loop_is_current(p->l));
    __atomic_add_fetch(&p->ran, 1, __ATOMIC_RELEASE);
}

static void *post_many(void *ctx)
{
    struct poster *p = ctx;
    for (int i = 1; i <= 2000; i++) {
        loop_post(p->l, &p->task);
        while (__atomic_load_n(&p->ran, __ATOMIC_ACQUIRE) < i)
            sched_yield();
    }
    return NULL;
}

static void *run_it(void *l)
{
    loop_run(l);
    return NULL;
}

static void no_post_is_lost(void **state)
{
    struct loop *l = loop_create(NULL);
    struct poster p[3];
    pthread_t thread;
    pthread_create(&thread, NULL, run_it, l);
    for (int i = 0; i < 3; i++) {
        p[i] = (struct poster){ .l = l, .task = { .fn = count, .ctx = &p[i] } };
        pthread_create(&p[i].thread, NULL, post_many, &p[i]);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(p[i].thread, NULL);
        assert_int_equal(p[i].ran, 2000);
    }
    assert_false(loop_is_current(l));
    loop_stop(l);
    pthread_join(thread, NULL);
    loop_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_in_order_and_once),
        cmocka_unit_test(timers_fire_in_time),
        cmocka_unit_test(descriptors_wake_it),
        cmocka_unit_test(no_post_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
