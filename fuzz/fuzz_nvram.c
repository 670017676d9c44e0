/* fuzz_nvram.c - NVRAM banks (formats/nvram.h): the input is the variables of both partitions, with checksums made right. */
#include "base/bits.h"
#include "formats/nvram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bank[NVRAM_BANK_BYTES], value[8 << 20];
    struct nvram_variable v;
    uint32_t generation;
    nvram_bank_init(bank);
    size_t common = MIN(size / 2, (size_t)0x60000 - 48), system = MIN(size - common, (size_t)0x20000 - 16);
    memcpy(bank + 48, data, common);
    memcpy(bank + 0x60010, data + common, system);
    nvram_bank_finish(bank, 1);
    if (!nvram_bank_valid(bank, &generation))
        abort();
    for (int p = NVRAM_COMMON; p <= NVRAM_SYSTEM; p++) {
        for (size_t cursor = 0; nvram_next(bank, (enum nvram_partition)p, &cursor, &v);)
            if (v.size <= sizeof value)
                nvram_value(&v, value);
        nvram_set(bank, (enum nvram_partition)p, "fuzz", data, MIN(size, (size_t)300), NULL);
        if (nvram_find(bank, (enum nvram_partition)p, "fuzz", &v) && v.size == MIN(size, (size_t)300)) {
            nvram_value(&v, value);
            if (memcmp(value, data, v.size))
                abort();
        }
        nvram_remove(bank, (enum nvram_partition)p, "fuzz");
    }
    return 0;
}
