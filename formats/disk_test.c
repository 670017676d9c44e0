/* disk_test.c - GUID partition tables and FAT32 volumes: written, read back, damaged; the system's checkers agree. */
#include "base/bits.h"
#include "formats/fat.h"
#include "formats/gpt.h"
#include "formats/guid.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void guids(void **state)
{
    static const uint8_t want[16] = {0x61, 0x69, 0x64, 0x69, 0x00, 0x67, 0xaa, 0x11, 0xaa, 0x11, 0x00, 0x30, 0x65, 0x43, 0xec, 0xac};
    uint8_t g[16];
    char text[GUID_TEXT];
    assert_true(guid_parse("69646961-6700-11AA-AA11-00306543ECAC", g));
    assert_memory_equal(g, want, 16);
    guid_text(g, text);
    assert_string_equal(text, "69646961-6700-11AA-AA11-00306543ECAC");
    guid_parse("7C3457EF-0000-11AA-AA11-00306543ECAC", g);
    guid_text_raw(g, text);
    assert_string_equal(text, "EF57347C-0000-AA11-AA11-00306543ECAC"); /* as boot-volume has it */
    assert_false(guid_parse("69646961-6700-11AA-AA11-00306543ECA", g));
    assert_false(guid_parse("69646961-6700-11AA-AA11_00306543ECAC", g));
}

static void make_gpt(struct gpt *g)
{
    memset(g, 0, sizeof *g);
    g->sectors = 8 * GiB / 512;
    g->n = 2;
    memset(g->disk, 0x11, 16);
    for (size_t i = 0; i < 2; i++) {
        memset(g->partitions[i].type, 0x21 + (int)i, 16);
        memset(g->partitions[i].unique, 0x31 + (int)i, 16);
        g->partitions[i].first = 40 + i * 100000;
        g->partitions[i].last = g->partitions[i].first + 99999;
        sprintf(g->partitions[i].name, "Part %zu", i);
    }
}

static void gpt_round_trip(void **state)
{
    static uint8_t primary[GPT_PRIMARY_BYTES], backup[GPT_BACKUP_BYTES];
    struct gpt g, r;
    struct pome_error err = {0};
    make_gpt(&g);
    gpt_write(&g, primary, backup);
    if (!gpt_read(primary, g.sectors, &r, &err))
        fail_msg("%s", err.message);
    assert_memory_equal(&g, &r, sizeof g);
    assert_true(gpt_read_backup(backup, g.sectors, &r, NULL));
    assert_memory_equal(&g, &r, sizeof g);
    assert_ptr_equal(gpt_find(&r, r.partitions[1].type), &r.partitions[1]);
    assert_false(gpt_read(primary, g.sectors / 2, &r, &err)); /* a disk that was cut */
    assert_int_equal(err.code, POME_ERROR_INVALID_DISK_IMAGE);
    for (size_t i = 512; i < sizeof primary; i += 13) { /* any damage of header and entries is noticed */
        if (i >= 512 + 92 && i < 1024)
            continue;
        primary[i] ^= 0x10;
        assert_false(gpt_read(primary, g.sectors, &r, NULL));
        primary[i] ^= 0x10;
    }
    g.partitions[1].first = 200;
    gpt_write(&g, primary, backup);
    assert_false(gpt_read(primary, g.sectors, &r, &err));
    assert_non_null(strstr(err.message, "overlap"));
}

enum { VOLUME = 300 << 20 };

static uint8_t *make_volume(struct fat_plan *p, struct fat_file *files, size_t n, int fd)
{
    assert_int_equal(ftruncate(fd, VOLUME), 0);
    uint8_t *m = mmap(NULL, VOLUME, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), block[FAT_CLUSTER];
    assert_ptr_not_equal(m, MAP_FAILED);
    struct pome_error err = {0};
    if (!fat_plan(p, VOLUME, 40, "ISC", 0x12345678, 1763838000, files, n, &err))
        fail_msg("%s", err.message);
    uint64_t offset;
    for (size_t i = 0; fat_block(p, i, &offset, block); i++)
        memcpy(m + offset, block, sizeof block);
    for (size_t i = 0; i < n; i++)
        for (uint64_t k = 0; k < files[i].size; k++)
            m[files[i].offset + k] = (uint8_t)(k * 7 + i + k / 4096);
    return m;
}

