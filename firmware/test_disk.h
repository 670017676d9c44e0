/* test_disk.h - a disk in memory, for tests and fuzz targets of the firmware's readers. */
#ifndef FIRMWARE_TEST_DISK_H
#define FIRMWARE_TEST_DISK_H

#include "firmware/disk.h"

struct test_disk {
    struct disk disk; /* first */
    uint8_t *bytes;   /* borrowed; disk.sectors * SECTOR of them */
    uint64_t reads;
};

static inline fw_why test_disk_read(struct disk *d, uint64_t lba, uint32_t sectors, void *memory)
{
    struct test_disk *t = (struct test_disk *)d;
    t->reads++;
    if (!disk_holds(d, lba, sectors))
        return "lies beyond the end of the disk";
    memcpy(memory, t->bytes + lba * SECTOR, (size_t)sectors * SECTOR);
    return NULL;
}

static inline fw_why test_disk_write(struct disk *d, uint64_t lba, uint32_t sectors, const void *memory)
{
    struct test_disk *t = (struct test_disk *)d;
    if (!disk_holds(d, lba, sectors))
        return "lies beyond the end of the disk";
    memcpy(t->bytes + lba * SECTOR, memory, (size_t)sectors * SECTOR);
    return NULL;
}

static inline struct test_disk test_disk(uint8_t *bytes, uint64_t sectors)
{
    return (struct test_disk){{sectors, test_disk_read, test_disk_write}, bytes, 0};
}

#endif
