/*
 * nvram.c - the NVRAM banks of the flash part.
 *
 * A bank: CHRP header `nvram` with Adler-32 and generation, then the partitions `common` and `system`, each a list of
 * `name=value` strings that ends at an empty name. A CHRP header is signature, checksum, length in 16-byte units, name
 * of 12 bytes; its checksum is the sum of the other bytes with carries folded back into 8 bits.
 */
#include "firmware/nvram.h"
#include "firmware/platform.h"

#define CHRP_BYTES 16
#define ADLER_AT   16
#define GENERATION 20

static const struct {
    uint32_t at, bytes;
    uint8_t signature;
    char name[12];
} partitions[] = {
    {0, 32, 0x5a, "nvram"},
    {NVRAM_COMMON, NVRAM_SYSTEM - NVRAM_COMMON, 0x71, "common"},
    {NVRAM_SYSTEM, NVRAM_BANK_BYTES - NVRAM_SYSTEM, 0x70, "system"},
};

static uint8_t chrp_checksum(const uint8_t *header)
{
    unsigned sum = header[0];
    for (int i = 2; i < CHRP_BYTES; i++) {
        sum += header[i];
        sum = (sum & 0xff) + (sum >> 8);
    }
    return (uint8_t)sum;
}

static uint32_t adler32(const uint8_t *p, size_t n)
{
    uint32_t a = 1, b = 0;
    while (n) {
        size_t run = n < 5552 ? n : 5552; /* as many as cannot overflow 32 bits (RFC 1950) */
        n -= run;
        while (run--) {
            a += *p++;
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    return b << 16 | a;
}

fw_why nvram_check_bank(const uint8_t *bank)
{
    for (unsigned i = 0; i < sizeof partitions / sizeof *partitions; i++) {
        const uint8_t *h = bank + partitions[i].at;
        if (h[0] != partitions[i].signature || memcmp(h + 4, partitions[i].name, 12) ||
            fw_le16(h + 2) * 16u != partitions[i].bytes)
            return "NVRAM bank has no known layout";
        if (chrp_checksum(h) != h[1])
            return "NVRAM partition header is damaged";
    }
    if (adler32(bank + GENERATION, NVRAM_BANK_BYTES - GENERATION) != fw_le32(bank + ADLER_AT))
        return "NVRAM bank is damaged (Adler-32)";
    return NULL;
}

static uint64_t bank_lba(int bank)
{
    return (bank ? FLASH_NVRAM_BANK1 : FLASH_NVRAM_BANK0) / SECTOR;
}

fw_why nvram_load(struct disk *flash, uint8_t *memory, struct nvram *out)
{
    fw_why why[2];
    uint8_t *bank[2] = {memory, memory + NVRAM_BANK_BYTES};
    for (int i = 0; i < 2; i++) {
        why[i] = flash->read(flash, bank_lba(i), NVRAM_BANK_BYTES / SECTOR, bank[i]);
        if (!why[i])
            why[i] = nvram_check_bank(bank[i]);
    }
    if (why[0] && why[1])
        return why[0];
    int pick = why[0] ? 1 : why[1] ? 0 : fw_le32(bank[1] + GENERATION) > fw_le32(bank[0] + GENERATION);
    *out = (struct nvram){bank[pick], pick, fw_le32(bank[pick] + GENERATION)};
    return NULL;
}

/* Finds `name=` in one partition: *end is one past the value's zero byte. */
static char *find(const struct nvram *nv, int partition, const char *name, char **end)
{
    char *p = (char *)nv->bank + partitions[partition].at + CHRP_BYTES;
    char *limit = (char *)nv->bank + partitions[partition].at + partitions[partition].bytes;
    size_t n = strlen(name);
    while (p < limit && *p) {
        char *z = p;
        while (z < limit && *z)
            z++;
        if (z == limit)
            return NULL; /* the last string has no end: not a list */
        if ((size_t)(z - p) > n && p[n] == '=' && !memcmp(p, name, n)) {
            *end = z + 1;
            return p;
        }
        p = z + 1;
    }
    return NULL;
}

const char *nvram_get(const struct nvram *nv, const char *name, size_t *bytes)
{
    for (int i = 1; i <= 2; i++) {
        char *end, *p = find(nv, i, name, &end);
        if (!p)
            continue;
        p += strlen(name) + 1;
        *bytes = (size_t)(end - 1 - p);
        return p;
    }
    return NULL;
}

bool nvram_remove(struct nvram *nv, const char *name)
{
    for (int i = 1; i <= 2; i++) {
        char *end, *p = find(nv, i, name, &end);
        if (!p)
            continue;
        char *limit = (char *)nv->bank + partitions[i].at + partitions[i].bytes;
        while (end < limit)
            *p++ = *end++;
        memset(p, 0, (size_t)(limit - p));
        return true;
    }
    return false;
}

fw_why nvram_store(struct disk *flash, struct nvram *nv)
{
    int other = !nv->current;
    fw_put_le32(nv->bank + GENERATION, nv->generation + 1);
    fw_put_le32(nv->bank + ADLER_AT, adler32(nv->bank + GENERATION, NVRAM_BANK_BYTES - GENERATION));
    fw_why why = flash->write(flash, bank_lba(other), NVRAM_BANK_BYTES / SECTOR, nv->bank);
    if (why)
        return why;
    nv->current = other;
    nv->generation++;
    return NULL;
}
