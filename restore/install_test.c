/*
 * install_test.c - installation: what lies on the disk afterwards, and that no interruption leaves anything that cannot be
 * completed or removed.
 */
#include "restore/install.h"
#include "base/bits.h"
#include "restore/installed_check.h"
#include "restore/test_image.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[64], ipsw[96];
static const uint64_t ecid = 0xfedcba9876543210;

static int setup(void **state)
{
    struct pome_error err = {0};
    strcpy(dir, "/tmp/pome-install-XXXXXX");
    assert_non_null(mkdtemp(dir));
    setenv("POME_HOME", dir, 1);
    unsetenv("POME_AUTHORITY");
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

static struct bundle *make(uint64_t disk_bytes)
{
    struct pome_error err = {0};
    const struct bundle_spec spec = {
        .settings = {.cpu_count = 2, .memory_bytes = GiB, .cpu_model = "default"},
        .model = {.representation = 1, .platform = PLATFORM_POME, .minimum_os = {0, 1, 0}},
        .ecid = ecid,
        .disk_bytes = disk_bytes,
    };
    bundle_delete("vm", NULL);
    struct bundle *b = bundle_create("vm", &spec, &err);
    if (!b)
        fail_msg("%s", err.message);
    return b;
}

static bool install(struct bundle *b, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    struct restore_image *image = restore_image_open(ipsw, err);
    bool ok = image && install_run(b, image, progress, user, err);
    restore_image_close(image);
    return ok;
}

/* --- tests --- */

static bool watch(void *user, const struct pome_progress *p)
{
    double *last = user;
    assert_true(p->fraction >= *last && p->fraction <= 1);
    assert_true(p->step && p->step_number >= 1 && p->step_number <= p->step_count);
    *last = p->fraction;
    return true;
}

static bool on_tmpfs(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static void whole(void **state)
{
    struct pome_error err = {0};
    struct stat st;
    char path[PATH_MAX];
    double last = 0;
    struct bundle *b = make(2 * GiB);
    if (!install(b, watch, &last, &err))
        fail_msg("%s", err.message);
    assert_true(last == 1);
    assert_true(b->installed);
    installed_check_disk(b, true);
    installed_check_aux(b);
    bundle_member_path(b, BUNDLE_DISK, path);
    stat(path, &st);
    if (!on_tmpfs(path)) /* which gives 2 MiB pages where the kernel likes to */
        assert_true((uint64_t)st.st_blocks * 512 < 30 * MiB); /* holes of the image are holes of the disk: 16 MiB of OS, 10 of boot sets */
    bundle_close(b);
    assert_non_null(b = bundle_open("vm", &err));
    assert_true(b->installed);
    bundle_close(b);
}

static void too_small(void **state)
{
    struct pome_error err = {0};
    struct bundle *b = make(align_down(layout_minimum(TEST_OS_BYTES) - 1, MiB));
    assert_false(install(b, NULL, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
    assert_non_null(strstr(err.message, "MiB, this image needs"));
    bundle_close(b);
    b = make(layout_minimum(TEST_OS_BYTES));
    if (!install(b, NULL, NULL, &err))
        fail_msg("%s", err.message);
    installed_check_disk(b, true);
    bundle_close(b);
}

static bool cancel_at(void *user, const struct pome_progress *p)
{
    return p->step_number < *(const uint32_t *)user;
}

static void cancelled_at_every_step(void **state)
{
    struct bundle *b = make(2 * GiB);
    for (uint32_t step = 1; step <= install_step_count(); step++) {
        struct pome_error err = {0};
        assert_false(install(b, cancel_at, &step, &err));
        assert_int_equal(err.code, POME_ERROR_OPERATION_CANCELLED);
        assert_false(b->installed);
        struct stat st;
        char path[PATH_MAX];
        bundle_member_path(b, BUNDLE_DISK, path);
        stat(path, &st);
        assert_int_equal(st.st_size, 2 * GiB);
        assert_true(st.st_blocks < 100); /* undone: nothing of the image is left on it */
        struct bundle *again = bundle_open("vm", &err);
        assert_non_null(again);
        assert_false(again->installed);
        bundle_close(again);
    }
    struct pome_error err = {0};
    assert_true(install(b, NULL, NULL, &err));
    installed_check_disk(b, true);
    installed_check_aux(b);
    bundle_close(b);
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Killed at any moment: the bundle opens, says truly whether it is installed, and installing again completes it. */
static void killed(void **state)
{
    const char *rounds = getenv("POME_TEST_ROUNDS");
    int n = rounds ? atoi(rounds) : 12, done = 0;
    struct pome_error err = {0};
    struct bundle *first = make(2 * GiB);
    int64_t begun = now_us(); /* kills are spread over what an installation takes here and now, and a little more */
    assert_true(install(first, NULL, NULL, &err));
    int64_t span = (now_us() - begun) * 5 / 4;
    bundle_close(first);
    bundle_close(make(2 * GiB));
    for (int i = 0; i < n; i++) {
        pid_t child = fork();
        if (!child) {
            struct bundle *b = bundle_open("vm", NULL);
            _exit(b && bundle_lock(b, NULL) && install(b, NULL, NULL, NULL) ? 0 : 1);
        }
        usleep((useconds_t)(i * span / n));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        struct bundle *b = bundle_open("vm", &err);
        if (!b)
            fail_msg("round %d: %s", i, err.message);
        if (b->installed) {
            installed_check_disk(b, true);
            installed_check_aux(b);
            done++;
        }
        bundle_close(b);
    }
    struct bundle *b = bundle_open("vm", &err);
    assert_true(bundle_lock(b, &err));
    if (!install(b, NULL, NULL, &err))
        fail_msg("%s", err.message);
    installed_check_disk(b, true);
    installed_check_aux(b);
    bundle_close(b);
    print_message("%d installations killed, %d of them were complete\n", n, done);
}

static bool die_in_personalising(void *user, const struct pome_progress *p)
{
    if (!strcmp(p->step, "Personalising"))
        _exit(0);
    return true;
}

static ino_t disk_inode(struct bundle *b)
{
    char path[PATH_MAX];
    struct stat st;
    bundle_member_path(b, BUNDLE_DISK, path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

/* Killed after the OS image was restored: it stays when it is whole (the disk is the same file), and is restored again when it is not. */
static void resumed(void **state)
{
    for (int damage = 0; damage < 2; damage++) {
        struct pome_error err = {0};
        bundle_close(make(2 * GiB));
        pid_t child = fork();
        if (!child) {
            struct bundle *b = bundle_open("vm", NULL);
            _exit(b && bundle_lock(b, NULL) && install(b, die_in_personalising, NULL, NULL) ? 1 : 2);
        }
        int status;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
        struct bundle *b = bundle_open("vm", &err);
        assert_false(b->installed);
        ino_t before = disk_inode(b);
        if (damage) {
            int fd = bundle_member_open(b, BUNDLE_DISK, O_RDWR, &err);
            uint8_t byte;
            off_t at = (40 + 1024000) * 512 + 4711;
            assert_int_equal(pread(fd, &byte, 1, at), 1);
            byte ^= 1;
            assert_int_equal(pwrite(fd, &byte, 1, at), 1);
            close(fd);
        }
        assert_true(bundle_lock(b, &err));
        if (!install(b, NULL, NULL, &err))
            fail_msg("%s", err.message);
        assert_int_equal(disk_inode(b) != before, damage);
        installed_check_disk(b, true);
        installed_check_aux(b);
        bundle_close(b);
    }
}

/* No more room after some bytes: a clear error, the bundle is as before and can be installed later. */
static void full_disk(void **state)
{
    static const rlim_t limits[] = {100000, 300 << 20, 530 << 20};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        bundle_close(make(2 * GiB));
        pid_t child = fork();
        if (!child) {
            struct pome_error err = {0};
            struct rlimit small = {limits[i], limits[i]};
            signal(SIGXFSZ, SIG_IGN);
            struct bundle *b = bundle_open("vm", &err);
            setrlimit(RLIMIT_FSIZE, &small);
            bool ok = b && bundle_lock(b, &err) && install(b, NULL, NULL, &err);
            _exit(ok ? 1 : strstr(err.message, "vm.bundle") ? 0 : 2);
        }
        int status;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
        struct pome_error err = {0};
        struct bundle *b = bundle_open("vm", &err);
        assert_non_null(b);
        assert_false(b->installed);
        bundle_close(b);
    }
}

struct flip {
    const char *member;
};

static bool flip(void *user, const char *member, uint8_t *bytes, size_t *n)
{
    const struct flip *f = user;
    if (!strcmp(member, f->member))
        bytes[*n - 9] ^= 1;
    return true;
}

/* A wrong byte in any component is found before the bundle is called installed. */
static void wrong_component(void **state)
{
    static const char *const members[] = {"kernelcache.pome1.im4p", "Firmware/bootramdisk.im4p", "Firmware/cmdline.im4p",
                                          "Firmware/recovery/ramdisk.im4p", "Firmware/all_flash/LLB.pome1.im4p", "OS.img.zst"};
    char bad[128], keep[96];
    snprintf(bad, sizeof bad, "%s/bad.ipsw", dir);
    strcpy(keep, ipsw);
    struct bundle *b = make(2 * GiB);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct pome_error err = {0};
        struct flip f = {members[i]};
        assert_true(test_image_rewrite(keep, bad, flip, &f, &err));
        snprintf(ipsw, sizeof ipsw, "%.95s", bad);
        assert_false(install(b, NULL, NULL, &err));
        assert_int_equal(err.code, POME_ERROR_INVALID_RESTORE_IMAGE);
        assert_false(b->installed);
        strcpy(ipsw, keep);
    }
    bundle_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),  cmocka_unit_test(too_small), cmocka_unit_test(resumed), cmocka_unit_test(cancelled_at_every_step),
        cmocka_unit_test(killed), cmocka_unit_test(full_disk), cmocka_unit_test(wrong_component),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
