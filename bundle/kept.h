/*
 * kept.h - a disk as it was, of which only those blocks are kept that were overwritten since.
 *
 * How it works. Where the file system cannot share blocks, a snapshot's Disk.img begins as a hole of the disk's size, and beside it lies Disk.map: a bit for each block of
 * 64 KiB. Set: the block is in this file. Not set: it is where it was, on the machine's disk (or in a later snapshot: snapshot_line.h). Whoever is about to write to the
 * machine's disk calls kept_before, which copies what is not kept yet, syncs it, sets the bits, syncs those, and only then returns: at every moment, a power failure
 * included, bits say of no block that it is kept which is not, and no block is overwritten that is not kept. What never had data counts as kept from the beginning: a
 * guest that writes where nothing was waits for nothing. The machine's disk itself is never anything but a raw image, whatever happens to a snapshot.
 *
 * Disk.map: "POMEKEPT", u32 version (1), u32 bytes of a block, u64 bytes of the disk, u64 place in the line, i64 when the disk was written to last (ns since 1970), 8 zeros,
 * SHA-384 of that; from byte 4096 the bits, the lowest first, those behind the last block 0. Numbers are little-endian. The bits have no digest: any of them are valid.
 *
 * Threads. kept_before may be called by many; the rest by nobody else meanwhile.
 */
#ifndef BUNDLE_KEPT_H
#define BUNDLE_KEPT_H

#include "bundle/tree.h"

enum { KEPT_BLOCK = 65536, KEPT_HEAD = 4096 };

struct kept_head {
    uint64_t bytes, place;
    int64_t changed_ns;
};

/* The first n bytes of a Disk.map, and the size of that file. Errors: INVALID_BUNDLE. */
bool kept_head_read(const void *bytes, size_t n, uint64_t file_bytes, struct kept_head *out, struct pome_error *err);

/* Beside the Disk.img in this folder. NOT_FOUND: it is a whole one. */
bool kept_head_of(const struct bundle *folder, struct kept_head *out, struct pome_error *err);

struct kept;
/* Makes Disk.map, and Disk.img if it is not there, synced. disk: the machine's, which stays the caller's and open. Errors: OUT_OF_DISK_SPACE, IO, ... */
struct kept *kept_make(const struct bundle *folder, int disk, uint64_t place, struct pome_error *err);
/* Errors: NOT_FOUND (it is a whole one), INVALID_BUNDLE (damaged, or of a disk of another size), ... */
struct kept *kept_open(const struct bundle *folder, int disk, struct pome_error *err);
void kept_close(struct kept *k); /* NULL is fine */
void kept_own_disk(struct kept *k); /* kept_close closes `disk`, too */

const struct kept_head *kept_head(const struct kept *k);
int kept_file(const struct kept *k); /* the snapshot's Disk.img */

/* What is there is kept, durably: it may be overwritten. Errors: OUT_OF_DISK_SPACE, IO: it may not. */
bool kept_before(struct kept *k, uint64_t offset, uint64_t bytes, struct pome_error *err);

/* Where what begins at `offset` ends, at most at `end`: all of it kept, or none. */
uint64_t kept_run(const struct kept *k, uint64_t offset, uint64_t end, bool *kept);

/* The three steps of kept_before for many runs, from any file: the copies, kept_sync, the bits, kept_sync. What is kept already stays as it is. Whole blocks. */
bool kept_copy(struct kept *k, int from, uint64_t offset, uint64_t bytes, struct job *j, struct pome_error *err);
bool kept_mark(struct kept *k, uint64_t offset, uint64_t bytes, struct pome_error *err);
bool kept_sync(struct kept *k, struct pome_error *err);

/* All blocks are in the file: it becomes a whole one. */
bool kept_end(struct kept *k, const struct bundle *folder, struct pome_error *err);

extern const char kept_map_name[]; /* "Disk.map" */

#endif
