/*
 * apfs_test.c - containers are made, checked by Debian's apfsck (when it is there), and read back.
 */
#include "apfs/apfs.h"
#include "apfs/object.h"
#include "base/bits.h"
#include "base/error.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];
static int fd = -1;

static bool write_file(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *e)
{
    return pwrite(fd, bytes, n, (off_t)offset) == (ssize_t)n || pome_fail_errno(e, "%s", path);
}

static bool read_file(void *user, uint64_t offset, void *bytes, size_t n, struct pome_error *e)
{
    return pread(fd, bytes, n, (off_t)offset) == (ssize_t)n || pome_fail(e, POME_ERROR_IO, "%s: %zu bytes at %llu", path, n, (unsigned long long)offset);
}

static int begin(void **state)
{
    strcpy(path, "/tmp/pome-apfs-XXXXXX");
    fd = mkstemp(path);
    return fd < 0;
}

static int end(void **state)
{
    close(fd);
    unlink(path);
    return 0;
}

static void uuid(uint8_t u[16], unsigned seed)
{
    for (unsigned i = 0; i < 16; i++)
        u[i] = (uint8_t)(seed * 37 + i * 11 + 1);
    u[6] = (uint8_t)((u[6] & 15) | 0x40);
    u[8] = (uint8_t)((u[8] & 63) | 0x80);
}

static struct pome_error err;

#define OK(call)                         \
    do {                                 \
        if (!(call))                     \
            fail_msg("%s", err.message); \
    } while (0)

static struct apfs_maker *make(uint64_t bytes)
{
    struct apfs_container_spec s = {.bytes = bytes, .time_ns = UINT64_C(1763838000) * 1000000000, .maker = "pome test"};
    uuid(s.uuid, 1);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    struct apfs_maker *m = apfs_make_begin(&s, write_file, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

static struct apfs_volume *volume(struct apfs_maker *m, const char *name, enum apfs_role role, unsigned group)
{
    struct apfs_volume_spec s = {.name = name, .role = role};
    uuid(s.uuid, 100 + (unsigned)role);
    if (group)
        uuid(s.group, group);
    struct apfs_volume *v = apfs_make_volume(m, &s, &err);
    if (!v)
        fail_msg("%s", err.message);
    return v;
}

static void finish(struct apfs_maker *m)
{
    OK(apfs_make_finish(m, &err));
    apfs_make_free(m);
}

/* apfsck finds no fault. It needs the container at offset 0 of a file. Bookworm's compares memory that it never wrote with
 * transaction ids, so what meson fills fresh memory with must not reach it. */
static void check(const char *what)
{
    char command[160], line[256], said[2048] = "";
    snprintf(command, sizeof command, "env -u MALLOC_PERTURB_ apfsck -cuw %s 2>&1", path);
    FILE *f = popen(command, "r");
    while (fgets(line, sizeof line, f))
        strncat(said, line, sizeof said - strlen(said) - 1);
    int status = pclose(f);
    if (WEXITSTATUS(status) == 127)
        return;
    if (status || said[0])
        fail_msg("%s: apfsck: status %d: %s", what, status, said);
}

static struct apfs *open_it(void)
{
    struct stat st;
    fstat(fd, &st);
    struct apfs *a = apfs_open((uint64_t)st.st_size, read_file, NULL, &err);
    if (!a)
        fail_msg("%s", err.message);
    return a;
}

/* --- every size --- */

static void sizes(void **state)
{
    static const uint64_t mib[] = {128, 129, 130, 300, 500, 511, 512, 1023, 1024, 1500, 4095, 4096, 5120, 15999, 16128, 16129, 51200, 1 << 20, 6 << 20, 8 << 20, 15 << 20};
    for (size_t i = 0; i < ARRAY_SIZE(mib); i++) {
        char what[32];
        snprintf(what, sizeof what, "%llu MiB", (unsigned long long)mib[i]);
        struct apfs_maker *m = make(mib[i] * MiB + (i % 3) * 512);
        volume(m, "Data", APFS_DATA, 0);
        finish(m);
        if (mib[i] <= 1 << 20) /* Debian's apfsck knows no pool bitmap of several blocks and no address blocks, which larger ones have */
            check(what);
        struct apfs *a = open_it();
        assert_true(apfs_bytes(a) == mib[i] * MiB);
        assert_true(apfs_free_bytes(a) < mib[i] * MiB && apfs_free_bytes(a) > mib[i] * MiB / 2);
        assert_int_equal(apfs_volume_count(a), 1);
        apfs_close(a);
    }
    assert_null(apfs_make_begin(&(struct apfs_container_spec){.bytes = MiB}, write_file, NULL, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
}

/* --- all roles, a group --- */

static void roles(void **state)
{
    static const struct {
        const char *name;
        enum apfs_role role;
        unsigned group;
    } rows[] = {
        {"Macintosh HD", APFS_SYSTEM, 7}, {"Macintosh HD - Data", APFS_DATA, 7}, {"Preboot", APFS_PREBOOT, 0}, {"Recovery", APFS_RECOVERY, 0},
        {"VM", APFS_VM, 0}, {"Update", APFS_UPDATE, 0}, {"xART", APFS_XART, 0}, {"Hardware", APFS_HARDWARE, 0}, {"Gr\xc3\xbc\xc3\x9f" "e", APFS_NONE, 0},
    };
    struct apfs_maker *m = make(8 * GiB);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct apfs_volume *v = volume(m, rows[i].name, rows[i].role, rows[i].group);
        uint64_t id;
        OK(apfs_make_folders(v, APFS_ROOT, "System/Library/CoreServices", &id, &err));
        OK(apfs_make_file(v, id, "SystemVersion.plist", rows[i].name, strlen(rows[i].name), NULL, &err));
    }
    finish(m);
    check("all roles");
    struct apfs *a = open_it();
    assert_int_equal(apfs_volume_count(a), ARRAY_SIZE(rows));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct apfs_volume_info *v = apfs_volume_at(a, i);
        struct apfs_item item;
        char text[64] = "";
        uint8_t group[16] = {0};
        if (rows[i].group)
            uuid(group, rows[i].group);
        assert_string_equal(v->name, rows[i].name);
        assert_int_equal(v->role, rows[i].role);
        assert_memory_equal(v->group, group, 16);
        assert_int_equal(v->files, 1);
        assert_int_equal(v->folders, 3);
        OK(apfs_find(a, i, "/system/LIBRARY/CoreServices/systemversion.PLIST", &item, &err)); /* case does not count */
        assert_int_equal(apfs_read_file(a, i, &item, 0, text, sizeof text, NULL), strlen(rows[i].name));
        assert_string_equal(text, rows[i].name);
    }
    assert_string_equal(apfs_role_name(APFS_XART), "xART");
    apfs_close(a);
}

/* --- contents --- */

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 2654435761u >> 13);
}

