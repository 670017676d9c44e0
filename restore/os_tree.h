/* os_tree.h - the files of a macOS OS image, copied into a volume that is being made. */
#ifndef RESTORE_OS_TREE_H
#define RESTORE_OS_TREE_H

#include "apfs/apfs.h"
#include "restore/install.h"

struct os_tree_count {
    uint64_t files, folders, links, left_out; /* left out: devices, compressed files */
};

/* Copies the System volume in the component OS. When the image cannot be read (encrypted, sealed, no APFS) nothing is copied, `why` says so, and the
 * result is true: the rest of the installation does not need it. False: an error while copying. */
bool os_tree_copy(struct install *in, struct apfs_volume *to, struct os_tree_count *count, char why[512], struct pome_error *err);

#endif
