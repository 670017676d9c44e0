/* installed_check.c - what lies on the disk and in the flash of a machine that was installed from the test's image. */
#include "restore/installed_check.h"
#include "base/bits.h"
#include "formats/aux_storage.h"
#include "formats/fat.h"
#include "formats/gpt.h"
#include "formats/guid.h"
#include "formats/image4.h"
#include "formats/nvram.h"
#include "restore/test_image.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint8_t *map(struct bundle *b, enum bundle_member m, size_t bytes)
{
    int fd = bundle_member_open(b, m, O_RDONLY, NULL);
    uint8_t *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    close(fd);
    return p;
}

/* An IMG4 that is whole, of this type, bound to this machine, whose ticket has the payload's digest. */
static void check_img4(uint64_t ecid, const uint8_t *bytes, size_t n, const char *type, uint8_t ticket_digest[SHA384_BYTES])
{
    struct img4 i;
    struct pome_error err = {0};
    uint8_t digest[SHA384_BYTES];
    struct im4m *m = malloc(sizeof *m);
    if (!img4_read(bytes, n, &i, &err) || !im4m_read(i.im4m_bytes, i.im4m_size, m, &err))
        fail_msg("%s: %s", type, err.message);
    assert_string_equal(i.im4p.type, type);
    const struct im4m_group *manp = im4m_group(m, "MANP"), *image = im4m_group(m, type);
    assert_non_null(manp);
    assert_non_null(image);
    assert_true(im4m_property(manp, "ECID")->integer == ecid);
    assert_int_equal(im4m_property(manp, "BORD")->integer, 0x70);
    assert_int_equal(im4m_property(manp, "CHIP")->integer, 0xfe70);
    sha384(i.im4p_bytes, i.im4p_size, digest);
    assert_memory_equal(im4m_property(image, "DGST")->bytes, digest, sizeof digest);
    sha384(i.im4m_bytes, i.im4m_size, ticket_digest);
    free(m);
}

static void check_file(uint64_t ecid, const uint8_t *disk, const struct gpt_partition *p, const char *path, const char *type, unsigned seed, size_t bytes,
                       uint8_t ticket[SHA384_BYTES])
{
    struct fat f;
    struct fat_entry e;
    struct pome_error err = {0};
    if (!fat_open(disk + p->first * 512, (p->last - p->first + 1) * 512, &f, &err) || !fat_find(&f, path, &e, &err))
        fail_msg("%s", err.message);
    uint8_t *file = malloc(e.size);
    assert_int_equal(fat_read(&f, &e, 0, file, e.size), e.size);
    check_img4(ecid, file, e.size, type, ticket);
    struct img4 i;
    assert_true(img4_read(file, e.size, &i, &err));
    assert_int_equal(i.size, e.size);
    if (bytes) {
        assert_int_equal(i.im4p.payload_size, bytes);
        for (size_t k = 0; k < bytes; k++)
            if (i.im4p_bytes[i.im4p.payload_offset + k] != test_byte(seed, k))
                fail_msg("%s: byte %zu differs", path, k);
    }
    free(file);
}

