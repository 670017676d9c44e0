/* share_test.c - a share and guests that lie: ways out of the folder, numbers that mean nothing, requests that end too early. */
#include "backend/share_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct share *s;
static char top[64], folder[80], secret[80];
static uint8_t out[8192], in[8192]; /* request, answer */

static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int setup(void **state)
{
    char path[128];
    strcpy(top, "/tmp/pome-share-test-XXXXXX");
    if (!mkdtemp(top))
        return 1;
    snprintf(folder, sizeof folder, "%s/in", top);
    snprintf(secret, sizeof secret, "%s/secret", top);
    mkdir(folder, 0700);
    put_file(secret, "secret");
    snprintf(path, sizeof path, "%s/file", folder);
    put_file(path, "contents");
    snprintf(path, sizeof path, "%s/way-out", folder);
    if (symlink("../secret", path))
        return 1;
    snprintf(path, sizeof path, "%s/top", folder);
    if (symlink("..", path))
        return 1;
    snprintf(path, sizeof path, "%s/pipe", folder);
    if (mkfifo(path, 0600))
        return 1;
    s = share_create(folder, true, NULL);
    return !s;
}

static int teardown(void **state)
{
    char line[128];
    share_destroy(s);
    snprintf(line, sizeof line, "rm -rf %s", top);
    return system(line);
}

/* One request with `bytes` bytes behind the header; the errno of the answer, -1: there was none. */
static int ask(uint32_t opcode, uint64_t node, const void *args, size_t bytes)
{
    struct fuse_in_header h = { .len = (uint32_t)(sizeof h + bytes), .opcode = opcode, .nodeid = node, .unique = 77 };
    struct fuse_out_header a;
    memcpy(out, &h, sizeof h);
    if (bytes)
        memcpy(out + sizeof h, args, bytes);
    struct iovec o[2] = { { out, 10 }, { out + 10, h.len - 10 } }, i[2] = { { in, 7 }, { in + 7, sizeof in - 7 } };
    struct share_request r = { .out = o, .n_out = 2, .in = i, .n_in = 2 };
    share_answer(s, &r);
    if (!r.written)
        return -1;
    memcpy(&a, in, sizeof a);
    assert_int_equal(a.len, r.written);
    assert_true(a.unique == 77);
    return -a.error;
}

static int ask_name(uint32_t opcode, uint64_t node, const char *name)
{
    return ask(opcode, node, name, strlen(name) + 1);
}

static uint64_t lookup(const char *name)
{
    struct fuse_entry_out e;
    assert_int_equal(ask_name(FUSE_LOOKUP, 1, name), 0);
    memcpy(&e, in + sizeof(struct fuse_out_header), sizeof e);
    return e.nodeid;
}

static int open_node(uint64_t node, uint32_t flags, uint64_t *handle)
{
    struct fuse_open_in a = { .flags = flags };
    struct fuse_open_out o;
    int e = ask(FUSE_OPEN, node, &a, sizeof a);
    memcpy(&o, in + sizeof(struct fuse_out_header), sizeof o);
    *handle = o.fh;
    return e;
}

static void no_name_leads_out(void **state)
{
    static const char *const names[] = { "..", ".", "", "/", "/etc/passwd", "../secret", "top/secret", "file/..", "./file", "file/" };
    char text[600] = { 0 };
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(ask_name(FUSE_LOOKUP, 1, names[i]), ENOENT);
    static const uint32_t ops[] = { FUSE_UNLINK, FUSE_RMDIR };
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        for (unsigned k = 0; k < ARRAY_SIZE(ops); k++)
            assert_int_equal(ask_name(ops[k], 1, names[i]), EINVAL);
    memset(text, 'x', 300);
    assert_int_equal(ask_name(FUSE_LOOKUP, 1, text), ENAMETOOLONG);
    struct {
        struct fuse_mkdir_in a;
        char name[12];
    } dir = { { .mode = 0755 }, "../escaped" };
    assert_int_equal(ask(FUSE_MKDIR, 1, &dir, sizeof dir), EINVAL);
    struct {
        struct fuse_rename_in a;
        char names[20];
    } move = { { .newdir = 1 }, "file\0../escaped" };
    assert_int_equal(ask(FUSE_RENAME, 1, &move, sizeof move), EINVAL);
    struct {
        struct fuse_create_in a;
        char name[12];
    } make = { { .flags = O_RDWR, .mode = 0600 }, "../escaped" };
    assert_int_equal(ask(FUSE_CREATE, 1, &make, sizeof make), EINVAL);
    char path[128];
    snprintf(path, sizeof path, "%s/escaped", top);
    assert_int_equal(access(path, F_OK), -1);
}