static void contents(void **state)
{
    enum { BIG = 5000001, PIECE = 70001 };
    struct apfs_maker *m = make(500 * MiB);
    struct apfs_volume *v = volume(m, "Contents", APFS_NONE, 0);
    uint8_t *bytes = malloc(BIG), *back = malloc(BIG);
    uint64_t folder, id;
    const struct apfs_attributes a = {501, 20, 04750, UINT64_C(1234567890) * 1000000000 + 5};
    for (size_t i = 0; i < BIG; i++)
        bytes[i] = byte_at(i);
    OK(apfs_make_folder(v, APFS_ROOT, "f", &a, &folder, &err));
    OK(apfs_file_begin(v, folder, "big", &a, &id, &err));
    assert_false(apfs_file_begin(v, folder, "second", &a, NULL, NULL));
    for (size_t at = 0; at < BIG; at += PIECE)
        OK(apfs_file_append(v, bytes + at, MIN(PIECE, BIG - at), &err));
    OK(apfs_file_end(v, &err));
    OK(apfs_make_xattr(v, id, "org.pome.note", "hello", 5, &err));
    OK(apfs_make_file(v, folder, "empty", NULL, 0, NULL, &err));
    OK(apfs_make_file(v, folder, "block", bytes, 4096, NULL, &err));
    OK(apfs_make_file(v, folder, "one", bytes, 1, NULL, &err));
    OK(apfs_make_symlink(v, folder, "link", "../elsewhere/f", NULL, &err));
    assert_false(apfs_make_file(v, 999, "nowhere", NULL, 0, NULL, NULL));
    assert_false(apfs_make_file(v, folder, "a/b", NULL, 0, NULL, NULL));
    assert_false(apfs_make_file(v, folder, "", NULL, 0, NULL, NULL));
    assert_false(apfs_make_file(v, folder, "\xff\xfe", NULL, 0, NULL, NULL));
    finish(m);
    struct apfs *r = open_it();
    struct apfs_item item;
    char target[64];
    OK(apfs_find(r, 0, "f/big", &item, &err));
    assert_true(item.size == BIG && item.uid == 501 && item.gid == 20 && item.mode == (S_IFREG | 04750) && item.modified_ns == a.time_ns);
    assert_int_equal(apfs_read_file(r, 0, &item, 0, back, BIG, NULL), BIG);
    assert_memory_equal(back, bytes, BIG);
    assert_int_equal(apfs_read_file(r, 0, &item, 4999990, back, BIG, NULL), BIG - 4999990);
    assert_memory_equal(back, bytes + 4999990, BIG - 4999990);
    assert_int_equal(apfs_read_file(r, 0, &item, BIG, back, 1, NULL), 0);
    assert_int_equal(apfs_xattr(r, 0, item.id, "org.pome.note", target, sizeof target, NULL), 5);
    assert_int_equal(apfs_xattr(r, 0, item.id, "org.pome.none", target, sizeof target, NULL), -1);
    OK(apfs_find(r, 0, "f/link", &item, &err));
    assert_true(S_ISLNK(item.mode));
    assert_int_equal(apfs_xattr(r, 0, item.id, "com.apple.fs.symlink", target, sizeof target, NULL), 15);
    assert_string_equal(target, "../elsewhere/f");
    OK(apfs_find(r, 0, "f", &item, &err));
    assert_int_equal(item.links, 5);
    assert_false(apfs_find(r, 0, "f/none", &item, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    apfs_close(r);
    check("contents");
    free(bytes);
    free(back);
}

/* --- trees of several levels --- */

static bool count_name(void *user, const char *name, uint64_t id, unsigned type)
{
    ++*(size_t *)user;
    return true;
}

static void many(void **state)
{
    enum { FOLDERS = 40, FILES = 700 };
    static const char *const forms[] = {"%u", "Datei \xc3\xa4\xc3\xb6 %u", "\xe6\x96\x87\xe4\xbb\xb6-%u", "a rather long name of a file with the number %u in it, as people give them to photographs.jpeg"};
    struct apfs_maker *m = make(5 * GiB);
    struct apfs_volume *v = volume(m, "Many", APFS_DATA, 0);
    char name[160], text[160];
    for (unsigned f = 0; f < FOLDERS; f++) {
        uint64_t id;
        snprintf(name, sizeof name, "folder %u", f);
        OK(apfs_make_folder(v, APFS_ROOT, name, NULL, &id, &err));
        for (unsigned i = 0; i < FILES; i++) {
            snprintf(name, sizeof name, forms[i % 4], i);
            int n = snprintf(text, sizeof text, "%u/%s", f, name);
            OK(apfs_make_file(v, id, name, text, (size_t)n, NULL, &err));
        }
    }
    finish(m);
    check("many files");
    struct apfs *a = open_it();
    assert_int_equal(apfs_volume_at(a, 0)->files, FOLDERS * FILES);
    for (unsigned f = 0; f < FOLDERS; f += 13) {
        struct apfs_item item;
        size_t n = 0;
        snprintf(name, sizeof name, "FOLDER %u", f);
        OK(apfs_find(a, 0, name, &item, &err));
        OK(apfs_list(a, 0, item.id, count_name, &n, &err));
        assert_int_equal(n, FILES);
        for (unsigned i = 0; i < FILES; i += 7) {
            char file[400], back[400] = "";
            snprintf(text, sizeof text, forms[i % 4], i);
            snprintf(file, sizeof file, "%s/%s", name, text);
            OK(apfs_find(a, 0, file, &item, &err));
            apfs_read_file(a, 0, &item, 0, back, sizeof back, NULL);
            snprintf(file, sizeof file, "%u/%s", f, text);
            assert_string_equal(back, file);
        }
    }
    apfs_close(a);
}

/* --- names --- */

static void names(void **state)
{
    uint32_t a, b;
    /* one letter and its parts; cases; "ss" and sharp s */
    assert_true(apfs_name_hash("\xc3\xa9t\xc3\xa9", true, &a) && apfs_name_hash("e\xcc\x81TE\xcc\x81", true, &b) && a == b);
    assert_true(apfs_name_hash("\xc3\xa9", false, &a) && apfs_name_hash("\xc3\x89", false, &b) && a != b);
    assert_true(apfs_name_same("Stra\xc3\x9f" "e", "STRASSE", true));
    assert_false(apfs_name_same("Strasse", "STRASSE", false));
    struct apfs_maker *m = make(128 * MiB);
    struct apfs_volume *v = volume(m, "Twice", APFS_NONE, 0);
    OK(apfs_make_file(v, APFS_ROOT, "Read Me", NULL, 0, NULL, &err));
    OK(apfs_make_file(v, APFS_ROOT, "read me", NULL, 0, NULL, &err));
    assert_false(apfs_make_finish(m, &err));
    assert_int_equal(err.code, POME_ERROR_EXISTS);
    apfs_make_free(m);
}

static void full(void **state)
{
    struct apfs_maker *m = make(128 * MiB);
    struct apfs_volume *v = volume(m, "Full", APFS_NONE, 0);
    uint8_t *zero = calloc(1, MiB);
    assert_true(apfs_file_begin(v, APFS_ROOT, "f", NULL, NULL, &err));
    int n = 0;
    while (n < 200 && apfs_file_append(v, zero, MiB, &err))
        n++;
    assert_in_range(n, 100, 127);
    assert_int_equal(err.code, POME_ERROR_OUT_OF_DISK_SPACE);
    apfs_make_free(m);
    free(zero);
}

/* --- growing --- */

static bool no_sync(void *user, struct pome_error *e)
{
    return true;
}

/* The n-th write and all later ones fail; -1: none. */
static int writes_left = -1;

static bool write_some(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *e)
{
    if (!writes_left)
        return pome_fail(e, POME_ERROR_IO, "no more");
    writes_left -= writes_left > 0;
    return write_file(user, offset, bytes, n, e);
}

static void check_content(uint64_t bytes)
{
    char back[64] = "";
    struct apfs_item item;
    struct apfs *a = open_it();
    assert_true(apfs_bytes(a) == bytes);
    assert_int_equal(apfs_volume_count(a), 2);
    OK(apfs_find(a, 1, "folder/file", &item, &err));
    assert_int_equal(apfs_read_file(a, 1, &item, 0, back, sizeof back, &err), 8);
    assert_string_equal(back, "content");
    apfs_close(a);
}

static void make_small(uint64_t bytes)
{
    uint64_t id;
    struct apfs_maker *m = make(bytes);
    volume(m, "System", APFS_SYSTEM, 7);
    struct apfs_volume *v = volume(m, "Data", APFS_DATA, 7);
    OK(apfs_make_folder(v, APFS_ROOT, "folder", NULL, &id, &err));
    OK(apfs_make_file(v, id, "file", "content", 8, NULL, &err));
    finish(m);
}

static bool grow(uint64_t bytes)
{
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    return apfs_grow(bytes, read_file, write_some, no_sync, NULL, &err);
}

/* Again and again, by little and by much; what is there stays, apfsck agrees, and the free blocks are those of a new one but for a few. */
static void grows(void **state)
{
    static const uint64_t mib[] = {601, 700, 800, 1024, 1040, 20000, 20480, 1 << 20};
    make_small(600 * MiB);
    for (size_t i = 0; i < ARRAY_SIZE(mib); i++) {
        char what[40];
        snprintf(what, sizeof what, "grown to %llu MiB", (unsigned long long)mib[i]);
        OK(grow(mib[i] * MiB));
        check(what);
        check_content(mib[i] * MiB);
        OK(grow(mib[i] * MiB)); /* nothing to do */
        check(what);
    }
    make_small(1 * GiB); /* chunk-info blocks with addresses in blocks of their own */
    OK(grow(UINT64_C(15) * 1024 * GiB));
    check_content(UINT64_C(15) * 1024 * GiB);
    OK(grow(UINT64_C(15) * 1024 * GiB + 4 * GiB));
    check_content(UINT64_C(15) * 1024 * GiB + 4 * GiB);
}

static void grows_or_not(void **state)
{
    make_small(600 * MiB);
    assert_false(grow(600 * MiB + 8192)); /* no room for the bitmaps */
    assert_int_equal(err.code, POME_ERROR_NOT_SUPPORTED);
    assert_false(apfs_grow(500 * MiB, read_file, write_some, no_sync, NULL, &err));
    for (int n = 0;; n++) { /* cut off before each write */
        make_small(600 * MiB);
        writes_left = n;
        bool done = grow(2000 * MiB);
        writes_left = -1;
        struct apfs *a = open_it();
        uint64_t bytes = apfs_bytes(a);
        apfs_close(a);
        assert_true(bytes == 2000 * MiB || (!done && bytes == 600 * MiB));
        check_content(bytes);
        OK(grow(2000 * MiB));
        check("grown after it was cut off");
        check_content(2000 * MiB);
        if (done)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes), cmocka_unit_test(roles), cmocka_unit_test(contents),
        cmocka_unit_test(many),  cmocka_unit_test(names), cmocka_unit_test(full),
        cmocka_unit_test(grows), cmocka_unit_test(grows_or_not),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
