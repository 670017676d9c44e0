/* saving.h - the work of SAVE and RESTORE (vm_work.run): a machine into a file, and back. The file's form is save/'s. */
#ifndef VM_SAVING_H
#define VM_SAVING_H

#include "base/findings.h"
#include "vm/vm.h"

/* Which file, and what opens it. */
struct vm_saving;
/* key NULL: not encrypted. Both are copied. */
struct vm_saving *vm_saving_new(const char *path, const void *key, size_t key_bytes, struct pome_error *err);
void vm_saving_free(struct vm_saving *s); /* NULL allowed */
void vm_saving_share(struct vm_saving *s); /* one more vm_saving_free is needed */
bool vm_saving_was_run(const struct vm_saving *s);

/* vm_work.run with a struct vm_saving as ctx, which they free. vm_save_run writes a temporary file beside it (".NAME.89abcdef") that takes its name when all is on
 * the medium. Errors: SAVE, OUT_OF_DISK_SPACE, ...; RESTORE (damaged, of another machine: the first difference), PERMISSION (encrypted). */
bool vm_save_run(struct vm *vm, void *saving, struct pome_error *err);
bool vm_restore_run(struct vm *vm, void *saving, struct pome_error *err);

/* For other work of SAVE: writes the file at path, with s's key. */
bool vm_save_to(struct vm *vm, struct vm_saving *s, const char *path, struct pome_error *err);
/* Before that, while the guest runs: most of its memory goes to a file in `folder`, which vm_save_to then finishes and moves (saved_ahead_begin). Where the host cannot do that nothing
 * happens, and it is a success. s must be freed before the machine is. Errors: those of vm_save_to, OPERATION_CANCELLED (the machine stopped). */
bool vm_save_ahead(struct vm *vm, struct vm_saving *s, const char *folder, struct pome_error *err);

/* The disks as bundle/snapshot_ahead.h asks for them: user is a struct vm. */
bool vm_watch_disk(void *vm, const char *path, bool *there, struct pome_error *err);
bool vm_take_changed(void *vm, const char *path, uint64_t *next, uint64_t *offset, uint64_t *bytes);

/* Every difference between the saved machine and this one, which is stopped. */
bool vm_saving_compare(struct vm *vm, const struct vm_saving *s, struct findings *out, struct pome_error *err);

#endif
