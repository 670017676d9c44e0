/* beside.c - work that goes on while the guest does: no operation, changes no state. */
#include "vm/life.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static void *beside_main(void *arg)
{
    struct vm *vm = arg;
    struct pome_error err = {0};
    bool ok = vm->beside.run(vm, vm->beside.ctx, &err);
    if (!ok)
        log_host(vm->config.log, vm_subsystem, "state", LOG_LEVEL_ERROR, "%s", err.message);
    pthread_mutex_lock(&vm->lock);
    vm->beside_over = true;
    tell_completion(vm, vm->beside_completion, ok ? NULL : &err);
    pthread_mutex_unlock(&vm->lock);
    return NULL;
}

void beside_end(struct vm *vm)
{
    if (vm->has_beside)
        pthread_join(vm->beside_thread, NULL);
    vm->has_beside = false;
}

bool vm_run_beside(struct vm *vm, const struct vm_work *w, struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    bool closing = vm->closing, busy = vm->has_beside && !vm->beside_over;
    pthread_mutex_unlock(&vm->lock);
    if (closing)
        return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "the machine is being freed");
    if (busy)
        return pome_fail(err, POME_ERROR_BUSY, "a snapshot of the machine is being made or removed already");
    beside_end(vm);
    struct told *t = calloc(1, sizeof *t);
    if (!t)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: out of memory");
    t->e.done = w->done;
    t->e.user = w->user;
    vm->beside = *w;
    vm->beside_completion = t;
    vm->beside_over = false;
    int e = pthread_create(&vm->beside_thread, NULL, beside_main, vm);
    vm->has_beside = !e;
    if (e)
        free(t);
    return !e || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "cannot create a thread: %s", strerror(e));
}
