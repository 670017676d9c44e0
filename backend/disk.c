/* disk.c - raw disk images and the threads that read and write them (see disk.h). */
#include "backend/disk.h"

#include "backend/dirty.h"
#include "base/bits.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 16

struct disk_list {
    struct disk_io *first, **last;
};

struct disk_pool {
    struct loop *loop;
    struct loop_task task; /* runs completions */
    pthread_mutex_t lock;
    pthread_cond_t some_work, some_done;
    struct disk_list work, done;
    size_t under_way; /* submitted, `done` not returned yet */
    bool stop;
    unsigned n_threads;
    pthread_t thread[MAX_THREADS];
};

struct disk {
    struct disk_pool *pool;
    char *path;
    int fd;
    uint64_t first, bytes; /* the part of the file that is the disk */
    uint64_t padded_from;  /* the file ends there and the disk a little later; 0: both end together */
    bool read_only;
    bool never_now; /* the file system cannot say what it has in memory */
    struct dirty dirty;
};

static void list_add(struct disk_list *l, struct disk_io *io)
{
    io->next = NULL;
    *l->last = io;
    l->last = &io->next;
}

static struct disk_io *list_take(struct disk_list *l)
{
    struct disk_io *io = l->first;
    if (io && !(l->first = io->next))
        l->last = &l->first;
    return io;
}

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

static int transfer(const struct disk *d, struct disk_io *io)
{
    while (io->bytes) {
        int n = (int)MIN(io->n_iov, 1024);
        ssize_t done = io->op == DISK_READ ? preadv(d->fd, io->iov, n, (off_t)io->offset)
                                           : pwritev(d->fd, io->iov, n, (off_t)io->offset);
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

static int carry_out(struct disk *d, struct disk_io *io)
{
    int e;
    switch (io->op) {
    case DISK_READ:
    case DISK_WRITE:
        return transfer(d, io);
    case DISK_FLUSH:
        return d->read_only || !fdatasync(d->fd) ? 0 : errno;
    case DISK_DISCARD:
        e = punch(d, FALLOC_FL_PUNCH_HOLE, io);
        return no_fallocate(e) ? 0 : e; /* it is a hint */
    case DISK_WRITE_ZEROES:
        e = punch(d, FALLOC_FL_ZERO_RANGE, io);
        if (no_fallocate(e))
            e = punch(d, FALLOC_FL_PUNCH_HOLE, io);
        return no_fallocate(e) ? write_zeroes(d, io->offset, io->bytes) : e;
    }
    return EINVAL;
}

static int perform(struct disk *d, struct disk_io *io)
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

/* ---- the pool ---- */

static void *worker(void *ctx)
{
    struct disk_pool *p = ctx;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct disk_io *io = list_take(&p->work);
        if (io) {
            pthread_mutex_unlock(&p->lock);
            io->error = perform(io->disk, io);
            pthread_mutex_lock(&p->lock);
            list_add(&p->done, io);
            pthread_cond_broadcast(&p->some_done);
            loop_post(p->loop, &p->task);
        } else if (p->stop) {
            break;
        } else {
            pthread_cond_wait(&p->some_work, &p->lock);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void run_done(void *ctx)
{
    struct disk_pool *p = ctx;
    pthread_mutex_lock(&p->lock);
    for (struct disk_io *io; (io = list_take(&p->done));) {
        pthread_mutex_unlock(&p->lock);
        io->done(io);
        pthread_mutex_lock(&p->lock);
        if (!--p->under_way)
            pthread_cond_broadcast(&p->some_done);
    }
    pthread_mutex_unlock(&p->lock);
}

bool disk_pool_drain(struct disk_pool *p, unsigned timeout_ms)
{
    uint64_t until = loop_now_ns() + (uint64_t)timeout_ms * 1000000;
    struct timespec t = { .tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000) };
    pthread_mutex_lock(&p->lock);
    bool late = false;
    while (p->under_way && !late) {
        if (p->done.first) {
            pthread_mutex_unlock(&p->lock);
            run_done(p);
            pthread_mutex_lock(&p->lock);
        } else {
            late = pthread_cond_timedwait(&p->some_done, &p->lock, &t);
        }
    }
    bool idle = !p->under_way;
    pthread_mutex_unlock(&p->lock);
    return idle;
}

struct disk_pool *disk_pool_create(struct loop *loop, unsigned n_threads, struct pome_error *err)
{
    assert(n_threads && n_threads <= MAX_THREADS);
    struct disk_pool *p = calloc(1, sizeof *p);
    if (!p) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "disk threads");
        return NULL;
    }
    p->loop = loop;
    p->task = (struct loop_task){ .fn = run_done, .ctx = p };
    p->work.last = &p->work.first;
    p->done.last = &p->done.first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->some_work, &monotonic);
    pthread_cond_init(&p->some_done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* signals are for the program's own threads */
    int e = 0;
    while (!e && p->n_threads < n_threads)
        if (!(e = pthread_create(&p->thread[p->n_threads], NULL, worker, p)))
            p->n_threads++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e) {
        errno = e;
        pome_fail_errno(err, "disk threads");
        disk_pool_destroy(p);
        return NULL;
    }
    return p;
}

void disk_pool_destroy(struct disk_pool *p)
{
    if (!p)
        return;
    while (!disk_pool_drain(p, 1000))
        ;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->some_work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_threads; i++)
        pthread_join(p->thread[i], NULL);
    loop_unpost(p->loop, &p->task);
    pthread_cond_destroy(&p->some_work);
    pthread_cond_destroy(&p->some_done);
    pthread_mutex_destroy(&p->lock);
    free(p);
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
    io->error = perform(d, io);
    return !io->error;
}

void disk_submit(struct disk *d, struct disk_io *io)
{
    struct disk_pool *p = d->pool;
    io->disk = d;
    pthread_mutex_lock(&p->lock);
    list_add(&p->work, io);
    p->under_way++;
    pthread_cond_signal(&p->some_work);
    pthread_mutex_unlock(&p->lock);
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

bool disk_identity(const struct disk *d, struct disk_identity *out, struct pome_error *err)
{
    struct stat st;
    if (fstat(d->fd, &st))
        return pome_fail_errno(err, "%s", disk_path(d));
    *out = (struct disk_identity){d->bytes, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
    return true;
}

bool disk_sync(struct disk *d, struct pome_error *err)
{
    return d->read_only || !fdatasync(d->fd) || pome_fail_errno(err, "%s: cannot write", disk_path(d));
}

void disk_close(struct disk *d)
{
    if (!d)
        return;
    if (d->fd >= 0)
        close(d->fd);
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
