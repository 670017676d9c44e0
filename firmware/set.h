/* set.h - loads a boot set: kernel, initial ramdisk, command line. Nothing is used before it was found right. */
#ifndef FIRMWARE_SET_H
#define FIRMWARE_SET_H

#include "firmware/fat.h"
#include "firmware/policy.h"

#define CMDLINE_MAX 4096

enum set_object { SET_KERNEL, SET_RAMDISK, SET_CMDLINE, SET_NEEDED, SET_TREE = SET_NEEDED, SET_TRUST, SET_OBJECTS }; /* from SET_NEEDED on: when the ticket lists it */

struct boot_set {
    const char *label, *path; /* "boot set 1A2B3C4D:"; the folder */
    const char *types[SET_OBJECTS];
    const struct policy *policy; /* NULL: it needs a ticket, whatever the policy says */
};

struct loaded {
    uint64_t kernel, ramdisk, ramdisk_end, end, limit; /* end: first byte that is free above; limit: the first that is not free again */
    bool darwin;                                       /* kernel: its entry; the next two are its */
    uint64_t tree, tree_bytes, trust, trust_bytes;     /* 0 bytes: none */
    char bootargs[CMDLINE_MAX];
    size_t bootargs_bytes;
};

/* Prints "boot failed: stage 2, WHERE OBJECT, WHY" and keeps "WHERE OBJECT, WHY" in set_failure, for the one who looks at it in Recovery. False. */
bool set_failed(const char *where, const char *object, fw_why why);
extern char set_failure[160];

/* On failure the object and the reason have been printed. */
bool set_load(const struct fat *fs, const struct boot_set *set, const struct machine *machine, struct loaded *out);

/* Adds to the command line. False: it gets too long. */
bool set_append_args(struct loaded *l, const char *text, size_t n);

/* Reads a file of at most `room` bytes (a multiple of SECTOR) whole. */
fw_why set_read_small(const struct fat *fs, const char *path, uint8_t *memory, size_t room, size_t *n);

#endif
