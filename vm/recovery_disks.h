/* recovery_disks.h - what a Recovery start gets besides the machine's own disks, read-only: its restore image and its log. */
#ifndef VM_RECOVERY_DISKS_H
#define VM_RECOVERY_DISKS_H

#include "bundle/bundle.h"
#include "machine/machine.h"

/* Where they come from: the image ("": none), and the folder of the log. */
struct recovery_sources {
    char image[PATH_MAX], log[PATH_MAX];
};
void recovery_sources_init(struct recovery_sources *s, const struct bundle *b);

enum { RECOVERY_DISKS_MAX = 2 };

struct recovery_disks {
    size_t n;
    struct machine_disk disks[RECOVERY_DISKS_MAX];
    char log[64];
    int log_fd; /* -1: none */
};

/* True if NVRAM sends the next start into Recovery, as stage 2 reads it (docs/boot.md §4). */
bool recovery_wanted(const struct bundle *b);

/* Fills *r: serial "image" is RestoreImage.ipsw if the bundle has one, "log" the machine's log as text. What cannot be had is left
 * out. The disks are open once a machine has them: call recovery_disks_finish then. Borrows the texts; NULL or "": none. */
void recovery_disks_init(struct recovery_disks *r, const char *image, const char *log_folder);
void recovery_disks_finish(struct recovery_disks *r);

#endif
