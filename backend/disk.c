/* disk.c - raw disk images: opening them, and what a request does (see disk.h). */
#include "backend/disk.h"

#include "backend/dirty.h"
#include "backend/disk_inside.h"
#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct disk {
    struct disk_pool *pool;
    char *path;
    int fd, direct_fd; /* around the host's cache; -1: not so */
    bool flushes;
    uint64_t first, bytes; /* the part of the file that is the disk */
    uint64_t padded_from;  /* the file ends there and the disk a little later; 0: both end together */
    bool read_only;
    bool never_now; /* the file system cannot say what it has in memory */
    struct dirty dirty;
    struct disk_keeper keeper; /* .ctx NULL: none */
};

/* ---- one request, on a worker ---- */

/* Moves `done` bytes off the front of the vector. */
static void advance(struct disk_io *io, size_t done)
{
    io->offset += done;
    io->bytes -= done;
    while (io->n_iov && done >= io->iov->iov_len) {
        done -= io->iov->iov_len;
        io->iov++;
        io->n_iov--;
    }
    if (io->n_iov) {
        io->iov->iov_base = (char *)io->iov->iov_base + done;
        io->iov->iov_len -= done;
    }
}

static void fill_zero(struct disk_io *io)
{
    for (; io->n_iov; io->n_iov--, io->iov++)
        memset(io->iov->iov_base, 0, io->iov->iov_len);
    io->bytes = 0;
}

#define DIRECT_ALIGN 4096 /* what no block device asks more than, of places on the disk and in memory */

/* What is not aligned goes through the cache, which the kernel keeps in step with what goes around it. */
static bool can_be_direct(const struct disk *d, const struct disk_io *io)
{
    uint64_t all = io->offset | io->bytes;
    for (unsigned i = 0; i < io->n_iov && d->direct_fd >= 0; i++)
        if (io->iov[i].iov_len) /* the last is empty: a request's status follows its data */
            all |= (uintptr_t)io->iov[i].iov_base | io->iov[i].iov_len;
    return d->direct_fd >= 0 && !(all % DIRECT_ALIGN);
}

static ssize_t move(int fd, const struct disk_io *io)
{
    int n = (int)MIN(io->n_iov, 1024);
    return io->op == DISK_READ ? preadv(fd, io->iov, n, (off_t)io->offset) : pwritev(fd, io->iov, n, (off_t)io->offset);
}

/* What asks the kernel which memory is written to (mem/watch.h) heard of this when the read began: the end must be heard of, too. */
static void touch(const struct disk_io *io, size_t n)
{
    for (unsigned i = 0; i < io->n_iov && n; i++) {
        const size_t bytes = MIN(n, io->iov[i].iov_len);
        for (size_t at = 0; at < bytes; at += DIRECT_ALIGN) {
            uint8_t *p = (uint8_t *)io->iov[i].iov_base + at, same = __atomic_load_n(p, __ATOMIC_RELAXED);
            while (!__atomic_compare_exchange_n(p, &same, same, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) /* a write, whoever writes there meanwhile */
                ;
        }
        n -= bytes;
    }
}

static int transfer(const struct disk *d, struct disk_io *io)
{
    while (io->bytes) {
        bool direct = can_be_direct(d, io);
        ssize_t done = move(direct ? d->direct_fd : d->fd, io);
        if (direct && done < 0 && errno == EINVAL)
            done = move(d->fd, io); /* this device asks more */
        else if (direct && done > 0 && io->op == DISK_READ)
            touch(io, (size_t)done);
        if (done < 0 && errno != EINTR)
            return errno;
        if (!done && d->padded_from && io->offset >= d->padded_from) {
            fill_zero(io);
            return 0;
        }
        if (!done)
            return EIO; /* the file became shorter */
        if (done > 0)
            advance(io, (size_t)done);
    }
    return 0;
}

/* For file systems that have no fallocate for it. */
static int write_zeroes(const struct disk *d, uint64_t offset, uint64_t bytes)
{
    static const uint8_t zeroes[64 * KiB];
    while (bytes) {
        ssize_t done = pwrite(d->fd, zeroes, (size_t)MIN(bytes, sizeof zeroes), (off_t)offset);
        if (done < 0 && errno != EINTR)
            return errno;
        if (done > 0) {
            offset += (uint64_t)done;
            bytes -= (uint64_t)done;
        }
    }
    return 0;
}

static int punch(const struct disk *d, int mode, const struct disk_io *io)
{
    if (!io->bytes)
        return 0;
    return fallocate(d->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)io->offset, (off_t)io->bytes) ? errno : 0;
}