/* A link is a text. It is not opened, nothing is looked up or made through it, and its target stays as it is. */
static void links_are_not_followed(void **state)
{
    uint64_t fh, link = lookup("way-out"), up = lookup("top");
    struct stat before, after;
    assert_int_equal(stat(secret, &before), 0);
    assert_int_equal(ask(FUSE_READLINK, link, NULL, 0), 0);
    assert_memory_equal(in + sizeof(struct fuse_out_header), "../secret", 9);
    assert_int_equal(open_node(link, O_RDONLY, &fh), EACCES);
    assert_int_equal(ask_name(FUSE_LOOKUP, up, "secret"), ENOTDIR);
    assert_int_equal(ask_name(FUSE_UNLINK, up, "secret"), ENOTDIR);
    struct fuse_setattr_in a = { .valid = FATTR_SIZE };
    assert_int_equal(ask(FUSE_SETATTR, link, &a, sizeof a), EINVAL);
    a = (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 0777 };
    assert_int_equal(ask(FUSE_SETATTR, link, &a, sizeof a), EOPNOTSUPP);
    a = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 1 };
    assert_int_equal(ask(FUSE_SETATTR, link, &a, sizeof a), EOPNOTSUPP);
    struct {
        struct fuse_create_in c;
        char name[8];
    } make = { { .flags = O_RDWR | O_TRUNC, .mode = 0600 }, "way-out" };
    assert_int_equal(ask(FUSE_CREATE, 1, &make, sizeof make), EACCES); /* it is there, and no file */
    struct {
        struct fuse_link_in l;
        char name[8];
    } hard = { { .oldnodeid = link }, "twin" };
    assert_int_equal(ask(FUSE_LINK, 1, &hard, sizeof hard), EPERM);
    assert_int_equal(stat(secret, &after), 0);
    assert_true(before.st_size == after.st_size && before.st_mode == after.st_mode && before.st_nlink == after.st_nlink);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
}

static void only_files_and_folders_are_opened_and_made(void **state)
{
    uint64_t fh;
    assert_int_equal(open_node(lookup("pipe"), O_RDONLY, &fh), EACCES); /* and it did not hang */
    static const uint32_t modes[] = { S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, S_IFDIR, 0 };
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        struct {
            struct fuse_mknod_in a;
            char name[8];
        } node = { { .mode = modes[i] | 0666, .rdev = 0x103 }, "made" };
        assert_int_equal(ask(FUSE_MKNOD, 1, &node, sizeof node), EPERM);
    }
    struct {
        struct fuse_mknod_in a;
        char name[8];
    } file = { { .mode = S_IFREG | 06755 }, "plain" };
    struct stat st;
    char path[128];
    assert_int_equal(ask(FUSE_MKNOD, 1, &file, sizeof file), 0);
    snprintf(path, sizeof path, "%s/plain", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
}

static void numbers_that_mean_nothing(void **state)
{
    uint64_t fh, file = lookup("file");
    static const uint64_t ids[] = { 0, 2000, UINT64_MAX, UINT64_C(1) << 32 | 1 };
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
        assert_int_equal(ask(FUSE_GETATTR, ids[i], NULL, 0), ESTALE);
    struct fuse_forget_in f = { .nlookup = 1000 }; /* more often than it was looked up */
    assert_int_equal(ask(FUSE_FORGET, file, &f, sizeof f), -1);
    assert_int_equal(ask(FUSE_GETATTR, file, NULL, 0), ESTALE);
    uint64_t again = lookup("file");
    assert_true(again != file);
    assert_int_equal(ask(FUSE_GETATTR, file, NULL, 0), ESTALE); /* the old number stays dead */
    assert_int_equal(ask(FUSE_FORGET, 1, &f, sizeof f), -1);
    assert_int_equal(ask(FUSE_GETATTR, 1, NULL, 0), 0); /* the folder itself stays */
    assert_int_equal(open_node(again, O_RDWR, &fh), 0);
    struct fuse_read_in r = { .fh = fh, .size = 100 };
    assert_int_equal(ask(FUSE_READ, again, &r, sizeof r), 0);
    assert_memory_equal(in + sizeof(struct fuse_out_header), "contents", 8);
    r.offset = UINT64_MAX;
    assert_int_equal(ask(FUSE_READ, again, &r, sizeof r), EBADF);
    struct fuse_release_in release = { .fh = fh };
    assert_int_equal(ask(FUSE_RELEASE, again, &release, sizeof release), 0);
    r.offset = 0;
    assert_int_equal(ask(FUSE_READ, again, &r, sizeof r), EBADF);
    assert_int_equal(ask(FUSE_RELEASE, again, &release, sizeof release), 0);
    r.fh = UINT64_MAX;
    assert_int_equal(ask(FUSE_READ, again, &r, sizeof r), EBADF);
    for (unsigned i = 0; i < SHARE_FILES + 10; i++) { /* as many open files as there may be */
        int e = open_node(again, O_RDONLY, &fh);
        assert_int_equal(e, i < SHARE_FILES ? 0 : ENFILE);
    }
    share_forget_all(s);
}

