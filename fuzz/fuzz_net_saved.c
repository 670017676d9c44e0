/* fuzz_net_saved.c - the frames and connections that a saved machine's networks have under way, read back. The first byte chooses the kind of network. */
#include "backend/net.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { ANSWERS = 256 }; /* a frame that is sent back may be answered by one like it, for ever */

static struct net *make(struct loop *loop, unsigned kind, int *peer)
{
    int fd[2];
    *peer = -1;
    if (kind == 0)
        return net_user_create(loop, &(struct net_user_options){.isolation = NET_CLOSED}, NULL);
    if (socketpair(AF_UNIX, kind == 1 ? SOCK_STREAM : SOCK_DGRAM, 0, fd))
        abort();
    *peer = fd[1];
    return net_fd_create(loop, fd[0], NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct loop *loop = loop_create(NULL);
    struct records again = {0};
    int peer;
    if (!n)
        return loop_destroy(loop), 0;
    struct net *net = make(loop, bytes[0] % 3, &peer);
    if (!net)
        abort();
    if (net_load(net, bytes + 1, n - 1, bytes[0] & 128, NULL)) {
        size_t got;
        net_save(net, &again); /* what was taken can be saved, and what is given to the guest can be answered */
        const uint8_t *frame;
        for (int i = 0; i < ANSWERS && (frame = net_first(net, &got)); i++, net_next(net))
            net_put(net, frame, got);
    }
    records_free(&again);
    net_destroy(net);
    if (peer >= 0)
        close(peer);
    loop_destroy(loop);
    return 0;
}