void installed_check_disk(struct bundle *b, bool both_maps)
{
    struct gpt g;
    struct pome_error err = {0};
    char active[98], path[64], nsih[97];
    uint8_t ticket[SHA384_BYTES], os_ticket[SHA384_BYTES];
    uint8_t *disk = map(b, BUNDLE_DISK, b->disk_bytes);
    bool backup = gpt_read_backup(disk + b->disk_bytes - GPT_BACKUP_BYTES, b->disk_bytes / 512, &g, &err), primary;
    primary = gpt_read(disk, b->disk_bytes / 512, &g, &err) || (gpt_read_backup(disk + b->disk_bytes - GPT_BACKUP_BYTES, b->disk_bytes / 512, &g, &err) && !both_maps);
    if (!primary || (both_maps && !backup))
        fail_msg("%s: %s", primary ? "backup" : "primary", err.message);
    assert_int_equal(g.n, 3);
    assert_string_equal(g.partitions[0].name, "iBootSystemContainer");
    assert_string_equal(g.partitions[1].name, "Container");
    assert_string_equal(g.partitions[2].name, "RecoveryOSContainer");
    assert_int_equal(g.partitions[0].last - g.partitions[0].first + 1, 1024000);
    for (uint64_t k = 0; k < TEST_OS_BYTES; k++)
        if (disk[g.partitions[1].first * 512 + k] != test_byte(SEED_OS, k))
            fail_msg("byte %llu of the OS image differs", (unsigned long long)k);
    struct fat f;
    struct fat_entry e;
    assert_true(fat_open(disk + g.partitions[0].first * 512, 1024000 * 512, &f, &err));
    assert_true(fat_find(&f, "BOOT/ACTIVE", &e, &err));
    assert_int_equal(fat_read(&f, &e, 0, active, 97), 97);
    active[96] = 0;
    snprintf(path, sizeof path, "BOOT/%.8s/KERNEL.IM4", active);
    check_file(b->ecid, disk, &g.partitions[0], path, "krnl", SEED_KERNEL, TEST_KERNEL_BYTES, os_ticket);
    hex_upper(os_ticket, sizeof os_ticket, nsih);
    assert_string_equal(nsih, active); /* nsih is the digest of the OS ticket */
    snprintf(path, sizeof path, "BOOT/%.8s/RAMDISK.IM4", active);
    check_file(b->ecid, disk, &g.partitions[0], path, "rdsk", SEED_RAMDISK, TEST_RAMDISK_BYTES, ticket);
    assert_memory_equal(ticket, os_ticket, sizeof ticket);
    snprintf(path, sizeof path, "BOOT/%.8s/CMDLINE.IM4", active);
    check_file(b->ecid, disk, &g.partitions[0], path, "kcmd", 0, 0, ticket);
    check_file(b->ecid, disk, &g.partitions[0], "POLICY/LOCAL.IM4", "lpol", 0, 0, ticket);
    check_file(b->ecid, disk, &g.partitions[2], "BOOT/KERNEL.IM4", "rkrn", SEED_KERNEL, TEST_KERNEL_BYTES, ticket);
    check_file(b->ecid, disk, &g.partitions[2], "BOOT/RAMDISK.IM4", "rrdk", SEED_RECOVERY, TEST_RECOVERY_BYTES, ticket);
    check_file(b->ecid, disk, &g.partitions[2], "BOOT/CMDLINE.IM4", "rcmd", 0, 0, ticket);
    munmap(disk, b->disk_bytes);
}

static void check_variable(const uint8_t *bank, enum nvram_partition p, const char *name, const char *value)
{
    struct nvram_variable v;
    uint8_t bytes[512];
    assert_true(nvram_find(bank, p, name, &v));
    assert_true(v.size < sizeof bytes);
    nvram_value(&v, bytes);
    if (value) {
        assert_int_equal(v.size, strlen(value));
        assert_memory_equal(bytes, value, v.size);
    }
}

void installed_check_aux(struct bundle *b)
{
    struct aux_wrapper w;
    struct pome_error err = {0};
    uint8_t ticket[SHA384_BYTES], *file = map(b, BUNDLE_AUX, AUX_BYTES), *flash = file + AUX_FLASH_OFFSET;
    assert_true(aux_wrapper_read(file, &w, &err));
    assert_true(w.ecid == b->ecid);
    assert_true(aux_flash_header_valid(flash));
    check_img4(b->ecid, flash + AUX_FIRMWARE, AUX_FIRMWARE_MAX, "illb", ticket);
    assert_int_equal(nvram_current(flash + AUX_NVRAM_BANK(0), flash + AUX_NVRAM_BANK(1)), 1);
    const uint8_t *bank = flash + AUX_NVRAM_BANK(1);
    check_variable(bank, NVRAM_COMMON, "auto-boot", "true");
    check_variable(bank, NVRAM_COMMON, "boot-args", "");
    check_variable(bank, NVRAM_COMMON, "boot-volume", NULL);
    check_variable(bank, NVRAM_COMMON, "com.apple.System.boot-nonce", NULL);
    check_variable(bank, NVRAM_SYSTEM, "boop-storage-nonces", NULL);
    assert_int_equal(flash[0x1000], 0xff);
    assert_int_equal(flash[AUX_PANIC], 0);
    assert_int_equal(flash[AUX_FLASH_BYTES - 1], 0xff);
    munmap(file, AUX_BYTES);
}
