/* state.c - pome/state.h. */
#include "vm/state.h"

bool pome_vm_operation(unsigned operation, struct pome_vm_operation_info *info)
{
    if (operation >= POME_VM_OPERATION_COUNT)
        return false;
    const struct vm_op *o = &vm_ops[operation];
    *info = (struct pome_vm_operation_info){.size = sizeof *info, .name = o->name, .allowed = o->allowed, .refused = o->refused,
                                            .during = o->during, .done = o->done, .failed = o->failed};
    return true;
}

const char *pome_vm_state_name(enum pome_vm_state state)
{
    return vm_state_name(state);
}

const char *pome_stop_reason_name(enum pome_stop_reason reason)
{
    return vm_stop_name(reason);
}
