/*
 * dispatch.c - completions and events come on the caller's thread, when it dispatches and at no other time, in order; waiting has a limit that does not end the
 * operation; nobody waits inside a function that is called.
 */
#include "kit.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

static pthread_t me;
static bool dispatching;
static unsigned calls;

static void checks_thread(void *user, const struct pome_error *e)
{
    CHECK(pthread_equal(pthread_self(), me) && dispatching);
    calls++;
}

static void waits_inside(void *user, pome_vm *vm, const struct pome_vm_event *e)
{
    CHECK(pthread_equal(pthread_self(), me));
    enum pome_vm_state before = pome_vm_state(vm);
    CHECK(!pome_vm_wait(vm, 0, &err) && err.code == POME_ERROR_INVALID_STATE);
    CHECK(!pome_vm_start_wait(vm, 0, &err) && err.code == POME_ERROR_INVALID_STATE);
    (void)before;
    pome_vm_dispatch(vm); /* does nothing */
    ++*(unsigned *)user;
}

int main(int argc, char **argv)
{
    struct kit k;
    unsigned events = 0;
    me = pthread_self();
    kit_open(&k, argv[1], false);
    CHECK(pome_vm_subscribe(k.vm, waits_inside, &events, &err));
    CHECK(pome_vm_start(k.vm, checks_thread, NULL, &err));
    while (pome_vm_state(k.vm) != POME_VM_RUNNING)
        usleep(1000);
    struct pollfd p = {.fd = pome_vm_fd(k.vm), .events = POLLIN};
    CHECK(poll(&p, 1, LONG_MS) == 1 && !calls && !k.events[POME_VM_EVENT_STATE]);
    dispatching = true;
    pome_vm_dispatch(k.vm);
    dispatching = false;
    CHECK(calls == 1 && k.events[POME_VM_EVENT_STATE] == 2 && events == 2);
    CHECK(poll(&p, 1, 0) == 0);

    pome_vm_unsubscribe(k.vm, waits_inside, &events);
    kit_expect(&k, "READY", NULL);
    CHECK(!pome_vm_wait(k.vm, 50, &err) && err.code == POME_ERROR_TIMED_OUT && pome_vm_state(k.vm) == POME_VM_RUNNING);
    if (!pome_vm_pause_wait(k.vm, 0, &err)) /* it may have been that fast */
        CHECK(err.code == POME_ERROR_TIMED_OUT);
    kit_until_state(&k, POME_VM_PAUSED);
    CHECK(events == 2);
    for (unsigned i = 0; i < 7; i++)
        CHECK(pome_vm_subscribe(k.vm, waits_inside, &events, &err));
    CHECK(!pome_vm_subscribe(k.vm, waits_inside, &events, &err));
    kit_close(&k);
    return 0;
}
