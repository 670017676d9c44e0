/* cmd_vsock.c - pome vsock: standard input and output become a stream to a program in a guest. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"

#include <pome/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

command_run cmd_vsock;

/* One direction: bytes that were read and not written yet. */
struct pipe {
    int from, to;
    char bytes[65536];
    size_t first, n;
    bool ended; /* no more comes, all is written */
};

static bool later(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* What can be done now, without waiting; false: it broke. */
static bool move(struct pipe *p, bool readable)
{
    if (!p->n && readable) {
        ssize_t got = read(p->from, p->bytes, sizeof p->bytes);
        if (got < 0)
            return later() || errno == ECONNRESET;
        p->first = 0;
        p->n = (size_t)got;
        p->ended = !got;
    }
    ssize_t put = p->n ? write(p->to, p->bytes + p->first, p->n) : 0;
    if (put < 0)
        return later();
    p->first += (size_t)put;
    p->n -= (size_t)put;
    return true;
}

/* Until the guest's side ends. */
static bool bridge(int fd)
{
    static struct pipe in, out;
    in = (struct pipe){.from = STDIN_FILENO, .to = fd};
    out = (struct pipe){.from = fd, .to = STDOUT_FILENO};
    bool shut = false;
    while (!out.ended) {
        struct pollfd p[3] = {
            {.fd = in.ended || in.n ? -1 : STDIN_FILENO, .events = POLLIN},
            {.fd = fd, .events = (short)((out.n ? 0 : POLLIN) | (in.n ? POLLOUT : 0))},
            {.fd = out.n ? STDOUT_FILENO : -1, .events = POLLOUT},
        };
        if (poll(p, 3, -1) < 0 && errno != EINTR)
            return false;
        if (!move(&out, p[1].revents & (POLLIN | POLLHUP | POLLERR)))
            return false;
        if (!in.ended && !move(&in, p[0].revents))
            in.ended = true; /* the guest takes no more */
        if (in.ended && !shut) {
            shutdown(fd, SHUT_WR);
            shut = true;
        }
    }
    return true;
}

/* NAME is a machine, or the path of a socket of one. */
static int connect_to(const char *name, uint32_t port, int timeout_ms, struct pome_error *err)
{
    struct stat st;
    char path[128];
    if (strchr(name, '/') && !stat(name, &st) && S_ISSOCK(st.st_mode))
        return pome_socket_connect_path(name, port, timeout_ms, err);
    pome_bundle *b = pome_bundle_open(name, err);
    bool ok = b && pome_bundle_socket_path(b, path, sizeof path, err);
    pome_bundle_free(b);
    return ok ? pome_socket_connect_path(path, port, timeout_ms, err) : -1;
}

int cmd_vsock(int argc, char **argv)
{
    uint64_t seconds = 30;
    const char *words[2];
    const struct cli_option options[] = {
        {"timeout", 't', CLI_NUMBER, &seconds, "SECONDS", "how long to wait for the guest's answer (30)", 1, 86400},
        {0},
    };
    int status = cli_options(argc, argv, options, 2, 2, words);
    if (status != CLI_GO_ON)
        return status;
    char *end;
    unsigned long port = strtoul(words[1], &end, 10);
    if (!port || port > UINT32_MAX || *end)
        return cli_usage("vsock", "PORT is a number from 1 on");
    struct pome_error err = {0};
    int fd = connect_to(words[0], (uint32_t)port, (int)seconds * 1000, &err);
    if (fd < 0)
        return cli_fail(&err, err.code == POME_ERROR_NOT_FOUND ? "\"pome list\" shows what runs; a program in the guest must listen on that port" : NULL,
                        "cannot connect to port %s of \"%s\"", words[1], words[0]);
    status = bridge(fd) ? CLI_OK : CLI_FAILED;
    close(fd);
    return status;
}
