/* guest-crashes.c - a guest that panics, by its panic device or by its last words on the console, ends in STOPPED with reason and sentence. */
#include "kit.h"

static void crashes(const char *kernel, const char *how, const char *why)
{
    struct kit k;
    kit_open(&k, kernel, false);
    kit_start(&k);
    kit_type(&k, how);
    CHECK(pome_vm_wait(k.vm, LONG_MS, &err));
    CHECK(pome_vm_state(k.vm) == POME_VM_STOPPED && pome_vm_stop_reason(k.vm) == POME_STOP_GUEST_PANIC);
    CHECK(k.events[POME_VM_EVENT_GUEST_PANIC] == 1 && k.events[POME_VM_EVENT_STOPPED] == 1);
    CHECK(pome_vm_error(k.vm)->code == POME_ERROR_GUEST_CRASHED && strstr(pome_vm_error(k.vm)->message, why));
    CHECK(k.last_error.code == POME_ERROR_GUEST_CRASHED);
    kit_start(&k);
    CHECK(!pome_vm_error(k.vm)->code);
    kit_close(&k);
}

int main(int argc, char **argv)
{
    crashes(argv[1], "p", "panic");
    crashes(argv[1], "l", "told so");
    return 0;
}
