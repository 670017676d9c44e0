/* fuzz_virtio_vsock.c - a driver of any kind against the socket device; the host listens on port 9 and connects to port 22. */
#include "dev/virtio_vsock.h"
#include "fuzz/virtio_ops.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig rig;
static struct vsock_host *host;
static int listener = -1;

static void call(const char *line)
{
    int fd[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
        abort();
    if (send(fd[1], line, 16, 0) < 0)
        abort();
    vsock_host_give(host, fd[0]);
    close(fd[1]);
}

/* Answers what the guest sends with as much, once. */
static void serve(void)
{
    uint32_t from;
    char control[CMSG_SPACE(sizeof(int))], bytes[4096];
    struct iovec iov = { &from, sizeof from };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    if (recvmsg(listener, &m, MSG_DONTWAIT) != sizeof from || !CMSG_FIRSTHDR(&m))
        return;
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        send(fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    rig_run_loop(&rig, 0);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!host) {
        rig_init(&rig);
        if (!(host = vsock_host_create(rig.loop, NULL, NULL)))
            abort();
        rig_plug(&rig, virtio_vsock_create(&rig.bus, host));
        listener = vsock_host_listen(host, 9, NULL);
    }
    if (size && data[0] & 1)
        call("CONNECT 22\nbytes");
    ops_run(&rig, data, size);
    rig_run_loop(&rig, 0);
    serve();
    rig_run_loop(&rig, 0);
    return 0;
}
