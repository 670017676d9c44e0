/*
 * disk.h - disk images: requests go to a pool of worker threads, completions come back on the loop.
 *
 * A disk is a raw file (or block device) that is locked while open. Nobody but the workers touches it.
 */
#ifndef BACKEND_DISK_H
#define BACKEND_DISK_H

#include "backend/disk_modes.h"
#include "base/loop.h"

#include <sys/uio.h>

#define DISK_SECTOR 512

struct disk_pool; /* the threads; one per machine */
struct disk_pool *disk_pool_create(struct loop *loop, unsigned n_threads, struct pome_error *err);
void disk_pool_destroy(struct disk_pool *p); /* drains first; NULL allowed */
/* Waits until no request is under way, running completions on this thread as well as on the loop. false: still busy
 * after timeout_ms. The machine lock must not be held. */
bool disk_pool_drain(struct disk_pool *p, unsigned timeout_ms);

struct disk;
/* Errors: NOT_FOUND, PERMISSION, BUSY (somebody else has it open for writing, or for reading if we write),
 * INVALID_DISK_IMAGE (empty, not a file, not a multiple of 512 bytes: read-only, zeros fill the last sector). */
struct disk *disk_open(struct disk_pool *p, const char *path, bool read_only, struct pome_error *err);
/* Only [first, first + bytes) of the file is the disk from now on; both multiples of 512. Before the first request. Errors:
 * INVALID_DISK_IMAGE (the file is shorter; names `path`). */
bool disk_set_range(struct disk *d, const char *path, uint64_t first, uint64_t bytes, struct pome_error *err);

/* Before the first request. Errors: NOT_SUPPORTED (uncached, and the file system has no I/O around its cache). */
bool disk_set_modes(struct disk *d, struct disk_modes modes, struct pome_error *err);
void disk_close(struct disk *d); /* nothing under way; NULL allowed */
uint64_t disk_bytes(const struct disk *d);
const char *disk_path(const struct disk *d); /* as it was opened; lives as long as the disk */
bool disk_is_read_only(const struct disk *d);

/* What tells that the image is the one it was: its size, and when it was written to last (ns since 1970). */
struct disk_identity {
    uint64_t bytes;
    int64_t changed_ns;
};
bool disk_identity(const struct disk *d, struct disk_identity *out, struct pome_error *err);
/* What was written is on the medium, also with DISK_FLUSHING_NONE. */
bool disk_sync(struct disk *d, struct pome_error *err);

/* Which parts of the file change while somebody copies it. Noted from disk_watch on, once a request is over: a copy that met it half way comes back for it. Any
 * thread, while requests run; one at a time. Errors of disk_watch: OUT_OF_MEMORY. */
bool disk_watch(struct disk *d, struct pome_error *err); /* nothing changed yet */
/* The next part from byte *next of the file (0 at first), which counts as unchanged again: whole clusters, the last may end behind the file's end. False: there is none. */
bool disk_take_changed(struct disk *d, uint64_t *next, uint64_t *offset, uint64_t *bytes);

/* Somebody who keeps what is overwritten. Any thread, several at once. */
struct disk_keeper {
    int (*keep)(void *ctx, uint64_t offset, uint64_t bytes); /* of the file; 0: may be overwritten; or an errno */
    uint64_t (*run)(void *ctx, uint64_t offset, uint64_t end, bool *kept); /* where what begins there ends, all kept or none */
    void (*close)(void *ctx);
    void *ctx;
};
/* In place of the one before. No request is under way. A discard, which is a hint, leaves alone what is not kept. */
void disk_set_keeper(struct disk *d, const struct disk_keeper *keeper);

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };

/* A request: the caller's memory until `done` was called. offset + bytes lie in the disk (checked by the caller; checked
 * again here: EINVAL). A flush covers writes that were done before it was submitted. */
struct disk_io {
    enum disk_op op;
    uint64_t offset, bytes; /* bytes of READ and WRITE: the sum of iov */
    struct iovec *iov;      /* used up */
    unsigned n_iov;
    int error; /* result: 0 or an errno */
    void (*done)(struct disk_io *io); /* on the loop, or in disk_pool_drain */
    struct disk *disk;      /* the pool's */
    struct disk_io *next;   /* the pool's */
};
/* Fills the iovecs from byte `offset` on if the host has all of it in memory; false: nothing is known about the buffers, ask
 * with disk_submit. Any thread; never waits for the disk. */
bool disk_read_now(struct disk *d, uint64_t offset, uint64_t bytes, const struct iovec *iov, unsigned n_iov);
void disk_submit(struct disk *d, struct disk_io *io); /* any thread; never blocks on the disk */
/* Carries the request out on the calling thread, which waits for the disk; `done` is not called. false: io->error says why. */
bool disk_run(struct disk *d, struct disk_io *io);

#endif
