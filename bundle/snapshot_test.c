/* snapshot_test.c - snapshots that keep what is overwritten: whatever is written, made, restored and removed in whatever order, each is what the disk was. */
#include "base/bits.h"
#include "base/file_io.h"
#include "bundle/paths.h"
#include "bundle/snapshot.h"
#include "bundle/snapshot_line.h"
#include "bundle/snapshot_place.h"

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

enum { BYTES = 3 * MiB + 512, NAMES = 6, STEPS = 400 }; /* the last block is not a whole one */

static char home[64];
static struct bundle *b;
static struct pome_error err;
static unsigned seed;
static uint8_t now[BYTES], then[NAMES][BYTES]; /* what the disk and each snapshot must be */
static bool there[NAMES];

#define SURE(x)                                        \
    do                                                 \
        if (!(x))                                      \
            fail_msg("%s: %s", #x, err.message);       \
    while (0)

static unsigned draw(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % n;
}

static int make_machine(void **state)
{
    static const struct bundle_spec spec = {
        .settings = {.platform = SETTINGS_GENERIC, .boot = SETTINGS_BOOT_EFI, .cpu_count = 1, .memory_bytes = UINT64_C(1) << 30, .cpu_model = "default"},
        .ecid = 0x8877665544332211, .disk_bytes = BYTES};
    const char *given = getenv("POME_RANDOM_SEED");
    seed = given ? (unsigned)atoi(given) : (unsigned)getpid();
    print_message("POME_RANDOM_SEED=%u\n", seed);
    strcpy(home, access("/dev/shm", W_OK) ? "/tmp/pome-snapshot-XXXXXX" : "/dev/shm/pome-snapshot-XXXXXX"); /* syncs at once */
    assert_non_null(mkdtemp(home));
    setenv("POME_HOME", home, 1);
    memset(now, 0, sizeof now);
    memset(there, 0, sizeof there);
    b = bundle_create("dev", &spec, &err);
    SURE(b);
    SURE(bundle_set_installed(b, &err));
    return 0;
}

static int remove_machine(void **state)
{
    bundle_close(b);
    return remove_tree(home) ? 0 : -1;
}

static const char *name_of(unsigned i)
{
    static char name[8];
    snprintf(name, sizeof name, "s%u", i);
    return name;
}

/* ---- a guest ---- */

static void guest_writes(struct kept *k, uint64_t offset, uint64_t bytes, uint8_t value)
{
    int fd = member_open(b, BUNDLE_DISK, O_RDWR, &err);
    SURE(fd >= 0);
    memset(now + offset, value, bytes);
    SURE(!k || kept_before(k, offset, bytes, &err));
    SURE(file_write_at(fd, "the disk", now + offset, bytes, offset, &err));
    close(fd);
}

static void guest_discards(struct kept *k, uint64_t offset, uint64_t bytes)
{
    int fd = member_open(b, BUNDLE_DISK, O_RDWR, &err);
    bool free = true;
    SURE(fd >= 0);
    for (uint64_t at = offset, end; at < offset + bytes; at = end) {
        end = k ? kept_run(k, at, offset + bytes, &free) : offset + bytes;
        if (free && !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)(end - at)))
            memset(now + at, 0, end - at);
    }
    close(fd);
}

static void guest_lives(void)
{
    struct kept *k;
    SURE(snapshots_keep(b, &k, &err));
    for (unsigned n = draw(8); n; n--) {
        const uint64_t offset = draw(BYTES / 512) * 512, wish = (1 + draw(400)) * 512, bytes = MIN(wish, BYTES - offset);
        if (draw(8))
            guest_writes(k, offset, bytes, (uint8_t)draw(256));
        else
            guest_discards(k, offset, bytes);
    }
    kept_close(k);
}

/* ---- what is there ---- */

static void compare(int fd, const uint8_t *want, const char *what)
{
    static uint8_t bytes[BYTES];
    SURE(file_read_at(fd, what, bytes, BYTES, 0, &err));
    for (size_t i = 0; i < BYTES; i++)
        if (bytes[i] != want[i])
            fail_msg("%s: byte %zu is %d, not %d", what, i, bytes[i], want[i]);
}

