/* stop-ignored.c - a guest that does not care for its power button: an event tells when its time is over, or it is stopped. One that cares powers off. */
#include "kit.h"

#include <time.h>

static void request(struct kit *k, unsigned timeout_ms, bool force)
{
    struct pome_stop_options o = POME_STOP_OPTIONS_INIT;
    o.timeout_ms = timeout_ms;
    o.force = force;
    CHECK(pome_vm_request_stop(k->vm, &o, &err));
}

int main(int argc, char **argv)
{
    struct kit k;
    kit_open(&k, argv[1], false);
    kit_start(&k);

    CHECK(pome_vm_request_stop(k.vm, NULL, &err)); /* no limit: nothing happens */
    request(&k, 100, false);
    kit_until_event(&k, POME_VM_EVENT_STOP_IGNORED, 1);
    CHECK(pome_vm_state(k.vm) == POME_VM_RUNNING);

    /* The time that it is given stands still with it. */
    request(&k, 60000, false);
    CHECK(pome_vm_pause_wait(k.vm, LONG_MS, &err));
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    CHECK(pome_vm_resume_wait(k.vm, LONG_MS, &err));
    request(&k, 400, false);
    CHECK(pome_vm_pause_wait(k.vm, LONG_MS, &err));
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    pome_vm_dispatch(k.vm);
    CHECK(k.events[POME_VM_EVENT_STOP_IGNORED] <= 2); /* 2: it took 400 ms to pause */
    CHECK(pome_vm_resume_wait(k.vm, LONG_MS, &err));
    kit_until_event(&k, POME_VM_EVENT_STOP_IGNORED, 2);

    request(&k, 100, true);
    CHECK(pome_vm_wait(k.vm, LONG_MS, &err));
    CHECK(pome_vm_stop_reason(k.vm) == POME_STOP_REQUEST && k.events[POME_VM_EVENT_STOP_IGNORED] == 3);

    kit_start(&k);
    kit_type(&k, "b");
    kit_expect(&k, "CARES", NULL);
    request(&k, 600000, true);
    CHECK(pome_vm_wait(k.vm, LONG_MS, &err));
    CHECK(pome_vm_stop_reason(k.vm) == POME_STOP_GUEST_OFF && k.events[POME_VM_EVENT_STOP_IGNORED] == 3);

    kit_start(&k); /* asked before it listens: asked again */
    request(&k, 600000, true);
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    CHECK(pome_vm_state(k.vm) == POME_VM_RUNNING);
    kit_type(&k, "b");
    CHECK(pome_vm_wait(k.vm, LONG_MS, &err));
    CHECK(pome_vm_stop_reason(k.vm) == POME_STOP_GUEST_OFF);
    kit_close(&k);
    return 0;
}
