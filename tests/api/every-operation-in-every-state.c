/*
 * every-operation-in-every-state.c - a live machine is brought into each state in which it can rest; there every operation is tried, and the
 * answer is the table's. What is allowed leads where the table says.
 */
#include "kit.h"

#include <unistd.h>

typedef bool operation(pome_vm *vm, int timeout_ms, struct pome_error *e);

static bool request_stop(pome_vm *vm, int timeout_ms, struct pome_error *e)
{
    return pome_vm_request_stop(vm, NULL, e);
}

static bool reset(pome_vm *vm, int timeout_ms, struct pome_error *e)
{
    return pome_vm_reset(vm, e);
}

static operation *const operations[POME_VM_OPERATION_COUNT] = {
    [POME_VM_OP_START] = pome_vm_start_wait,   [POME_VM_OP_PAUSE] = pome_vm_pause_wait, [POME_VM_OP_RESUME] = pome_vm_resume_wait,
    [POME_VM_OP_STOP] = pome_vm_stop_wait,     [POME_VM_OP_REQUEST_STOP] = request_stop, [POME_VM_OP_RESET] = reset,
};

static void bring(struct kit *k, enum pome_vm_state state, const char *kernel, const char *hidden)
{
    if (state == POME_VM_ERROR) { /* the kernel is gone when it starts */
        CHECK(!rename(kernel, hidden));
        CHECK(!pome_vm_start_wait(k->vm, LONG_MS, &err) && err.code == POME_ERROR_NOT_FOUND);
        CHECK(!rename(hidden, kernel));
    } else if (state != POME_VM_STOPPED) {
        kit_start(k);
        if (state == POME_VM_PAUSED)
            CHECK(pome_vm_pause_wait(k->vm, LONG_MS, &err));
    }
    CHECK(pome_vm_state(k->vm) == state);
}

static void try(enum pome_vm_state state, unsigned op, const char *kernel, const char *hidden)
{
    struct kit k;
    struct pome_vm_operation_info row = POME_VM_OPERATION_INFO_INIT;
    CHECK(pome_vm_operation(op, &row));
    kit_open(&k, kernel, false);
    bring(&k, state, kernel, hidden);
    bool allowed = row.allowed >> state & 1;
    CHECK(pome_vm_can(k.vm, op) == allowed);
    err = (struct pome_error){0};
    CHECK(operations[op](k.vm, LONG_MS, &err) == allowed);
    CHECK(err.code == (allowed ? 0 : (int)row.refused));
    CHECK(pome_vm_state(k.vm) == (allowed ? row.done : state));
    printf("%-9s %-13s %s\n", pome_vm_state_name(state), row.name, allowed ? pome_vm_state_name(row.done) : pome_error_name(err.code));
    kit_close(&k);
}

int main(int argc, char **argv)
{
    static const enum pome_vm_state states[] = {POME_VM_STOPPED, POME_VM_RUNNING, POME_VM_PAUSED, POME_VM_ERROR};
    char folder[] = "/tmp/pome-states-XXXXXX", kernel[64], hidden[64], command[512];
    CHECK(mkdtemp(folder));
    snprintf(kernel, sizeof kernel, "%s/kernel", folder);
    snprintf(hidden, sizeof hidden, "%s/hidden", folder);
    snprintf(command, sizeof command, "cp '%s' '%s'", argv[1], kernel);
    CHECK(!system(command));
    for (unsigned s = 0; s < sizeof states / sizeof *states; s++)
        for (unsigned op = 0; op < POME_VM_OPERATION_COUNT; op++)
            if (operations[op])
                try(states[s], op, kernel, hidden);
    unlink(kernel);
    rmdir(folder);
    return 0;
}
