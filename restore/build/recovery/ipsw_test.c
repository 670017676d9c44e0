/* ipsw_test.c - Recovery's reader of restore images reads what the builder writes, and refuses what is not that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "restore/build/compose.h"
#include "restore/build/recovery/ipsw.h"

#include <unistd.h>

static char folder[64];
static uint8_t *image; /* with a sector of zeros behind it, as a disk has */
static size_t image_bytes;

static void write_text(const char *name, size_t n, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        fputc((int)(i / 64 % 251), f);
    assert_int_equal(fclose(f), 0);
}

static int make_image(void **state)
{
    (void)state;
    static char kernel[128], os[128], out[128];
    struct pome_error err = {0};
    strcpy(folder, "/tmp/pome-ipsw-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_text("kernel", 5000, kernel);
    write_text("os", 1 << 20, os);
    snprintf(out, sizeof out, "%s/out.ipsw", folder);
    const struct image_parts parts = {
        .kernel = kernel, .ramdisk = kernel, .recovery_ramdisk = kernel, .cmdline = "a", .recovery_cmdline = "b", .os_image = os,
        .work = folder, .product_name = "Test", .product_version = "1.2", .build_number = "1D2",
    };
    if (!image_compose(&parts, out, NULL, NULL, &err))
        return -1;
    FILE *f = fopen(out, "r");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    image_bytes = (size_t)ftell(f) + 511;
    rewind(f);
    image = calloc(1, image_bytes);
    assert_non_null(image);
    assert_int_equal(fread(image, 1, image_bytes, f), image_bytes - 511);
    fclose(f);
    return 0;
}

static int remove_image(void **state)
{
    (void)state;
    char command[128];
    free(image);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void reads_what_the_builder_writes(void **state)
{
    (void)state;
    struct pome_error err = {0};
    struct ipsw i;
    struct ipsw_component c;
    char text[16];
    assert_true(ipsw_open(image, image_bytes, &i, &err));
    assert_true(ipsw_text(&i, "ProductVersion", text, sizeof text));
    assert_string_equal(text, "1.2");
    assert_false(ipsw_text(&i, "ProductVersion", text, 3));
    assert_false(ipsw_text(&i, "Nothing", text, sizeof text));
    static const char *const names[] = {"LLB", "KernelCache", "BootRamDisk", "KernelCommandLine", "RecoveryKernelCache", "RecoveryRamDisk",
                                        "RecoveryCommandLine", "OS"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        assert_true(ipsw_component(&i, names[k], &c, &err));
        assert_true(ipsw_verify(&c, names[k], &err));
        assert_int_equal(c.compressed, !strcmp(names[k], "OS"));
    }
    assert_int_equal(c.uncompressed_bytes, 1 << 20);
    assert_false(ipsw_component(&i, "Nothing", &c, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
}

static void a_changed_byte_is_found(void **state)
{
    (void)state;
    struct pome_error err = {0};
    struct ipsw i;
    struct ipsw_component c;
    assert_true(ipsw_open(image, image_bytes, &i, &err));
    assert_true(ipsw_component(&i, "KernelCache", &c, &err));
    image[c.bytes - image + 100] ^= 1;
    assert_false(ipsw_verify(&c, "KernelCache", &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_RESTORE_IMAGE);
    image[c.bytes - image + 100] ^= 1;
}

/* A cut image, or one whose directory was spoiled, gives an error or what is still right, never a place outside. */
static void spoiled_images_are_survived(void **state)
{
    (void)state;
    struct pome_error err = {0};
    struct ipsw i;
    struct ipsw_component c;
    size_t end = image_bytes - 511;
    assert_false(ipsw_open(image, end / 2, &i, &err));
    assert_false(ipsw_open(image, 10, &i, &err));
    for (size_t at = end - 4000; at < end; at++) {
        image[at] ^= 0x41;
        if (ipsw_open(image, image_bytes, &i, &err) && ipsw_component(&i, "OS", &c, &err))
            assert_true(c.bytes >= image && c.bytes + c.n <= image + image_bytes);
        image[at] ^= 0x41;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_builder_writes),
        cmocka_unit_test(a_changed_byte_is_found),
        cmocka_unit_test(spoiled_images_are_survived),
    };
    return cmocka_run_group_tests(tests, make_image, remove_image);
}
