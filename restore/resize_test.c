/* resize_test.c - growing a disk: where things are afterwards, what is refused, and every moment at which it can be cut off. */
#include "restore/resize.h"
#include "base/bits.h"
#include "restore/install.h"
#include "restore/installed_check.h"
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
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], ipsw[96];
static struct pome_error err;

static int setup(void **state)
{
    strcpy(dir, "/tmp/pome-resize-XXXXXX");
    assert_non_null(mkdtemp(dir));
    setenv("POME_HOME", dir, 1);
    snprintf(ipsw, sizeof ipsw, "%s/test.ipsw", dir);
    if (!test_image_make(dir, ipsw, &err))
        fail_msg("%s", err.message);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static struct bundle *make(void)
{
    const struct bundle_spec spec = {
        .settings = {.cpu_count = 2, .memory_bytes = GiB, .cpu_model = "default"},
        .model = {.representation = 1, .platform = PLATFORM_POME, .minimum_os = {0, 1, 0}},
        .ecid = 0x1234,
        .disk_bytes = 2 * GiB,
    };
    bundle_delete("vm", NULL);
    struct bundle *b = bundle_create("vm", &spec, &err);
    struct restore_image *image = b ? restore_image_open(ipsw, &err) : NULL;
    if (!image || !install_run(b, image, NULL, NULL, &err))
        fail_msg("%s", err.message);
    restore_image_close(image);
    return b;
}

static void read_map(struct bundle *b, struct gpt *g)
{
    static uint8_t bytes[GPT_PRIMARY_BYTES];
    int fd = bundle_member_open(b, BUNDLE_DISK, O_RDONLY, &err);
    struct stat st;
    fstat(fd, &st);
    assert_int_equal(pread(fd, bytes, GPT_BACKUP_BYTES, st.st_size - GPT_BACKUP_BYTES), GPT_BACKUP_BYTES);
    if (!gpt_read_backup(bytes, (uint64_t)st.st_size / 512, g, &err))
        fail_msg("backup: %s", err.message);
    assert_int_equal(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
    if (!gpt_read(bytes, (uint64_t)st.st_size / 512, g, &err))
        fail_msg("primary: %s", err.message);
    close(fd);
}

static void grows(void **state)
{
    /* the first two by less than Recovery has */
    static const uint64_t sizes[] = {2 * GiB + 4096, 2 * GiB + 600 * MiB, 3 * GiB + 604 * MiB + 512, 5 * GiB, 1024 * GiB};
    struct gpt before, after;
    struct bundle *b = make();
    read_map(b, &before);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        if (!disk_resize(b, sizes[i], NULL, NULL, &err))
            fail_msg("%s", err.message);
        read_map(b, &after);
        assert_true(b->disk_bytes == sizes[i] && after.sectors == sizes[i] / 512);
        const struct gpt_partition *main = &after.partitions[LAYOUT_MAIN], *recovery = &after.partitions[LAYOUT_RECOVERY];
        assert_true(main->first == before.partitions[LAYOUT_MAIN].first && main->last == recovery->first - 1);
        assert_true(layout_bytes(&after, LAYOUT_RECOVERY) == LAYOUT_RECOVERY_BYTES && after.sectors - recovery->last < 64);
        assert_memory_equal(recovery->unique, before.partitions[LAYOUT_RECOVERY].unique, 16);
        assert_memory_equal(after.disk, before.disk, 16);
        installed_check_disk(b, true); /* OS image, boot set and Recovery are what they were */
        assert_true(disk_resize(b, sizes[i], NULL, NULL, &err)); /* once more: nothing to do */
    }
    bundle_close(b);
}

static void refused(void **state)
{
    static const struct {
        uint64_t bytes;
        enum pome_error_code code;
        const char *says;
    } rows[] = {
        {GiB, POME_ERROR_INVALID_CONFIGURATION, "can only grow"},
        {2 * GiB - 512 * MiB, POME_ERROR_INVALID_CONFIGURATION, "can only grow"},
        {5 * GiB + 1, POME_ERROR_INVALID_CONFIGURATION, "multiple of 512"},
        {UINT64_MAX - 511, POME_ERROR_INVALID_CONFIGURATION, "up to 16 TiB"},
    };
    struct bundle *b = make();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_false(disk_resize(b, rows[i].bytes, NULL, NULL, &err));
        assert_int_equal(err.code, rows[i].code);
        assert_non_null(strstr(err.message, rows[i].says));
    }
    installed_check_disk(b, true);
    int fd = bundle_member_open(b, BUNDLE_DISK, O_WRONLY, &err);
    static const uint8_t zero[GPT_PRIMARY_BYTES];
    /* torn primary: the backup is taken and the primary written again */
    assert_int_equal(pwrite(fd, zero, sizeof zero / 2, 0), sizeof zero / 2);
    assert_true(disk_resize(b, 2 * GiB, NULL, NULL, &err));
    installed_check_disk(b, true);
    assert_int_equal(pwrite(fd, zero, sizeof zero, 0), sizeof zero);
    assert_int_equal(pwrite(fd, zero, sizeof zero, 2 * GiB - sizeof zero), sizeof zero);
    assert_false(disk_resize(b, 4 * GiB, NULL, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DISK_IMAGE);
    close(fd);
    bundle_set_not_installed(b, &err);
    assert_false(disk_resize(b, 4 * GiB, NULL, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_STATE);
    bundle_close(b);
}

static bool stop_at(void *user, const struct pome_progress *p)
{
    const double *at = user;
    return p->fraction < *at;
}

static struct bundle *reopen(struct bundle *b)
{
    bundle_close(b);
    b = bundle_open("vm", &err);
    assert_true(b && bundle_lock(b, &err));
    return b;
}

/* Cancelled at any point the machine is whole; the same call completes it, and so does one for another size that leaves the main container what
 * it was given. */
static void cancelled(void **state)
{
    static const uint64_t sizes[][2] = {{4 * GiB, 4 * GiB}, {2 * GiB + 300 * MiB, 2 * GiB + 300 * MiB}, {2 * GiB + 300 * MiB, 2 * GiB + 700 * MiB},
                                        {2 * GiB + 300 * MiB, 64 * GiB}, {8 * GiB, 2 * GiB + 100 * MiB}, {64 * GiB, 2 * GiB}};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct bundle *b = make();
        for (double at = 0; at < 0.94; at += 0.17) {
            assert_false(disk_resize(b, sizes[i][0], stop_at, &at, &err));
            assert_int_equal(err.code, POME_ERROR_OPERATION_CANCELLED);
            b = reopen(b);
            installed_check_disk(b, false);
        }
        if (!disk_resize(b, sizes[i][1], NULL, NULL, &err))
            fail_msg("%zu: %s", i, err.message);
        installed_check_disk(b, true);
        b = reopen(b);
        assert_true(b->disk_bytes == sizes[i][1]);
        bundle_close(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(grows), cmocka_unit_test(refused), cmocka_unit_test(cancelled)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
