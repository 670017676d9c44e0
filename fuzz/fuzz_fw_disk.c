/*
 * fuzz_fw_disk.c - the firmware's GPT and FAT32 readers on a disk that the input describes: pairs of sector number (2 bytes) and
 * 64 bytes that are laid over a sound small disk. The table's CRCs are made right again half of the time, so that
 * what stands behind them is reached too.
 */
#include "firmware/fat.h"
#include "firmware/test_disk.h"

#include <zlib.h>

enum { SECTORS = 256, PATCH = 68 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t bytes[SECTORS * SECTOR], memory[256 * 1024 + SECTOR];

static void sound_disk(void)
{
    uint8_t *h = bytes + SECTOR, *e = bytes + 2 * SECTOR, *v = bytes + 40 * SECTOR;
    memset(bytes, 0, sizeof bytes);
    memcpy(h, "EFI PART\0\0\1\0\x5c", 13);
    h[24] = 1;
    h[40] = 34;
    h[48] = SECTORS - 34;
    h[72] = 2;
    h[80] = h[84] = 128;
    e[0] = 1;
    e[32] = 40;
    e[40] = 200;
    for (int i = 0; i < 4; i++)
        e[56 + 2 * i] = (uint8_t) "PART"[i];
    v[12] = 2;
    v[13] = 1;
    v[14] = 2;
    v[16] = 1;
    v[32] = 160;
    v[36] = 1;
    v[44] = 2;
    v[510] = 0x55;
    v[511] = 0xaa;
    for (int i = 2; i < 100; i++)
        fw_put_le32(v + 2 * SECTOR + i * 4, i % 7 ? (uint32_t)i + 1 : 0x0fffffff);
    memcpy(v + 3 * SECTOR, "BOOT       \x10", 12);
    v[3 * SECTOR + 26] = 3;
    memcpy(v + 4 * SECTOR, "ACTIVE     \x20", 12);
    v[4 * SECTOR + 26] = 8;
    v[4 * SECTOR + 29] = 4;
}

static void make_sums_right(void)
{
    uint8_t *h = bytes + SECTOR;
    fw_put_le32(h + 88, (uint32_t)crc32(0, bytes + 2 * SECTOR, 128 * 128));
    fw_put_le32(h + 16, 0);
    fw_put_le32(h + 16, (uint32_t)crc32(0, h, 92));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct test_disk t = test_disk(bytes, SECTORS);
    struct partition p;
    struct fat fs;
    struct fat_file f;
    sound_disk();
    bool right = size && data[0] & 1;
    for (size_t at = 1; size >= PATCH && at <= size - PATCH; at += PATCH) {
        size_t where = fw_le16(data + at) % (sizeof bytes / 64) * 64;
        memcpy(bytes + where, data + at + 4, 64);
    }
    if (right)
        make_sums_right();
    if (gpt_find(&t.disk, "PART", &p) || fat_open(p, &fs) || fat_find(&fs, "/BOOT/ACTIVE", &f))
        return 0;
    fat_read(&fs, &f, memory, f.bytes < 256 * 1024 ? f.bytes : 256 * 1024);
    return 0;
}
