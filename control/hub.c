/* hub.c - the guest's console among its users. */
#include "control/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 4096, SMALL = 512 };

/* The descriptor may be shared with others who would be surprised by O_NONBLOCK: opened once more where that is possible, as in backend/console.c. */
static int open_copy(int fd, bool *is_socket)
{
    struct stat st;
    char path[32];
    *is_socket = false;
    if (fd < 0 || fstat(fd, &st))
        return -1;
    *is_socket = S_ISSOCK(st.st_mode);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode) ? open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void make_nonblocking(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

bool hub_init(struct hub *h, int from_guest, int to_guest, int copy_to)
{
    *h = (struct hub){.from_guest = from_guest, .to_guest = to_guest, .copy = -1, .ring = malloc(HUB_RING)};
    if (!h->ring)
        return false;
    h->copy = open_copy(copy_to, &h->copy_is_socket);
    make_nonblocking(from_guest);
    make_nonblocking(to_guest);
    return true;
}

void hub_finish(struct hub *h)
{
    if (h->copy >= 0)
        close(h->copy);
    free(h->ring);
    h->copy = -1;
    h->ring = NULL;
}

uint64_t hub_begin(const struct hub *h)
{
    return h->end > HUB_RING ? h->end - HUB_RING : 0;
}

size_t hub_piece(const struct hub *h, uint64_t at, const char **piece)
{
    size_t from = at % HUB_RING, n = (size_t)(h->end - at);
    *piece = h->ring + from;
    return n < HUB_RING - from ? n : HUB_RING - from;
}

uint64_t hub_recent(const struct hub *h, size_t recent)
{
    uint64_t at = h->end - hub_begin(h) > recent ? h->end - recent : hub_begin(h), first = at;
    if (!at)
        return 0;
    while (at < h->end && h->ring[(at - 1) % HUB_RING] != '\n')
        at = at + 1;
    return at < h->end ? at : first;
}

bool hub_copy_is_behind(const struct hub *h)
{
    return h->copy >= 0 && h->copied < h->end;
}

bool hub_wants_output(const struct hub *h)
{
    return h->from_guest >= 0 && (h->copy < 0 || h->end - h->copied < HUB_COPY_BEHIND);
}

/* One write that does not block; false: not now. A copy whose reader is gone is given up. */
static bool write_copy(struct hub *h)
{
    const char *piece;
    struct pollfd p = {.fd = h->copy, .events = POLLOUT};
    if (poll(&p, 1, 0) != 1)
        return false;
    size_t n = hub_piece(h, h->copied, &piece);
    n = n < PIECE ? n : PIECE;
    ssize_t done = h->copy_is_socket ? send(h->copy, piece, n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(h->copy, piece, n < SMALL ? n : SMALL);
    if (done < 0 && errno != EAGAIN && errno != EINTR) {
        close(h->copy);
        h->copy = -1;
    }
    if (done > 0)
        h->copied += (uint64_t)done;
    return done > 0;
}

static bool read_output(struct hub *h)
{
    char bytes[PIECE];
    ssize_t n = read(h->from_guest, bytes, sizeof bytes);
    if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
        h->from_guest = -1; /* the machine is gone */
    if (n <= 0)
        return false;
    size_t at = h->end % HUB_RING, first = HUB_RING - at < (size_t)n ? HUB_RING - at : (size_t)n;
    memcpy(h->ring + at, bytes, first);
    memcpy(h->ring, bytes + first, (size_t)n - first);
    h->end += (uint64_t)n;
    return true;
}

bool hub_pump(struct hub *h)
{
    uint64_t before = h->end;
    bool more = true;
    for (int round = 0; more && round < 64; round++) { /* a guest that never stops talking is not all there is to do */
        more = hub_wants_output(h) && read_output(h);
        while (hub_copy_is_behind(h) && write_copy(h))
            more = true;
    }
    return h->end != before;
}

size_t hub_type(struct hub *h, const char *bytes, size_t n)
{
    if (h->to_guest < 0)
        return n;
    ssize_t done = write(h->to_guest, bytes, n);
    if (done < 0 && errno != EAGAIN && errno != EINTR)
        return n; /* nobody will ever read it */
    return done < 0 ? 0 : (size_t)done;
}
