/* start-twice.c - a machine that starts or runs refuses another start; one that stopped starts again, as new. */
#include "kit.h"

int main(int argc, char **argv)
{
    struct kit k;
    struct outcome o = {0}, never = {0};
    kit_open(&k, argv[1], false);
    CHECK(pome_vm_start(k.vm, kit_done, &o, &err));
    CHECK(!pome_vm_start(k.vm, kit_done, &never, &err) && err.code == POME_ERROR_INVALID_STATE);
    kit_until_state(&k, POME_VM_RUNNING);
    CHECK(!pome_vm_start_wait(k.vm, LONG_MS, &err) && err.code == POME_ERROR_INVALID_STATE);
    kit_expect(&k, "READY", NULL);
    CHECK(o.ok == 1 && !o.failed && !never.ok && !never.failed);
    for (unsigned life = 1; life < 4; life++) {
        if (life & 1)
            kit_type(&k, "o"); /* by the guest, by us */
        else
            CHECK(pome_vm_stop_wait(k.vm, LONG_MS, &err));
        CHECK(pome_vm_wait(k.vm, LONG_MS, &err));
        CHECK(pome_vm_state(k.vm) == POME_VM_STOPPED && k.events[POME_VM_EVENT_STOPPED] == life);
        CHECK(pome_vm_stop_reason(k.vm) == (life & 1 ? POME_STOP_GUEST_OFF : POME_STOP_REQUEST));
        kit_start(&k);
        CHECK(pome_vm_stop_reason(k.vm) == POME_STOP_NONE);
    }
    kit_close(&k);
    return 0;
}
