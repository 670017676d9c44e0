/* keeping.h - a machine's disk, whose blocks a snapshot keeps before they are overwritten (bundle/kept.h). */
#ifndef VM_KEEPING_H
#define VM_KEEPING_H

#include "bundle/bundle.h"
#include "vm/vm.h"

struct kept;

/* Takes k over; NULL: nobody keeps any more. The machine has not started, or stands still. */
void vm_keep_disk(struct vm *vm, const struct bundle *b, struct kept *k);

/* The same for the newest snapshot that does so, if there is one. */
bool vm_keep_for_snapshots(struct vm *vm, const struct bundle *b, struct pome_error *err);

#endif
