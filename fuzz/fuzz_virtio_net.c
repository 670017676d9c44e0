/* fuzz_virtio_net.c - a driver of any kind against the network device; the first byte chooses user-mode NAT or a socket, on
 * which the same bytes come in as frames. The NAT is closed: nothing leaves this process. */
#include "dev/virtio_net.h"
#include "fuzz/virtio_ops.h"

#include <stdlib.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig rig[2];
static int peer;

static void start(void)
{
    static const uint8_t mac[6] = { 0x06, 1, 2, 3, 4, 5 };
    int fd[2];
    rig_init(&rig[0]);
    rig_init(&rig[1]);
    struct net *user = net_user_create(rig[0].loop, &(struct net_user_options){ .isolation = NET_CLOSED }, NULL);
    if (!user || socketpair(AF_UNIX, SOCK_DGRAM, 0, fd))
        abort();
    peer = fd[1];
    rig_plug(&rig[0], virtio_net_create(&rig[0].bus, user, mac, 0));
    rig_plug(&rig[1], virtio_net_create(&rig[1].bus, net_fd_create(rig[1].loop, fd[0], NULL), mac, 0));
}

/* What ops_run may do is bounded; the frames that it sent are still looked at here. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char drop[2048];
    if (!peer)
        start();
    if (!size)
        return 0;
    struct rig *r = &rig[data[0] & 1];
    if (r == &rig[1])
        for (size_t at = 1; at < size; at += 64)
            send(peer, data + at, size - at < 64 ? size - at : 64, MSG_DONTWAIT);
    ops_run(r, data + 1, size - 1);
    rig_run_loop(r, 0);
    while (recv(peer, drop, sizeof drop, MSG_DONTWAIT) >= 0)
        ;
    return 0;
}
