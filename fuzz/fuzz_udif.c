/* fuzz_udif.c - disk images and all their kinds of runs (formats/udif.h, decompress.h). */
#include "formats/udif.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 8 << 20, BLOCK = 100000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t block[BLOCK];
    struct pome_error err;
    struct source *in = source_memory(data, size, "fuzz"), *u = in ? udif_open(in, &err) : NULL;
    bool whole = u && u->bytes <= MOST;
    for (uint64_t at = 0; u && at < u->bytes && at < MOST; at += BLOCK)
        whole &= source_read(u, at, block, at + BLOCK > u->bytes ? (size_t)(u->bytes - at) : BLOCK, &err);
    if (u && u->bytes) /* backwards, and at the very end */
        source_read(u, u->bytes - 1, block, 1, &err);
    if (u && u->bytes <= MOST && udif_verify(u, NULL, NULL, &err) && !whole)
        abort(); /* what is found right can be read */
    source_close(u ? u : in);
    return 0;
}
