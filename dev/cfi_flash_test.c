/* cfi_flash_test.c - the command sequences that EDK2 and Linux use, and what goes wrong. */
#include "dev/cfi_flash.h"

#include "dev/test_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FLASH  UINT64_C(0x04000000)
#define BYTES  (4 * CFI_FLASH_BLOCK)
#define READY  0x00800080u
#define BOTH(x) ((uint64_t)(x) * 0x00010001u)

static struct rig r;
static struct device *flash;
static char path[64];

static void plug(const char *file)
{
    struct pome_error err = {0};
    struct flash_image *image = flash_image_open(file, BYTES, r.loop, &err);
    if (!image)
        fail_msg("%s", err.message);
    flash = cfi_flash_create(image);
    bus_map(&r.bus, FLASH, BYTES, flash);
}

static int setup(void **s)
{
    const char *dir = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/pome-flash-XXXXXX", dir ? dir : "/tmp");
    int fd = mkstemp(path);
    rig_init(&r);
    return fd < 0 || close(fd);
}

static int teardown(void **s)
{
    if (flash)
        flash->type->destroy(flash);
    flash = NULL;
    rig_finish(&r);
    unlink(path);
    return 0;
}

static void put(uint32_t offset, uint32_t v)
{
    rig_write(&r, FLASH + offset, 4, v);
}

static uint32_t get(uint32_t offset)
{
    return (uint32_t)rig_read(&r, FLASH + offset, 4);
}

static void erase(uint32_t offset)
{
    put(offset, 0x00200020);
    put(offset, 0x00d000d0);
    assert_int_equal(get(offset), READY);
    put(offset, 0x00ff00ff);
}

static void program(uint32_t offset, uint32_t v)
{
    put(offset, 0x00400040);
    put(offset, v);
    assert_int_equal(get(offset), READY);
    put(offset, 0x00ff00ff);
}

static void programming_clears_bits_and_erasing_sets_them(void **s)
{
    plug(NULL);
    erase(CFI_FLASH_BLOCK + 64);
    assert_int_equal(get(CFI_FLASH_BLOCK), UINT32_MAX);
    assert_int_equal(get(2 * CFI_FLASH_BLOCK - 4), UINT32_MAX);
    assert_int_equal(get(CFI_FLASH_BLOCK - 4), 0);
    assert_int_equal(get(2 * CFI_FLASH_BLOCK), 0);
    program(CFI_FLASH_BLOCK + 8, 0xf0f01234);
    assert_int_equal(get(CFI_FLASH_BLOCK + 8), 0xf0f01234);
    program(CFI_FLASH_BLOCK + 8, 0xffff0ff0);
    assert_int_equal(get(CFI_FLASH_BLOCK + 8), 0xf0f00230);
    assert_int_equal(rig_read(&r, FLASH + CFI_FLASH_BLOCK + 9, 1), 0x02);
    assert_int_equal(rig_read(&r, FLASH + CFI_FLASH_BLOCK + 8, 8), UINT64_C(0xfffffffff0f00230));
}

static void a_buffer_is_programmed_at_once(void **s)
{
    plug(NULL);
    erase(0);
    put(0x100, 0x00e800e8);
    assert_int_equal(get(0x100), READY);
    put(0x100, 0x001f001f); /* 32 words */
    for (uint32_t i = 0; i < 32; i++)
        put(0x100 + 4 * i, i * 0x01010101);
    put(0, 0x00d000d0);
    assert_int_equal(get(0), READY);
    put(0, 0x00ff00ff);
    for (uint32_t i = 0; i < 32; i++)
        assert_int_equal(get(0x100 + 4 * i), i * 0x01010101);
    assert_int_equal(get(0x180), UINT32_MAX);
}

static void bad_sequences_are_errors_in_the_status(void **s)
{
    plug(NULL);
    erase(0);
    put(0, 0x00200020); /* an erase that is not confirmed */
    put(0, 0x00ff00ff);
    assert_int_equal(get(0), READY | BOTH(0x30));
    put(0, 0x00500050);
    put(0, 0x00e800e8); /* more words than the buffer has */
    put(0, 0xffffffff);
    assert_int_equal(get(0), READY | BOTH(0x30));
    put(0, 0x00500050);
    put(BYTES - 4, 0x00e800e8); /* a buffer that would go past the end */
    put(BYTES - 4, 0x00010001);
    put(BYTES - 4, 1);
    put(0, 2); /* and a word outside the buffer */
    assert_int_equal(get(0), READY | BOTH(0x30));
    put(0, 0x00ff00ff);
    assert_int_equal(get(0), UINT32_MAX);
}

static void the_query_table_tells_the_size(void **s)
{
    plug(NULL);
    put(0x55 * 4, 0x00980098);
    assert_int_equal(get(0x10 * 4), BOTH('Q'));
    assert_int_equal(get(0x11 * 4), BOTH('R'));
    assert_int_equal(get(0x12 * 4), BOTH('Y'));
    assert_int_equal(1u << (get(0x27 * 4) & 0xff), BYTES / 2);
    assert_int_equal((get(0x2d * 4) & 0xff) + 1, BYTES / CFI_FLASH_BLOCK);
    assert_int_equal(((get(0x2f * 4) & 0xff) | (get(0x30 * 4) & 0xff) << 8) * 256, CFI_FLASH_BLOCK / 2);
    assert_int_equal(get(0x31 * 4), BOTH('P'));
    put(0, 0x00900090);
    assert_int_equal(get(0), BOTH(0x89));
}

static void what_was_programmed_is_in_the_file(void **s)
{
    uint32_t word = 0;
    struct pome_error err;
    plug(path);
    assert_null(flash_image_open(path, BYTES, r.loop, &err));
    assert_int_equal(err.code, POME_ERROR_BUSY);
    erase(CFI_FLASH_BLOCK);
    program(CFI_FLASH_BLOCK + 4, 0x12345678);
    int fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, &word, 4, CFI_FLASH_BLOCK + 4), 4);
    assert_int_equal(word, 0x12345678);
    close(fd);
    teardown(NULL);
    rig_init(&r);
    fd = open(path, O_WRONLY | O_CREAT, 0600); /* again, as a file that is shorter than the flash */
    assert_int_equal(pwrite(fd, "abcd", 4, 0), 4);
    close(fd);
    plug(path);
    assert_int_equal(get(0), 0x64636261);
    assert_int_equal(get(CFI_FLASH_BLOCK), 0);
}

static void a_file_that_is_too_large_is_refused(void **s)
{
    struct pome_error err;
    assert_int_equal(truncate(path, BYTES + 1), 0);
    assert_null(flash_image_open(path, BYTES, r.loop, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DISK_IMAGE);
    assert_null(flash_image_open("/dev/null", BYTES, r.loop, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DISK_IMAGE);
    assert_null(flash_image_open("/nonexistent", BYTES, r.loop, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(programming_clears_bits_and_erasing_sets_them), T(a_buffer_is_programmed_at_once), T(bad_sequences_are_errors_in_the_status),
        T(the_query_table_tells_the_size), T(what_was_programmed_is_in_the_file), T(a_file_that_is_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
