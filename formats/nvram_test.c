/* nvram_test.c - NVRAM banks and the auxiliary storage's headers. */
#include "formats/aux_storage.h"
#include "formats/checksum.h"
#include "formats/nvram.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t bank[2][NVRAM_BANK_BYTES];

/* Header checksums computed in facts/formats.md §2.3. */
static void headers(void **state)
{
    nvram_bank_init(bank[0]);
    assert_int_equal(bank[0][0], 0x5a);
    assert_int_equal(bank[0][1], 0x82);
    assert_int_equal(bank[0][32], 0x71);
    assert_int_equal(bank[0][33], 0x5b);
    assert_memory_equal(bank[0] + 34, "\xfe\x5f" "common\0\0\0\0\0\0", 14);
    assert_int_equal(bank[0][0x60000], 0x70);
    assert_int_equal(bank[0][0x60001], 0x38);
}

static void set_get_remove(void **state)
{
    struct nvram_variable v;
    uint32_t generation;
    uint8_t runs[600], out[600];
    memset(runs, 0, sizeof runs);
    memset(runs + 200, 0xff, 150);
    runs[0] = 1;
    runs[599] = 7;
    nvram_bank_init(bank[0]);
    assert_true(nvram_set(bank[0], NVRAM_COMMON, "auto-boot", "true", 4, NULL));
    assert_true(nvram_set(bank[0], NVRAM_COMMON, "boot-args", "", 0, NULL));
    assert_true(nvram_set(bank[0], NVRAM_SYSTEM, "runs", runs, sizeof runs, NULL));
    assert_true(nvram_set(bank[0], NVRAM_COMMON, "auto-boot", "false", 5, NULL));
    nvram_bank_finish(bank[0], 5);
    assert_true(nvram_bank_valid(bank[0], &generation));
    assert_int_equal(generation, 5);
    assert_true(nvram_find(bank[0], NVRAM_COMMON, "auto-boot", &v));
    assert_int_equal(v.size, 5);
    nvram_value(&v, out);
    assert_memory_equal(out, "false", 5);
    assert_true(nvram_find(bank[0], NVRAM_COMMON, "boot-args", &v));
    assert_int_equal(v.size, 0);
    assert_true(nvram_find(bank[0], NVRAM_SYSTEM, "runs", &v));
    assert_int_equal(v.size, sizeof runs);
    assert_true(v.stored_size < 20);
    nvram_value(&v, out);
    assert_memory_equal(out, runs, sizeof runs);
    assert_false(nvram_find(bank[0], NVRAM_COMMON, "runs", &v));
    assert_true(nvram_remove(bank[0], NVRAM_COMMON, "auto-boot"));
    assert_false(nvram_remove(bank[0], NVRAM_COMMON, "auto-boot"));
    assert_true(nvram_find(bank[0], NVRAM_COMMON, "boot-args", &v));
    assert_false(nvram_set(bank[0], NVRAM_COMMON, "a=b", "", 0, NULL));
    assert_false(nvram_set(bank[0], NVRAM_COMMON, "", "", 0, NULL));
}

static void fills_up(void **state)
{
    struct pome_error err;
    char name[16], value[1000];
    memset(value, 'v', sizeof value);
    nvram_bank_init(bank[0]);
    int n = 0;
    for (;; n++) {
        snprintf(name, sizeof name, "v%d", n);
        if (!nvram_set(bank[0], NVRAM_SYSTEM, name, value, sizeof value, &err))
            break;
    }
    assert_int_equal(err.code, POME_ERROR_OUT_OF_DISK_SPACE);
    assert_in_range(n, 129, 130); /* 0x20000 - 16 bytes of about 1006 each */
    struct nvram_variable v;
    assert_true(nvram_find(bank[0], NVRAM_SYSTEM, "v128", &v));
    assert_true(nvram_set(bank[0], NVRAM_SYSTEM, "v5", value, sizeof value, &err)); /* replacing still works */
}

static void newer_bank_wins(void **state)
{
    for (int i = 0; i < 2; i++) {
        nvram_bank_init(bank[i]);
        nvram_bank_finish(bank[i], 5 + (uint32_t)i);
    }
    assert_int_equal(nvram_current(bank[0], bank[1]), 1);
    bank[1][100] ^= 1; /* torn while it was written: the other one is still whole */
    assert_int_equal(nvram_current(bank[0], bank[1]), 0);
    bank[0][0x60000] ^= 1;
    assert_int_equal(nvram_current(bank[0], bank[1]), -1);
}

