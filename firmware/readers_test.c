/* readers_test.c - the firmware's parsers, compiled for the host: sound input, damaged input, every truncation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <libfdt.h>

#include "firmware/fat.h"
#include "firmware/boot_args.h"
#include "firmware/fdt_edit.h"
#include "firmware/kernel.h"
#include "firmware/nvram.h"
#include "firmware/platform.h"
#include "firmware/sha384.h"
#include "firmware/test_disk.h"

#define assert_ok(why) assert_string_equal((why) ? (why) : "ok", "ok")

/* --- SHA-384 --- */

static void check_digest(const void *data, size_t n, const char *hex)
{
    uint8_t digest[SHA384_BYTES];
    char text[2 * SHA384_BYTES + 1];
    sha384(data, n, digest);
    for (int i = 0; i < SHA384_BYTES; i++)
        sprintf(text + 2 * i, "%02x", digest[i]);
    assert_string_equal(text, hex);
}

static void sha384_of_known_texts(void **state)
{
    (void)state;
    /* FIPS 180 examples */
    check_digest("", 0, "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b");
    check_digest("abc", 3, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
    check_digest("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 112,
                 "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039");
}

/* Exactly n heap bytes: a read past the end is seen by the sanitizer. */
static uint8_t *exactly(const uint8_t *bytes, size_t n)
{
    uint8_t *p = malloc(n ? n : 1);
    assert_non_null(p);
    memcpy(p, bytes, n);
    return p;
}

/* --- NVRAM --- */

static uint8_t *flash_with_banks(void)
{
    uint8_t *flash = calloc(1, FLASH_SIZE);
    assert_non_null(flash);
    for (int i = 0; i < 2; i++) {
        uint8_t *b = flash + (i ? FLASH_NVRAM_BANK1 : FLASH_NVRAM_BANK0);
        /* Headers with the checksums that are known for this layout. */
        memcpy(b, "\x5a\x82\x02\x00nvram", 9);
        memcpy(b + NVRAM_COMMON, "\x71\x5b\xfe\x5f" "common", 10);
        memcpy(b + NVRAM_SYSTEM, "\x70\x38\x00\x20system", 10);
    }
    return flash;
}

static void nvram_takes_the_newer_sound_bank(void **state)
{
    (void)state;
    uint8_t *flash = flash_with_banks(), *memory = malloc(2 * NVRAM_BANK_BYTES);
    struct test_disk t = test_disk(flash, FLASH_SIZE / SECTOR);
    struct nvram nv = {.bank = flash + FLASH_NVRAM_BANK0, .current = 1, .generation = 6};
    size_t n;
    static const char variables[] = "auto-boot=false\0boot-args=a b\0recovery-boot-mode=unused\0last=";
    memcpy(nv.bank + NVRAM_COMMON + 16, variables, sizeof variables);
    memcpy(nv.bank + NVRAM_SYSTEM + 16, "deep=1", 7);
    assert_non_null(nvram_check_bank(nv.bank));
    assert_ok(nvram_store(&t.disk, &nv)); /* into bank 0, generation 7 */
    assert_ok(nvram_check_bank(flash + FLASH_NVRAM_BANK0));

    assert_ok(nvram_load(&t.disk, memory, &nv));
    assert_int_equal(nv.generation, 7);
    assert_int_equal(nv.current, 0);
    assert_string_equal(nvram_get(&nv, "boot-args", &n), "a b");
    assert_int_equal(n, 3);
    assert_string_equal(nvram_get(&nv, "last", &n), "");
    assert_string_equal(nvram_get(&nv, "deep", &n), "1");
    assert_null(nvram_get(&nv, "boot", &n));
    assert_true(nvram_remove(&nv, "recovery-boot-mode"));
    assert_false(nvram_remove(&nv, "recovery-boot-mode"));
    assert_ok(nvram_store(&t.disk, &nv));
    assert_ok(nvram_load(&t.disk, memory, &nv));
    assert_int_equal(nv.current, 1);
    assert_int_equal(nv.generation, 8);
    assert_null(nvram_get(&nv, "recovery-boot-mode", &n));
    assert_string_equal(nvram_get(&nv, "auto-boot", &n), "false");
    assert_string_equal(nvram_get(&nv, "last", &n), "");

    flash[FLASH_NVRAM_BANK1 + 0x1000] ^= 1;
    assert_ok(nvram_load(&t.disk, memory, &nv));
    assert_int_equal(nv.generation, 7);
    flash[FLASH_NVRAM_BANK0 + 33] ^= 1;
    assert_non_null(nvram_load(&t.disk, memory, &nv));
    free(memory);
    free(flash);
}

/* --- FAT32 --- */

enum { FAT_SECTORS = 80, FAT_START = 4, FAT_DATA = 6, CLUSTER = 2 };

static void entry(uint8_t *at, const char *name, uint8_t attributes, uint32_t cluster, uint32_t bytes)
{
    memcpy(at, name, 11);
    at[11] = attributes;
    at[20] = (uint8_t)(cluster >> 16);
    at[26] = (uint8_t)cluster;
    fw_put_le32(at + 28, bytes);
}

static uint8_t *cluster_at(uint8_t *volume, uint32_t cluster)
{
    return volume + (FAT_DATA + (cluster - 2) * CLUSTER) * SECTOR;
}

/* Root in cluster 2, BOOT in 3, A.BIN in 4, 5, 9 (2500 bytes). */
static uint8_t *small_volume(void)
{
    uint8_t *v = calloc(FAT_SECTORS, SECTOR);
    assert_non_null(v);
    v[12] = 2; /* 512 bytes per sector */
    v[13] = CLUSTER;
    v[14] = FAT_START;
    v[16] = 2;
    fw_put_le32(v + 32, FAT_SECTORS);
    fw_put_le32(v + 36, 1);
    fw_put_le32(v + 44, 2);
    v[510] = 0x55;
    v[511] = 0xaa;
    uint8_t *fat = v + FAT_START * SECTOR;
    static const uint32_t next[] = {0, 0, 0x0fffffff, 0x0fffffff, 5, 9, 0, 0, 0, 0xffffffff};
    for (unsigned i = 0; i < 10; i++)
        fw_put_le32(fat + i * 4, next[i]);
    entry(cluster_at(v, 2), "VOLUME     ", 8, 0, 0);
    entry(cluster_at(v, 2) + 32, "BOOT       ", 0x10, 3, 0);
    entry(cluster_at(v, 3), "A       BIN", 0x20, 4, 2500);
    for (unsigned i = 0; i < 2500; i++) {
        static const uint32_t chain[] = {4, 5, 9};
        cluster_at(v, chain[i / 1024])[i % 1024] = (uint8_t)(i * 31);
    }
    return v;
}

static fw_why read_a(uint8_t *volume, uint8_t *to)
{
    struct test_disk t = test_disk(volume, FAT_SECTORS);
    struct fat fs;
    struct fat_file f;
    fw_why why = fat_open((struct partition){&t.disk, 0, FAT_SECTORS}, &fs);
    if (!why)
        why = fat_find(&fs, "/BOOT/A.BIN", &f);
    if (!why && f.bytes > 4096)
        return "too long for the test";
    return why ? why : fat_read(&fs, &f, to, f.bytes);
}

static void fat_follows_the_chain(void **state)
{
    (void)state;
    uint8_t *v = small_volume(), to[4096];
    struct fat fs;
    struct fat_file f;
    struct test_disk t = test_disk(v, FAT_SECTORS);
    assert_ok(read_a(v, to));
    for (unsigned i = 0; i < 2500; i++)
        assert_int_equal(to[i], (uint8_t)(i * 31));
    assert_ok(fat_open((struct partition){&t.disk, 0, FAT_SECTORS}, &fs));
    assert_string_equal(fat_find(&fs, "/BOOT/B.BIN", &f), "is missing");
    assert_string_equal(fat_find(&fs, "/BOOT", &f), "is a directory");
    assert_string_equal(fat_find(&fs, "/BOOT/A.BIN/X", &f), "has a file in its path");
    assert_string_equal(fat_find(&fs, "/TOOLONGNAME", &f), "is not an 8.3 name");
    free(v);
}

static void fat_loops_and_wild_chains_end(void **state)
{
    (void)state;
    uint8_t *v = small_volume(), to[4096], *fat = v + FAT_START * SECTOR;
    fw_put_le32(fat + 5 * 4, 4); /* 4 -> 5 -> 4: long enough, so the file is read, wrong but finite */
    assert_ok(read_a(v, to));
    fw_put_le32(fat + 5 * 4, 0x0ffffff0);
    assert_string_equal(read_a(v, to), "FAT32 chain leaves the volume");
    fw_put_le32(fat + 5 * 4, 0x0fffffff);
    assert_string_equal(read_a(v, to), "ends before its length");
    memset(cluster_at(v, 3), 0xe5, 1024); /* BOOT: full of deleted entries, and its chain a loop */
    fw_put_le32(fat + 3 * 4, 3);
    assert_string_equal(read_a(v, to), "directory is too long");
    free(v);
}

/* --- kernel header --- */

static void kernel_header_is_checked(void **state)
{
    (void)state;
    uint8_t image[4096] = {0};
    struct kernel_image k;
    memcpy(image + 56, "ARM\x64", 4);
    assert_string_equal(kernel_parse(image, sizeof image, &k), "Image is older than Linux 3.17");
    image[17] = 0x20;
    assert_ok(kernel_parse(image, sizeof image, &k));
    assert_int_equal(k.memory_bytes, 0x2000);
    assert_non_null(kernel_parse(image, 63, &k));
    image[10] = 0x20;
    assert_string_equal(kernel_parse(image, sizeof image, &k), "Image has an impossible text offset");
    image[10] = 0;
    image[24] = 1;
    assert_string_equal(kernel_parse(image, sizeof image, &k), "Image is big-endian");
}

/* --- device tree --- */

static size_t make_tree(uint8_t *fdt, size_t room, bool with_chosen)
{
    assert_int_equal(fdt_create(fdt, (int)room), 0);
    fdt_add_reservemap_entry(fdt, 0x1000, 0x2000);
    fdt_finish_reservemap(fdt);
    fdt_begin_node(fdt, "");
    fdt_property_string(fdt, "model", "test");
    if (with_chosen) {
        fdt_begin_node(fdt, "chosen");
        fdt_property_string(fdt, "bootargs", "old");
        fdt_property_string(fdt, "stdout-path", "/uart");
        fdt_property_u64(fdt, "linux,initrd-start", 1);
        fdt_end_node(fdt);
    }
    fdt_begin_node(fdt, "memory@0");
    fdt_property_u32(fdt, "odd", 7);
    fdt_property(fdt, "three", "ab", 3);
    fdt_end_node(fdt);
    fdt_end_node(fdt);
    assert_int_equal(fdt_finish(fdt), 0);
    return fdt_totalsize(fdt);
}

static void check_edited(const uint8_t *fdt, size_t n)
{
    int length, chosen = fdt_path_offset(fdt, "/chosen");
    assert_int_equal(fdt_check_full(fdt, n), 0);
    assert_true(chosen >= 0);
    assert_string_equal(fdt_getprop(fdt, chosen, "bootargs", &length), "console=x");
    assert_int_equal(length, 10);
    const void *end = fdt_getprop(fdt, chosen, "linux,initrd-end", &length);
    assert_int_equal(length, 8);
    assert_int_equal(fw_be32((const uint8_t *)end + 4), 0x4321);
    assert_memory_equal(fdt_getprop(fdt, chosen, "linux,initrd-start", &length), "\0\0\0\1\0\0\x12\x34", 8);
    assert_int_equal(fdt_num_mem_rsv(fdt), 1);
    assert_string_equal(fdt_getprop(fdt, chosen, "pome,security", &length), "full");
    assert_string_equal(fdt_getprop(fdt, chosen, "pome,boot-set", &length), "recovery");
    assert_string_equal(fdt_getprop(fdt, chosen, "pome,ecid", &length), "00000000000012ab");
    assert_string_equal(fdt_getprop(fdt, chosen, "pome,policy-nonce", &length), "cd");
    assert_string_equal(fdt_getprop(fdt, chosen, "pome,boot-failure", &length), "boot set x");
    int memory = fdt_path_offset(fdt, "/memory@0");
    assert_string_equal(fdt_getprop(fdt, memory, "three", &length), "ab");
}

static void fdt_gets_its_chosen(void **state)
{
    (void)state;
    uint8_t from[2048], to[2048];
    const struct fdt_chosen c = {"console=x", 0x100001234, 0x100004321, "full", "recovery", "00000000000012ab", "cd", "boot set x"};
    size_t n, length;
    for (int with = 0; with < 2; with++) {
        size_t bytes = make_tree(from, sizeof from, with);
        assert_ok(fdt_edit_chosen(from, bytes, &c, to, sizeof to, &n));
        check_edited(to, n);
        int chosen = fdt_path_offset(to, "/chosen");
        assert_int_equal(fdt_getprop(to, chosen, "stdout-path", NULL) != NULL, with);
        assert_int_equal(fdt_bootargs(from, bytes, &length) != NULL, with);
        /* its own output is input, too */
        memcpy(from, to, n);
        assert_ok(fdt_edit_chosen(from, n, &c, to, sizeof to, &n));
        check_edited(to, n);
        for (size_t room = 0; room < n; room++) {
            uint8_t *small = malloc(room ? room : 1);
            assert_non_null(fdt_edit_chosen(from, fdt_totalsize(from), &c, small, room, &length));
            free(small);
        }
    }
}

static void fdt_damaged_is_harmless(void **state)
{
    (void)state;
    uint8_t from[2048], to[4096];
    const struct fdt_chosen c = {"console=x", 1, 2};
    size_t n, bytes = make_tree(from, sizeof from, true);
    uint8_t *p = exactly(from, bytes);
    for (size_t i = 0; i < bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            p[i] ^= (uint8_t)(1 << bit);
            if (!fdt_edit_chosen(p, bytes, &c, to, sizeof to, &n))
                assert_true(n <= sizeof to);
            fdt_bootargs(p, bytes, &n);
            p[i] ^= (uint8_t)(1 << bit);
        }
    free(p);
    for (size_t cut = 0; cut < bytes; cut++) {
        p = exactly(from, cut);
        assert_non_null(fdt_edit_chosen(p, cut, &c, to, sizeof to, &n));
        free(p);
    }
}

/* What full security lets through of boot-args: whole words only, and nothing that Linux would read otherwise than it was read here. */
static void boot_args_are_filtered(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        bool allowed;
    } rows[] = {
        {"quiet", true}, {"loglevel=7", true}, {"systemd.show_status=0", true}, {"panic=-1", true}, {"mem=512M", true},
        {"init=/bin/sh", false}, {"rdinit=/bin/sh", false}, {"root=/dev/vdb", false}, {"quietly", false}, {"quie", false}, {"quiet=1", false},
        {"loglevel", false}, {"loglevel=", false}, {"loglevel=\"7", false}, {"loglevel=7\"", false}, {"\"quiet", false}, {"--", false},
        {"loglevel=a/b", false}, {"loglevel=a=b", false}, {"module.sig_enforce=0", false}, {"=", false}, {"loglevel=\xff\x83", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (boot_args_allowed(rows[i].word, strlen(rows[i].word)) != rows[i].allowed)
            fail_msg("%s: expected %d", rows[i].word, rows[i].allowed);
    static const char text[] = "  quiet\tinit=x\n y ";
    const char *word;
    size_t at = 0, n, words = 0;
    while ((n = boot_args_word(text, sizeof text - 1, &at, &word)))
        assert_true(++words <= 3 && !memcmp(word, words == 1 ? "quiet" : words == 2 ? "init=x" : "y", n));
    assert_int_equal(words, 3);
    for (at = 0; (n = boot_args_word(boot_args_list, strlen(boot_args_list), &at, &word));) { /* every row is of use */
        char filled[64] = "";
        memcpy(filled, word, n);
        if (word[n - 1] == '=')
            strcpy(filled + n, "1");
        assert_true(boot_args_allowed(filled, strlen(filled)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha384_of_known_texts),
        cmocka_unit_test(nvram_takes_the_newer_sound_bank),
        cmocka_unit_test(fat_follows_the_chain),
        cmocka_unit_test(fat_loops_and_wild_chains_end),
        cmocka_unit_test(kernel_header_is_checked),
        cmocka_unit_test(fdt_gets_its_chosen),
        cmocka_unit_test(fdt_damaged_is_harmless),
        cmocka_unit_test(boot_args_are_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