static void compare_snapshot(unsigned i)
{
    struct job j = {0};
    struct line *l = line_open(b, &err);
    SURE(l);
    const bool keeps = line_has(l, name_of(i));
    struct bundle *p = keeps ? snapshot_place_make(b, ".look", &err) : snapshot_place_open(b, name_of(i), &err);
    SURE(p && (!keeps || line_copy(b, name_of(i), p, &j, &err)));
    int fd = openat(p->dir_fd, "Disk.img", O_RDONLY | O_CLOEXEC);
    compare(fd, then[i], name_of(i));
    close(fd);
    snapshot_place_drop(p, keeps);
    line_close(l);
}

static void compare_all(void)
{
    int fd = member_open(b, BUNDLE_DISK, O_RDONLY, &err);
    compare(fd, now, "the disk");
    close(fd);
    for (unsigned i = 0; i < NAMES; i++)
        if (there[i])
            compare_snapshot(i);
}

/* ---- the tests ---- */

static struct job silent;

static void step(void)
{
    struct job j = {0};
    const unsigned i = draw(NAMES);
    switch (draw(12)) {
    case 0 ... 2:
        if (there[i]) {
            SURE(snapshot_restore(b, name_of(i), &j, &err));
            memcpy(now, then[i], BYTES);
        }
        break;
    case 3 ... 6:
        if (!there[i]) {
            SURE(snapshot_create(b, name_of(i), NULL, NULL, &j, &err));
            memcpy(then[i], now, BYTES);
            there[i] = true;
        }
        break;
    case 7 ... 9:
        if (there[i])
            SURE(snapshot_delete(b, name_of(i), &silent, &err));
        there[i] = false;
        break;
    case 10:
        if (!draw(20))
            SURE(snapshots_end_keeping(b, &j, &err));
        break;
    case 11:
        if (!draw(20)) { /* a command that does not ask */
            int fd = bundle_member_open(b, BUNDLE_DISK, O_RDWR, &err);
            SURE(fd >= 0 && file_write_at(fd, "the disk", "x", 1, 12345, &err));
            now[12345] = 'x';
            close(fd);
        }
        break;
    }
}

static void any_order(void **state)
{
    for (unsigned i = 0; i < STEPS; i++) {
        guest_lives();
        step();
        if (i % 10 == 0 || i > STEPS - 10)
            compare_all();
    }
}

/* A guest writes, and now and then another snapshot is made, after each piece of a copy. */
static bool meanwhile(void *user, const struct pome_progress *report)
{
    struct kept **k = user;
    struct job j = {0};
    const unsigned i = draw(NAMES);
    for (unsigned n = draw(3); n; n--) {
        const uint64_t offset = draw(BYTES / 512) * 512, wish = (1 + draw(300)) * 512, bytes = MIN(wish, BYTES - offset);
        guest_writes(*k, offset, bytes, (uint8_t)draw(256));
    }
    if (!draw(30) && !there[i]) {
        SURE(snapshot_create(b, name_of(i), NULL, NULL, &j, &err));
        memcpy(then[i], now, BYTES);
        there[i] = true;
        kept_close(*k);
        SURE(snapshots_keep(b, k, &err));
    }
    return true;
}

static void copied_while_the_machine_runs(void **state)
{
    struct kept *k;
    for (unsigned round = 0; round < 40; round++) {
        const unsigned i = draw(NAMES);
        char name[8];
        strcpy(name, name_of(i));
        guest_writes(NULL, 0, BYTES, (uint8_t)round);
        SURE(snapshot_create(b, name, NULL, NULL, &silent, &err));
        memcpy(then[i], now, BYTES);
        there[i] = true;
        SURE(snapshots_keep(b, &k, &err));
        if (!k) {
            print_message("blocks are shared here\n");
            return;
        }
        struct job j = {.progress = meanwhile, .user = &k};
        struct bundle *p = snapshot_place_make(b, ".look", &err);
        SURE(p && line_copy(b, name, p, &j, &err));
        int fd = openat(p->dir_fd, "Disk.img", O_RDONLY | O_CLOEXEC);
        compare(fd, then[i], name);
        close(fd);
        snapshot_place_drop(p, true);
        kept_close(k);
        compare_all();
        for (unsigned s = 0; s < NAMES; s++)
            SURE(!there[s] || snapshot_delete(b, name_of(s), &silent, &err));
        memset(there, 0, sizeof there);
    }
}

