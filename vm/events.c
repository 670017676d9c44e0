/*
 * events.c - what happened, in order, until somebody takes it.
 *
 * What a guest can cause again and again (reboots, faults of the host's disk, progress) is merged into the one that waits, so the
 * queue is bounded by what the application asked for. The end of an operation has its place allocated when the operation begins: it is never lost.
 */
#include "vm/life.h"


#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void append(struct vm *vm, struct told *t)
{
    static const uint64_t one = 1;
    t->next = NULL;
    if (vm->last)
        vm->last->next = t;
    else
        vm->first = t;
    vm->last = t;
    if (write(vm->event_fd, &one, sizeof one) < 0)
        perror("pome: eventfd");
}

static struct told *waiting(struct vm *vm, enum pome_vm_event_kind kind)
{
    bool merges = kind == POME_VM_EVENT_GUEST_RESET || kind == POME_VM_EVENT_FAULT || kind == POME_VM_EVENT_PROGRESS;
    struct told *t = merges ? vm->first : NULL;
    while (t && t->e.event.kind != kind)
        t = t->next;
    return t;
}

static void set_error(struct vm_event *e, const struct pome_error *err)
{
    e->error = err ? *err : (struct pome_error){0};
    e->event.error = err ? &e->error : NULL;
}

/* The event to fill in; NULL when memory is short: the event is lost, the state is not. */
static struct told *make(struct vm *vm, enum pome_vm_event_kind kind)
{
    struct told *t = waiting(vm, kind);
    if (!t) {
        t = calloc(1, sizeof *t);
        if (!t)
            return NULL;
        t->e.event = (struct pome_vm_event){.size = sizeof t->e.event, .kind = kind};
        append(vm, t);
    }
    t->e.event.state = t->e.event.before = vm->state;
    t->e.event.reason = vm->reason;
    t->e.event.count++;
    return t;
}

void tell(struct vm *vm, enum pome_vm_event_kind kind, const struct pome_error *err)
{
    struct told *t = make(vm, kind);
    if (t)
        set_error(&t->e, err);
}

void tell_state(struct vm *vm, enum pome_vm_state state)
{
    enum pome_vm_state before = vm->state;
    if (before == state)
        return;
    vm->state = state;
    struct told *t = make(vm, POME_VM_EVENT_STATE);
    if (t)
        t->e.event.before = before;
    pthread_cond_broadcast(&vm->changed);
}

void tell_stopped(struct vm *vm)
{
    bool has_error = vm->reason == POME_STOP_ERROR || vm->reason == POME_STOP_GUEST_PANIC;
    tell(vm, POME_VM_EVENT_STOPPED, has_error ? &vm->error : NULL);
}

void tell_completion(struct vm *vm, struct told *t, const struct pome_error *err)
{
    set_error(&t->e, err);
    append(vm, t);
}

void vm_progress(struct vm *vm, double fraction)
{
    pthread_mutex_lock(&vm->lock);
    struct told *t = make(vm, POME_VM_EVENT_PROGRESS);
    if (t)
        t->e.event.fraction = fraction;
    pthread_mutex_unlock(&vm->lock);
}

bool vm_take_event(struct vm *vm, struct vm_event *out)
{
    uint64_t n;
    pthread_mutex_lock(&vm->lock);
    struct told *t = vm->first;
    if (t) {
        *out = t->e;
        if (out->event.error)
            out->event.error = &out->error;
        vm->first = t->next;
    }
    if (!vm->first) {
        vm->last = NULL;
        if (read(vm->event_fd, &n, sizeof n) < 0)
            n = 0; /* it was not readable */
    }
    pthread_mutex_unlock(&vm->lock);
    free(t);
    return t != NULL;
}

void events_free(struct vm *vm)
{
    struct vm_event e;
    while (vm_take_event(vm, &e))
        ;
}

int vm_fd(const struct vm *vm)
{
    return vm->event_fd;
}
