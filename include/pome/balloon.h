/*
 * pome/balloon.h - memory that a guest gives back to the host.
 *
 * A machine with a balloon (POME_DEVICE_BALLOON, "balloons" in a bundle's Config.json) returns memory in two ways: a guest that can (Linux 5.7 and
 * newer) reports free pages by itself, and a target makes it give up more. Any thread.
 */
#ifndef POME_BALLOON_H
#define POME_BALLOON_H

#include <pome/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How much memory the guest is to keep. It is a wish: the guest works towards it, and takes memory back rather than run out of it.
 * bytes:  rounded down to a whole MiB, and not less than pome_config_min_memory_size() or more than the machine has.
 * Errors: INVALID_CONFIGURATION (no balloon).
 * Like:   VZVirtioTraditionalMemoryBalloonDevice.targetVirtualMachineMemorySize.   Since: 0.2. */
POME_API bool pome_vm_balloon_set_target(pome_vm *vm, uint64_t bytes, struct pome_error *err);

struct pome_balloon_status {
    size_t size; /* of this struct: POME_BALLOON_STATUS_INIT */
    uint64_t target_size;   /* bytes that the guest is to keep */
    uint64_t actual_size;   /* bytes that it keeps now */
    uint64_t returned_size; /* bytes that went back to the host so far; what the guest used again is counted every time */
    /* What the guest says, UINT64_MAX when it does not: bytes, and pages read from disk. */
    uint64_t total, free, available, caches, major_faults;
    uint64_t updates; /* how many times it said so; asking makes it say so again, a moment later */
};
#define POME_BALLOON_STATUS_INIT                                                                                                   \
    {                                                                                                                              \
        .size = sizeof(struct pome_balloon_status)                                                                                 \
    }
/* Errors: INVALID_CONFIGURATION (no balloon).   Since: 0.2. */
POME_API bool pome_vm_balloon_status(pome_vm *vm, struct pome_balloon_status *status, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif
