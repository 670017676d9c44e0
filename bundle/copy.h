/*
 * copy.h - whole bundles: clone, move, export into one file, import from one.
 *
 * How it works. Each makes a bundle in a temporary folder (stage.h), which takes its name when everything in it is synced: at any
 * moment there is either no copy or a whole one. The source is locked from the first to the last byte,
 * but for a clone of a snapshot, which does not change.
 */
#ifndef BUNDLE_COPY_H
#define BUNDLE_COPY_H

#include "bundle/tree.h"

/* Gives a staged copy of `from` another identity: everything that is bound to from->ecid is bound to `ecid` afterwards. */
typedef bool bundle_adopt_fn(void *user, const struct bundle *from, struct bundle *staged, uint64_t ecid, struct pome_error *err);

/* A copy with the identity `ecid`, of what the machine is, or was in a snapshot (NULL: is); warm: with the snapshot's memory (warm.h). adopt: called when the files are there; MachineIdentifier is written by bundle_clone itself.
 * from must be installed (or generic). Its log is not copied: the copy has not lived yet. Returns it open and locked. Errors: BUSY,
 * INVALID_STATE (not installed; warm, and the snapshot has no memory), EXISTS, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. On failure nothing is left. */
struct bundle *bundle_clone(struct bundle *from, const char *snapshot, bool warm, const char *name, uint64_t ecid, bundle_adopt_fn *adopt, void *user, struct job *j,
                            struct pome_error *err);

/* Gives a bundle another name or place, on another file system by copying, comparing and then removing it. b is at its new place
 * afterwards; j->why_not_instant says why it was copied. Errors: BUSY, EXISTS, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. On
 * failure it is where it was. */
bool bundle_move(struct bundle **b, const char *name, struct job *j, struct pome_error *err);

/* One file: tar (pax, sparse) in zstd, its last member the digests of all others. `path` appears when it is whole and synced. Cancelled or cut off, it goes on
 * the next time (part.h).
 * Errors: BUSY, EXISTS, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. */
bool bundle_export(struct bundle *b, const char *path, bool replace, struct job *j, struct pome_error *err);

/* A bundle from such a file; name NULL: as it was called. Returns it open and locked. Errors: INVALID_DATA (no such archive,
 * damaged, hostile: what and where), EXISTS, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. On failure nothing is left; cancelled or cut off, it goes on the next time
 * (stage_resume). */
struct bundle *bundle_import(const char *path, const char *name, struct job *j, struct pome_error *err);

/* True when a file begins as an exported bundle does (zstd). */
bool bundle_is_archive(const char *path);

#endif