static void fat_round_trip(void **state)
{
    struct fat_file files[] = {{"BOOT/ACTIVE", 97},       {"BOOT/0123ABCD/KERNEL.IM4", 5000000}, {"BOOT/0123ABCD/EMPTY.IM4", 0},
                               {"POLICY/LOCAL.IM4", 4096}, {"TOP.TXT", 4097}};
    struct fat_plan p;
    char path[] = "/tmp/pome-fat-XXXXXX", command[128];
    int fd = mkstemp(path);
    uint8_t *m = make_volume(&p, files, 5, fd);
    struct fat f;
    struct fat_entry e;
    struct pome_error err = {0};
    if (!fat_open(m, VOLUME, &f, &err))
        fail_msg("%s", err.message);
    uint8_t *back = malloc(5000000);
    for (size_t i = 0; i < 5; i++) {
        assert_true(fat_find(&f, files[i].path, &e, &err));
        assert_int_equal(e.size, files[i].size);
        assert_int_equal(fat_read(&f, &e, 0, back, 5000000), files[i].size);
        assert_memory_equal(back, m + files[i].offset, files[i].size);
    }
    assert_true(fat_find(&f, "boot/0123abcd/kernel.im4", &e, NULL));
    assert_int_equal(fat_read(&f, &e, 4999000, back, 5000), 1000);
    assert_memory_equal(back, m + files[1].offset + 4999000, 1000);
    assert_false(fat_find(&f, "BOOT/NOTHING", &e, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    assert_false(fat_find(&f, "TOP.TXT/X", &e, &err));
    /* A chain that loops ends. */
    assert_true(fat_find(&f, files[1].path, &e, NULL));
    le32_put(m + f.fat_at + 4 * (uint64_t)(e.cluster + 2), e.cluster);
    assert_int_equal(fat_read(&f, &e, 0, back, 5000000), 5000000);
    assert_int_equal(fat_read(&f, &e, 4900000, back, 1), 1);
    le32_put(m + f.fat_at + 4 * (uint64_t)(e.cluster + 2), e.cluster + 3);
    free(back);
    msync(m, VOLUME, MS_SYNC);
    munmap(m, VOLUME);
    if (!access("/usr/sbin/fsck.fat", X_OK)) {
        snprintf(command, sizeof command, "/usr/sbin/fsck.fat -n %s >/dev/null", path);
        assert_int_equal(system(command), 0);
    } else {
        print_message("fsck.fat is not installed: not asked\n");
    }
    close(fd);
    unlink(path);
}

struct editor {
    uint8_t *bytes;
    int left; /* writes that still succeed; negative: all */
};

static bool edit_write(void *user, uint64_t offset, const void *bytes, size_t n, struct pome_error *err)
{
    struct editor *d = user;
    assert_true(offset < VOLUME && n <= VOLUME - offset);
    if (!d->left)
        return false;
    d->left--;
    memcpy(d->bytes + offset, bytes, n);
    return true;
}

static bool edit_sync(void *user, struct pome_error *err)
{
    return true;
}

static size_t content(const struct fat *f, const char *path, uint8_t *out, size_t room)
{
    struct fat_entry e;
    return fat_find(f, path, &e, NULL) ? fat_read(f, &e, 0, out, room) : 0;
}

/* Cut off after each of its writes: the file is the old one or the new one, and the others are as they were. */
static void fat_edits(void **state)
{
    static uint8_t old[5000], new[9001], found[10000];
    struct fat_file files[] = {{"BOOT/ACTIVE", 9}, {"BOOT/0123ABCD/KERNEL.IM4", 50000}, {"POLICY/LOCAL.IM4", sizeof old}};
    struct fat_plan p;
    struct pome_error err = {0};
    char path[] = "/tmp/pome-fat-XXXXXX", command[128];
    int fd = mkstemp(path);
    uint8_t *m = make_volume(&p, files, 3, fd);
    struct editor d = {m, -1};
    struct fat_edit e = {.write = edit_write, .sync = edit_sync, .user = &d};
    memset(new, 0x5a, sizeof new);
    assert_true(fat_open(m, VOLUME, &e.fat, &err));
    size_t n = content(&e.fat, "POLICY/LOCAL.IM4", old, sizeof old);
    assert_int_equal(n, sizeof old);
    bool done = false;
    for (int cut = 0; !done; cut++) {
        d.left = cut;
        done = fat_replace(&e, "POLICY/LOCAL.IM4", new, sizeof new, &err);
        n = content(&e.fat, "POLICY/LOCAL.IM4", found, sizeof found);
        assert_true((n == sizeof old && !memcmp(found, old, n)) || (n == sizeof new && !memcmp(found, new, n)));
        assert_true(!done || n == sizeof new);
        d.left = -1;
        assert_true(fat_replace(&e, "POLICY/LOCAL.IM4", old, sizeof old, &err));
    }
    assert_true(fat_replace(&e, "BOOT/0123ABCD/TICKET.IM4", new, 3000, &err));
    assert_true(fat_replace(&e, "BOOT/PENDING", "", 0, &err));
    assert_int_equal(content(&e.fat, "BOOT/0123ABCD/TICKET.IM4", found, sizeof found), 3000);
    assert_true(fat_remove(&e, "BOOT/PENDING", &err));
    assert_true(fat_remove(&e, "BOOT/PENDING", &err));
    assert_false(fat_replace(&e, "NOWHERE/FILE", new, 1, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
    assert_false(fat_replace(&e, "BOOT", new, 1, &err));
    assert_false(fat_replace(&e, "BOOT/lower", new, 1, &err));
    uint8_t boot[512]; /* whoever else writes the volume may change it at any time: what was read when it was opened counts */
    memcpy(boot, m, sizeof boot);
    m[16] = 0xff;
    le32_put(m + 36, UINT32_MAX);
    assert_true(fat_replace(&e, "BOOT/PENDING", new, 100, &err) && fat_remove(&e, "BOOT/PENDING", &err));
    memcpy(m, boot, sizeof boot);
    char name[32];
    int fit = 0; /* a folder of one cluster has 128 places; two are . and .., two taken, one free after a removal */
    for (bool ok = true; ok; fit += ok) {
        snprintf(name, sizeof name, "BOOT/F%d", fit);
        ok = fat_replace(&e, name, new, 1, &err);
    }
    assert_int_equal(err.code, POME_ERROR_OUT_OF_DISK_SPACE);
    assert_int_equal(fit, 128 - 4);
    assert_int_equal(content(&e.fat, "BOOT/0123ABCD/KERNEL.IM4", found, sizeof found), sizeof found);
    assert_memory_equal(found, m + files[1].offset, sizeof found);
    msync(m, VOLUME, MS_SYNC);
    munmap(m, VOLUME);
    if (!access("/usr/sbin/fsck.fat", X_OK)) { /* the cut-off ones left clusters without an owner: -a gives them back, and finds nothing else */
        snprintf(command, sizeof command, "/usr/sbin/fsck.fat -a %s >/dev/null; /usr/sbin/fsck.fat -n %s > /dev/null", path, path);
        assert_int_equal(system(command), 0);
    }
    close(fd);
    unlink(path);
}

static void fat_refuses(void **state)
{
    static const char *const bad[] = {"kernel.img4", "lower", "TOOLONGNAME", "A.B.C", "A//B", "/A", "A/", "", ".", "SPACE D", "X.LONG"};
    struct fat_plan p;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fat_file f = {bad[i], 1};
        assert_false(fat_plan(&p, VOLUME, 0, "ISC", 0, 0, &f, 1, NULL));
    }
    struct fat_file large[2] = {{"A", VOLUME}, {"B", 1}};
    struct pome_error err;
    assert_false(fat_plan(&p, VOLUME, 0, "ISC", 0, 0, large, 1, &err));
    assert_int_equal(err.code, POME_ERROR_OUT_OF_DISK_SPACE);
    large[0].size = VOLUME - (2 << 20);
    assert_true(fat_plan(&p, VOLUME, 0, "ISC", 0, 0, large, 2, &err));
    assert_false(fat_plan(&p, 1000, 0, "ISC", 0, 0, NULL, 0, NULL));
    struct fat f;
    uint8_t noise[1024];
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)(i * 31 + (unsigned)round * 17 + (i ^ (unsigned)round) / 3);
        noise[510] = 0x55;
        noise[511] = 0xaa;
        struct fat_entry e;
        if (fat_open(noise, sizeof noise, &f, NULL))
            fat_find(&f, "BOOT/ACTIVE", &e, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guids),
        cmocka_unit_test(gpt_round_trip),
        cmocka_unit_test(fat_round_trip),
        cmocka_unit_test(fat_edits),
        cmocka_unit_test(fat_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
