/* bundle_test.c - bundles: made whole or not at all, checked when opened, locked, deleted, also when killed in between. */
#include "bundle/bundle.h"
#include "base/bits.h"
#include "bundle/changes.h"
#include "bundle/check.h"
#include "bundle/paths.h"
#include "bundle/genid.h"
#include "bundle/snapshot.h"
#include "formats/aux_storage.h"
#include "formats/sha384.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char home[64];

static int make_home(void **state)
{
    strcpy(home, "/tmp/pome-bundle-XXXXXX");
    assert_non_null(mkdtemp(home));
    setenv("POME_HOME", home, 1);
    return 0;
}

static int remove_home(void **state)
{
    assert_true(remove_tree(home));
    return 0;
}

static const struct bundle_spec spec = {
    .settings = {.cpu_count = 2, .memory_bytes = UINT64_C(1) << 30, .cpu_model = "default"},
    .model = {.representation = 1, .platform = PLATFORM_POME, .minimum_os = {0, 1, 0}},
    .ecid = 0x8877665544332211,
    .disk_bytes = UINT64_C(4) << 30,
};

static void make(const char *name)
{
    struct pome_error err = {0};
    struct bundle *b = bundle_create(name, &spec, &err);
    if (!b)
        fail_msg("%s", err.message);
    bundle_close(b);
}

static int files_in(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.' || (e->d_name[1] && e->d_name[1] != '.');
    if (d)
        closedir(d);
    return n;
}

