/* vm.h - the inside of a pome_vm, for the other files of api/. */
#ifndef API_VM_H
#define API_VM_H

#include "bundle/bundle.h"
#include "vm/vm.h"

#include <pome/vm.h>

struct vm *api_vm(const pome_vm *v);
struct bundle *api_vm_bundle(const pome_vm *v); /* NULL: it was made from a configuration */
const struct settings *api_vm_settings(const pome_vm *v); /* of the bundle, when the machine was made of it */

/* vm_operate, and waits, dispatching; w->done and w->user are set here. */
bool api_operate_wait(pome_vm *v, enum pome_vm_operation op, const struct vm_work *w, int timeout_ms, struct pome_error *err);

/* Somebody who waits for an operation whose completion is api_waiter_done(waiter, ...). api_wait dispatches until then and frees it; when the time is over the
 * completion does. */
struct api_waiter;
struct api_waiter *api_waiter_new(struct pome_error *err);
void api_waiter_done(void *waiter, const struct pome_error *err);
bool api_wait(pome_vm *v, struct api_waiter *w, const char *what, int timeout_ms, struct pome_error *err);

#endif
