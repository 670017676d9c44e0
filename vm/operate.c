/*
 * operate.c - operations on a machine: a thread of their own carries out one at a time, so that nobody who asks has to wait.
 */
#include "vm/life.h"
#include "vm/renew.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

bool vm_killed(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    bool k = vm->kill || vm->closing;
    pthread_mutex_unlock(&vm->lock);
    return k;
}

bool vm_is_closing(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    bool closing = vm->closing;
    pthread_mutex_unlock(&vm->lock);
    return closing;
}

/* ---- the threads of a running machine ---- */

static void *loop_main(void *arg)
{
    loop_run(arg);
    return NULL;
}

static bool thread(pthread_t *t, void *(*fn)(void *), void *arg, struct pome_error *err)
{
    int e = pthread_create(t, NULL, fn, arg);
    return e == 0 || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "cannot create a thread: %s", strerror(e));
}

static bool loop_start(struct vm *vm, struct pome_error *err)
{
    return thread(&vm->loop_thread, loop_main, vm->loop, err);
}

static void loop_join(struct vm *vm)
{
    loop_stop(vm->loop);
    pthread_join(vm->loop_thread, NULL);
}

void threads_join(struct vm *vm)
{
    if (!vm->has_threads)
        return;
    pthread_join(vm->supervisor, NULL);
    loop_join(vm);
    vm->has_threads = false;
}

/* The supervisor begins to boot; waits until the vCPUs have begun, or will not. */
static bool begin(struct vm *vm, struct pome_error *err)
{
    if (!thread(&vm->supervisor, supervisor_main, vm, err)) {
        loop_join(vm);
        return false;
    }
    vm->has_threads = true;
    pthread_mutex_lock(&vm->lock);
    while (!vm->running && !vm->over)
        pthread_cond_wait(&vm->changed, &vm->lock);
    bool ok = vm->running;
    if (!ok)
        *err = vm->error;
    pthread_mutex_unlock(&vm->lock);
    return ok;
}

/* Machine and vCPUs as they were created. */
static void renew(struct vm *vm)
{
    threads_join(vm);
    forget_last_words(vm);
    if (vm->ran) {
        machine_unquiesce(vm->machine);
        machine_reset(vm->machine);
        cpu_set_reset(vm->cpus);
    }
    vm->ran = true;
    vm->renews = false;
    pthread_mutex_lock(&vm->lock);
    vm->reason = POME_STOP_NONE;
    vm->error = (struct pome_error){0};
    vm->kill = vm->panicked = vm->memory_lost = vm->running = vm->over = vm->restored = false;
    vm->boots = 0;
    pthread_mutex_unlock(&vm->lock);
}

/* ---- operations ---- */

/* The vCPUs' threads begin parked: see let_go. */
static bool run_start(struct vm *vm, const struct vm_work *w, struct pome_error *err)
{
    renew(vm);
    cpu_set_pause(vm->cpus);
    bool ok = loop_start(vm, err) && begin(vm, err);
    if (!ok)
        cpu_set_resume(vm->cpus);
    return ok;
}

static bool run_pause(struct vm *vm, const struct vm_work *w, struct pome_error *err)
{
    stop_watch_freeze(vm);
    if (!freeze(vm, err)) {
        stop_watch_thaw(vm);
        return false;
    }
    vm->frozen_at_ns = loop_now_ns();
    NOTE(vm, "state", "paused");
    return true;
}

static bool run_resume(struct vm *vm, const struct vm_work *w, struct pome_error *err)
{
    NOTE(vm, "state", "resumed after %.3f s", (double)(loop_now_ns() - vm->frozen_at_ns) / 1e9);
    stop_watch_thaw(vm);
    return true;
}

static bool run_stop(struct vm *vm, const struct vm_work *w, struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    vm->kill = true;
    pthread_mutex_unlock(&vm->lock);
    cpu_set_stop(vm->cpus);
    if (vm->frozen)
        thaw(vm, false);
    pthread_mutex_lock(&vm->lock);
    while (!vm->over)
        pthread_cond_wait(&vm->changed, &vm->lock);
    bool ok = vm->reason != POME_STOP_ERROR;
    if (!ok)
        *err = vm->error;
    pthread_mutex_unlock(&vm->lock);
    return ok;
}

static bool run_save(struct vm *vm, const struct vm_work *w, struct pome_error *err)
{
    return w->run(vm, w->ctx, err);
}

/* The guest's first instruction comes after the resume: the vCPUs' threads begin parked. */
static bool run_restore(struct vm *vm, const struct vm_work *w, struct pome_error *err)
{
    renew(vm);
    machine_quiesce(vm->machine, 0);
    cpu_set_pause(vm->cpus);
    bool ok = w->run(vm, w->ctx, err) && loop_start(vm, err);
    if (!ok) {
        cpu_set_resume(vm->cpus);
        return false;
    }
    freeze_loop(vm);
    pthread_mutex_lock(&vm->lock);
    vm->restored = true;
    pthread_mutex_unlock(&vm->lock);
    vm->frozen = begin(vm, err);
    if (!vm->frozen)
        thaw(vm, false);
    vm->frozen_at_ns = loop_now_ns();
    return vm->frozen;
}

