/* balloon.c - pome/balloon.h. */
#include <pome/balloon.h>

#include "api/vm.h"
#include "base/bits.h"
#include "base/error.h"
#include "config/settings.h"

bool pome_vm_balloon_set_target(pome_vm *vm, uint64_t bytes, struct pome_error *err)
{
    uint64_t all = vm_config(api_vm(vm))->ram_bytes, keep = MIN(MAX(align_down(bytes, MiB), SETTINGS_MIN_MEMORY), all);
    return machine_balloon_set(vm_machine(api_vm(vm)), all - keep) ||
           pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the machine has no memory balloon");
}

bool pome_vm_balloon_status(pome_vm *vm, struct pome_balloon_status *status, struct pome_error *err)
{
    struct machine_balloon b;
    uint64_t all = vm_config(api_vm(vm))->ram_bytes;
    if (!machine_balloon_status(vm_machine(api_vm(vm)), &b))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "the machine has no memory balloon");
    const struct pome_balloon_status full = {
        .size = status->size, .target_size = all - MIN(b.wanted, all), .actual_size = all - MIN(b.actual, all), .returned_size = b.returned,
        .total = b.total, .free = b.free, .available = b.available, .caches = b.caches, .major_faults = b.major_faults, .updates = b.updates,
    };
    memcpy(status, &full, MIN(status->size, sizeof full));
    return true;
}
