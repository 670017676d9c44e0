/*
 * changes.h - changes to the disk and the AuxiliaryStorage of a machine that does not run: all of them or none.
 *
 * How it works. Both files are mapped privately: what is written shows in the mapping and nowhere else, and its place is noted.
 * changes_commit writes the noted places into the member Changes (temporary, sync, rename: from that moment they are decided), then into the
 * files, syncs those, and removes Changes. When a command dies in between, the next bundle_lock makes the changes, from the beginning: each is bytes at
 * a place, so making it twice is making it once.
 */
#ifndef BUNDLE_CHANGES_H
#define BUNDLE_CHANGES_H

#include "bundle/bundle.h"

struct changes;

/* The bundle must be locked. NULL: a file is missing or cannot be mapped, no memory. */
struct changes *changes_begin(struct bundle *b, struct pome_error *err);

/* Forgets what was not committed. NULL is fine. */
void changes_end(struct changes *c);

/* BUNDLE_DISK or BUNDLE_AUX as changed so far, and its size. */
const uint8_t *changes_bytes(const struct changes *c, enum bundle_member m, uint64_t *n);

/* Errors: INVALID_BUNDLE (behind the end of the file), OUT_OF_MEMORY. */
bool changes_write(struct changes *c, enum bundle_member m, uint64_t offset, const void *bytes, size_t n, struct pome_error *err);

/* Once only. When it fails before the changes are decided, nothing has changed; else they will be made. */
bool changes_commit(struct changes *c, struct pome_error *err);

/* Whether there are some that a command decided on and did not make, and whether they can be read: INVALID_BUNDLE, IO. */
bool changes_waiting(const struct bundle *b);
bool changes_whole(const struct bundle *b, struct pome_error *err);

/* Makes those that a command left behind that died; true when there are none. Errors: INVALID_BUNDLE (the member Changes is damaged), IO, ... */
bool changes_finish(struct bundle *b, struct pome_error *err);

/* --- the member Changes ---
 *
 * "POMECHG1", u64 number of bytes of all entries; entries {u32 0: Disk.img, 1: AuxiliaryStorage; u32 length; u64 offset; bytes}; SHA-384 of all that.
 * Numbers are little-endian. */

struct change {
    enum bundle_member member;
    uint64_t offset;
    const uint8_t *bytes; /* in the member */
    size_t n;
};

/* Whether n bytes are such a file, every entry in it. Errors: INVALID_DATA. */
bool changes_check(const void *bytes, size_t n, struct pome_error *err);

/* The entry at *at, which begins at 0; *at is then the next one's. False at the end. For bytes that changes_check accepts. */
bool changes_next(const void *bytes, size_t n, size_t *at, struct change *c);

#endif
