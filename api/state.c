/* state.c - pome/state.h. */
#include "base/bits.h"
#include "vm/state.h"

#include <string.h>

bool pome_vm_operation(unsigned operation, struct pome_vm_operation_info *info)
{
    if (operation >= POME_VM_OPERATION_COUNT)
        return false;
    const struct vm_op *o = &vm_ops[operation];
    const struct pome_vm_operation_info full = {info->size, o->name, o->allowed, o->refused, o->during, o->done, o->failed};
    memcpy(info, &full, MIN(info->size, sizeof full)); /* a caller built with an older header knows less */
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
