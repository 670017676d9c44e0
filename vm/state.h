/* state.h - the table of operations and states (ops.inc), as code. Knows no machine. */
#ifndef VM_STATE_H
#define VM_STATE_H

#include <pome/state.h>

struct vm_op {
    const char *name;
    uint32_t allowed; /* bit per state */
    enum pome_error_code refused;
    enum pome_vm_state during, done, failed;
};
extern const struct vm_op vm_ops[POME_VM_OPERATION_COUNT];

const char *vm_state_name(enum pome_vm_state state);
const char *vm_stop_name(enum pome_stop_reason reason);

bool vm_op_allowed(enum pome_vm_operation op, enum pome_vm_state state);
/* As vm_op_allowed, and *err of the table when not: the operation, the state, and the states in which it is allowed. */
bool vm_op_check(enum pome_vm_operation op, enum pome_vm_state state, struct pome_error *err);

#endif
