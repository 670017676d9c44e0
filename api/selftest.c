/* selftest.c - the engine's self test: time, progress, and the result in public words. */
#include "base/error.h"
#include "cpu/selftest.h"
#include <pome/selftest.h>
#include <assert.h>
#include <string.h>
#include <time.h>

enum { SECONDS_MAX = 86400 };

struct clock {
    double seconds, begin;
    pome_progress_fn *progress;
    void *user;
    bool cancelled;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool more(void *ctx, const struct cpu_selftest *t)
{
    struct clock *c = ctx;
    if (t->blocks % 64)
        return true;
    double done = now() - c->begin;
    struct pome_progress p = {.step = "Random code", .step_number = 1, .step_count = 1,
                              .fraction = c->seconds > 0 && done < c->seconds ? done / c->seconds : 1};
    c->cancelled = c->progress && !c->progress(c->user, &p);
    return !c->cancelled && done < c->seconds;
}

bool pome_selftest_cpu(struct pome_selftest *test, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    struct clock c = {test->seconds, now(), progress, user, false};
    struct cpu_selftest t = {.seed = test->seed};
    if (!(test->seconds >= 0 && test->seconds <= SECONDS_MAX))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "self test: found %g seconds, needed 0 to %d", test->seconds, SECONDS_MAX);
    cpu_selftest_run(&t, more, &c);
    test->instructions = t.rows;
    test->examples = t.golden;
    test->blocks = t.blocks;
    test->failures = t.failures;
    memcpy(test->first_failure, t.first, sizeof test->first_failure);
    return !c.cancelled || pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "self test: cancelled after %llu blocks", (unsigned long long)t.blocks);
}
static_assert(sizeof((struct pome_selftest){0}.first_failure) == sizeof((struct cpu_selftest){0}.first), "copied");
