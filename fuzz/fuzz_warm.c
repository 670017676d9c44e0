/* fuzz_warm.c - Warm.json (bundle/warm.h). */
#include "bundle/warm.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bundle_warm w;
    if (bundle_warm_parse(data, size, &w) && (!w.ecid || w.n_macs > SETTINGS_MAX_ITEMS))
        abort();
    return 0;
}
