/* guest-reset.c - a reboot by the guest, and the reset button, start it anew without a change of state; or end it, when it is to stop at a reset. */
#include "kit.h"

static void goes_on(const char *kernel)
{
    struct kit k;
    kit_open(&k, kernel, false);
    kit_start(&k);
    kit_type(&k, "r");
    kit_expect(&k, "READY", NULL);
    kit_until_event(&k, POME_VM_EVENT_GUEST_RESET, 1);
    CHECK(pome_vm_reset(k.vm, &err));
    kit_expect(&k, "READY", NULL);
    kit_until_event(&k, POME_VM_EVENT_GUEST_RESET, 2);
    CHECK(pome_vm_state(k.vm) == POME_VM_RUNNING && k.events[POME_VM_EVENT_STATE] == 2); /* starting, running */
    kit_close(&k);
}

static void stops(const char *kernel)
{
    struct kit k;
    kit_open(&k, kernel, true);
    kit_start(&k);
    CHECK(pome_vm_reset(k.vm, &err)); /* ours is no reboot by the guest */
    kit_expect(&k, "READY", NULL);
    kit_type(&k, "r");
    CHECK(pome_vm_wait(k.vm, LONG_MS, &err));
    CHECK(pome_vm_state(k.vm) == POME_VM_STOPPED && pome_vm_stop_reason(k.vm) == POME_STOP_GUEST_RESET);
    kit_close(&k);
}

/* A pause meets reboots: it reaches one boot or the next, and the guest goes on. */
static void paused_meanwhile(const char *kernel)
{
    struct kit k;
    kit_open(&k, kernel, false);
    kit_start(&k);
    for (int i = 0; i < 20; i++) {
        kit_type(&k, "r");
        CHECK(pome_vm_pause_wait(k.vm, LONG_MS, &err));
        CHECK(pome_vm_state(k.vm) == POME_VM_PAUSED);
        CHECK(pome_vm_resume_wait(k.vm, LONG_MS, &err));
        kit_expect(&k, "READY", NULL);
    }
    kit_close(&k);
}

int main(int argc, char **argv)
{
    goes_on(argv[1]);
    stops(argv[1]);
    paused_meanwhile(argv[1]);
    return 0;
}
