/* build_test.c - running programs and leaving nothing of them; writing a restore image that our own reader accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "firmware/firmware.h"
#include "restore/build/compose.h"
#include "restore/build/image_build.h"
#include "restore/build/tool.h"
#include "restore/build/work.h"
#include "restore/verify.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pome-build-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *in_folder(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

/* --- programs --- */

struct heard {
    char lines[8][64];
    int n, calls, cancel_after; /* calls; 0: never */
};

static bool hear(void *user, const char *line)
{
    struct heard *h = user;
    if (line && h->n < 8)
        snprintf(h->lines[h->n++], sizeof h->lines[0], "%s", line);
    h->calls++;
    return !h->cancel_after || h->calls < h->cancel_after;
}

static bool run_shell(const char *script, struct heard *h, struct pome_error *err)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const char *const environment[] = {"GIVEN=value", NULL};
    FILE *log = fopen("/dev/null", "w");
    assert_non_null(log);
    struct tool t = {argv, environment, folder, false, log, "the-log", hear, h};
    bool ok = tool_run(&t, err);
    fclose(log);
    return ok;
}

static void output_and_environment_arrive(void **state)
{
    (void)state;
    struct heard h = {.n = 0};
    struct pome_error err = {0};
    assert_true(run_shell("echo \"== $GIVEN\"; printf 'a\\rb\\033c\\n'; echo to stderr >&2; printf end; cat", &h, &err));
    assert_int_equal(h.n, 5);
    assert_string_equal(h.lines[0], "== value");
    assert_string_equal(h.lines[1], "a");
    assert_string_equal(h.lines[2], "b c");
    assert_string_equal(h.lines[3], "to stderr");
    assert_string_equal(h.lines[4], "end");
}

static void failure_tells_its_reason(void **state)
{
    (void)state;
    struct heard h = {.n = 0};
    struct pome_error err = {0};
    assert_false(run_shell("echo '!! no milk'; echo later; exit 3", &h, &err));
    assert_int_equal(err.code, POME_ERROR_IO);
    assert_string_equal(err.message, "no milk (log: the-log)");
    assert_false(run_shell("echo only this; exit 1", &h, &err));
    assert_string_equal(err.message, "only this (log: the-log)");
    const char *const argv[] = {"no-such-program-of-pome", NULL};
    struct tool t = {argv, NULL, folder, false, stderr, "the-log", hear, &h};
    assert_false(tool_run(&t, &err));
    assert_int_equal(err.code, POME_ERROR_MISSING_PROGRAM);
    assert_true(tool_exists("sh"));
    assert_false(tool_exists("no-such-program-of-pome"));
}

