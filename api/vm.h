/* vm.h - the inside of a pome_vm, for the other files of api/. */
#ifndef API_VM_H
#define API_VM_H

#include "bundle/bundle.h"
#include "vm/vm.h"

#include <pome/vm.h>

struct vm *api_vm(const pome_vm *v);
struct bundle *api_vm_bundle(const pome_vm *v); /* NULL: it was made from a configuration */

/* vm_operate, and waits, dispatching; w->done and w->user are set here. */
bool api_operate_wait(pome_vm *v, enum pome_vm_operation op, const struct vm_work *w, int timeout_ms, struct pome_error *err);

#endif
