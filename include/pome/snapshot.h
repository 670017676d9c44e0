/*
 * pome/snapshot.h - named states of a machine, kept in its bundle: disks, NVRAM, configuration and, where it ran or was saved, memory and devices, as one.
 *
 * They form a tree: the parent of a snapshot is the one that the machine's state came from. Blocks of the disk are shared where the file system can,
 * else kept when they are overwritten: nothing but Pome may write to Disk.img then. Further disks are copied without their holes. Whatever is cut off, a power failure too, leaves the old state or the new one.
 */
#ifndef POME_SNAPSHOT_H
#define POME_SNAPSHOT_H

#include <pome/save.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pome_snapshot {
    size_t size;              /* of this struct, as the library knows it */
    const char *name, *parent; /* parent: NULL for none; for the call only */
    int64_t created;          /* seconds since 1970 */
    unsigned depth;           /* 0: has no parent */
    bool has_memory;          /* it goes on from there; else it starts */
    bool is_current;          /* the machine's state came from it */
    uint64_t allocated_bytes; /* that its files occupy; what is shared is counted in each */
};

/* Makes one of a machine that does not run; of a saved one with its memory. name: at most 63 bytes, no space, no '/', no '.' in front. result: may be NULL. The bundle is
 * locked afterwards. Errors: EXISTS, INVALID_CONFIGURATION (the name), BUSY (it runs: pome_vm_snapshot()), INVALID_STATE (not installed), NOT_SUPPORTED (a disk outside the bundle's
 * folder), OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO.   Since: 0.2. */
POME_API bool pome_snapshot_create(pome_bundle *bundle, const char *name, struct pome_copy_result *result, pome_progress_fn *progress, void *user,
                                   struct pome_error *err);

/* The same of a machine of this process that has a bundle. State: RUNNING, PAUSED; afterwards the same. One that runs goes on while its further disks and its memory are copied, and stands
 * still for what it wrote to those meanwhile (for all of its memory where the host, older than Linux 6.7, cannot tell what is written to): its state is PAUSING, PAUSED, SAVING, PAUSED, RESUMING on the way, and whoever stops or resumes it then, or pauses and stops it before, may end this.
 * options: what encrypts its memory, or NULL. Errors: as pome_snapshot_create() and pome_vm_save(), BUSY (another one is under way); those of work also of the completion.   Since: 0.2. */
POME_API bool pome_vm_snapshot(pome_vm *vm, const char *name, const struct pome_save_options *options, pome_done *done, void *user, struct pome_error *err);
/* As pome_vm_save_wait().   Since: 0.2. */
POME_API bool pome_vm_snapshot_wait(pome_vm *vm, const char *name, const struct pome_save_options *options, int timeout_ms, struct pome_error *err);

/* Calls each for every snapshot, parents before their children, until it returns false.   Since: 0.2. */
typedef bool pome_snapshot_fn(void *user, const struct pome_snapshot *snapshot);
POME_API bool pome_snapshot_list(const pome_bundle *bundle, pome_snapshot_fn *each, void *user, struct pome_error *err);

/* Makes the machine what it was: disks, NVRAM, configuration; when the snapshot has memory, it is saved then and pome_vm_restore() goes on, with another generation ID
 * (VMGENID) for the guest. What it is now is lost. The bundle is locked afterwards. Errors: NOT_FOUND, BUSY, INVALID_BUNDLE, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO.   Since: 0.2. */
POME_API bool pome_snapshot_restore(pome_bundle *bundle, const char *name, struct pome_copy_result *result, pome_progress_fn *progress, void *user,
                                    struct pome_error *err);

/* As pome_bundle_clone(), of what the machine was: disks, NVRAM and configuration of the snapshot. Its memory is not taken over: the copy starts, as after a power
 * failure if the snapshot was of a running machine. The machine may run meanwhile. Owner: the caller. Errors: NOT_FOUND (no such snapshot), and those of pome_bundle_clone().   Since: 0.2. */
POME_API pome_bundle *pome_snapshot_clone(pome_bundle *bundle, const char *snapshot, const char *name, struct pome_copy_result *result,
                                          pome_progress_fn *progress, void *user, struct pome_error *err);

/* The same with its memory: the copy is a saved machine, which pome_vm_restore() lets go on at once; many may, at the same time. It has an identity and
 * network addresses of its own; the memory's file is shared with the snapshot where the file system can, and is read when it is touched. After
 * the resume the guest is told over vsock port 1023 what it cannot know: the time, 64 bytes of entropy, its new addresses (Debian images of pome-image-build(1) listen;
 * the machine's log says how it went). A guest that does not listen has its old addresses, and the random numbers of all the others, until it draws new entropy; its
 * real-time clock is right in any case. One that knows of the generation ID (VMGENID: Linux 5.18 with UEFI, 6.10 without) is told by that, too, and draws anew by itself. Connections through POME_NETWORK_NAT are reset, as after any restore. An encrypted snapshot stays so: the key is asked for by the
 * restore. Errors: INVALID_STATE (the snapshot has no memory), and those of pome_snapshot_clone().   Since: 0.2. */
POME_API pome_bundle *pome_snapshot_clone_warm(pome_bundle *bundle, const char *snapshot, const char *name, struct pome_copy_result *result,
                                               pome_progress_fn *progress, void *user, struct pome_error *err);

/* Removes one; those made from it become its parent's. With reports of progress, and to be cancelled: POME_TASK_SNAPSHOT_DELETE (pome/task.h). The bundle is locked afterwards. Errors: NOT_FOUND, BUSY (it runs: pome_vm_snapshot_delete()), IO.   Since: 0.2. */
POME_API bool pome_snapshot_delete(pome_bundle *bundle, const char *name, struct pome_error *err);

/* The same of a machine of this process that has a bundle. State: RUNNING, PAUSED; afterwards the same. One that runs goes on while what other snapshots need of this one moves
 * to them, and stands still for a moment, as for pome_vm_snapshot(). Errors: NOT_FOUND, OUT_OF_DISK_SPACE, IO, BUSY (another one is being made or removed), and those of
 * pome_vm_pause(), also of the completion; the snapshot is still there then.   Since: 0.2. */
POME_API bool pome_vm_snapshot_delete(pome_vm *vm, const char *name, pome_done *done, void *user, struct pome_error *err);
/* As pome_vm_save_wait().   Since: 0.2. */
POME_API bool pome_vm_snapshot_delete_wait(pome_vm *vm, const char *name, int timeout_ms, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
