/*
 * fuzz_gpt.c - GUID partition tables (formats/gpt.h): the input is header and entries; read as it is, and as both tables with
 * checksums made right.
 */
#include "base/bits.h"
#include "formats/checksum.h"
#include "formats/gpt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_BYTES = GPT_BACKUP_BYTES - GPT_SECTOR };

static const uint64_t sectors = 1 << 24;

static void make_sums_right(uint8_t *header, const uint8_t *entries)
{
    le32_put(header + 88, crc32_of(entries, ENTRIES_BYTES));
    le32_put(header + 16, 0);
    le32_put(header + 16, crc32_of(header, 92));
}

static bool same(const struct gpt *a, const struct gpt *b)
{
    for (size_t i = 0; i < a->n && a->n == b->n; i++) {
        const struct gpt_partition *p = &a->partitions[i], *q = &b->partitions[i];
        if (memcmp(p->type, q->type, sizeof p->type) || memcmp(p->unique, q->unique, sizeof p->unique) || p->first != q->first || p->last != q->last ||
            p->attributes != q->attributes || strcmp(p->name, q->name))
            return false;
    }
    return a->n == b->n && !memcmp(a->disk, b->disk, sizeof a->disk);
}

/* What was read can be written, and both tables say it again. */
static void round_trip(const struct gpt *g)
{
    static uint8_t primary[GPT_PRIMARY_BYTES], backup[GPT_BACKUP_BYTES];
    static struct gpt again;
    struct pome_error err;
    gpt_write(g, primary, backup);
    if (!gpt_read(primary, sectors, &again, &err) || !same(&again, g) || !gpt_read_backup(backup, sectors, &again, &err) || !same(&again, g))
        abort();
    for (size_t i = 0; i < g->n; i++)
        if (!gpt_find(g, g->partitions[i].type))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t primary[GPT_PRIMARY_BYTES], backup[GPT_BACKUP_BYTES];
    static struct gpt g;
    struct pome_error err;
    memset(primary, 0, sizeof primary);
    if (size)
        memcpy(primary, data, MIN(size, sizeof primary));
    gpt_read(primary, sectors, &g, &err);
    uint8_t *header = primary + GPT_SECTOR, *entries = header + GPT_SECTOR;
    make_sums_right(header, entries);
    if (gpt_read(primary, sectors, &g, &err))
        round_trip(&g);
    memcpy(backup, entries, ENTRIES_BYTES);
    memcpy(backup + ENTRIES_BYTES, header, GPT_SECTOR);
    header = backup + ENTRIES_BYTES;
    if (le64_get(header + 24) == 1)
        le64_put(header + 24, sectors - 1);
    if (le64_get(header + 72) == 2)
        le64_put(header + 72, sectors - 33);
    make_sums_right(header, backup);
    if (gpt_read_backup(backup, sectors, &g, &err))
        round_trip(&g);
    return 0;
}
