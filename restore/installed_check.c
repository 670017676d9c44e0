/* installed_check.c - what lies on the disk and in the flash of a machine that was installed from the test's image. */
#include "restore/installed_check.h"
#include "base/bits.h"
#include "formats/aux_storage.h"
#include "formats/fat.h"
#include "formats/gpt.h"
#include "formats/guid.h"
#include "formats/image4.h"
#include "formats/nvram.h"
#include "restore/personalize.h"
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

static struct aux_trust trust_of(struct bundle *b)
{
    struct aux_wrapper w;
    uint8_t *file = map(b, BUNDLE_AUX, AUX_BYTES);
    assert_true(aux_wrapper_read(file, &w, NULL));
    munmap(file, AUX_BYTES);
    return w.trust;
}

/* An IMG4 that is whole, of this type, bound to this machine, whose ticket has the payload's digest. */
static void check_img4(struct bundle *b, const uint8_t *bytes, size_t n, const char *type, uint8_t ticket_digest[SHA384_BYTES])
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
    assert_true(im4m_property(manp, "ECID")->integer == b->ecid);
    assert_int_equal(im4m_property(manp, "BORD")->integer, 0x70);
    assert_int_equal(im4m_property(manp, "CHIP")->integer, 0xfe70);
    sha384(i.im4p_bytes, i.im4p_size, digest);
    assert_memory_equal(im4m_property(image, "DGST")->bytes, digest, sizeof digest);
    if (!ticket_verify(i.im4m_bytes, i.im4m_size, trust_of(b).anchor, &err))
        fail_msg("%s: %s", type, err.message);
    sha384(i.im4m_bytes, i.im4m_size, ticket_digest);
    free(m);
}

/* Reads a file of a container, for free(). */
static uint8_t *read_file(const uint8_t *disk, const struct gpt_partition *p, const char *path, size_t *n)
{
    struct fat f;
    struct fat_entry e;
    struct pome_error err = {0};
    if (!fat_open(disk + p->first * 512, (p->last - p->first + 1) * 512, &f, &err) || !fat_find(&f, path, &e, &err))
        fail_msg("%s", err.message);
    uint8_t *file = malloc(e.size);
    assert_int_equal(fat_read(&f, &e, 0, file, e.size), e.size);
    *n = e.size;
    return file;
}

/* An object of a set: an IM4P of this type, the test's bytes, with the digest that the set's ticket gives. */
static void check_object(struct bundle *b, const uint8_t *disk, const struct gpt_partition *p, const char *folder, const char *name, const char *type, unsigned seed,
                         size_t bytes)
{
    char path[96];
    size_t n, ticket_size;
    struct im4p i;
    struct pome_error err = {0};
    uint8_t digest[SHA384_BYTES];
    struct im4m *m = malloc(sizeof *m);
    snprintf(path, sizeof path, "%s/%s.IM4", folder, name);
    uint8_t *file = read_file(disk, p, path, &n);
    snprintf(path, sizeof path, "%s/TICKET.IM4", folder);
    uint8_t *ticket = read_file(disk, p, path, &ticket_size);
    if (!im4p_read_head(file, n, n, &i, &err) || !im4m_read(ticket, ticket_size, m, &err) || !ticket_verify(ticket, ticket_size, trust_of(b).anchor, &err))
        fail_msg("%s: %s", path, err.message);
    assert_int_equal(m->whole_size, ticket_size);
    assert_string_equal(i.type, type);
    sha384(file, n, digest);
    assert_memory_equal(im4m_property(im4m_group(m, type), "DGST")->bytes, digest, sizeof digest);
    assert_true(im4m_property(im4m_group(m, "MANP"), "ECID")->integer == b->ecid);
    if (bytes)
        assert_int_equal(i.payload_size, bytes);
    for (size_t k = 0; k < bytes; k++)
        if (file[i.payload_offset + k] != test_byte(seed, k))
            fail_msg("%s: byte %zu differs", name, k);
    free(m);
    free(ticket);
    free(file);
}

