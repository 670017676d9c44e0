/* live_snapshot.c - live_snapshot BUNDLE NAME: takes a snapshot as of a machine that runs. The guest is played here: it writes a byte to the disk before, while it is copied, and after that. */
#include "base/bits.h"
#include "base/error.h"
#include "bundle/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint64_t place = UINT64_C(900) << 20, apart = 1 << 20; /* nothing is there; copies.py knows it too */

struct guest {
    struct bundle *b;
    unsigned written, told;
    bool failed;
    struct pome_error why;
};

static bool write_next(struct guest *g)
{
    uint8_t sector[512];
    memset(sector, (int)g->written + 1, sizeof sector);
    int fd = bundle_member_open(g->b, BUNDLE_DISK, O_WRONLY, &g->why);
    if (fd < 0 || (pwrite(fd, sector, sizeof sector, (off_t)(place + g->written * apart)) != sizeof sector && !pome_fail_errno(&g->why, "the guest cannot write")))
        g->failed = true;
    g->written++;
    if (fd >= 0)
        close(fd);
    return !g->failed;
}

static bool watch(void *user, const char *path, bool *there, struct pome_error *err)
{
    *there = strstr(path, "/Disk.img");
    return true;
}

static bool take(void *user, const char *path, uint64_t *next, uint64_t *offset, uint64_t *bytes)
{
    struct guest *g = user;
    if (g->written == 1)
        write_next(g); /* the disk was copied once: this comes too late for that */
    if (g->told == g->written)
        return false;
    *offset = place + g->told++ * apart;
    *bytes = 65536;
    return true;
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    struct job j = {0};
    struct guest g = {0};
    const struct snapshot_writes writes = {watch, take, &g};
    if (argc != 3)
        return 2;
    g.b = bundle_open(argv[1], &err);
    bool ok = g.b && bundle_lock(g.b, &err) && snapshot_name_free(g.b, argv[2], &err) && write_next(&g);
    struct snapshot_ahead *ahead = ok ? snapshot_ahead_begin(g.b, &g.b->settings, &writes, &j, &err) : NULL;
    ok = ahead && write_next(&g) && snapshot_create(g.b, argv[2], NULL, ahead, &j, &err);
    snapshot_ahead_free(ahead);
    bundle_close(g.b);
    if (!ok)
        fprintf(stderr, "why: %s\n", g.failed ? g.why.message : err.message);
    return !ok;
}
