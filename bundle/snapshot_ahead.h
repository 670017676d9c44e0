/*
 * snapshot_ahead.h - the further disks of a machine that runs, copied before it stands still for a snapshot. Disk.img needs no copy (kept.h).
 *
 * How it works. As a migration sends memory ahead: each disk is copied into Snapshots/.ahead while the guest writes to it, then what was written meanwhile is
 * copied again, until that is little; when the machine stands still the rest is, and the files move into the snapshot. What dies on the way leaves .ahead, which the
 * next bundle_lock removes. Where blocks can be shared nothing is copied ahead: sharing them takes no time. Disks are synced here too, so that little is left for that.
 */
#ifndef BUNDLE_SNAPSHOT_AHEAD_H
#define BUNDLE_SNAPSHOT_AHEAD_H

#include "bundle/tree.h"

/* Who knows what a guest writes (vm/saving.h). A part counts as changed when the write is over. */
struct snapshot_writes {
    bool (*watch)(void *user, const char *path, bool *there, struct pome_error *err); /* from now on; *there: the machine has this disk */
    bool (*take)(void *user, const char *path, uint64_t *next, uint64_t *offset, uint64_t *bytes); /* disk_take_changed */
    void *user;
};

/* Copies the disks of s, and syncs Disk.img (a copy of the bundle's settings: others may read and change those meanwhile), while the machine runs. w must live as long as
 * the result. Errors: OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO, ...; nothing is left then. */
struct snapshot_ahead;
struct snapshot_ahead *snapshot_ahead_begin(const struct bundle *b, const struct settings *s, const struct snapshot_writes *w, struct job *j, struct pome_error *err);
/* The machine stands still. Brings the copy of FILE up to date and puts it, synced and with the file's time, into `to`. *there false: FILE was not copied ahead. */
bool snapshot_ahead_take(struct snapshot_ahead *a, const char *file, const struct bundle *to, bool *there, struct job *j, struct pome_error *err);
const char *snapshot_ahead_folder(const struct snapshot_ahead *a); /* where more can be put that goes with it, on the bundle's file system */
void snapshot_ahead_free(struct snapshot_ahead *a); /* with what was not taken; NULL is fine */

#endif
