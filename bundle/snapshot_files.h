/* snapshot_files.h - which of a bundle's files a snapshot holds, and copying them. Inside bundle/ only. */
#ifndef BUNDLE_SNAPSHOT_FILES_H
#define BUNDLE_SNAPSHOT_FILES_H

#include "bundle/snapshot.h"

struct snapshot_files {
    size_t n;
    struct tree_file file[5 + SETTINGS_MAX_ITEMS];
};

/* What changes while a machine runs. SaveFile.pomesave is asked for separately: memory may come from elsewhere. */
bool snapshot_files_of(const struct bundle *from, const struct settings *s, bool saved, struct snapshot_files *f, struct pome_error *err);
uint64_t snapshot_files_data(const struct snapshot_files *f); /* bytes that they occupy */

/* ahead NULL: nothing was copied ahead. */
bool snapshot_files_copy(const struct bundle *from, const struct bundle *to, const struct snapshot_files *f, struct snapshot_ahead *ahead, struct job *j, struct pome_error *err);

#endif
