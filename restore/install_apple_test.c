/*
 * install_apple_test.c - installing an image shaped like macOS's: what is in the three containers, which of its components is where, what Debian's
 * apfsck says of them.
 */
#include "apfs/apfs.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "formats/guid.h"
#include "restore/apple_image.h"
#include "restore/install.h"
#include "restore/resize.h"
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
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], ipsw[96], os_path[96];
static int fd = -1;
static uint64_t base;
static struct pome_error err;

#define OK(call)                         \
    do {                                 \
        if (!(call))                     \
            fail_msg("%s", err.message); \
    } while (0)

static bool write_fd(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *e)
{
    return file_write_at(fd, "disk", bytes, n, base + offset, e);
}

static bool read_fd(void *user, uint64_t offset, void *bytes, size_t n, struct pome_error *e)
{
    return file_read_at(fd, "disk", bytes, n, base + offset, e);
}

/* --- an OS image: GPT and a container with a System volume --- */

enum { OS_FILES = 300 };

static void make_os(void)
{
    static uint8_t primary[GPT_PRIMARY_BYTES], backup[GPT_BACKUP_BYTES];
    const uint64_t bytes = 160 * MiB;
    struct gpt g = {.sectors = bytes / 512, .n = 1, .partitions[0] = {.first = 40, .last = bytes / 512 - 41, .unique = {1}}};
    char name[64];
    uint64_t id;
    guid_parse("7C3457EF-0000-11AA-AA11-00306543ECAC", g.partitions[0].type);
    fd = open(os_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    base = 0;
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    gpt_write(&g, primary, backup);
    OK(file_write_at(fd, os_path, primary, sizeof primary, 0, &err) && file_write_at(fd, os_path, backup, sizeof backup, bytes - sizeof backup, &err));
    base = 40 * 512;
    struct apfs_container_spec c = {.bytes = bytes - 80 * 512, .uuid = {9}, .time_ns = 1, .maker = "test"};
    struct apfs_volume_spec s = {.name = "System", .role = APFS_SYSTEM, .uuid = {8}};
    struct apfs_maker *m = apfs_make_begin(&c, write_fd, NULL, &err);
    struct apfs_volume *v = m ? apfs_make_volume(m, &s, &err) : NULL;
    OK(v && apfs_make_folders(v, APFS_ROOT, "System/Library/Kernels", &id, &err));
    for (int i = 0; i < OS_FILES; i++) {
        int n = snprintf(name, sizeof name, "kernel number %d", i);
        OK(apfs_make_file(v, id, name, name, (size_t)n, &(struct apfs_attributes){.mode = 0644 | (i & 1 ? 0111 : 0), .uid = 5, .time_ns = 77}, &err));
    }
    OK(apfs_make_symlink(v, APFS_ROOT, "var", "private/var", NULL, &err) && apfs_make_finish(m, &err));
    apfs_make_free(m);
    close(fd);
}

static int setup(void **state)
{
    strcpy(dir, "/tmp/pome-apple-XXXXXX");
    assert_non_null(mkdtemp(dir));
    setenv("POME_HOME", dir, 1);
    snprintf(ipsw, sizeof ipsw, "%s/apple.ipsw", dir);
    snprintf(os_path, sizeof os_path, "%s/os.img", dir);
    make_os();
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static struct restore_image *open_image(void)
{
    struct restore_image *image = restore_image_open(ipsw, &err);
    OK(image && restore_image_installable(image, &err));
    assert_false(restore_image_supported(image, &err));
    return image;
}

static struct bundle *make(const struct apple_image *options)
{
    struct bundle_spec spec = {
        .settings = {.cpu_count = 2, .memory_bytes = 4 * GiB, .cpu_model = "default"},
        .model = {.representation = 1, .platform = PLATFORM_APPLE, .minimum_os = {13, 0, 0}},
        .ecid = 0x8877665544332211,
    };
    OK(apple_image_make(options, ipsw, &err));
    struct restore_image *image = open_image();
    spec.disk_bytes = restore_image_min_disk(image);
    restore_image_close(image);
    bundle_delete("mac", NULL);
    struct bundle *b = bundle_create("mac", &spec, &err);
    if (!b)
        fail_msg("%s", err.message);
    return b;
}

static void install_into(struct bundle *b, pome_progress_fn *progress, void *user)
{
    struct restore_image *image = open_image();
    if (!install_run(b, image, progress, user, &err))
        fail_msg("%s", err.message);
    restore_image_close(image);
}

static struct bundle *install(const struct apple_image *options)
{
    struct bundle *b = make(options);
    install_into(b, NULL, NULL);
    return b;
}

/* --- looking --- */

/* A container as a file of its own, holes left out. */
static void extract(const struct gpt *g, enum layout_container where)
{
    static uint8_t piece[MiB];
    char path[128];
    off_t from = (off_t)layout_offset(g, where), end = from + (off_t)layout_bytes(g, where);
    snprintf(path, sizeof path, "%s/vms/mac.bundle/Disk.img", dir);
    int in = open(path, O_RDONLY);
    snprintf(path, sizeof path, "%s/part", dir);
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(ftruncate(out, end - from), 0);
    for (off_t at = from; (at = lseek(in, at, SEEK_DATA)) >= 0 && at < end; at += (off_t)MiB) {
        size_t n = (size_t)MIN((uint64_t)(end - at), MiB);
        OK(file_read_at(in, "disk", piece, n, (uint64_t)at, &err) && file_write_at(out, path, piece, n, (uint64_t)(at - from), &err));
    }
    close(in);
    close(out);
}

/* apfsck wants the container at the beginning of a file. */
static void check_container(const struct gpt *g, enum layout_container where)
{
    char command[128], line[256], said[2048] = "";
    extract(g, where);
    snprintf(command, sizeof command, "apfsck -cuw %s/part 2>&1", dir);
    FILE *f = popen(command, "r");
    while (fgets(line, sizeof line, f))
        strncat(said, line, sizeof said - strlen(said) - 1);
    int status = pclose(f);
    /* apfsck knows only the rule of one volume for 512 MiB, and Apple's 500 MiB have four. */
    if (where == LAYOUT_ISC && !strcmp(said, "Container superblock: bad maximum volume number.\n"))
        return;
    if (WEXITSTATUS(status) != 127 && (status || said[0]))
        fail_msg("%s: status %d: %s", g->partitions[where].name, status, said);
}

static struct apfs *open_container(struct bundle *b, struct gpt *g, enum layout_container where)
{
    static uint8_t primary[GPT_PRIMARY_BYTES];
    fd = bundle_member_open(b, BUNDLE_DISK, O_RDONLY, &err);
    base = 0;
    OK(read_fd(NULL, 0, primary, sizeof primary, &err) && gpt_read(primary, b->disk_bytes / 512, g, &err));
    base = layout_offset(g, where);
    struct apfs *a = apfs_open(layout_bytes(g, where), read_fd, NULL, &err);
    if (!a)
        fail_msg("%s", err.message);
    return a;
}

static size_t volume(struct apfs *a, const char *name, unsigned role)
{
    for (size_t i = 0; i < apfs_volume_count(a); i++)
        if (!strcmp(apfs_volume_at(a, i)->name, name)) {
            assert_int_equal(apfs_volume_at(a, i)->role, role);
            return i;
        }
    fail_msg("no volume %s", name);
    return 0;
}

static size_t read_whole(struct apfs *a, size_t v, const char *path, uint8_t *bytes, size_t room)
{
    struct apfs_item item;
    if (!apfs_find(a, v, path, &item, &err))
        fail_msg("%s: %s", path, err.message);
    assert_true(item.size <= room);
    assert_int_equal(apfs_read_file(a, v, &item, 0, bytes, room, &err), item.size);
    return item.size;
}

enum { ROOM = 16 << 20 };

/* An IMG4 of this type, for this machine, whose ticket has the payload's digest. */
static void check_img4(const uint8_t *bytes, size_t n, const char *type)
{
    struct img4 i;
    uint8_t digest[SHA384_BYTES];
    struct im4m *m = malloc(sizeof *m);
    OK(img4_read(bytes, n, &i, &err) && im4m_read(i.im4m_bytes, i.im4m_size, m, &err));
    const struct im4m_group *image = im4m_group(m, type);
    assert_string_equal(i.im4p.type, type);
    assert_non_null(image);
    sha384(i.im4p_bytes, i.im4p_size, digest);
    assert_memory_equal(im4m_property(image, "DGST")->bytes, digest, sizeof digest);
    assert_true(im4m_property(im4m_group(m, "MANP"), "ECID")->integer == 0x8877665544332211);
    free(m);
}

static void whole(void **state)
{
    struct bundle *b = install(&(struct apple_image){.work = dir, .os = os_path});
    uint8_t *bytes = malloc(ROOM);
    char group[GUID_TEXT], path[512], active[2 * SHA384_BYTES + 1] = "";
    struct gpt g;
    assert_true(b->installed);
    struct apfs *a = open_container(b, &g, LAYOUT_MAIN);
    assert_int_equal(layout_bytes(&g, LAYOUT_ISC), 524288000);
    assert_true(layout_bytes(&g, LAYOUT_RECOVERY) == UINT64_C(5368664064));
    assert_int_equal(apfs_volume_count(a), 6);
    size_t system = volume(a, "Macintosh HD", APFS_SYSTEM), data = volume(a, "Data", APFS_DATA), preboot = volume(a, "Preboot", APFS_PREBOOT);
    volume(a, "VM", APFS_VM), volume(a, "Update", APFS_UPDATE);
    assert_memory_equal(apfs_volume_at(a, system)->group, apfs_volume_at(a, data)->uuid, 16);
    assert_memory_equal(apfs_volume_at(a, data)->group, apfs_volume_at(a, data)->uuid, 16);
    guid_text_raw(apfs_volume_at(a, data)->uuid, group);
    /* the system's files, from the OS image */
    assert_int_equal(apfs_volume_at(a, system)->files, OS_FILES);
    struct apfs_item item;
    OK(apfs_find(a, system, "System/Library/Kernels/kernel number 17", &item, &err));
    assert_true(item.mode == (S_IFREG | 0755) && item.uid == 5 && item.modified_ns == 77);
    assert_int_equal(apfs_read_file(a, system, &item, 0, bytes, ROOM, &err), 16);
    assert_memory_equal(bytes, "kernel number 17", 16);
    OK(apfs_find(a, system, "var", &item, &err));
    assert_true(S_ISLNK(item.mode));
    /* the boot set */
    snprintf(path, sizeof path, "%s/boot/active", group);
    assert_int_equal(read_whole(a, preboot, path, (uint8_t *)active, sizeof active), 2 * SHA384_BYTES);
    snprintf(path, sizeof path, "%s/boot/%s/System/Library/Caches/com.apple.kernelcaches/kernelcache", group, active);
    check_img4(bytes, read_whole(a, preboot, path, bytes, ROOM), "krnl");
    snprintf(path, sizeof path, "%s/boot/%s/usr/standalone/firmware/iBoot.img4", group, active);
    check_img4(bytes, read_whole(a, preboot, path, bytes, ROOM), "ibot");
    snprintf(path, sizeof path, "%s/cryptex1/current/os.dmg", group);
    assert_true(read_whole(a, preboot, path, bytes, ROOM) > 10000);
    apfs_close(a);
    close(fd);
    a = open_container(b, &g, LAYOUT_ISC);
    assert_int_equal(apfs_volume_count(a), 4);
    volume(a, "xART", APFS_XART), volume(a, "Hardware", APFS_HARDWARE), volume(a, "Recovery", APFS_RECOVERY);
    snprintf(path, sizeof path, "%s/LocalPolicy", group);
    OK(apfs_find(a, volume(a, "iSCPreboot", APFS_PREBOOT), path, &item, &err));
    assert_int_equal(item.links, 1);
    apfs_close(a);
    close(fd);
    a = open_container(b, &g, LAYOUT_RECOVERY);
    assert_int_equal(apfs_volume_count(a), 2);
    apfs_close(a);
    close(fd);
    for (int c = 0; c < LAYOUT_CONTAINERS; c++)
        check_container(&g, (enum layout_container)c);
    bundle_close(b);
    free(bytes);
}

/* A disk that grows by less than Recovery has, and by more: all containers are whole, and the main one has the room. */
static void grows(void **state)
{
    struct bundle *b = install(&(struct apple_image){.work = dir, .os = os_path});
    static const uint64_t more[] = {300 * MiB, 700 * MiB, 20 * GiB};
    struct gpt g;
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        uint64_t bytes = b->disk_bytes + more[i];
        OK(disk_resize(b, bytes, NULL, NULL, &err));
        struct apfs *a = open_container(b, &g, LAYOUT_MAIN);
        assert_true(b->disk_bytes == bytes && g.partitions[LAYOUT_MAIN].last + 1 == g.partitions[LAYOUT_RECOVERY].first);
        assert_true(apfs_bytes(a) == align_down(layout_bytes(&g, LAYOUT_MAIN), 4096));
        assert_int_equal(apfs_volume_at(a, volume(a, "Macintosh HD", APFS_SYSTEM))->files, OS_FILES);
        apfs_close(a);
        close(fd);
        for (int c = 0; c < LAYOUT_CONTAINERS; c++)
            check_container(&g, (enum layout_container)c);
    }
    bundle_close(b);
}

/* What cannot be read is no reason to stop: the volume stays empty. */
static void encrypted(void **state)
{
    struct bundle *b = install(&(struct apple_image){.work = dir, .os = os_path, .encrypted = true});
    struct gpt g;
    struct apfs *a = open_container(b, &g, LAYOUT_MAIN);
    assert_true(b->installed);
    assert_int_equal(apfs_volume_at(a, volume(a, "Macintosh HD", APFS_SYSTEM))->files, 0);
    apfs_close(a);
    close(fd);
    bundle_close(b);
}

/* With the archive's key it is filled; a wrong key is told before anything is written. */
static void encrypted_with_a_key(void **state)
{
    struct bundle *b = make(&(struct apple_image){.work = dir, .os = os_path, .encrypted = true});
    struct restore_image *image = open_image();
    struct gpt g;
    image->has_key = true;
    memcpy(image->key, apple_image_key, sizeof image->key);
    image->key[0] ^= 1;
    assert_false(install_run(b, image, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "another key"));
    image->key[0] ^= 1;
    OK(install_run(b, image, NULL, NULL, &err));
    restore_image_close(image);
    struct apfs *a = open_container(b, &g, LAYOUT_MAIN);
    assert_int_equal(apfs_volume_at(a, volume(a, "Macintosh HD", APFS_SYSTEM))->files, OS_FILES);
    apfs_close(a);
    close(fd);
    bundle_close(b);
}

/* The last byte of a disk image says nothing to who reads the files in it. */
static bool flip_os(void *user, const char *member, uint8_t *bytes, size_t *n)
{
    if (!strcmp(member, "022-10001-001.dmg"))
        bytes[*n - 1] ^= 1;
    return true;
}

static void damaged_os(void **state)
{
    struct bundle *b = make(&(struct apple_image){.work = dir, .os = os_path});
    char good[128];
    snprintf(good, sizeof good, "%s.good", ipsw);
    assert_int_equal(rename(ipsw, good), 0);
    OK(test_image_rewrite(good, ipsw, flip_os, NULL, &err));
    struct restore_image *image = open_image();
    assert_false(install_run(b, image, NULL, NULL, &err));
    if (err.code != POME_ERROR_INVALID_RESTORE_IMAGE || !strstr(err.message, "OS: SHA-384 is"))
        fail_msg("%d: %s", err.code, err.message);
    assert_false(b->installed);
    restore_image_close(image);
    bundle_close(b);
}

/* --- going on --- */

static bool die_in(void *user, const struct pome_progress *p)
{
    if (!strcmp(p->step, user))
        _exit(0);
    return true;
}

/* The id of a container's first volume, which is drawn whenever the container is made. */
static void first_volume(struct bundle *b, int where, uint8_t uuid[16])
{
    struct gpt g;
    struct apfs *a = open_container(b, &g, (enum layout_container)where);
    memcpy(uuid, apfs_volume_at(a, 0)->uuid, 16);
    apfs_close(a);
    close(fd);
}

/* Killed as a step begins: the next installation goes on with it, and everything is there. With a damaged note, or another authority, from the first one. */
static void resumed(void **state)
{
    static const struct {
        const char *died_in;
        int there, stay; /* containers */
        const char *spoil;
    } rows[] = {
        {"Creating Container and restoring", 1, 1, NULL},
        {"Creating RecoveryOSContainer", 2, 2, NULL},
        {"Verifying the containers", 3, 3, NULL},
        {"Finishing", 3, 3, NULL},
        {"Verifying the containers", 3, 0, "printf x | dd of=%s/vms/mac.bundle/Install.state bs=1 seek=400 conv=notrunc 2>/dev/null"},
        {"Verifying the containers", 3, 0, "rm -r %s/authority"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t before[LAYOUT_CONTAINERS][16], after[16];
        struct gpt g;
        char command[256];
        int status;
        bundle_close(make(&(struct apple_image){.work = dir, .os = os_path}));
        pid_t child = fork();
        if (!child) {
            struct bundle *b = bundle_open("mac", &err);
            if (bundle_lock(b, &err))
                install_into(b, die_in, (void *)(uintptr_t)rows[i].died_in);
            _exit(1);
        }
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
        struct bundle *b = bundle_open("mac", &err);
        assert_false(b->installed);
        for (int c = 0; c < rows[i].there; c++)
            first_volume(b, c, before[c]);
        snprintf(command, sizeof command, rows[i].spoil ? rows[i].spoil : "true %s", dir);
        assert_int_equal(system(command), 0);
        OK(bundle_lock(b, &err));
        install_into(b, NULL, NULL);
        assert_true(b->installed);
        for (int c = 0; c < rows[i].there; c++) {
            first_volume(b, c, after);
            assert_int_equal(!memcmp(before[c], after, 16), c < rows[i].stay);
        }
        struct apfs *a = open_container(b, &g, LAYOUT_MAIN);
        assert_int_equal(apfs_volume_at(a, volume(a, "Macintosh HD", APFS_SYSTEM))->files, OS_FILES);
        apfs_close(a);
        close(fd);
        for (int c = 0; c < LAYOUT_CONTAINERS; c++)
            check_container(&g, (enum layout_container)c);
        bundle_close(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(grows), cmocka_unit_test(encrypted), cmocka_unit_test(encrypted_with_a_key), cmocka_unit_test(damaged_os), cmocka_unit_test(resumed)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
