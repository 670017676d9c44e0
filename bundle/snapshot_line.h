/*
 * snapshot_line.h - the snapshots that keep of the machine's disk only what was overwritten since (kept.h), and the disk that each of them is.
 *
 * How it works. They stand in a line, by the place in their Disk.map, the newest at the end. Only the newest keeps what is overwritten now; a block that an older one
 * has not is that of the next one behind it that has it, or the machine's. So a guest's reads pass none of them and its writes one, however many there are.
 *
 *   going back    for each block that this one or one behind it has: the newest keeps what the disk has there, then the disk gets the block. Twice is as good as once.
 *   removing      the one in front takes over what it has not. While the machine runs, too: most of it beside the guest, what came meanwhile when that stands still; and
 *                 if it was the newest, the one in front keeps from then on.
 *   copied        while the machine runs, too: what came from its disk is looked at once more at the end, for what was overwritten is kept by then.
 *   made whole    the oldest first: it gets all that it has not, and leaves the line. For whatever is about to write to the disk without asking, or to replace it.
 *
 * At most LINE_MAX stand in it: then a new snapshot is a whole copy. Inside bundle/ only, but for snapshots_keep and snapshots_end_keeping.
 */
#ifndef BUNDLE_SNAPSHOT_LINE_H
#define BUNDLE_SNAPSHOT_LINE_H

#include "bundle/kept.h"
#include "bundle/snapshot.h"

enum { LINE_MAX_SNAPSHOTS = 64 };

/* The machine's disk is open in it, for writing. The bundle must be locked by this process. */
struct line;
struct line *line_open(const struct bundle *b, struct pome_error *err); /* may be empty. Errors: INVALID_BUNDLE */
void line_close(struct line *l); /* NULL is fine */
bool line_has(const struct line *l, const char *name);
bool line_is_empty(const struct line *l);

/* What `name` has in place of its Disk.img goes into that of a folder, whole, with its time, synced. The bundle need not be locked: a machine that runs keeps what it
 * overwrites meanwhile, and that is taken afterwards. Errors: BUSY (another command makes the snapshot a whole one, or removes it), ... */
bool line_copy(const struct bundle *b, const char *name, const struct bundle *to, struct job *j, struct pome_error *err);

/* The two halves of going back. */
bool line_keep_for(struct line *l, const char *name, struct pome_error *err);
bool line_put_back(struct line *l, const char *name, struct job *j, struct pome_error *err);

/* Nobody needs it any more. */
bool line_leave(struct line *l, const char *name, struct job *j, struct pome_error *err);

/* For the folder of a new snapshot. *k NULL: the line is full. Own: the caller. */
bool line_join(const struct bundle *b, const struct bundle *folder, struct kept **k, struct pome_error *err);

/* The newest one, for a machine that starts: *k NULL: there is none. It has opened the disk for itself. */
bool snapshots_keep(const struct bundle *b, struct kept **k, struct pome_error *err);

/* The one that is to keep when `name`, if it is the newest, is gone: *k NULL: none. */
bool snapshots_keep_without(const struct bundle *b, const char *name, bool *newest, struct kept **k, struct pome_error *err);

/* All become whole ones: Disk.img may be written to and replaced by anyone. j NULL: nobody is told. */
bool snapshots_end_keeping(const struct bundle *b, struct job *j, struct pome_error *err);

#endif
