/* fuzz_share_saved.c - what a saved machine's guest knows of a share, read back. The first byte says whether the rest is that, or places and bytes to change in what a share that
 * knows some files saved. Nothing but what lies in the folder may be open afterwards. */
#include "backend/share_inside.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct share *share;
static struct records good;
static ino_t outside;

static void ask(uint32_t opcode, uint64_t node, const void *args, size_t n)
{
    static uint8_t out[256], in[8192];
    struct fuse_in_header h = { .len = (uint32_t)(sizeof h + n), .opcode = opcode, .nodeid = node };
    memcpy(out, &h, sizeof h);
    memcpy(out + sizeof h, args, n);
    struct iovec o = { out, h.len }, i = { in, sizeof in };
    struct share_request r = { .out = &o, .n_out = 1, .in = &i, .n_in = 1 };
    share_answer(share, &r);
}

static void make_file(int folder, const char *path)
{
    int fd = openat(folder, path, O_CREAT | O_WRONLY, 0600);
    if (fd < 0 || write(fd, "canary", 6) != 6 || close(fd))
        abort();
}

static void start(void)
{
    static const char *const names[] = { "file", "folder", "link" };
    static char top[] = "/tmp/pome-fuzz-share-XXXXXX";
    struct stat st;
    char path[64];
    int folder = mkdtemp(top) ? open(top, O_RDONLY | O_DIRECTORY) : -1; /* libFuzzer's own names need our working folder as it is */
    if (folder < 0 || mkdirat(folder, "in", 0700) || mkdirat(folder, "in/folder", 0700) || symlinkat("../out", folder, "in/link"))
        abort();
    make_file(folder, "out");
    make_file(folder, "in/file");
    snprintf(path, sizeof path, "%s/in", top);
    share = share_create(path, true, NULL);
    if (!share || fstatat(folder, "out", &st, 0) || close(folder))
        abort();
    outside = st.st_ino;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        ask(FUSE_LOOKUP, FUSE_ROOT_ID, names[i], strlen(names[i]) + 1);
    ask(FUSE_OPEN, 2, &(struct fuse_open_in){ .flags = O_RDWR }, sizeof(struct fuse_open_in));
    ask(FUSE_OPENDIR, 3, &(struct fuse_open_in){ 0 }, sizeof(struct fuse_open_in));
    share_save(share, &good);
    if (good.no_memory || good.n < 200)
        abort();
}

static void check(int fd)
{
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) || st.st_ino == outside))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[4096];
    struct records again = { 0 };
    unsigned lost;
    size_t n;
    if (!share)
        start();
    if (!size)
        return 0;
    if (data[0] & 1) {
        n = MIN(size - 1, sizeof bytes);
        memcpy(bytes, data + 1, n);
    } else {
        n = MIN(good.n, sizeof bytes);
        memcpy(bytes, good.bytes, n);
        for (size_t i = 1; i + 2 < size; i += 3)
            bytes[(data[i] | data[i + 1] << 8) % n] = data[i + 2];
    }
    bool ok = share_load(share, bytes, n, &lost, NULL);
    for (size_t i = 1; i < share->n_inodes; i++)
        check(share->inode[i].fd);
    for (unsigned i = 0; i < SHARE_FILES; i++)
        check(share->file[i].fd);
    if (!ok)
        return 0;
    share_save(share, &again); /* what was taken can be saved, and asked for */
    records_free(&again);
    for (uint64_t node = 1; node < 8; node++)
        ask(FUSE_GETATTR, node, &(struct fuse_getattr_in){ 0 }, sizeof(struct fuse_getattr_in));
    ask(FUSE_LOOKUP, FUSE_ROOT_ID, "file", 5);
    ask(FUSE_FORGET, 2, &(struct fuse_forget_in){ 1 }, sizeof(struct fuse_forget_in));
    return 0;
}
