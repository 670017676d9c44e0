/* gpt.c - GUID partition table (UEFI 2.10, 5.3): header and entries with their CRCs and bounds. */
#include "firmware/gpt.h"

#define HEADER_MIN  92
#define ENTRY_BYTES 128
#define ENTRIES_MAX 128
#define NAME_CHARS  36

static uint8_t header[SECTOR], entries[ENTRIES_MAX * ENTRY_BYTES];

static uint32_t crc32(const uint8_t *p, size_t n)
{
    uint32_t crc = ~0u;
    for (; n; n--) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static fw_why load(struct disk *disk, uint64_t lba)
{
    fw_why why = disk->read(disk, lba, 1, header);
    if (why)
        return why;
    if (memcmp(header, "EFI PART", 8))
        return "has no partition table";
    uint32_t bytes = fw_le32(header + 12), crc = fw_le32(header + 16);
    if (bytes < HEADER_MIN || bytes > SECTOR)
        return "partition table header has an impossible size";
    fw_put_le32(header + 16, 0);
    if (crc32(header, bytes) != crc)
        return "partition table header is damaged (CRC)";
    if (fw_le64(header + 24) != lba)
        return "partition table header belongs elsewhere";
    uint32_t n = fw_le32(header + 80);
    if (fw_le32(header + 84) != ENTRY_BYTES || !n || n > ENTRIES_MAX)
        return "partition table has entries of an unknown form";
    uint32_t sectors = (n * ENTRY_BYTES + SECTOR - 1) / SECTOR;
    why = disk->read(disk, fw_le64(header + 72), sectors, entries);
    if (why)
        return why;
    return crc32(entries, n * ENTRY_BYTES) == fw_le32(header + 88) ? NULL : "partition entries are damaged (CRC)";
}

static bool named(const uint8_t *entry, const char *name)
{
    for (int i = 0; i < NAME_CHARS; i++, name++) {
        if (fw_le16(entry + 56 + i * 2) != (uint8_t)*name)
            return false;
        if (!*name)
            return true;
    }
    return !*name;
}

fw_why gpt_find(struct disk *disk, const char *name, struct partition *out)
{
    fw_why why = disk->sectors < 68 ? "is too small for a partition table" : load(disk, 1);
    if (why && disk->sectors >= 68 && !load(disk, disk->sectors - 1))
        why = NULL;
    if (why)
        return why;
    uint64_t usable_first = fw_le64(header + 40), usable_last = fw_le64(header + 48);
    for (uint32_t i = 0, n = fw_le32(header + 80); i < n; i++) {
        const uint8_t *e = entries + i * ENTRY_BYTES;
        uint64_t first = fw_le64(e + 32), last = fw_le64(e + 40);
        if (!(fw_le64(e) | fw_le64(e + 8)) || !named(e, name))
            continue;
        if (first < usable_first || first > last || last > usable_last || last >= disk->sectors)
            return "partition lies outside the disk";
        *out = (struct partition){disk, first, last - first + 1};
        return NULL;
    }
    return "partition is missing";
}

fw_why partition_read(const struct partition *p, uint64_t sector, uint32_t sectors, void *memory)
{
    if (sector > p->sectors || sectors > p->sectors - sector)
        return "lies beyond the end of its partition";
    return p->disk->read(p->disk, p->first + sector, sectors, memory);
}
