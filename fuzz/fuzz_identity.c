/* fuzz_identity.c - HardwareModel, MachineIdentifier, and the binary property lists below them (formats/identity.h, bplist.h). */
#include "formats/bplist.h"
#include "formats/identity.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hardware_model m, again;
    struct pome_error err;
    struct bplist b;
    uint64_t ecid, back;
    uint8_t out[HARDWARE_MODEL_MAX];
    if (bplist_open(data, size, &b, &err))
        bplist_is_small(&b, 32, 1 << 16);
    if (hardware_model_read(data, size, &m, &err)) {
        size_t n = hardware_model_write(&m, out);
        if (!hardware_model_read(out, n, &again, &err) || again.platform != m.platform || memcmp(again.minimum_os, m.minimum_os, sizeof m.minimum_os))
            abort();
    }
    if (machine_identifier_read(data, size, &ecid, &err)) {
        size_t n = machine_identifier_write(ecid, out);
        if (!machine_identifier_read(out, n, &back, &err) || back != ecid)
            abort();
    }
    return 0;
}
