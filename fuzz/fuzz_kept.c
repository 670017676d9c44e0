/* fuzz_kept.c - the head of a snapshot's Disk.map (bundle/kept.h); digests are not compared. */
#include "bundle/kept.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pome_error err;
    struct kept_head h;
    if (!kept_head_read(data, size, size, &h, &err) || (h.bytes && h.bytes % 512 == 0 && (h.bytes / KEPT_BLOCK + 7) / 8 <= size))
        return 0;
    abort();
}
