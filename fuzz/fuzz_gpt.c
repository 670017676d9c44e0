/* fuzz_gpt.c - GUID partition tables (formats/gpt.h): the input is header and entries, with checksums made right. */
#include "base/bits.h"
#include "formats/checksum.h"
#include "formats/gpt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t primary[GPT_PRIMARY_BYTES], again[GPT_PRIMARY_BYTES], backup[GPT_BACKUP_BYTES];
    static struct gpt g, r;
    struct pome_error err;
    const uint64_t sectors = 1 << 24;
    memset(primary, 0, sizeof primary);
    memcpy(primary, data, MIN(size, sizeof primary));
    gpt_read(primary, sectors, &g, &err);
    uint8_t *h = primary + GPT_SECTOR;
    le32_put(h + 88, crc32_of(primary + 2 * GPT_SECTOR, 32 * GPT_SECTOR));
    le32_put(h + 16, 0);
    le32_put(h + 16, crc32_of(h, 92));
    if (gpt_read(primary, sectors, &g, &err)) { /* what was read can be written and read again */
        gpt_write(&g, again, backup);
        if (!gpt_read(again, sectors, &r, &err) || r.n != g.n)
            abort();
    }
    gpt_read_backup(primary, sectors, &g, &err);
    return 0;
}
