/* fuzz_changes.c - changes that wait to be made to a machine (bundle/changes.h); digests are not compared. */
#include "bundle/changes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pome_error err;
    struct change c;
    unsigned sum = 0;
    if (!changes_check(data, size, &err))
        return 0;
    for (size_t at = 0; changes_next(data, size, &at, &c);) {
        if (c.member != BUNDLE_DISK && c.member != BUNDLE_AUX)
            abort();
        for (size_t i = 0; i < c.n; i++)
            sum += c.bytes[i];
    }
    (void)sum;
    return 0;
}
