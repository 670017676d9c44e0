/* keeping.c - a machine's disk and the snapshot that keeps its blocks. */
#include "vm/keeping.h"

#include "backend/disk.h"
#include "base/error.h"
#include "bundle/snapshot_line.h"
#include "vm/life.h"

#include <errno.h>

static int keep(void *ctx, uint64_t offset, uint64_t bytes)
{
    struct pome_error err = {0};
    return kept_before(ctx, offset, bytes, &err) ? 0 : err.code == POME_ERROR_OUT_OF_DISK_SPACE ? ENOSPC : EIO;
}

static uint64_t run(void *ctx, uint64_t offset, uint64_t end, bool *kept)
{
    return kept_run(ctx, offset, end, kept);
}

static void end(void *ctx)
{
    kept_close(ctx);
}

void vm_keep_disk(struct vm *vm, const struct bundle *b, struct kept *k)
{
    char path[PATH_MAX];
    struct disk *d = bundle_member_path(b, BUNDLE_DISK, path) ? machine_disk_at(vm->machine, path) : NULL;
    if (d)
        disk_set_keeper(d, k ? &(struct disk_keeper){keep, run, end, k} : &(struct disk_keeper){0});
    else
        kept_close(k);
}

bool vm_keep_for_snapshots(struct vm *vm, const struct bundle *b, struct pome_error *err)
{
    struct kept *k;
    if (!snapshots_keep(b, &k, err))
        return false;
    if (k)
        vm_keep_disk(vm, b, k);
    return true;
}
