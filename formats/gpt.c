/* gpt.c - GUID partition tables. Offsets: UEFI 2.10, tables 5.4 (MBR), 5.5 (header) and 5.6 (entry). */
#include "formats/gpt.h"
#include "base/bits.h"
#include "base/error.h"
#include "formats/checksum.h"

#include <string.h>

enum { HEADER_BYTES = 92, ENTRY_BYTES = 128, ENTRIES_BYTES = GPT_ENTRIES * ENTRY_BYTES, REVISION = 0x00010000 };

/* --- writing --- */

static void write_mbr(const struct gpt *g, uint8_t *s)
{
    memset(s, 0, GPT_SECTOR);
    uint8_t *p = s + 446;
    p[2] = 0x02; /* CHS 0/0/2 */
    p[4] = 0xee;
    p[5] = p[6] = p[7] = 0xff;
    le32_put(p + 8, 1);
    le32_put(p + 12, g->sectors - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(g->sectors - 1));
    le16_put(s + 510, 0xaa55);
}

static void write_entries(const struct gpt *g, uint8_t *e)
{
    memset(e, 0, ENTRIES_BYTES);
    for (size_t i = 0; i < g->n; i++, e += ENTRY_BYTES) {
        const struct gpt_partition *p = &g->partitions[i];
        memcpy(e, p->type, 16);
        memcpy(e + 16, p->unique, 16);
        le64_put(e + 32, p->first);
        le64_put(e + 40, p->last);
        le64_put(e + 48, p->attributes);
        for (size_t k = 0; k < 36 && p->name[k]; k++)
            le16_put(e + 56 + 2 * k, (uint8_t)p->name[k]);
    }
}

static void write_header(const struct gpt *g, const uint8_t *entries, uint64_t mine, uint64_t other, uint64_t entries_at, uint8_t *h)
{
    memset(h, 0, GPT_SECTOR);
    memcpy(h, "EFI PART", 8);
    le32_put(h + 8, REVISION);
    le32_put(h + 12, HEADER_BYTES);
    le64_put(h + 24, mine);
    le64_put(h + 32, other);
    le64_put(h + 40, GPT_FIRST_USABLE);
    le64_put(h + 48, g->sectors - GPT_FIRST_USABLE);
    memcpy(h + 56, g->disk, 16);
    le64_put(h + 72, entries_at);
    le32_put(h + 80, GPT_ENTRIES);
    le32_put(h + 84, ENTRY_BYTES);
    le32_put(h + 88, crc32_of(entries, ENTRIES_BYTES));
    le32_put(h + 16, crc32_of(h, HEADER_BYTES));
}

void gpt_write(const struct gpt *g, uint8_t primary[GPT_PRIMARY_BYTES], uint8_t backup[GPT_BACKUP_BYTES])
{
    uint8_t *entries = primary + 2 * GPT_SECTOR;
    write_mbr(g, primary);
    write_entries(g, entries);
    write_header(g, entries, 1, g->sectors - 1, 2, primary + GPT_SECTOR);
    memcpy(backup, entries, ENTRIES_BYTES);
    write_header(g, entries, g->sectors - 1, 1, g->sectors - 33, backup + ENTRIES_BYTES);
}

/* --- reading --- */

static bool read_entry(const uint8_t *e, size_t i, uint64_t first_usable, uint64_t last_usable, struct gpt *g, struct pome_error *err)
{
    static const uint8_t unused[16];
    if (!memcmp(e, unused, sizeof unused))
        return true;
    struct gpt_partition *p = &g->partitions[g->n];
    *p = (struct gpt_partition){.first = le64_get(e + 32), .last = le64_get(e + 40), .attributes = le64_get(e + 48)};
    memcpy(p->type, e, 16);
    memcpy(p->unique, e + 16, 16);
    for (size_t k = 0; k < 36; k++) {
        uint16_t c = le16_get(e + 56 + 2 * k);
        p->name[k] = (char)(!c || (c >= 0x20 && c < 0x7f) ? c : '?');
    }
    if (p->first > p->last || p->first < first_usable || p->last > last_usable)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "GPT: partition %zu covers sectors %llu to %llu, usable are %llu to %llu", i + 1,
                         (unsigned long long)p->first, (unsigned long long)p->last, (unsigned long long)first_usable, (unsigned long long)last_usable);
    for (size_t k = 0; k < g->n; k++)
        if (p->first <= g->partitions[k].last && g->partitions[k].first <= p->last)
            return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "GPT: partitions %zu and %zu overlap", k + 1, i + 1);
    g->n++;
    return true;
}

static bool read_table(const uint8_t *h, const uint8_t *entries, uint64_t mine, uint64_t entries_at, uint64_t sectors, struct gpt *g,
                       struct pome_error *err)
{
    uint8_t copy[HEADER_BYTES];
    memset(g, 0, sizeof *g);
    if (memcmp(h, "EFI PART", 8))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "GPT: no header at sector %llu", (unsigned long long)mine);
    if (le32_get(h + 12) != HEADER_BYTES || le32_get(h + 84) != ENTRY_BYTES || le32_get(h + 80) != GPT_ENTRIES)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "GPT: header of %u bytes with %u entries of %u, needed 92, 128 and 128",
                         le32_get(h + 12), le32_get(h + 80), le32_get(h + 84));
    memcpy(copy, h, sizeof copy);
    le32_put(copy + 16, 0);
    if (crc32_of(copy, sizeof copy) != le32_get(h + 16))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "GPT: the header's checksum at sector %llu is wrong", (unsigned long long)mine);
    if (crc32_of(entries, ENTRIES_BYTES) != le32_get(h + 88))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "GPT: the entries' checksum at sector %llu is wrong", (unsigned long long)entries_at);
    uint64_t first = le64_get(h + 40), last = le64_get(h + 48);
    if (le64_get(h + 24) != mine || le64_get(h + 72) != entries_at || first < GPT_FIRST_USABLE || last >= sectors || last < first ||
        last > sectors - GPT_FIRST_USABLE)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "GPT: the header does not fit a disk of %llu sectors (was it resized?)",
                         (unsigned long long)sectors);
    g->sectors = sectors;
    memcpy(g->disk, h + 56, 16);
    for (size_t i = 0; i < GPT_ENTRIES; i++)
        if (!read_entry(entries + i * ENTRY_BYTES, i, first, last, g, err))
            return false;
    return true;
}

bool gpt_read(const uint8_t primary[GPT_PRIMARY_BYTES], uint64_t sectors, struct gpt *g, struct pome_error *err)
{
    return read_table(primary + GPT_SECTOR, primary + 2 * GPT_SECTOR, 1, 2, sectors, g, err);
}

bool gpt_read_backup(const uint8_t backup[GPT_BACKUP_BYTES], uint64_t sectors, struct gpt *g, struct pome_error *err)
{
    return read_table(backup + ENTRIES_BYTES, backup, sectors - 1, sectors - 33, sectors, g, err);
}

const struct gpt_partition *gpt_find(const struct gpt *g, const uint8_t type[16])
{
    for (size_t i = 0; i < g->n; i++)
        if (!memcmp(g->partitions[i].type, type, 16))
            return &g->partitions[i];
    return NULL;
}