static struct kept *keeps_now;

static void keep_from_now(void *user, struct kept *k)
{
    kept_close(keeps_now);
    keeps_now = k;
}

/* One after the other, in any order, while the guest writes before, between and after the two halves. */
static void removed_while_the_machine_runs(void **state)
{
    struct job j = {0};
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned n = 0; n < NAMES; n++) {
            guest_lives();
            SURE(snapshot_create(b, name_of(n), NULL, NULL, &j, &err));
            memcpy(then[n], now, BYTES);
            there[n] = true;
        }
        SURE(snapshots_keep(b, &keeps_now, &err));
        for (unsigned left = NAMES; left; left--) {
            unsigned i = draw(NAMES);
            while (!there[i])
                i = (i + 1) % NAMES;
            guest_writes(keeps_now, draw(BYTES / 512) * 512, 512, (uint8_t)draw(256));
            SURE(snapshot_delete_ahead(b, name_of(i), &silent, &err));
            for (unsigned n = draw(6); n; n--)
                guest_writes(keeps_now, draw(BYTES / 512) * 512, 512, (uint8_t)draw(256));
            SURE(snapshot_delete_rest(b, name_of(i), keep_from_now, NULL, &err));
            there[i] = false;
            guest_writes(keeps_now, draw(BYTES / 512) * 512, 512, (uint8_t)draw(256));
            compare_all();
        }
        assert_null(keeps_now);
    }
    assert_false(snapshot_delete_ahead(b, "s0", &silent, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
}

static uint64_t occupied(const char *name)
{
    struct stat st;
    struct bundle *p = snapshot_place_open(b, name, &err);
    SURE(p);
    assert_int_equal(fstatat(p->dir_fd, "Disk.img", &st, 0), 0);
    snapshot_place_drop(p, false);
    return (uint64_t)st.st_blocks * 512;
}

static void it_costs_what_changed(void **state)
{
    struct job j = {0};
    struct kept_head h;
    struct kept *k;
    guest_writes(NULL, 0, 2 * MiB, 1);
    SURE(snapshot_create(b, "one", NULL, NULL, &j, &err));
    struct bundle *p = snapshot_place_open(b, "one", &err);
    const bool keeps = kept_head_of(p, &h, &err);
    snapshot_place_drop(p, false);
    if (!keeps) {
        print_message("blocks are shared here\n");
        return;
    }
    assert_string_equal(j.why_not_instant, "");
    assert_int_equal(occupied("one"), 0);
    SURE(snapshots_keep(b, &k, &err));
    guest_writes(k, 2 * MiB + KEPT_BLOCK, MiB / 2, 2); /* where nothing was */
    assert_int_equal(occupied("one"), 0);
    guest_writes(k, KEPT_BLOCK + 512, 512, 3);
    assert_in_range(occupied("one"), KEPT_BLOCK, 2 * KEPT_BLOCK);
    guest_discards(k, 4 * KEPT_BLOCK, KEPT_BLOCK); /* is a hint */
    assert_int_equal(now[4 * KEPT_BLOCK], 1);
    kept_close(k);
    SURE(snapshot_restore(b, "one", &j, &err));
    memset(now + KEPT_BLOCK + 512, 1, 512);
    memset(now + 2 * MiB + KEPT_BLOCK, 0, MiB / 2);
    compare_all();
}

static void damage(const char *name, off_t offset, const char *bytes, size_t n)
{
    struct bundle *p = snapshot_place_open(b, name, &err);
    int fd = openat(p->dir_fd, kept_map_name, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        assert_int_equal(pwrite(fd, bytes, n, offset), n);
    close(fd);
    snapshot_place_drop(p, false);
}

static unsigned reports, reports_wanted;

static bool count_reports(void *user, const struct pome_progress *p)
{
    assert_string_equal(p->step, "Moving blocks that others need");
    return ++reports != reports_wanted;
}

/* Removing one tells how far it is; given up at any report it is still there, and removed by the next call. */
static void given_up(void **state)
{
    struct job j = {.progress = count_reports};
    struct kept *k;
    guest_writes(NULL, 0, BYTES, 1);
    for (unsigned i = 0; i < 2; i++) {
        SURE(snapshot_create(b, name_of(i), NULL, NULL, &silent, &err));
        memcpy(then[i], now, BYTES);
        there[i] = true;
        SURE(snapshots_keep(b, &k, &err));
        guest_writes(k, 0, BYTES, (uint8_t)(2 + i));
        const bool shares = !k;
        kept_close(k);
        if (shares)
            return;
    }
    for (reports_wanted = 1; reports = 0, !snapshot_delete(b, name_of(1), &j, &err); reports_wanted++) {
        assert_int_equal(err.code, POME_ERROR_OPERATION_CANCELLED);
        assert_int_equal(reports, reports_wanted);
        compare_all();
    }
    assert_true(reports_wanted >= 2);
    there[1] = false;
    compare_all();
}

/* Nothing is done with one that is damaged, or with others that may need it, but that it is removed. */
static void a_damaged_map_is_told(void **state)
{
    struct job j = {0};
    struct kept *k;
    struct kept_head h;
    guest_writes(NULL, 0, MiB, 1);
    SURE(snapshot_create(b, "one", NULL, NULL, &j, &err));
    SURE(snapshot_create(b, "two", NULL, NULL, &j, &err));
    struct bundle *p = snapshot_place_open(b, "one", &err);
    const bool keeps = kept_head_of(p, &h, &err);
    snapshot_place_drop(p, false);
    if (!keeps)
        return;
    damage("two", 16, "\xff", 1);
    assert_false(snapshots_keep(b, &k, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_BUNDLE);
    assert_non_null(strstr(err.message, "Disk.map"));
    assert_false(snapshot_restore(b, "one", &j, &err));
    assert_false(snapshot_delete(b, "one", &silent, &err));
    assert_true(bundle_member_open(b, BUNDLE_DISK, O_RDWR, &err) < 0);
    SURE(snapshot_delete(b, "two", &silent, &err));
    SURE(snapshot_restore(b, "one", &j, &err));
    damage("one", KEPT_HEAD + BYTES / KEPT_BLOCK / 8, "\xff", 1); /* bits behind the end */
    assert_false(snapshots_keep(b, &k, &err));
    SURE(snapshot_delete(b, "one", &silent, &err));
    SURE(snapshots_keep(b, &k, &err));
    assert_null(k);
}

/* The line has an end. */
static void very_many(void **state)
{
    struct job j = {0};
    char name[16];
    struct kept_head h;
    guest_writes(NULL, 0, MiB, 1);
    for (int i = 0; i <= LINE_MAX_SNAPSHOTS; i++) {
        snprintf(name, sizeof name, "n%d", i);
        SURE(snapshot_create(b, name, NULL, NULL, &j, &err));
    }
    struct bundle *p = snapshot_place_open(b, name, &err);
    assert_false(kept_head_of(p, &h, &err));
    snapshot_place_drop(p, false);
    assert_true(occupied(name) >= MiB);
    struct kept *k;
    SURE(snapshots_keep(b, &k, &err));
    guest_writes(k, 0, 512, 2);
    kept_close(k);
    SURE(snapshot_restore(b, "n0", &j, &err));
    memset(now, 1, 512);
    compare_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_costs_what_changed, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(a_damaged_map_is_told, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(given_up, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(very_many, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(copied_while_the_machine_runs, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(removed_while_the_machine_runs, make_machine, remove_machine),
        cmocka_unit_test_setup_teardown(any_order, make_machine, remove_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
