/*
 * snapshot.h - named states of a machine, kept in the bundle: disks, NVRAM, configuration and, where it was running or saved, memory and devices, as one.
 *
 * How it works. Snapshots/NAME/ holds copies under the members' names (Disk.img costs nothing until the machine's changes: blocks are shared where the file system
 * can, else the snapshot keeps what is overwritten: kept.h, snapshot_line.h) and Snapshot.json, which names its parent: the snapshot that the machine's state came from, as Snapshots/Current says. A new one is
 * made in Snapshots/.NAME.new and renamed last. A restore copies into Snapshots/.restore.new; its renaming to .restore decides: from then on every file in it
 * takes its place in the bundle, or kept blocks theirs on the disk, and when the command dies on the way, the next bundle_lock goes on (moving is doing it once). A deleted one is renamed
 * to .NAME.gone first. What begins with a dot and is not .restore is removed by the next bundle_lock.
 */
#ifndef BUNDLE_SNAPSHOT_H
#define BUNDLE_SNAPSHOT_H

#include "bundle/snapshot_ahead.h"

enum { SNAPSHOT_NAME_MAX = 63 };

struct snapshot {
    char name[SNAPSHOT_NAME_MAX + 1], parent[SNAPSHOT_NAME_MAX + 1]; /* parent: empty for none */
    int64_t created_s; /* since 1970 */
    bool has_memory, is_current; /* is_current: the machine's state came from it, or was it last */
    uint64_t bytes, data; /* of its files; that they occupy, shared with others or not */
};

/* Who writes the machine's memory and devices to a file (vm/saving.h). */
struct kept;
struct snapshot_memory {
    bool (*write)(void *user, const char *path, struct pome_error *err);
    void *user;
    void (*keep)(void *user, struct kept *k); /* from now on k keeps what is overwritten on the machine's disk; takes k over */
    const struct settings *settings; /* that it was started with: Config.json may say something else since, which holds from the next start on */
};

/* The bundle must be locked by this process; its machine does not run, or stands still and `memory` writes it. memory NULL: SaveFile.pomesave, if there is one, is what
 * is kept. ahead: what was copied while it ran; NULL: nothing. Errors: EXISTS, INVALID_CONFIGURATION (no name for a file), OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. On failure nothing is left. */
bool snapshot_create(struct bundle *b, const char *name, const struct snapshot_memory *memory, struct snapshot_ahead *ahead, struct job *j, struct pome_error *err);
/* Whether one could have this name. Errors: EXISTS, INVALID_CONFIGURATION. */
bool snapshot_name_free(const struct bundle *b, const char *name, struct pome_error *err);

/* Each, parents before children, else in the order of time. Ends early when each returns false. */
bool snapshot_list(const struct bundle *b, bool (*each)(void *user, const struct snapshot *s, unsigned depth), void *user, struct pome_error *err);

/* The machine is as it was then; it does not run. Locks the bundle. Errors: NOT_FOUND, BUSY, INVALID_BUNDLE, OUT_OF_DISK_SPACE, OPERATION_CANCELLED, IO. On failure all is
 * as before. */
bool snapshot_restore(struct bundle *b, const char *name, struct job *j, struct pome_error *err);

/* Its children become its parent's. Locks the bundle. Errors: NOT_FOUND, BUSY, OPERATION_CANCELLED, IO; it is still there then. */
bool snapshot_delete(struct bundle *b, const char *name, struct job *j, struct pome_error *err);

/* The same of a machine of this process that runs, in two halves. Ahead: while the guest writes, what others need of it they get. Rest: the machine stands still; what
 * came since they get, too, it goes, and if it was the newest, keep() is told who keeps blocks from now on (NULL: nobody needs to). On failure it is still there. */
bool snapshot_delete_ahead(struct bundle *b, const char *name, struct job *j, struct pome_error *err);
bool snapshot_delete_rest(struct bundle *b, const char *name, void (*keep)(void *user, struct kept *k), void *user, struct pome_error *err);

/* Its files, under the members' names, as something that files can be copied from. Errors: NOT_FOUND, INVALID_CONFIGURATION. */
struct bundle *snapshot_open(const struct bundle *b, const char *name, struct pome_error *err);
void snapshot_close(struct bundle *place); /* NULL is fine */

/* For bundle_lock: ends what a command that died had decided on, and removes what it had not. *changed: members were replaced. */
bool snapshots_finish(struct bundle *b, bool *changed, struct pome_error *err);

/* Whether what lies in Snapshots is in order; each is told what is not: the file, what it is, whether snapshots_finish ends it. */
void snapshots_check(const struct bundle *b, void (*each)(void *user, const char *file, const char *what, bool pending), void *user);

#endif
