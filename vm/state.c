/* state.c - the table of operations and states. */
#include "vm/state.h"

#include "base/bits.h"
#include "base/error.h"

#include <stdio.h>

#define IN(state) (1u << POME_VM_##state)
const struct vm_op vm_ops[POME_VM_OPERATION_COUNT] = {
#define VM_OP(op, name, allowed, refused, during, done, failed)                                                                    \
    [POME_VM_OP_##op] = {name, allowed, POME_ERROR_##refused, POME_VM_##during, POME_VM_##done, POME_VM_##failed},
#include "vm/ops.inc"
#undef VM_OP
};
#undef IN

static const char *const state_names[POME_VM_STATE_COUNT] = {
    [POME_VM_STOPPED] = "stopped",   [POME_VM_RUNNING] = "running",   [POME_VM_PAUSED] = "paused",     [POME_VM_ERROR] = "error",
    [POME_VM_STARTING] = "starting", [POME_VM_PAUSING] = "pausing",   [POME_VM_RESUMING] = "resuming", [POME_VM_STOPPING] = "stopping",
    [POME_VM_SAVING] = "saving",     [POME_VM_RESTORING] = "restoring",
};

static const char *const reason_names[] = {
    [POME_STOP_NONE] = "none",
    [POME_STOP_GUEST_OFF] = "guest-off",
    [POME_STOP_GUEST_RESET] = "guest-reset",
    [POME_STOP_GUEST_PANIC] = "guest-panic",
    [POME_STOP_REQUEST] = "request",
    [POME_STOP_ERROR] = "error",
};

const char *vm_state_name(enum pome_vm_state state)
{
    return (unsigned)state < ARRAY_SIZE(state_names) ? state_names[state] : "unknown";
}

const char *vm_stop_name(enum pome_stop_reason reason)
{
    return (unsigned)reason < ARRAY_SIZE(reason_names) ? reason_names[reason] : "unknown";
}

bool vm_op_allowed(enum pome_vm_operation op, enum pome_vm_state state)
{
    return vm_ops[op].allowed >> state & 1;
}

bool vm_op_check(enum pome_vm_operation op, enum pome_vm_state state, struct pome_error *err)
{
    char where[64] = "";
    if (vm_op_allowed(op, state))
        return true;
    for (unsigned s = 0, n = 0; s < POME_VM_STATE_COUNT; s++)
        if (vm_op_allowed(op, s))
            n += (unsigned)snprintf(where + n, sizeof where - n, "%s%s", n ? " or " : "", state_names[s]);
    return pome_fail(err, vm_ops[op].refused, "the machine is %s; \"%s\" is possible when it is %s", vm_state_name(state), vm_ops[op].name, where);
}