static void create_and_open(void **state)
{
    struct pome_error err = {0};
    struct bundle *b = bundle_create("dev", &spec, &err);
    if (!b)
        fail_msg("%s", err.message);
    assert_true(b->locked && !b->installed);
    assert_string_equal(b->name, "dev");
    struct stat st;
    char path[PATH_MAX];
    assert_true(bundle_member_path(b, BUNDLE_AUX, path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0x2004000);
    assert_true(bundle_member_path(b, BUNDLE_DISK, path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, spec.disk_bytes);
    assert_true(st.st_blocks < 100); /* sparse */
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(files_in(b->path), 6);
    assert_true(bundle_set_installed(b, &err));
    bundle_close(b);

    b = bundle_open("dev", &err);
    assert_non_null(b);
    assert_true(b->installed && !b->locked);
    assert_true(b->ecid == spec.ecid);
    assert_int_equal(b->model.platform, PLATFORM_POME);
    assert_true(b->settings.memory_bytes == spec.settings.memory_bytes);
    char by_path[PATH_MAX];
    strcpy(by_path, b->path);
    bundle_close(b);
    strcat(by_path, "/");
    b = bundle_open(by_path, &err);
    assert_non_null(b);
    bundle_close(b);

    assert_null(bundle_create("dev", &spec, &err));
    assert_int_equal(err.code, POME_ERROR_EXISTS);
    assert_null(bundle_open("nothing", &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    assert_true(bundle_delete("dev", &err));
    assert_false(bundle_delete("dev", &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
}

static void an_image_is_kept_whole(void **state)
{
    struct pome_error err = {0};
    char from[PATH_MAX], to[PATH_MAX], command[2 * PATH_MAX + 16];
    struct stat st;
    struct bundle *b = bundle_create("dev", &spec, &err);
    assert_non_null(b);
    assert_true(bundle_member_path(b, BUNDLE_MODEL, from) && bundle_member_path(b, BUNDLE_IMAGE, to));
    assert_false(bundle_member_copy(b, BUNDLE_IMAGE, "/nonexistent/image", &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    assert_int_not_equal(stat(to, &st), 0);
    assert_true(bundle_member_copy(b, BUNDLE_IMAGE, from, &err));
    snprintf(command, sizeof command, "cmp %s %s", from, to);
    assert_int_equal(system(command), 0);
    bundle_close(b);
    assert_true(bundle_delete("dev", &err));
}

static void names(void **state)
{
    static const char *const bad[] = {"", ".x", "-x", "a\nb"};
    char path[PATH_MAX], want[PATH_MAX];
    struct pome_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(bundle_resolve(bad[i], path, &err));
    char *overlong = calloc(1, 300);
    memset(overlong, 'a', 299);
    assert_false(bundle_resolve(overlong, path, &err));
    free(overlong);
    assert_true(bundle_resolve("x", path, &err));
    snprintf(want, sizeof want, "%s/vms/x.bundle", home);
    assert_string_equal(path, want);
    assert_true(bundle_resolve("/a/b/", path, &err));
    assert_string_equal(path, "/a/b");
    setenv("POME_HOME", "relative", 1);
    assert_false(bundle_resolve("x", path, &err));
    setenv("POME_HOME", home, 1);
}

/* Every way a member can be wrong says which member and what. */
static void damage(void **state)
{
    static const struct {
        const char *name, *command, *says;
    } rows[] = {
        {"AuxiliaryStorage", "rm %s", "AuxiliaryStorage: is missing"},
        {"AuxiliaryStorage", ": > %s", "AuxiliaryStorage: has 0 bytes, needed 33570816"},
        {"AuxiliaryStorage", "truncate -s 33570815 %s", "has 33570815 bytes"},
        {"AuxiliaryStorage", "printf X | dd of=%s conv=notrunc 2>/dev/null", "does not begin with POMEAUX1"},
        {"AuxiliaryStorage", "rm %s; mkfifo %s", "not a regular file"},
        {"Disk.img", ": > %s", "Disk.img: has 0 bytes"},
        {"Disk.img", "truncate -s 1048577 %s", "multiple of 512"},
        {"Disk.img", "rm %s; ln -s /etc/passwd %s", "symbolic link"},
        {"Disk.img", "rm %s; mkdir %s", "not a regular file"},
        {"HardwareModel", ": > %s", "HardwareModel: has 0 bytes"},
        {"HardwareModel", "echo hello > %s", "hardware model"},
        {"HardwareModel", "truncate -s 100000 %s", "has 100000 bytes"},
        {"MachineIdentifier", "truncate -s 40 %s", "machine identifier"},
        {"MachineIdentifier", "rm %s", "MachineIdentifier: is missing"},
        {"Config.json", ": > %s", "Config.json: has 0 bytes"},
        {"Config.json", "echo '{' > %s", "line"},
        {"Config.json", "rm %s", "Config.json is missing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[PATH_MAX], command[PATH_MAX * 3];
        struct pome_error err = {0};
        make("dev");
        snprintf(path, sizeof path, "%s/vms/dev.bundle/%s", home, rows[i].name);
        snprintf(command, sizeof command, rows[i].command, path, path);
        assert_int_equal(system(command), 0);
        assert_null(bundle_open("dev", &err));
        if (!strstr(err.message, rows[i].says))
            fail_msg("%s: says \"%s\", not \"%s\"", command, err.message, rows[i].says);
        assert_true(bundle_delete("dev", &err)); /* a damaged bundle can be deleted */
    }
}

static void other_machines_aux(void **state)
{
    struct pome_error err = {0};
    char command[512];
    struct bundle_spec other = spec;
    other.ecid = 5;
    make("a");
    bundle_close(bundle_create("b", &other, &err));
    snprintf(command, sizeof command, "cp %s/vms/b.bundle/AuxiliaryStorage %s/vms/a.bundle/", home, home);
    assert_int_equal(system(command), 0);
    assert_null(bundle_open("a", &err));
    assert_non_null(strstr(err.message, "belongs to machine 0000000000000005"));
}

static void locked_by_another(void **state)
{
    int ready[2], go[2];
    char byte;
    make("dev");
    assert_int_equal(pipe(ready) | pipe(go), 0);
    pid_t child = fork();
    if (!child) {
        struct bundle *b = bundle_open("dev", NULL);
        bool ok = b && bundle_lock(b, NULL);
        (void)!write(ready[1], ok ? "1" : "0", 1);
        (void)!read(go[0], &byte, 1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, '1');
    struct pome_error err = {0};
    char want[64];
    int pid;
    struct bundle *b = bundle_open("dev", &err);
    assert_non_null(b);
    assert_true(bundle_in_use(b, &pid));
    assert_false(bundle_lock(b, &err));
    assert_int_equal(err.code, POME_ERROR_BUSY);
    snprintf(want, sizeof want, "in use by process %d", (int)child);
    if (pid) /* /proc/locks may be hidden */
        assert_non_null(strstr(err.message, want));
    assert_false(bundle_delete("dev", &err));
    assert_int_equal(err.code, POME_ERROR_BUSY);
    kill(child, SIGKILL); /* the lock dies with its holder */
    waitpid(child, NULL, 0);
    assert_false(bundle_in_use(b, &pid));
    assert_true(bundle_lock(b, &err));
    bundle_close(b);
    close(ready[0]), close(ready[1]), close(go[0]), close(go[1]);
}

static uint8_t byte_at(const struct bundle *b, enum bundle_member m, off_t at)
{
    uint8_t byte = 0;
    int fd = bundle_member_open(b, m, O_RDONLY, NULL);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    close(fd);
    return byte;
}

static bool write_both(struct bundle *b, uint8_t byte, struct pome_error *err)
{
    struct changes *c = changes_begin(b, err);
    uint64_t n;
    bool ok = c && changes_write(c, BUNDLE_DISK, 1 << 20, &byte, 1, err) && changes_write(c, BUNDLE_AUX, 0x10000, &byte, 1, err);
    ok = ok && changes_bytes(c, BUNDLE_DISK, &n)[1 << 20] == byte && byte_at(b, BUNDLE_DISK, 1 << 20) != byte; /* not before they are decided */
    ok = ok && changes_commit(c, err);
    changes_end(c);
    return ok;
}

static void changes_of_the_living(void **state)
{
    struct pome_error err = {0};
    uint8_t byte = 9;
    make("dev");
    struct bundle *b = bundle_open("dev", &err);
    assert_true(bundle_lock(b, &err));
    assert_true(write_both(b, 7, &err));
    assert_int_equal(byte_at(b, BUNDLE_DISK, 1 << 20), 7);
    assert_int_equal(byte_at(b, BUNDLE_AUX, 0x10000), 7);
    assert_false(changes_waiting(b));
    struct changes *c = changes_begin(b, &err); /* forgotten */
    assert_true(changes_write(c, BUNDLE_DISK, 0, &byte, 1, &err));
    assert_false(changes_write(c, BUNDLE_AUX, AUX_BYTES, &byte, 1, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_BUNDLE);
    changes_end(c);
    assert_int_equal(byte_at(b, BUNDLE_DISK, 0), 0);
    bundle_close(b);
}

/* A change that was decided and not made. */
static void changes_of_the_dead(void **state)
{
    struct pome_error err = {0};
    struct findings left = {0};
    unsigned mended;
    uint8_t file[16 + 16 + 4 + SHA384_BYTES] = "POMECHG1";
    le64_put(file + 8, 16 + 4);
    le32_put(file + 16, 1);
    le32_put(file + 20, 4);
    le64_put(file + 24, 0x20000);
    memcpy(file + 32, "text", 4);
    sha384(file, 36, file + 36);
    make("dev");
    struct bundle *b = bundle_open("dev", &err);
    assert_true(bundle_lock(b, &err));
    assert_true(bundle_member_write(b, BUNDLE_CHANGES, file, sizeof file, &err));
    bundle_unlock(b);
    assert_true(changes_waiting(b) && changes_whole(b, &err));
    assert_true(bundle_lock(b, &err));
    assert_false(changes_waiting(b));
    assert_int_equal(byte_at(b, BUNDLE_AUX, 0x20003), 't');
    file[34] ^= 1; /* damaged: the bundle is left alone, until it is repaired */
    assert_true(bundle_member_write(b, BUNDLE_CHANGES, file, sizeof file, &err));
    bundle_unlock(b);
    assert_false(bundle_lock(b, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_BUNDLE);
    assert_non_null(strstr(err.message, "Changes"));
    assert_false(b->locked);
    assert_true(bundle_repair("dev", &left, &mended, &err));
    findings_free(&left);
    assert_true(bundle_lock(b, &err));
    bundle_close(b);
}

static bool count(void *user, const char *name, const char *path, struct bundle *b, const struct pome_error *why)
{
    int *n = user;
    n[b ? 0 : 1]++;
    return true;
}

static const char second[] = "Second.img";

/* A guest that writes while its second disk is copied: byte n at the n-th place that it writes to. */
struct writer {
    struct bundle *b;
    unsigned taken, watched, written;
    uint64_t offset;
    bool pending;
};

static void scribble(struct writer *w, uint64_t offset)
{
    uint8_t bytes[512];
    int fd = openat(w->b->dir_fd, second, O_WRONLY | O_CLOEXEC);
    memset(bytes, (int)++w->written, sizeof bytes);
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, (off_t)offset), sizeof bytes);
    close(fd);
    w->offset = offset & ~UINT64_C(65535);
    w->pending = true;
}

static bool watch(void *user, const char *path, bool *there, struct pome_error *err)
{
    struct writer *w = user;
    *there = strstr(path, "/Second.img");
    w->watched += *there;
    return true;
}

/* Whole clusters, one more than needed: at the disk's end that reaches behind it. The first time it is asked it writes once more after it answered. */
static bool take_changed(void *user, const char *path, uint64_t *next, uint64_t *offset, uint64_t *bytes)
{
    struct writer *w = user;
    if (!w->pending)
        return false;
    *offset = w->offset;
    *bytes = 131072;
    *next = *offset + *bytes;
    w->pending = false;
    if (!w->taken++)
        scribble(w, 65536 * 7);
    return true;
}

static void add_second(struct bundle *b)
{
    int fd = openat(b->dir_fd, second, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)spec.disk_bytes), 0);
    close(fd);
    b->settings.n_disks = 1;
    strcpy(b->settings.disks[0].file, second);
    assert_true(bundle_save_settings(b, &b->settings, NULL));
}

static uint8_t second_at(struct bundle *b, off_t offset)
{
    uint8_t byte = 0;
    int fd = openat(b->dir_fd, second, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    close(fd);
    return byte;
}

static void disks_are_copied_ahead(void **state)
{
    struct pome_error err;
    struct bundle *b = bundle_create("dev", &spec, &err);
    assert_non_null(b);
    struct writer w = {.b = b};
    struct job j = {0};
    const struct snapshot_writes writes = {watch, take_changed, &w};
    char ahead[PATH_MAX + 32], disk[PATH_MAX + 32];
    struct stat before, after;
    add_second(b);
    scribble(&w, 65536);
    struct snapshot_ahead *a = snapshot_ahead_begin(b, &b->settings, &writes, &j, &err);
    if (!a)
        fail_msg("%s", err.message);
    assert_int_equal(w.watched, 1);
    snprintf(ahead, sizeof ahead, "%s/Snapshots/.ahead", b->path);
    assert_int_equal(access(ahead, F_OK), 0);
    assert_int_equal(w.taken, j.why_not_instant[0] ? 2 : 0); /* where blocks are shared nothing is copied ahead */
    const uint64_t end = spec.disk_bytes - 512;
    scribble(&w, end); /* the last that it wrote before it stood still */
    const unsigned written = w.written;
    snprintf(disk, sizeof disk, "%s/%s", b->path, second);
    assert_int_equal(stat(disk, &before), 0);
    if (!snapshot_create(b, "one", NULL, a, &j, &err))
        fail_msg("%s", err.message);
    snapshot_ahead_free(a);
    assert_int_equal(access(ahead, F_OK), -1);
    scribble(&w, 0); /* not in the snapshot */
    if (!snapshot_restore(b, "one", &j, &err))
        fail_msg("%s", err.message);
    assert_int_equal(stat(disk, &after), 0);
    assert_true(before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_size == after.st_size);
    assert_int_equal(second_at(b, 0), 0);
    assert_int_equal(second_at(b, 65536), 1);
    assert_int_equal(second_at(b, 65536 * 7), j.why_not_instant[0] ? 2 : 0);
    assert_int_equal(second_at(b, (off_t)end), written);
    /* Left behind by a command that died. */
    a = snapshot_ahead_begin(b, &b->settings, &writes, &j, &err);
    if (!a)
        fail_msg("%s", err.message);
    bundle_unlock(b);
    assert_true(bundle_lock(b, &err));
    assert_int_equal(access(ahead, F_OK), -1);
    snapshot_ahead_free(a);
    assert_false(snapshot_name_free(b, "one", &err));
    assert_int_equal(err.code, POME_ERROR_EXISTS);
    assert_false(snapshot_name_free(b, ".one", &err));
    assert_true(snapshot_name_free(b, "two", &err));
    bundle_close(b);
}

/* The generation ID stays with a machine until a snapshot is restored; each restore gives another one, and so does another identity. */
static void generations_are_told_apart(void **state)
{
    struct pome_error err = {0};
    struct job j = {0};
    uint8_t id[5][BUNDLE_GENID_BYTES];
    struct bundle *b = bundle_create("copied", &spec, &err);
    assert_non_null(b);
    assert_true(bundle_genid(b, id[0], &err) && bundle_genid(b, id[1], &err));
    assert_memory_equal(id[0], id[1], sizeof id[0]);
    if (!snapshot_create(b, "one", NULL, NULL, &j, &err))
        fail_msg("%s", err.message);
    assert_true(bundle_genid(b, id[1], &err));
    assert_memory_equal(id[0], id[1], sizeof id[0]);
    for (unsigned i = 1; i < 3; i++) {
        assert_true(snapshot_restore(b, "one", &j, &err));
        assert_true(bundle_genid(b, id[i], &err));
    }
    uint64_t ecid = b->ecid;
    b->ecid++;
    assert_true(bundle_genid(b, id[3], &err));
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < i; k++)
            assert_memory_not_equal(id[i], id[k], sizeof id[i]);
    b->ecid = ecid;
    assert_true(bundle_genid(b, id[4], &err));
    assert_memory_equal(id[4], id[2], sizeof id[4]);
    assert_true(bundle_member_write(b, BUNDLE_GENID, "short", 5, &err));
    assert_false(bundle_genid(b, id[4], &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_BUNDLE);
    bundle_close(b);
}

static void list(void **state)
{
    int n[2] = {0};
    char command[512];
    struct pome_error err;
    assert_true(bundle_list(count, n, &err)); /* no folder at all */
    make("a");
    make("b");
    snprintf(command, sizeof command, ": > %s/vms/b.bundle/Disk.img; mkdir %s/vms/c.bundle.tmp-123456 %s/vms/other; touch %s/vms/c.bundle.tmp-123456/x", home,
             home, home, home);
    assert_int_equal(system(command), 0);
    assert_true(bundle_list(count, n, &err));
    assert_int_equal(n[0], 1);
    assert_int_equal(n[1], 1);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/vms", home);
    assert_int_equal(files_in(path), 3); /* the leftover is gone, "other" is not */
    assert_false(bundle_delete("/tmp", &err));
    snprintf(path, sizeof path, "%s/vms/other", home);
    assert_false(bundle_delete(path, &err)); /* not a bundle */
    assert_int_equal(err.code, POME_ERROR_INVALID_BUNDLE);
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Killed at any moment: the name is absent, or a whole bundle that is not installed; leftovers go with the next creation. */
static void killed_creation(void **state)
{
    const char *rounds = getenv("POME_TEST_ROUNDS");
    int n = rounds ? atoi(rounds) : 40, absent = 0, whole = 0;
    char vms[PATH_MAX];
    snprintf(vms, sizeof vms, "%s/vms", home);
    int64_t begun = now_us(); /* kills are spread over what a creation takes here and now, and a little more */
    make("dev");
    int64_t span = (now_us() - begun) * 5 / 4;
    assert_true(bundle_delete("dev", NULL));
    for (int i = 0; i < n; i++) {
        pid_t child = fork();
        if (!child) {
            bundle_create("dev", &spec, NULL);
            _exit(0);
        }
        usleep((useconds_t)(i * span / n));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        struct pome_error err = {0};
        struct bundle *b = bundle_open("dev", &err);
        if (b) {
            assert_false(b->installed);
            whole++;
            bundle_close(b);
            assert_true(bundle_delete("dev", &err));
        } else {
            assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
            absent++;
        }
    }
    make("dev");
    assert_int_equal(files_in(vms), 1);
    print_message("%d killed: %d absent, %d whole\n", n, absent, whole);
}

static void full_disk(void **state)
{
    pid_t child = fork();
    if (!child) {
        struct rlimit small = {64, 64};
        struct pome_error err = {0};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        _exit(bundle_create("dev", &spec, &err) ? 1 : err.message[0] ? 0 : 2);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    char vms[PATH_MAX];
    snprintf(vms, sizeof vms, "%s/vms", home);
    assert_int_equal(files_in(vms), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(create_and_open, make_home, remove_home),
        cmocka_unit_test_setup_teardown(an_image_is_kept_whole, make_home, remove_home),
        cmocka_unit_test_setup_teardown(names, make_home, remove_home),
        cmocka_unit_test_setup_teardown(damage, make_home, remove_home),
        cmocka_unit_test_setup_teardown(other_machines_aux, make_home, remove_home),
        cmocka_unit_test_setup_teardown(locked_by_another, make_home, remove_home),
        cmocka_unit_test_setup_teardown(changes_of_the_living, make_home, remove_home),
        cmocka_unit_test_setup_teardown(disks_are_copied_ahead, make_home, remove_home),
        cmocka_unit_test_setup_teardown(generations_are_told_apart, make_home, remove_home),
        cmocka_unit_test_setup_teardown(changes_of_the_dead, make_home, remove_home),
        cmocka_unit_test_setup_teardown(list, make_home, remove_home),
        cmocka_unit_test_setup_teardown(killed_creation, make_home, remove_home),
        cmocka_unit_test_setup_teardown(full_disk, make_home, remove_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