static bool no_fallocate(int e)
{
    return e == EOPNOTSUPP || e == ENOSYS || e == ENODEV;
}

/* What has to be kept still needs its place. */
static int discard(const struct disk *d, const struct disk_io *io)
{
    const uint64_t end = io->offset + io->bytes;
    bool free = true;
    int e = 0;
    for (uint64_t at = io->offset, stop; !e && at < end; at = stop) {
        stop = d->keeper.ctx ? d->keeper.run(d->keeper.ctx, at, end, &free) : end;
        e = free ? punch(d, FALLOC_FL_PUNCH_HOLE, &(struct disk_io){.offset = at, .bytes = stop - at}) : 0;
    }
    return no_fallocate(e) ? 0 : e; /* it is a hint */
}

static int carry_out(struct disk *d, struct disk_io *io)
{
    int e;
    if ((io->op == DISK_WRITE || io->op == DISK_WRITE_ZEROES) && d->keeper.ctx && (e = d->keeper.keep(d->keeper.ctx, io->offset, io->bytes)))
        return e;
    switch (io->op) {
    case DISK_READ:
    case DISK_WRITE:
        return transfer(d, io);
    case DISK_FLUSH:
        return d->read_only || !d->flushes || !fdatasync(d->fd) ? 0 : errno;
    case DISK_DISCARD:
        return discard(d, io);
    case DISK_WRITE_ZEROES:
        e = punch(d, FALLOC_FL_ZERO_RANGE, io);
        if (no_fallocate(e))
            e = punch(d, FALLOC_FL_PUNCH_HOLE, io);
        return no_fallocate(e) ? write_zeroes(d, io->offset, io->bytes) : e;
    }
    return EINVAL;
}

int disk_perform(struct disk *d, struct disk_io *io)
{
    if (io->op != DISK_FLUSH && (io->offset > d->bytes || io->bytes > d->bytes - io->offset))
        return EINVAL;
    if (io->op != DISK_FLUSH && io->op != DISK_READ && d->read_only)
        return EROFS;
    io->offset += d->first;
    const uint64_t offset = io->offset, bytes = io->bytes; /* a transfer uses them up */
    int e = carry_out(d, io);
    if (io->op == DISK_WRITE || io->op == DISK_DISCARD || io->op == DISK_WRITE_ZEROES)
        dirty_note(&d->dirty, offset, bytes); /* also when it failed: perhaps half way */
    return e;
}

bool disk_watch(struct disk *d, struct pome_error *err)
{
    return dirty_begin(&d->dirty, d->first + d->bytes) || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to note what is written", disk_path(d));
}

bool disk_take_changed(struct disk *d, uint64_t *next, uint64_t *offset, uint64_t *bytes)
{
    return dirty_take(&d->dirty, next, offset, bytes);
}

bool disk_read_now(struct disk *d, uint64_t offset, uint64_t bytes, const struct iovec *iov, unsigned n_iov)
{
    if (offset > d->bytes || bytes > d->bytes - offset || n_iov > 1024 || __atomic_load_n(&d->never_now, __ATOMIC_RELAXED))
        return false;
    ssize_t done = preadv2(d->fd, iov, (int)n_iov, (off_t)(d->first + offset), RWF_NOWAIT);
    if (done < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS))
        __atomic_store_n(&d->never_now, true, __ATOMIC_RELAXED);
    return done >= 0 && (uint64_t)done == bytes;
}

bool disk_run(struct disk *d, struct disk_io *io)
{
    io->disk = d;
    io->error = disk_perform(d, io);
    return !io->error;
}

void disk_submit(struct disk *d, struct disk_io *io)
{
    io->disk = d;
    disk_pool_add(d->pool, io);
}

/* ---- opening ---- */