/* Every request, cut short at every length, and with no room for the answer. */
static void short_requests(void **state)
{
    uint8_t args[128];
    memset(args, 0x41, sizeof args);
    for (uint32_t opcode = 0; opcode < 60; opcode++)
        for (size_t n = 0; n < sizeof args; n++)
            ask(opcode, 1 + n % 3, args, n);
    struct fuse_in_header h = { .len = sizeof h, .opcode = FUSE_GETATTR, .nodeid = 1 };
    for (size_t room = 0; room < 64; room++) {
        struct iovec o = { &h, sizeof h }, i = { in, room };
        struct share_request r = { .out = &o, .n_out = 1, .in = &i, .n_in = 1 };
        memset(in, 0xee, sizeof in);
        share_answer(s, &r);
        assert_true(r.written <= room);
        assert_int_equal(in[room], 0xee);
    }
}

static void read_only_is_read_only(void **state)
{
    struct share *other = s;
    uint64_t fh;
    static const uint32_t ops[] = { FUSE_SETATTR, FUSE_SYMLINK, FUSE_MKNOD, FUSE_MKDIR, FUSE_UNLINK, FUSE_RMDIR, FUSE_RENAME, FUSE_RENAME2, FUSE_LINK,
                                    FUSE_WRITE, FUSE_CREATE, FUSE_FALLOCATE, FUSE_SETXATTR, FUSE_REMOVEXATTR };
    s = share_create(folder, false, NULL);
    assert_non_null(s);
    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
        assert_int_equal(ask_name(ops[i], 1, "file"), EROFS);
    uint64_t file = lookup("file");
    static const uint32_t flags[] = { O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC };
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
        assert_int_equal(open_node(file, flags[i], &fh), EROFS);
    assert_int_equal(open_node(file, O_RDONLY, &fh), 0);
    assert_int_equal(fcntl(share_file_fd(s, fh), F_GETFL) & O_ACCMODE, O_RDONLY);
    share_destroy(s);
    s = other;
}

/* Saves the share, and reads that into a new one of the folder. */
static unsigned again(bool writable)
{
    struct records r = {0};
    struct pome_error err;
    unsigned lost;
    share_save(s, &r);
    assert_false(r.no_memory);
    share_destroy(s);
    s = share_create(folder, writable, NULL);
    assert_non_null(s);
    if (!share_load(s, r.bytes, r.n, &lost, &err))
        fail_msg("%s", err.message);
    records_free(&r);
    return lost;
}

static char *in_folder(const char *name)
{
    static char path[2][160];
    static unsigned turn;
    snprintf(path[++turn & 1], sizeof path[0], "%s/%s", folder, name);
    return path[turn & 1];
}

static int read_8(uint64_t handle)
{
    struct fuse_read_in a = { .fh = handle, .size = 8 };
    return ask(FUSE_READ, 1, &a, sizeof a);
}

