/* paths.h - file-system moves that both creating and deleting bundles need. Inside bundle/ only. */
#ifndef BUNDLE_PATHS_H
#define BUNDLE_PATHS_H

#include <pome/error.h>

#include "bundle/bundle.h"

#include <stddef.h>

/* bundle_member_open for somebody who keeps what he overwrites (snapshot_line.h). */
int member_open(const struct bundle *b, enum bundle_member m, int flags, struct pome_error *err);

/* Reads and checks every member of a bundle whose path and dir_fd are set. */
bool bundle_load(struct bundle *b, struct pome_error *err);

/* bundle_lock, but for changes that wait to be made: for a bundle that may be damaged. */
bool lock_folder(struct bundle *b, struct pome_error *err);

/* Reads Config.json again. */
bool bundle_read_config(struct bundle *b, struct pome_error *err);

/* Whatever has a member's name is a bundle, also a damaged one. */
bool looks_like_bundle(int dir_fd);

/* The name of a member's temporary file: ".Disk.img.89abcdef". */
bool is_temporary(const char *name);

/* Removes members' temporary files. The bundle must be locked. */
void remove_temporaries(const struct bundle *b);

/* mkdir -p, mode 0700. */
bool make_dirs(const char *path, struct pome_error *err);

/* Removes a folder with everything in it, never following links. Errors are ignored but for the return value. */
bool remove_tree(const char *path);

/* The same of what is in a folder. */
bool remove_inside(int dir_fd);

/* fsync of the folder that holds path. */
bool sync_parent(const char *path, struct pome_error *err);

/* Removes what crashed creations and deletions left in a folder: names with ".bundle.tmp-" or ".bundle.del-" that no process
 * has locked. */
void remove_leftovers(const char *folder);

/* The process that holds a lock on this folder, from /proc/locks; 0 when it cannot be found. */
int lock_holder(int dir_fd);

#endif
