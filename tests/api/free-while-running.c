/* free-while-running.c - a machine can be freed at any moment; completions that are due are called, once. */
#include "kit.h"

#include <unistd.h>

enum moment { NEW, STARTING, RUNNING, PAUSING, PAUSED, RESUMING, STOPPING, STOPPED, MOMENTS };

static void until(enum moment m, const char *kernel)
{
    struct kit k;
    struct outcome o = {0};
    unsigned begun = 0;
    kit_open(&k, kernel, false);
    if (m >= STARTING) {
        CHECK(pome_vm_start(k.vm, kit_done, &o, &err));
        begun++;
    }
    if (m >= RUNNING) {
        kit_expect(&k, "READY", NULL); /* the guest may speak before the start is told to be done */
        kit_until_state(&k, POME_VM_RUNNING);
    }
    if (m == PAUSING || m == PAUSED || m == RESUMING) {
        CHECK(pome_vm_pause(k.vm, kit_done, &o, &err));
        begun++;
        if (m != PAUSING)
            kit_until_state(&k, POME_VM_PAUSED);
    }
    if (m == RESUMING || m >= STOPPING) {
        CHECK(m == RESUMING ? pome_vm_resume(k.vm, kit_done, &o, &err) : pome_vm_stop(k.vm, kit_done, &o, &err));
        begun++;
    }
    if (m == STOPPED)
        CHECK(pome_vm_wait(k.vm, LONG_MS, &err));
    kit_close(&k);
    CHECK(o.ok + o.failed == begun);
}

/* From within its own functions it is put off, and nothing is called afterwards. */
static void free_now(void *user, const struct pome_error *e)
{
    pome_vm_free(user);
}

static void must_not(void *user, pome_vm *vm, const struct pome_vm_event *e)
{
    if (e->kind == POME_VM_EVENT_STOPPED)
        ++*(unsigned *)user;
}

static void from_within(const char *kernel)
{
    struct kit k;
    unsigned called = 0;
    kit_open(&k, kernel, false);
    CHECK(pome_vm_subscribe(k.vm, must_not, &called, &err));
    CHECK(pome_vm_start(k.vm, free_now, k.vm, &err));
    while (pome_vm_state(k.vm) == POME_VM_STARTING)
        usleep(1000);
    pome_vm_dispatch(k.vm); /* frees it */
    CHECK(!called);
}

int main(int argc, char **argv)
{
    for (int m = 0; m < MOMENTS; m++)
        until(m, argv[1]);
    from_within(argv[1]);
    return 0;
}
