/* fuzz_fw_digests.c - the firmware's reader of DIGESTS: every line of what is accepted was for one of the objects. */
#include "firmware/digests.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"KERNEL.IM4", "RAMDISK.IM4", "CMDLINE.IM4"};
    uint8_t digests[3][SHA384_BYTES];
    if (!digests_parse((const char *)data, size, names, 3, digests) && size != 3 * (2 * SHA384_BYTES + 3) + 10 + 11 + 11)
        abort();
    return 0;
}
