/* fuzz_virtio_fs.c - a driver of any kind against the file system device; the first byte says whether the input is requests for the share
 * itself, one after the other, each after its length. The folder is a new one; beside it lies a file that must stay what it is. */
#include "dev/virtio_fs.h"
#include "fuzz/virtio_ops.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig rig;
static struct share *share, *direct;
static char outside[64];

static void start(void)
{
    static char top[] = "/tmp/pome-fuzz-share-XXXXXX";
    char folder[64], file[64];
    if (!mkdtemp(top))
        abort();
    snprintf(folder, sizeof folder, "%s/in", top);
    snprintf(outside, sizeof outside, "%s/out", top);
    snprintf(file, sizeof file, "%s/in/file", top);
    int fd = open(outside, O_CREAT | O_WRONLY, 0600), inner = mkdir(folder, 0700) ? -1 : open(file, O_CREAT | O_WRONLY, 0600);
    if (fd < 0 || inner < 0 || write(fd, "canary", 6) != 6 || close(fd) || close(inner))
        abort();
    share = share_create(folder, true, NULL);
    direct = share_create(folder, true, NULL);
    if (!share || !direct)
        abort();
    rig_init(&rig);
    rig_plug(&rig, virtio_fs_create(&rig.bus, share, "fuzz"));
}

/* Opcode, node and handle are small numbers: most requests mean something. */
static void requests(const uint8_t *data, size_t size)
{
    static uint8_t out[4096], in[8192];
    while (size >= 4) {
        size_t n = MIN(MIN((size_t)data[3] * 4, size - 4), sizeof out - sizeof(struct fuse_in_header));
        struct fuse_in_header h = { .len = (uint32_t)(sizeof h + n), .opcode = data[0] % 52, .nodeid = data[1] % 8 };
        memcpy(out, &h, sizeof h);
        memcpy(out + sizeof h, data + 4, n);
        struct iovec o = { out, h.len }, i = { in, 16 + (size_t)data[2] * 32 };
        struct share_request r = { .out = &o, .n_out = 1, .in = &i, .n_in = 1 };
        share_answer(direct, &r);
        if (r.written > i.iov_len)
            abort();
        data += 4 + n;
        size -= 4 + n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stat st;
    if (!share)
        start();
    if (!size)
        return 0;
    if (data[0] & 1) {
        requests(data + 1, size - 1);
    } else {
        ops_run(&rig, data + 1, size - 1);
        if (!share_drain(share, 10000))
            abort();
    }
    if (stat(outside, &st) || st.st_size != 6 || st.st_nlink != 1)
        abort();
    return 0;
}