static void what_the_guest_knows_is_saved(void **state)
{
    assert_int_equal(mkdir(in_folder("d"), 0700), 0);
    put_file(in_folder("d/deep"), "deep");
    put_file(in_folder("gone"), "gone");
    put_file(in_folder("other"), "other");
    put_file(in_folder("nameless"), "nameless");
    uint64_t ids[8], fh, writing, nameless, d = lookup("d");
    assert_int_equal(ask_name(FUSE_LOOKUP, d, "deep"), 0);
    struct fuse_entry_out e;
    memcpy(&e, in + sizeof(struct fuse_out_header), sizeof e);
    const uint64_t deep = e.nodeid;
    ids[0] = lookup("file"), ids[1] = lookup("gone"), ids[2] = lookup("other"), ids[3] = lookup("way-out"), ids[4] = lookup("nameless");
    assert_int_equal(open_node(ids[0], O_RDONLY, &fh), 0);
    assert_int_equal(open_node(deep, O_RDWR, &writing), 0);
    assert_int_equal(open_node(ids[4], O_RDONLY, &nameless), 0);
    assert_int_equal(unlink(in_folder("nameless")), 0);
    assert_int_equal(again(true), 2); /* the inode and the open file without a name */
    assert_int_equal(ask(FUSE_GETATTR, ids[0], NULL, 0), 0);
    assert_int_equal(ask(FUSE_GETATTR, d, NULL, 0), 0);
    assert_int_equal(ask(FUSE_GETATTR, ids[4], NULL, 0), ESTALE);
    assert_int_equal(read_8(nameless), EBADF);
    assert_int_equal(read_8(fh), 0);
    assert_memory_equal(in + sizeof(struct fuse_out_header), "contents", 8);
    assert_int_equal(fcntl(share_file_fd(s, fh), F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(fcntl(share_file_fd(s, writing), F_GETFL) & O_ACCMODE, O_RDWR);
    assert_int_equal(ask(FUSE_READLINK, ids[3], NULL, 0), 0); /* the link itself */
    assert_true(lookup("file") == ids[0]); /* and it is the one that is known */
    put_file(in_folder("new"), "new");
    assert_true(lookup("new") != ids[4]); /* a number is not given twice */

    assert_int_equal(unlink(in_folder("gone")), 0);
    assert_int_equal(rename(in_folder("file"), in_folder("other")), 0); /* another file of that name */
    struct records r = {0};
    share_save(s, &r); /* knows them as they are now: "file" is "other" */
    records_free(&r);
    assert_int_equal(rename(in_folder("d"), in_folder("moved")), 0);
    assert_int_equal(symlink("moved", in_folder("d")), 0);
    assert_int_equal(again(false), 3); /* gone, the old "other", and the one open for writing: nothing may be written now */
    assert_int_equal(ask(FUSE_GETATTR, ids[1], NULL, 0), ESTALE);
    assert_int_equal(ask(FUSE_GETATTR, ids[2], NULL, 0), ESTALE);
    assert_int_equal(ask(FUSE_GETATTR, deep, NULL, 0), 0); /* the host renamed it before the machine was saved */
    assert_int_equal(read_8(writing), EBADF);
    assert_int_equal(read_8(fh), 0);
}

/* Names that changed between saving and restoring, and bytes that nobody saved. */
static void what_is_read_back_is_checked(void **state)
{
    struct records r = {0};
    struct pome_error err;
    unsigned lost;
    uint64_t fh, file = lookup("file"), way_out = lookup("way-out");
    assert_int_equal(open_node(file, O_RDONLY, &fh), 0);
    share_save(s, &r);
    assert_int_equal(unlink(in_folder("file")), 0);
    assert_int_equal(symlink("../secret", in_folder("file")), 0);
    assert_true(share_load(s, r.bytes, r.n, &lost, &err));
    assert_int_equal(lost, 2);
    assert_int_equal(ask(FUSE_GETATTR, file, NULL, 0), ESTALE);
    assert_int_equal(ask(FUSE_GETATTR, way_out, NULL, 0), 0);
    for (size_t n = 0; n < r.n; n++) /* cut off: refused, or it ends between two records */
        if (!share_load(s, r.bytes, n, &lost, &err))
            assert_int_equal(err.code, POME_ERROR_RESTORE);
    struct stat st;
    struct statx born;
    uint8_t bytes[80] = { 1 };
    static const char *const ways[] = { "twin", "../secret", "/etc/passwd", "way-out", "top/secret", "twin/", "", "..", "." };
    assert_int_equal(link(secret, in_folder("twin")), 0); /* the host put it there: that is a way */
    for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) { /* everything is right but the way */
        struct records w = {0};
        assert_int_equal(stat(secret, &st), 0);
        le32_put(bytes + 8, S_IFREG);
        le64_put(bytes + 16, 1);
        le64_put(bytes + 24, st.st_ino);
        assert_int_equal(statx(AT_FDCWD, secret, 0, STATX_BTIME, &born), 0);
        le64_put(bytes + 32, born.stx_mask & STATX_BTIME ? (uint64_t)born.stx_btime.tv_sec * 1000000000 + born.stx_btime.tv_nsec : 0);
        strcpy((char *)bytes + 40, ways[i]);
        records_put(&w, "inode", bytes, 40 + strlen(ways[i]));
        assert_true(share_load(s, w.bytes, w.n, &lost, &err));
        assert_int_equal(lost, i ? 1 : 0);
        records_put(&w, "inode", bytes, 40); /* the same number again */
        assert_false(share_load(s, w.bytes, w.n, &lost, &err));
        records_free(&w);
    }
    records_free(&r);
}

static void folders_only(void **state)
{
    struct pome_error err;
    assert_null(share_create(secret, false, &err));
    assert_int_equal(err.code, POME_ERROR_INVALID_CONFIGURATION);
    assert_null(share_create("/no/such", false, &err));
    assert_int_equal(err.code, POME_ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_name_leads_out, setup, teardown),
        cmocka_unit_test_setup_teardown(links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(only_files_and_folders_are_opened_and_made, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_that_mean_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(short_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(read_only_is_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_guest_knows_is_saved, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_read_back_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_only, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
