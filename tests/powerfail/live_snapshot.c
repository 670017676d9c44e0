/*
 * live_snapshot.c - live_snapshot BUNDLE NAME VALUE FLUSHED: takes a snapshot as of a machine that runs. The guest is played here: it writes sectors of VALUE at four
 * places before, and of VALUE + 64 after that, and flushes each; what is flushed is in the file FLUSHED. copies.py knows the places.
 */
#include "base/error.h"
#include "base/file_io.h"
#include "bundle/paths.h"
#include "bundle/snapshot.h"
#include "bundle/snapshot_line.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint64_t place = UINT64_C(900) << 20, apart = 1 << 20; /* nothing of the machine's is there */

struct guest {
    struct bundle *b;
    unsigned value;
    const char *flushed;
};

static bool write_one(const struct guest *g, struct kept *k, int fd, unsigned at, unsigned value, struct pome_error *err)
{
    uint8_t sector[512];
    const uint64_t offset = place + at * apart;
    memset(sector, (int)value, sizeof sector);
    if ((k && !kept_before(k, offset, sizeof sector, err)) || !file_write_at(fd, "the disk", sector, sizeof sector, offset, err) ||
        (fdatasync(fd) && !pome_fail_errno(err, "the guest cannot flush")))
        return false;
    FILE *f = fopen(g->flushed, "a");
    bool ok = f && fprintf(f, "%u %u\n", at, value) > 0;
    return (f && !fclose(f) && ok) || pome_fail_errno(err, "%s", g->flushed);
}

/* Three places that every run writes to, and one of its own. */
static bool live(const struct guest *g, unsigned value, struct pome_error *err)
{
    struct kept *k;
    if (!snapshots_keep(g->b, &k, err))
        return false;
    int fd = member_open(g->b, BUNDLE_DISK, O_WRONLY, err);
    bool ok = fd >= 0 && write_one(g, k, fd, 10 + g->value, value, err);
    for (unsigned i = 0; ok && i < 3; i++)
        ok = write_one(g, k, fd, i, value, err);
    if (fd >= 0)
        close(fd);
    kept_close(k);
    return ok;
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    struct job j = {0};
    if (argc != 5)
        return 2;
    unlink(argv[4]);
    struct guest g = {bundle_open(argv[1], &err), (unsigned)atoi(argv[3]), argv[4]};
    bool ok = g.b && bundle_lock(g.b, &err) && snapshot_name_free(g.b, argv[2], &err) && live(&g, g.value, &err) && snapshot_create(g.b, argv[2], NULL, NULL, &j, &err) &&
              live(&g, g.value + 64, &err);
    bundle_close(g.b);
    if (!ok)
        fprintf(stderr, "why: %s\n", err.message);
    return !ok;
}