static bool check_size(struct disk *d, const char *path, struct pome_error *err)
{
    struct stat st;
    if (fstat(d->fd, &st))
        return pome_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE, "%s: neither a file nor a block device", path);
    off_t end = lseek(d->fd, 0, SEEK_END);
    if (end < 0)
        return pome_fail_errno(err, "%s", path);
    d->bytes = (uint64_t)end;
    if (d->read_only && d->bytes % DISK_SECTOR) { /* a file that is no disk image: zeros fill its last sector */
        d->padded_from = d->bytes;
        d->bytes += DISK_SECTOR - d->bytes % DISK_SECTOR;
    }
    if (!d->bytes || d->bytes % DISK_SECTOR)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE,
                         "%s: found %" PRIu64 " bytes, needed a multiple of %d, not empty", path, d->bytes, DISK_SECTOR);
    return true;
}

/* Open file description locks: they belong to this opening, and end with it however the process ends. */
static bool lock_file(struct disk *d, const char *path, struct pome_error *err)
{
    struct flock l = { .l_type = d->read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
    if (!fcntl(d->fd, F_OFD_SETLK, &l))
        return true;
    if (errno == EAGAIN || errno == EACCES)
        return pome_fail(err, POME_ERROR_BUSY, "%s: in use by another machine or program", path);
    return pome_fail_errno(err, "%s: locking", path);
}

struct disk *disk_open(struct disk_pool *p, const char *path, bool read_only, struct pome_error *err)
{
    struct disk *d = calloc(1, sizeof *d);
    if (!d) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s", path);
        return NULL;
    }
    d->pool = p;
    d->read_only = read_only;
    d->flushes = true;
    d->direct_fd = -1;
    d->path = strdup(path);
    d->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    if (d->fd < 0)
        pome_fail_errno(err, "%s", path);
    else if (lock_file(d, path, err) && check_size(d, path, err))
        return d;
    disk_close(d);
    return NULL;
}

bool disk_set_range(struct disk *d, const char *path, uint64_t first, uint64_t bytes, struct pome_error *err)
{
    assert(first % DISK_SECTOR == 0 && bytes % DISK_SECTOR == 0 && bytes);
    if (first > d->bytes || bytes > d->bytes - first)
        return pome_fail(err, POME_ERROR_INVALID_DISK_IMAGE,
                         "%s: found %" PRIu64 " bytes, needed %" PRIu64 " from byte %" PRIu64, path, d->bytes, bytes, first);
    d->first = first;
    d->bytes = bytes;
    return true;
}

bool disk_set_modes(struct disk *d, struct disk_modes modes, struct pome_error *err)
{
    char again[32];
    d->flushes = modes.flushing != DISK_FLUSHING_NONE;
    if (modes.caching != DISK_CACHING_UNCACHED)
        return true;
    snprintf(again, sizeof again, "/proc/self/fd/%d", d->fd); /* the same file, whatever its name leads to now */
    d->direct_fd = open(again, (d->read_only ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC | O_NONBLOCK);
    d->never_now = true;
    if (d->direct_fd < 0 && errno == EINVAL)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s: cachingMode is \"uncached\", which its file system cannot", disk_path(d));
    return d->direct_fd >= 0 || pome_fail_errno(err, "%s: around the cache", disk_path(d));
}

bool disk_identity(const struct disk *d, struct disk_identity *out, struct pome_error *err)
{
    struct stat st;
    if (fstat(d->fd, &st))
        return pome_fail_errno(err, "%s", disk_path(d));
    *out = (struct disk_identity){d->bytes, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
    return true;
}

void disk_set_keeper(struct disk *d, const struct disk_keeper *keeper)
{
    if (d->keeper.ctx)
        d->keeper.close(d->keeper.ctx);
    d->keeper = *keeper;
}

bool disk_sync(struct disk *d, struct pome_error *err)
{
    return d->read_only || !fdatasync(d->fd) || pome_fail_errno(err, "%s: cannot write", disk_path(d));
}

void disk_close(struct disk *d)
{
    if (!d)
        return;
    if (d->direct_fd >= 0)
        close(d->direct_fd);
    if (d->fd >= 0)
        close(d->fd);
    if (d->keeper.ctx)
        d->keeper.close(d->keeper.ctx);
    dirty_free(&d->dirty);
    free(d->path);
    free(d);
}

uint64_t disk_bytes(const struct disk *d)
{
    return d->bytes;
}

const char *disk_path(const struct disk *d)
{
    return d->path ? d->path : "disk";
}

bool disk_is_read_only(const struct disk *d)
{
    return d->read_only;
}
