/*
 * freeze.c - the point at which nothing moves, and the way back.
 *
 * In this order: the vCPUs are parked (from then on the guest's counter stands still), devices take no new requests and finish
 * what is in flight, the loop's thread sits in a task of ours, so that no device function is entered from it either. The real-time clock is the
 * host's and goes on: after a resume the guest reads the right time of day.
 *
 * A guest that ends or reboots at the same moment is seen by the vCPUs ending: then this was no freeze. The lock of boots keeps
 * the reset between two boots and a freeze apart.
 */
#include "vm/life.h"

#include "base/error.h"

#include <errno.h>
#include <time.h>

enum { QUIESCE_MS = 10000, NEXT_BOOT_S = 10 };

/* On the loop's thread, until thaw. */
static void stand_still(void *ctx)
{
    struct vm *vm = ctx;
    pthread_mutex_lock(&vm->lock);
    vm->standstill.reached = true;
    pthread_cond_broadcast(&vm->changed);
    while (vm->standstill.wanted)
        pthread_cond_wait(&vm->changed, &vm->lock);
    vm->standstill.reached = false;
    pthread_cond_broadcast(&vm->changed);
    pthread_mutex_unlock(&vm->lock);
}

void standstill_init(struct vm *vm)
{
    vm->standstill.task = (struct loop_task){.fn = stand_still, .ctx = vm};
}

void freeze_loop(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    vm->standstill.wanted = true;
    pthread_mutex_unlock(&vm->lock);
    loop_post(vm->loop, &vm->standstill.task);
    pthread_mutex_lock(&vm->lock);
    while (!vm->standstill.reached)
        pthread_cond_wait(&vm->changed, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
}

static void thaw_loop(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    vm->standstill.wanted = false;
    pthread_cond_broadcast(&vm->changed);
    while (vm->standstill.reached)
        pthread_cond_wait(&vm->changed, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
}

void thaw(struct vm *vm, bool takes_requests)
{
    thaw_loop(vm);
    if (takes_requests)
        machine_unquiesce(vm->machine);
    cpu_set_resume(vm->cpus);
    vm->frozen = false;
}

/* false: the guest has ended, for good or to start again. *in_time: the devices came to rest. */
static bool try_freeze(struct vm *vm, bool *in_time)
{
    pthread_mutex_lock(&vm->boots_lock);
    cpu_set_pause(vm->cpus);
    *in_time = machine_quiesce(vm->machine, QUIESCE_MS);
    freeze_loop(vm);
    vm->frozen = *in_time && !cpu_set_is_ending(vm->cpus);
    if (!vm->frozen)
        thaw(vm, true);
    pthread_mutex_unlock(&vm->boots_lock);
    return vm->frozen || !*in_time;
}

/* Waits until the boot after number `boots` has begun; false: there is none, or it takes too long (a console that nobody reads). */
static bool next_boot(struct vm *vm, unsigned boots)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += NEXT_BOOT_S;
    pthread_mutex_lock(&vm->lock);
    while (vm->boots == boots && !vm->over)
        if (pthread_cond_timedwait(&vm->changed, &vm->lock, &until) == ETIMEDOUT)
            break;
    bool begun = vm->boots != boots && !vm->over;
    pthread_mutex_unlock(&vm->lock);
    return begun;
}

bool freeze(struct vm *vm, struct pome_error *err)
{
    bool in_time;
    unsigned boots;
    do {
        pthread_mutex_lock(&vm->lock);
        boots = vm->boots;
        pthread_mutex_unlock(&vm->lock);
        if (try_freeze(vm, &in_time))
            return in_time || pome_fail(err, POME_ERROR_TIMED_OUT, "pause: the host's disks did not finish what is under way in %d s",
                                        QUIESCE_MS / 1000);
    } while (next_boot(vm, boots));
    return pome_fail(err, POME_ERROR_INVALID_STATE, "pause: the guest stopped at the same moment");
}