/* LocalPolicy names the set by the digest of its ticket. current: nothing was cut off. */
static void check_policy(struct bundle *b, bool current, const uint8_t *disk, const struct gpt_partition *p, const char *folder)
{
    char path[96];
    size_t n, ticket_size;
    struct img4 i;
    struct pome_error err = {0};
    uint8_t nsih[SHA384_BYTES], digest[SHA384_BYTES];
    struct im4m *m = malloc(sizeof *m);
    uint8_t *policy = read_file(disk, p, "POLICY/LOCAL.IM4", &n);
    check_img4(b, policy, n, "lpol", digest);
    assert_true(img4_read(policy, n, &i, &err) && im4m_read(i.im4m_bytes, i.im4m_size, m, &err));
    snprintf(path, sizeof path, "%s/TICKET.IM4", folder);
    uint8_t *ticket = read_file(disk, p, path, &ticket_size);
    sha384(ticket, ticket_size, nsih);
    const struct im4m_group *manp = im4m_group(m, "MANP");
    if (current)
        assert_memory_equal(im4m_property(manp, "nsih")->bytes, nsih, sizeof nsih);
    assert_null(im4m_property(manp, "smb0"));
    const struct aux_trust trust = trust_of(b);
    const uint8_t *lpnh = im4m_property(manp, "lpnh")->bytes;
    if (current) {
        assert_memory_equal(im4m_property(manp, "BNCH")->bytes, trust.boot_nonce, sizeof trust.boot_nonce);
        assert_true(!memcmp(lpnh, trust.policy_nonces[0], SHA384_BYTES) || !memcmp(lpnh, trust.policy_nonces[1], SHA384_BYTES));
    }
    free(ticket);
    free(policy);
    free(m);
}

void installed_check_disk(struct bundle *b, bool both_maps)
{
    struct gpt g;
    struct pome_error err = {0};
    char folder[16];
    size_t n;
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
    char *active = (char *)read_file(disk, &g.partitions[0], "BOOT/ACTIVE", &n);
    assert_int_equal(n, 9);
    snprintf(folder, sizeof folder, "BOOT/%.8s", active);
    free(active);
    check_object(b, disk, &g.partitions[0], folder, "KERNEL", "krnl", SEED_KERNEL, TEST_KERNEL_BYTES);
    check_object(b, disk, &g.partitions[0], folder, "RAMDISK", "rdsk", SEED_RAMDISK, TEST_RAMDISK_BYTES);
    check_object(b, disk, &g.partitions[0], folder, "CMDLINE", "kcmd", 0, 0);
    check_policy(b, both_maps, disk, &g.partitions[0], folder);
    check_object(b, disk, &g.partitions[2], "BOOT", "KERNEL", "rkrn", SEED_KERNEL, TEST_KERNEL_BYTES);
    check_object(b, disk, &g.partitions[2], "BOOT", "RAMDISK", "rrdk", SEED_RECOVERY, TEST_RECOVERY_BYTES);
    check_object(b, disk, &g.partitions[2], "BOOT", "CMDLINE", "rcmd", 0, 0);
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

/* NVRAM's copies are of the nonces that the machine trusts. */
static void check_nonces(const uint8_t *bank, const struct aux_trust *trust)
{
    struct nvram_variable v;
    char text[32] = "";
    uint8_t nonces[NONCES_BYTES], hash[SHA384_BYTES], boot_nonce[AUX_NONCE_BYTES];
    assert_true(nvram_find(bank, NVRAM_COMMON, "com.apple.System.boot-nonce", &v) && v.size < sizeof text);
    nvram_value(&v, (uint8_t *)text);
    personalize_boot_nonce(strtoull(text, NULL, 16), boot_nonce);
    assert_memory_equal(boot_nonce, trust->boot_nonce, sizeof boot_nonce);
    assert_true(nvram_find(bank, NVRAM_SYSTEM, "boop-storage-nonces", &v) && v.size == sizeof nonces);
    nvram_value(&v, nonces);
    sha384(nonces + NONCE_LPNH, NONCE_BYTES, hash);
    assert_memory_equal(hash, trust->policy_nonces[0], sizeof hash);
}

void installed_check_aux(struct bundle *b)
{
    struct aux_wrapper w;
    struct pome_error err = {0};
    uint8_t ticket[SHA384_BYTES], *file = map(b, BUNDLE_AUX, AUX_BYTES), *flash = file + AUX_FLASH_OFFSET;
    assert_true(aux_wrapper_read(file, &w, &err));
    assert_true(w.ecid == b->ecid);
    assert_true(aux_flash_header_valid(flash));
    check_img4(b, flash + AUX_FIRMWARE, AUX_FIRMWARE_MAX, "illb", ticket);
    assert_int_equal(nvram_current(flash + AUX_NVRAM_BANK(0), flash + AUX_NVRAM_BANK(1)), 1);
    const uint8_t *bank = flash + AUX_NVRAM_BANK(1);
    check_variable(bank, NVRAM_COMMON, "auto-boot", "true");
    check_variable(bank, NVRAM_COMMON, "boot-args", "");
    check_variable(bank, NVRAM_COMMON, "boot-volume", NULL);
    check_nonces(bank, &w.trust);
    check_nonces(flash + AUX_NVRAM_BANK(0), &w.trust);
    assert_int_equal(flash[0x1000], 0xff);
    assert_int_equal(flash[AUX_PANIC], 0);
    assert_int_equal(flash[AUX_FLASH_BYTES - 1], 0xff);
    munmap(file, AUX_BYTES);
}