static void damaged_list(void **state)
{
    static const char *const bad[] = {"=x", "noequals", "name=\xff", "name=\xff\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct nvram_variable v;
        size_t cursor = 0;
        nvram_bank_init(bank[0]);
        strcpy((char *)bank[0] + 48, bad[i]);
        assert_false(nvram_next(bank[0], NVRAM_COMMON, &cursor, &v));
        assert_false(nvram_list_whole(bank[0], NVRAM_COMMON));
        assert_true(nvram_set(bank[0], NVRAM_COMMON, "new", "1", 1, NULL)); /* in its place, not where nobody looks */
        assert_true(nvram_find(bank[0], NVRAM_COMMON, "new", &v));
        assert_true(nvram_list_whole(bank[0], NVRAM_COMMON));
    }
    struct nvram_variable v;
    size_t cursor = 0;
    memset(bank[0] + 48, 'x', 0x60000 - 48); /* no end at all */
    assert_false(nvram_next(bank[0], NVRAM_COMMON, &cursor, &v));
}

/* What others wrote: bytes behind the list's end do not join it when a variable is set, and a name that stands twice is replaced, and removed, as one. */
static void lists_of_others(void **state)
{
    static const char garbage[] = "stale=1";
    struct nvram_variable v;
    uint8_t value[8];
    nvram_bank_init(bank[0]);
    memcpy(bank[0] + 48 + 1, garbage, sizeof garbage); /* behind the empty name */
    assert_false(nvram_find(bank[0], NVRAM_COMMON, "stale", &v));
    size_t room = nvram_room(bank[0], NVRAM_COMMON);
    for (size_t n = 0; n < 8; n++) {
        assert_true(nvram_set(bank[0], NVRAM_COMMON, "new", "1234567", n, NULL));
        assert_true(nvram_list_whole(bank[0], NVRAM_COMMON));
        size_t cursor = 0;
        assert_true(nvram_next(bank[0], NVRAM_COMMON, &cursor, &v));
        assert_false(nvram_next(bank[0], NVRAM_COMMON, &cursor, &v));
        assert_true(nvram_remove(bank[0], NVRAM_COMMON, "new"));
        memcpy(bank[0] + 48 + 1, garbage, sizeof garbage);
    }
    nvram_bank_init(bank[0]);
    memcpy(bank[0] + 48, "a=1\0b=2\0a=3\0a=4", 16);
    assert_true(nvram_set(bank[0], NVRAM_COMMON, "a", "5", 1, NULL));
    assert_true(nvram_find(bank[0], NVRAM_COMMON, "a", &v));
    nvram_value(&v, value);
    assert_int_equal(value[0], '5');
    assert_int_equal(nvram_room(bank[0], NVRAM_COMMON), room - 8);
    memcpy(bank[0] + 48, "a=1\0b=2\0a=3\0a=4", 16);
    assert_true(nvram_remove(bank[0], NVRAM_COMMON, "a"));
    assert_false(nvram_find(bank[0], NVRAM_COMMON, "a", &v));
    assert_true(nvram_find(bank[0], NVRAM_COMMON, "b", &v));
    assert_false(nvram_remove(bank[0], NVRAM_COMMON, "a"));
}

static void aux_headers(void **state)
{
    uint8_t b[AUX_WRAPPER_BYTES], h[AUX_FLASH_HEADER_BYTES];
    struct aux_wrapper w = {.ecid = 0x1122334455667788, .board = 0x70, .chip = 0xfe70, .trust = {{1}, {2}, {{3}, {4}}}}, r;
    struct pome_error err;
    aux_wrapper_write(&w, b);
    assert_true(aux_wrapper_read(b, &r, NULL));
    assert_memory_equal(&w, &r, sizeof w);
    for (size_t i = 0; i < sizeof b; i++) {
        b[i] ^= 1;
        assert_false(aux_wrapper_read(b, &r, &err));
        b[i] ^= 1;
    }
    aux_flash_header_write(h);
    assert_memory_equal(h, "HUFA\x01\0\0\0\x01\0\0\0\0\0\x02\0", 16);
    assert_true(aux_flash_header_valid(h));
    h[40] ^= 1;
    assert_false(aux_flash_header_valid(h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),         cmocka_unit_test(set_get_remove), cmocka_unit_test(fills_up),
        cmocka_unit_test(newer_bank_wins), cmocka_unit_test(damaged_list),   cmocka_unit_test(lists_of_others), cmocka_unit_test(aux_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