static bool alive(const char *file)
{
    char path[128];
    int pid = 0;
    FILE *f = fopen(in_folder(file, path), "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    assert_true(pid > 1);
    return !kill(pid, 0) || errno != ESRCH;
}

/* A daemon in a session of its own, as fakeroot starts one, that does not listen to SIGTERM. */
#define DAEMON "setsid sh -c 'trap \"\" TERM; echo $$ >daemon; while :; do sleep 0.1; done' >/dev/null 2>&1 & "

static void nothing_outlives_its_program(void **state)
{
    (void)state;
    struct heard h = {.n = 0};
    struct pome_error err = {0};
    assert_true(run_shell(DAEMON "while [ ! -s daemon ]; do sleep 0.02; done", &h, &err));
    assert_false(alive("daemon"));
}

static void cancelling_ends_all_of_it(void **state)
{
    (void)state;
    struct heard h = {.cancel_after = 1};
    struct pome_error err = {0};
    char path[128];
    unlink(in_folder("daemon", path));
    assert_false(run_shell(DAEMON "while [ ! -s daemon ]; do sleep 0.02; done; echo ready; sleep 1000", &h, &err));
    assert_int_equal(err.code, POME_ERROR_OPERATION_CANCELLED);
    assert_false(alive("daemon"));
}

/* --- restore image --- */

static void write_random(const char *name, size_t n, unsigned seed, char path[128])
{
    FILE *f = fopen(in_folder(name, path), "w");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        fputc((int)((seed = seed * 1103515245 + 12345) >> 16) & (i & 0x1000 ? 0xff : 0), f);
    assert_int_equal(fclose(f), 0);
}

static struct {
    char kernel[128], ramdisk[128], recovery[128], os[128], out[128];
} files;

static struct image_parts make_parts(void)
{
    write_random("kernel", 300001, 1, files.kernel);
    write_random("ramdisk", 7, 2, files.ramdisk);
    write_random("recovery", 5000, 3, files.recovery);
    write_random("os", 3 << 20, 4, files.os);
    in_folder("out.ipsw", files.out);
    return (struct image_parts){
        .kernel = files.kernel, .ramdisk = files.ramdisk, .recovery_ramdisk = files.recovery, .cmdline = "console=x",
        .recovery_cmdline = "console=y", .os_image = files.os, .work = folder, .product_name = "Test System",
        .product_version = "1.2", .build_number = "1D2",
    };
}

static bool same_file(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    FILE *f = user;
    uint8_t *expected = malloc(n);
    bool same = expected && !fseek(f, (long)offset, SEEK_SET) && fread(expected, 1, n, f) == n && !memcmp(expected, bytes, n);
    free(expected);
    return same || pome_fail(err, POME_ERROR_IO, "the OS image differs within %zu bytes from %llu", n, (unsigned long long)offset);
}

static void composed_image_is_accepted(void **state)
{
    (void)state;
    struct image_parts parts = make_parts();
    struct pome_error err = {0};
    struct pome_verify_result result;
    struct im4p p;
    assert_true(image_compose(&parts, files.out, NULL, NULL, &err));
    struct restore_image *image = restore_image_open(files.out, &err);
    assert_non_null(image);
    assert_true(restore_image_supported(image, &err));
    assert_string_equal(image->product_name, "Test System");
    assert_true(restore_image_verify(image, &result, NULL, NULL, &err));
    const struct manifest *m = &image->manifest;
    assert_int_equal(m->n, COMPONENTS_NEEDED);
    for (size_t i = 0; i < m->n; i++) {
        const struct manifest_component *c = &m->components[i];
        if (!strcmp(c->name, "LLB")) {
            assert_true(restore_image_im4p(image, c, "illb", &p, &err));
            assert_int_equal(p.payload_size, pome_stage2_bytes);
        } else if (!strcmp(c->name, "KernelCache")) {
            assert_true(restore_image_im4p(image, c, "krnl", &p, &err));
            assert_int_equal(p.payload_size, 300001);
        } else if (!strcmp(c->name, "OS")) {
            FILE *f = fopen(files.os, "r");
            assert_non_null(f);
            if (!restore_image_read_os(image, c, same_file, NULL, f, &err))
                fail_msg("%s", err.message);
            fclose(f);
        }
    }
    restore_image_close(image);
}

static void same_parts_give_the_same_bytes(void **state)
{
    (void)state;
    struct image_parts parts = make_parts();
    struct pome_error err = {0};
    char other[128], command[300];
    assert_true(image_compose(&parts, files.out, NULL, NULL, &err));
    assert_true(image_compose(&parts, in_folder("other.ipsw", other), NULL, NULL, &err));
    snprintf(command, sizeof command, "cmp %s %s", files.out, other);
    assert_int_equal(system(command), 0);
    unlink(other);
}

struct watch {
    double part;
    int left; /* reports until it cancels; -1: never */
};

static bool watch(void *user, const char *step, uint64_t done, uint64_t total, double part)
{
    struct watch *w = user;
    assert_non_null(step);
    assert_true(done <= total);
    assert_true(part >= w->part && part <= 1.0);
    w->part = part;
    return w->left < 0 || w->left-- > 0;
}

static void composing_is_cancelled_without_a_trace(void **state)
{
    (void)state;
    struct image_parts parts = make_parts();
    struct pome_error err = {0};
    unlink(files.out);
    for (int left = 0; left < 5; left++) {
        struct watch w = {.left = left};
        char command[200];
        assert_false(image_compose(&parts, files.out, watch, &w, &err));
        assert_int_equal(err.code, POME_ERROR_OPERATION_CANCELLED);
        snprintf(command, sizeof command, "test -z \"$(ls %s | grep -e ipsw -e zst)\"", folder);
        assert_int_equal(system(command), 0);
    }
    struct watch w = {.left = -1};
    assert_true(image_compose(&parts, files.out, watch, &w, &err));
    assert_true(w.part > 0.99);
}

static void odd_os_image_is_refused(void **state)
{
    (void)state;
    struct image_parts parts = make_parts();
    struct pome_error err = {0};
    assert_int_equal(truncate(files.os, 5000), 0);
    assert_false(image_compose(&parts, files.out, NULL, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_DATA);
}

/* --- what is refused before anything is done --- */

static int32_t code_of(struct pome_image_build_options o)
{
    struct pome_error err = {0};
    assert_false(image_build(&o, NULL, NULL, &err));
    return err.code;
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    char path[128];
    struct pome_image_build_options o = POME_IMAGE_BUILD_OPTIONS_INIT;
    assert_int_equal(code_of(o), POME_ERROR_INVALID_CONFIGURATION);
    write_random("there", 1, 1, path);
    o.output = path;
    assert_int_equal(code_of(o), POME_ERROR_EXISTS);
    o.output = "/nonexistent-folder/x";
    assert_int_equal(code_of(o), POME_ERROR_NOT_FOUND);
    o.output = in_folder("new", path);
    static const char *const suites[] = {"", "Bookworm", "a b", "../x", "-x", "a;b", "$(x)"};
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        o.suite = suites[i];
        assert_int_equal(code_of(o), POME_ERROR_INVALID_CONFIGURATION);
    }
    o.suite = NULL;
    o.packages = "vim,--allow-downgrades";
    assert_int_equal(code_of(o), POME_ERROR_INVALID_CONFIGURATION);
    o.packages = NULL;
    o.mirror = "http://x/ [trusted=yes]";
    assert_int_equal(code_of(o), POME_ERROR_INVALID_CONFIGURATION);
}

/* --- the work folder --- */

/* What goes into images from it has the modes that it has everywhere, whatever the umask is. */
static int is_odd(const char *path, const struct stat *s, int kind, struct FTW *ftw)
{
    const mode_t mode = s->st_mode & 0777;
    if (ftw->level == 0 || mode == 0755 || (kind == FTW_F && mode == 0644))
        return 0;
    printf("%s: mode %o\n", path, mode);
    return 1;
}

static void umask_is_not_in_the_files(void **state)
{
    struct work w;
    char made[WORK_PATH + 64];
    struct pome_error err;
    mode_t before = umask(077);
    bool ok = work_open(&w, folder, &err);
    int odd = ok ? nftw(work_path(&w, "files", made), is_odd, 32, FTW_PHYS) : 0;
    work_close(&w);
    umask(before);
    assert_true(ok);
    assert_int_equal(odd, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_environment_arrive),
        cmocka_unit_test(failure_tells_its_reason),
        cmocka_unit_test(nothing_outlives_its_program),
        cmocka_unit_test(cancelling_ends_all_of_it),
        cmocka_unit_test(composed_image_is_accepted),
        cmocka_unit_test(same_parts_give_the_same_bytes),
        cmocka_unit_test(composing_is_cancelled_without_a_trace),
        cmocka_unit_test(odd_os_image_is_refused),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(umask_is_not_in_the_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
