/* fuzz_aea.c - encrypted archives (formats/aea.h). With libFuzzer the MACs are not compared (FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION), so that
 * what is behind them is reached. */
#include "formats/aea.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 8 << 20, BLOCK = 100000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[AEA_KEY_BYTES] = "pome test images: this is no key";
    static uint8_t block[BLOCK];
    struct pome_error err;
    struct aea_info info;
    struct source *in = source_memory(data, size, "fuzz");
    if (!in)
        return 0;
    if (aea_info_read(in, &info, &err)) {
        const char *name;
        const uint8_t *value;
        size_t n, at = 0, total = 0;
        while (aea_auth_next(&info, &at, &name, &value, &n))
            for (size_t i = 0; i < n; i++)
                total += value[i];
        if (at > info.auth_bytes || total > 255 * info.auth_bytes)
            abort();
        aea_info_free(&info);
    }
    struct source *a = aea_open(in, key, &err);
    for (uint64_t at = 0; a && at < a->bytes && at < MOST; at += BLOCK)
        if (!source_read(a, at, block, at + BLOCK > a->bytes ? (size_t)(a->bytes - at) : BLOCK, &err))
            break;
    if (a && a->bytes)
        source_read(a, a->bytes - 1, block, 1, &err);
    source_close(a ? a : in);
    return 0;
}