static bool (*const run[POME_VM_OPERATION_COUNT])(struct vm *vm, const struct vm_work *w, struct pome_error *err) = {
    [POME_VM_OP_START] = run_start, [POME_VM_OP_PAUSE] = run_pause, [POME_VM_OP_RESUME] = run_resume,
    [POME_VM_OP_STOP] = run_stop,   [POME_VM_OP_SAVE] = run_save,   [POME_VM_OP_RESTORE] = run_restore,
};

static void thaw_resumed(struct vm *vm)
{
    thaw(vm, true);
    vm_renew_begin(vm);
}

static void unpark_started(struct vm *vm)
{
    cpu_set_resume(vm->cpus);
}

/* What comes after the state is told: the guest's next instruction. Who hears the guest finds a machine that is running, not one that is about to. */
static void (*const let_go[POME_VM_OPERATION_COUNT])(struct vm *vm) = {
    [POME_VM_OP_START] = unpark_started, [POME_VM_OP_RESUME] = thaw_resumed,
};

/* vm->lock held. */
static void end(struct vm *vm, bool ok, const struct pome_error *err)
{
    struct operation *op = &vm->op;
    if (!ok && op->op == POME_VM_OP_START) {
        vm->reason = POME_STOP_ERROR;
        vm->error = *err;
    }
    op->ok = ok;
    op->error = *err;
    op->active = false;
    tell_state(vm, ok ? vm_ops[op->op].done : vm_ops[op->op].failed);
    if (op->op == POME_VM_OP_STOP || (!ok && op->op == POME_VM_OP_START))
        tell_stopped(vm);
    if (op->completion)
        tell_completion(vm, op->completion, ok ? NULL : err);
    op->completion = NULL;
    pthread_cond_broadcast(&vm->changed);
}

void *operator_main(void *arg)
{
    struct vm *vm = arg;
    pthread_mutex_lock(&vm->lock);
    for (;;) {
        while (!(vm->op.active && !vm->op.taken) && !vm->closing)
            pthread_cond_wait(&vm->changed, &vm->lock);
        if (!vm->op.active || vm->op.taken)
            break; /* closing, and nothing is left to do */
        vm->op.taken = true;
        struct vm_work w = vm->op.work;
        enum pome_vm_operation op = vm->op.op;
        struct pome_error err = {0};
        pthread_mutex_unlock(&vm->lock);
        bool ok = run[op](vm, &w, &err);
        if (!ok)
            log_host(vm->config.log, vm_subsystem, "state", LOG_LEVEL_ERROR, "%s failed: %s", vm_ops[op].name, err.message);
        pthread_mutex_lock(&vm->lock);
        end(vm, ok, &err);
        if (ok && let_go[op]) {
            pthread_mutex_unlock(&vm->lock);
            let_go[op](vm);
            pthread_mutex_lock(&vm->lock);
        }
    }
    pthread_mutex_unlock(&vm->lock);
    return NULL;
}

/* vm->lock held. */
static bool submit(struct vm *vm, enum pome_vm_operation op, const struct vm_work *w, struct pome_error *err)
{
    struct told *completion = NULL;
    if (vm->closing)
        return pome_fail(err, POME_ERROR_OPERATION_CANCELLED, "the machine is being freed");
    if (!vm_op_check(op, vm->state, err))
        return false;
    if (!vm->has_operator && !(vm->has_operator = thread(&vm->operator, operator_main, vm, err)))
        return false;
    if (w && w->done && !(completion = calloc(1, sizeof *completion)))
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "machine: out of memory");
    if (completion) {
        completion->e.done = w->done;
        completion->e.user = w->user;
    }
    vm->op = (struct operation){
        .active = true, .op = op, .work = w ? *w : (struct vm_work){0}, .completion = completion, .number = vm->op.number + 1};
    tell_state(vm, vm_ops[op].during);
    pthread_cond_broadcast(&vm->changed);
    return true;
}

bool vm_operate(struct vm *vm, enum pome_vm_operation op, const struct vm_work *work, struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    bool ok = submit(vm, op, work, err);
    pthread_mutex_unlock(&vm->lock);
    return ok;
}

bool vm_operate_wait(struct vm *vm, enum pome_vm_operation op, const struct vm_work *work, struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    bool ok = submit(vm, op, work, err);
    if (ok) {
        unsigned number = vm->op.number;
        while (vm->op.active && vm->op.number == number)
            pthread_cond_wait(&vm->changed, &vm->lock);
        ok = vm->op.number != number || vm->op.ok; /* another has begun already: this one changed the state as it should */
        if (!ok && err)
            *err = vm->op.error;
    }
    pthread_mutex_unlock(&vm->lock);
    return ok;
}

bool vm_reset(struct vm *vm, struct pome_error *err)
{
    pthread_mutex_lock(&vm->lock);
    bool ok = vm_op_check(POME_VM_OP_RESET, vm->state, err);
    vm->reset_wanted |= ok;
    pthread_mutex_unlock(&vm->lock);
    if (ok)
        cpu_set_stop(vm->cpus);
    return ok;
}

/* Ends what is under way, then the guest, then the threads. */
void vm_shutdown(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    bool first = !vm->closing;
    vm->closing = true;
    pthread_cond_broadcast(&vm->changed);
    pthread_mutex_unlock(&vm->lock);
    beside_end(vm);
    if (!first || !vm->has_operator)
        return;
    pthread_join(vm->operator, NULL);
    vm->has_operator = false;
    struct pome_error err;
    if (vm->has_threads)
        run_stop(vm, NULL, &err);
    threads_join(vm);
}
