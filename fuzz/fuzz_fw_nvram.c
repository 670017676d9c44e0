/* fuzz_fw_nvram.c - the firmware's NVRAM: variables of a bank whose lists the input fills. */
#include "firmware/nvram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bank[NVRAM_BANK_BYTES];
    struct nvram nv = {bank, 0, 1};
    size_t n, length = size < 4096 ? size : 4096;
    memset(bank + NVRAM_COMMON, 0, 8192);
    memcpy(bank + NVRAM_COMMON + 16, data, length);
    /* the same bytes at the end of the last partition: a list without an end */
    memset(bank + NVRAM_SYSTEM + 16, 'x', NVRAM_BANK_BYTES - NVRAM_SYSTEM - 16);
    memcpy(bank + NVRAM_BANK_BYTES - length, data, length);
    const char *v = nvram_get(&nv, "boot-args", &n);
    if (v && ((const uint8_t *)v < bank || (const uint8_t *)v + n >= bank + sizeof bank))
        abort();
    nvram_remove(&nv, "boot-args");
    nvram_check_bank(bank);
    return 0;
}
