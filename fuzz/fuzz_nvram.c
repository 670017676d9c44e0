/*
 * fuzz_nvram.c - NVRAM banks (formats/nvram.h): the input is the variables of both partitions, with checksums made right. What follows
 * them is copies of the input's last byte: a list that ends there, or has no end.
 */
#include "base/bits.h"
#include "formats/nvram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct { size_t at, bytes; } lists[] = {[NVRAM_COMMON] = {48, 0x60000 - 48}, [NVRAM_SYSTEM] = {0x60010, 0x20000 - 16}};

static void fill(uint8_t *bank, enum nvram_partition p, const uint8_t *data, size_t size, uint8_t rest)
{
    uint8_t *list = bank + lists[p].at;
    size_t n = MIN(size, lists[p].bytes);
    if (n)
        memcpy(list, data, n);
    memset(list + n, rest, lists[p].bytes - n);
}

static void use(uint8_t *bank, enum nvram_partition p, const uint8_t *data, size_t size)
{
    static uint8_t value[8 << 20];
    struct nvram_variable v;
    for (size_t cursor = 0; nvram_next(bank, p, &cursor, &v);)
        if (v.size <= sizeof value)
            nvram_value(&v, value);
    bool whole = nvram_list_whole(bank, p);
    size_t room = nvram_room(bank, p), n = MIN(size, (size_t)300);
    bool fits = nvram_set(bank, p, "fuzz", data, n, NULL);
    if (!fits && whole && room > 4 + 2 * n)
        abort();
    if (fits && whole) {
        if (!nvram_find(bank, p, "fuzz", &v) || v.size != n)
            abort();
        nvram_value(&v, value);
        if (n && memcmp(value, data, n))
            abort();
        if (!nvram_list_whole(bank, p) || !nvram_remove(bank, p, "fuzz") || nvram_room(bank, p) < room)
            abort();
    }
    nvram_remove(bank, p, "fuzz");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bank[NVRAM_BANK_BYTES];
    uint32_t generation;
    uint8_t rest = size ? data[size - 1] : 0;
    nvram_bank_init(bank);
    fill(bank, NVRAM_COMMON, data, size / 2, rest);
    fill(bank, NVRAM_SYSTEM, data + size / 2, size - size / 2, rest);
    nvram_bank_finish(bank, 1);
    if (!nvram_bank_valid(bank, &generation) || generation != 1)
        abort();
    use(bank, NVRAM_COMMON, data, size);
    use(bank, NVRAM_SYSTEM, data, size);
    return 0;
}
